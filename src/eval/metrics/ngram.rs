use std::collections::HashMap;

/// Longest n-gram of BLEU and CIDEr.
pub(super) const ORDERS: usize = 4;

/// The n-grams of a text with their counts, in the order of their first appearance: sums over them
/// have the same bits in every run.
pub(super) struct Counts<'a> {
    grams: Vec<(&'a [String], u32)>,
    places: HashMap<&'a [String], usize>,
    pub(super) length: usize,
}

impl<'a> Counts<'a> {
    /// Counts 1-grams to 4-grams.
    pub(super) fn new(tokens: &'a [String]) -> Self {
        let mut counts = Counts { grams: Vec::new(), places: HashMap::new(), length: tokens.len() };
        for order in 1..=ORDERS {
            for gram in tokens.windows(order) {
                let next = counts.grams.len();
                let place = *counts.places.entry(gram).or_insert(next);
                if place == next {
                    counts.grams.push((gram, 0));
                }
                counts.grams[place].1 += 1;
            }
        }
        counts
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a [String], u32)> + '_ {
        self.grams.iter().copied()
    }

    /// Where a gram stands in [`Counts::iter`].
    pub(super) fn place(&self, gram: &[String]) -> Option<usize> {
        self.places.get(gram).copied()
    }
}
