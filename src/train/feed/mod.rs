//! The order of the data: which sequences each step computes, and in which passes.
//!
//! Everything follows from the recipe and the position, which a checkpoint keeps: a training that goes
//! on reads what it would have read.

mod pass;
mod set;

use serde::{Deserialize, Serialize};

use super::recipe::StepSize;
use crate::base::rng::Stream;

pub use pass::{Pass, passes};
pub use set::{DataSet, Fit};

/// A sequence: number `at` of data set `set`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    pub set: usize,
    pub at: usize,
    /// Its length in tokens.
    pub length: usize,
}

/// How far a data set has been read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// How often it has been read whole.
    pub epoch: u64,
    /// How many sequences of the present epoch have been read.
    pub read: u64,
    /// Tokens in all epochs.
    pub tokens: u64,
}

/// Several data sets in proportion to their weights, each in an order that is drawn anew for each epoch.
pub struct Feed {
    sets: Vec<DataSet>,
    weights: Vec<f64>,
    seed: u64,
    progress: Vec<Progress>,
    /// The order of the present epoch of each set.
    orders: Vec<Vec<u32>>,
}

impl Feed {
    /// `weights` are shares of the tokens; those of sets without one are their sizes.
    pub fn new(sets: Vec<DataSet>, weights: &[Option<f64>], seed: u64) -> Self {
        let weight =
            |(set, weight): (&DataSet, &Option<f64>)| weight.unwrap_or_else(|| set.tokens() as f64);
        let weights = sets.iter().zip(weights).map(weight).collect();
        let progress = vec![Progress::default(); sets.len()];
        let mut feed = Feed { sets, weights, seed, progress, orders: Vec::new() };
        feed.reorder();
        feed
    }

    pub fn sets(&self) -> &[DataSet] {
        &self.sets
    }

    pub fn progress(&self) -> &[Progress] {
        &self.progress
    }

    /// Goes on from a position. Gives `false` where it is none of these data.
    pub fn seek(&mut self, progress: Vec<Progress>) -> bool {
        let fits = progress.len() == self.sets.len()
            && progress.iter().zip(&self.sets).all(|(at, set)| at.read < set.len() as u64);
        if fits {
            self.progress = progress;
            self.reorder();
        }
        fits
    }

    fn reorder(&mut self) {
        let each = self.progress.iter().enumerate();
        self.orders =
            each.map(|(set, at)| order(self.seed, set, at.epoch, self.sets[set].len())).collect();
    }

    /// The sequences of the next step, in the order they are drawn.
    pub fn step(&mut self, size: StepSize) -> Vec<Item> {
        let mut items: Vec<Item> = Vec::new();
        let mut tokens = 0;
        loop {
            let Some(item) = self.next() else { return items };
            let full = match size {
                StepSize::Rows { pass, accumulation } => {
                    items.len() as u64 >= pass.saturating_mul(accumulation)
                }
                // A sequence that is longer than a step is one by itself.
                StepSize::Tokens { step, .. } => {
                    !items.is_empty() && tokens + item.length as u64 > step
                }
            };
            if full {
                return items;
            }
            tokens += item.length as u64;
            self.advance(item);
            items.push(item);
        }
    }

    /// The next sequence: of the set that is furthest behind its share.
    fn next(&self) -> Option<Item> {
        let behind = |set: &usize| self.progress[*set].tokens as f64 / self.weights[*set];
        let set = (0..self.sets.len()).min_by(|a, b| behind(a).total_cmp(&behind(b)))?;
        let at = *self.orders[set].get(self.progress[set].read as usize)? as usize;
        Some(Item { set, at, length: self.sets[set].length(at) })
    }

    fn advance(&mut self, item: Item) {
        let progress = &mut self.progress[item.set];
        progress.tokens += item.length as u64;
        progress.read += 1;
        if progress.read == self.sets[item.set].len() as u64 {
            progress.read = 0;
            progress.epoch += 1;
            self.orders[item.set] =
                order(self.seed, item.set, progress.epoch, self.sets[item.set].len());
        }
    }
}

/// A permutation, by Fisher and Yates, of the sequences of a set in an epoch.
fn order(seed: u64, set: usize, epoch: u64, len: usize) -> Vec<u32> {
    let mut stream = Stream::new(seed, &format!("train/order/{set}/{epoch}"));
    let mut order: Vec<u32> = (0..len as u32).collect();
    for at in (1..len).rev() {
        let other = (stream.uniform() * (at + 1) as f64) as usize;
        order.swap(at, other.min(at));
    }
    order
}

#[cfg(test)]
pub(super) mod tests;
