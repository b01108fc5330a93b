//! CIDEr-D (Vedantam, Zitnick and Parikh, 2015, "CIDEr: Consensus-based Image Description
//! Evaluation", section 5), the variant that COCO's evaluation reports as "CIDEr".
//!
//! Every n-gram weighs its count times log(items / items whose references hold it). The similarity of
//! a prediction and a reference is the cosine of these vectors, with counts clipped to the
//! reference's and a Gaussian penalty of the difference in length (sigma 6); it is averaged over
//! n = 1 to 4 and over the references, times 10. Range [0, 10]; papers print it times 100 on a scale
//! where 1.0 is 100.
//!
//! Two consequences of the definition: the score of an item depends on the whole corpus, through the
//! document frequencies, and a corpus of one item scores 0, since every n-gram of it is in every item.

use super::ngram::{Counts, ORDERS};
use super::tokens::check;
use super::{MetricError, TokenItem};
use std::collections::HashMap;

/// Width of the penalty of length, in bigrams.
const SIGMA: f64 = 6.0;

/// In how many items the references hold an n-gram.
struct Documents<'a> {
    frequencies: HashMap<&'a [String], u32>,
    /// Logarithm of the number of items.
    log_items: f64,
}

impl<'a> Documents<'a> {
    fn new(items: &[Vec<Counts<'a>>]) -> Self {
        let mut frequencies = HashMap::new();
        // The last item that counted a gram, so that a gram in two references counts once.
        let mut last: HashMap<&[String], usize> = HashMap::new();
        for (number, references) in items.iter().enumerate() {
            for (gram, _) in references.iter().flat_map(Counts::iter) {
                if last.insert(gram, number) != Some(number) {
                    *frequencies.entry(gram).or_insert(0) += 1;
                }
            }
        }
        Documents { frequencies, log_items: libm::log(items.len() as f64) }
    }

    fn weight(&self, gram: &[String], count: u32) -> f64 {
        let frequency = self.frequencies.get(gram).copied().unwrap_or(0).max(1);
        f64::from(count) * (self.log_items - libm::log(f64::from(frequency)))
    }
}

/// A text as weighted n-grams.
struct Vector<'c, 'a> {
    counts: &'c Counts<'a>,
    /// Aligned with the n-grams of `counts`.
    weights: Vec<f64>,
    norms: [f64; ORDERS],
    bigrams: f64,
}

impl<'c, 'a> Vector<'c, 'a> {
    fn new(counts: &'c Counts<'a>, documents: &Documents<'_>) -> Self {
        let weights: Vec<f64> =
            counts.iter().map(|(gram, count)| documents.weight(gram, count)).collect();
        let mut norms = [0.0; ORDERS];
        for ((gram, _), weight) in counts.iter().zip(&weights) {
            norms[gram.len() - 1] += weight * weight;
        }
        let bigrams = counts.length.saturating_sub(1) as f64;
        Vector { counts, weights, norms: norms.map(f64::sqrt), bigrams }
    }

    /// Mean over n of the clipped cosines, times the penalty of length.
    fn similarity(&self, reference: &Vector<'_, '_>) -> f64 {
        let mut products = [0.0; ORDERS];
        for ((gram, _), weight) in self.counts.iter().zip(&self.weights) {
            if let Some(place) = reference.counts.place(gram) {
                let other = reference.weights[place];
                products[gram.len() - 1] += weight.min(other) * other;
            }
        }
        let difference = self.bigrams - reference.bigrams;
        let penalty = libm::exp(-(difference * difference) / (2.0 * SIGMA * SIGMA));
        let mut sum = 0.0;
        for (order, product) in products.into_iter().enumerate() {
            let norm = self.norms[order] * reference.norms[order];
            sum += if norm == 0.0 { product } else { product / norm } * penalty;
        }
        sum / ORDERS as f64
    }
}

/// CIDEr-D of every item, each in [0, 10]; the corpus score is their mean.
///
/// Document frequencies come from the references of `items`, so this is to be called once with the
/// whole test set. For an interval, resample these scores as [`Mean`](super::statistic::Mean)s: that
/// keeps the frequencies of the test set, while counting an item drawn twice as two documents would
/// change the metric itself.
pub fn cider_d(items: &[TokenItem]) -> Result<Vec<f64>, MetricError> {
    check(items)?;
    let references: Vec<Vec<Counts<'_>>> = items
        .iter()
        .map(|item| item.references.iter().map(|tokens| Counts::new(tokens)).collect())
        .collect();
    let documents = Documents::new(&references);
    let score = |(item, references): (&TokenItem, &Vec<Counts<'_>>)| {
        let counts = Counts::new(&item.prediction);
        let predicted = Vector::new(&counts, &documents);
        let sum: f64 = references
            .iter()
            .map(|counts| predicted.similarity(&Vector::new(counts, &documents)))
            .sum();
        10.0 * sum / references.len() as f64
    };
    Ok(items.iter().zip(&references).map(score).collect())
}
