//! BLEU-1 to BLEU-4 of a corpus (Papineni et al., 2002, "BLEU: a Method for Automatic Evaluation of
//! Machine Translation"), as COCO's caption evaluation computes it: clipped n-gram precisions,
//! geometric mean with equal weights, brevity penalty against the closest reference length.
//!
//! Numbers are fractions in [0, 1]; papers print them times 100.

use super::ngram::{Counts, ORDERS};
use super::statistic::Statistic;
use super::tokens::check;
use super::{MetricError, TokenItem};
use std::collections::HashMap;

/// Keeps a precision of 0 of 0 at about 0, as the evaluation of COCO does.
const TINY: f64 = 1e-15;
/// Keeps ratios away from a division by zero.
const SMALL: f64 = 1e-9;

/// What BLEU adds up over a corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bleu {
    /// n-grams of the prediction that references hold, clipped by the most that one reference holds;
    /// index n - 1.
    pub correct: [u64; ORDERS],
    /// n-grams of the prediction.
    pub guessed: [u64; ORDERS],
    pub prediction_length: u64,
    /// Length of the reference that is closest in length; the shorter of two as close.
    pub reference_length: u64,
}

impl Bleu {
    /// The sums of one item. An item without references is an error.
    pub fn of(item: &TokenItem) -> Result<Self, MetricError> {
        check(std::slice::from_ref(item))?;
        let predicted = Counts::new(&item.prediction);
        let mut most: HashMap<&[String], u32> = HashMap::new();
        for reference in &item.references {
            for (gram, count) in Counts::new(reference).iter() {
                let seen = most.entry(gram).or_insert(0);
                *seen = count.max(*seen);
            }
        }
        let length = item.prediction.len();
        let closest = item
            .references
            .iter()
            .map(|tokens| tokens.len())
            .min_by_key(|l| (l.abs_diff(length), *l));
        let mut sums = Bleu {
            prediction_length: length as u64,
            reference_length: closest.unwrap_or(0) as u64,
            ..Bleu::default()
        };
        for order in 0..ORDERS {
            sums.guessed[order] = length.saturating_sub(order) as u64;
        }
        for (gram, count) in predicted.iter() {
            let clipped = count.min(most.get(gram).copied().unwrap_or(0));
            sums.correct[gram.len() - 1] += u64::from(clipped);
        }
        Ok(sums)
    }

    /// The sums of every item.
    pub fn each(items: &[TokenItem]) -> Result<Vec<Self>, MetricError> {
        check(items)?;
        items.iter().map(Bleu::of).collect()
    }

    /// BLEU-1 to BLEU-4 of these sums, each in [0, 1] (up to 1e-9).
    pub fn scores(&self) -> [f64; ORDERS] {
        let ratio = (self.prediction_length as f64 + TINY) / (self.reference_length as f64 + SMALL);
        let penalty = if ratio < 1.0 { libm::exp(1.0 - 1.0 / ratio) } else { 1.0 };
        let mut product = 1.0;
        std::array::from_fn(|order| {
            product *= (self.correct[order] as f64 + TINY) / (self.guessed[order] as f64 + SMALL);
            libm::pow(product, 1.0 / (order as f64 + 1.0)) * penalty
        })
    }
}

/// BLEU-`N` as a statistic of its own, for intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BleuOrder<const N: usize>(pub Bleu);

impl<const N: usize> Statistic for BleuOrder<N> {
    fn zero() -> Self {
        BleuOrder(Bleu::default())
    }

    fn add(&mut self, other: &Self) {
        self.0.add(&other.0);
    }

    fn score(&self) -> Option<f64> {
        if self.0.reference_length == 0 && self.0.prediction_length == 0 {
            return None;
        }
        N.checked_sub(1).and_then(|order| self.0.scores().get(order).copied())
    }
}

impl Statistic for Bleu {
    fn zero() -> Self {
        Bleu::default()
    }

    fn add(&mut self, other: &Self) {
        for order in 0..ORDERS {
            self.correct[order] += other.correct[order];
            self.guessed[order] += other.guessed[order];
        }
        self.prediction_length += other.prediction_length;
        self.reference_length += other.reference_length;
    }

    /// BLEU-4.
    fn score(&self) -> Option<f64> {
        BleuOrder::<4>(*self).score()
    }
}
