//! Statistics that add up over items, from which a corpus score is computed.
//!
//! BLEU and word error rate of a corpus are ratios of sums, not means of the ratios of its items.
//! Each item therefore keeps its sums, and [`interval::bootstrap`](super::interval::bootstrap) adds
//! up those of the items that a resample draws.

/// Sums of an item, or of many.
pub trait Statistic: Clone + Send + Sync {
    /// The statistic of no items.
    fn zero() -> Self;
    fn add(&mut self, other: &Self);
    /// The score of these sums; `None` where there is none, such as the mean of nothing.
    fn score(&self) -> Option<f64>;
}

/// Adds up the statistics of items.
pub fn total<S: Statistic>(items: &[S]) -> S {
    let mut sum = S::zero();
    for item in items {
        sum.add(item);
    }
    sum
}

/// A score that is the mean of the scores of items: CIDEr, ROUGE-L, CLIP score, accuracy.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Mean {
    pub sum: f64,
    pub count: u64,
}

impl Mean {
    /// The statistic of one item.
    pub fn of(score: f64) -> Self {
        Mean { sum: score, count: 1 }
    }

    /// The statistics of a list of scores, one an item.
    pub fn each(scores: &[f64]) -> Vec<Self> {
        scores.iter().copied().map(Mean::of).collect()
    }
}

impl Statistic for Mean {
    fn zero() -> Self {
        Mean::default()
    }

    fn add(&mut self, other: &Self) {
        self.sum += other.sum;
        self.count += other.count;
    }

    fn score(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}
