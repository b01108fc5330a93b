//! Which samples there are and in which order: rows of several sources, mixed.

use crate::base::rng::Stream;

/// One draw of the mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    pub source: usize,
    /// How often all rows of the source were taken before.
    pub epoch: u64,
    pub row: usize,
}

impl Draw {
    /// The address of the randomness that belongs to this draw.
    pub fn address(&self, source: &str) -> String {
        format!("data/{source}/{}/{}", self.epoch, self.row)
    }
}

/// What the mix needs to know of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    pub name: String,
    pub rows: usize,
    /// How many of the mix come from it.
    pub draws: u64,
}

/// The mix, in order. It is the same for the same seed and shares.
pub struct Order<'a> {
    seed: u64,
    shuffle: bool,
    shares: &'a [Share],
    left: Vec<u64>,
    rows: Vec<Vec<usize>>,
    choice: Stream,
}

impl<'a> Order<'a> {
    pub fn new(seed: u64, shuffle: bool, shares: &'a [Share]) -> Self {
        Order {
            seed,
            shuffle,
            shares,
            left: shares
                .iter()
                .map(|share| if share.rows == 0 { 0 } else { share.draws })
                .collect(),
            rows: vec![Vec::new(); shares.len()],
            choice: Stream::new(seed, "data/mix"),
        }
    }

    /// The rows of a source in the order of an epoch.
    fn epoch(&self, source: usize, epoch: u64) -> Vec<usize> {
        let share = &self.shares[source];
        let mut rows: Vec<usize> = (0..share.rows).collect();
        if self.shuffle {
            let address = format!("data/{}/{epoch}/shuffle", share.name);
            let mut stream = Stream::new(self.seed, &address);
            for last in (1..rows.len()).rev() {
                rows.swap(last, below(&mut stream, last as u64 + 1) as usize);
            }
        }
        rows
    }
}

/// A whole number below `count`.
pub fn below(stream: &mut Stream, count: u64) -> u64 {
    ((stream.uniform() * count as f64) as u64).min(count.saturating_sub(1))
}

impl Iterator for Order<'_> {
    type Item = Draw;

    fn next(&mut self) -> Option<Draw> {
        let all: u64 = self.left.iter().sum();
        if all == 0 {
            return None;
        }
        let mut at = below(&mut self.choice, all);
        let mut source = 0;
        while at >= self.left[source] {
            at -= self.left[source];
            source += 1;
        }
        let share = &self.shares[source];
        let taken = share.draws - self.left[source];
        let (epoch, place) = (taken / share.rows as u64, (taken % share.rows as u64) as usize);
        if place == 0 {
            self.rows[source] = self.epoch(source, epoch);
        }
        self.left[source] -= 1;
        Some(Draw { source, epoch, row: self.rows[source][place] })
    }
}

/// What decides how many draws a source gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wish {
    pub rows: usize,
    /// How often all rows are taken; without a weight exactly so, with one at least so where
    /// the cap allows.
    pub epochs: f64,
    /// Its share of the mix, in relation to the others'; of samples.
    pub weight: Option<f64>,
    /// No row is taken more often than this, however small the source.
    pub most_epochs: f64,
}

/// How many draws each source gets. With weights the mix goes on until every source was taken
/// as often as its `epochs` say, as the reference's interleaving does "until all are
/// exhausted"; small sources are taken again, up to their cap.
pub fn draws(wishes: &[Wish]) -> Vec<u64> {
    let times = |rows: usize, epochs: f64| (rows as f64 * epochs).round() as u64;
    let total: f64 = wishes.iter().filter_map(|wish| wish.weight).sum();
    // How large the mix must be for a source to have had its epochs.
    let needed = wishes.iter().filter_map(|wish| {
        let weight = wish.weight.filter(|weight| *weight > 0.0)?;
        Some(wish.rows as f64 * wish.epochs * total / weight)
    });
    let mix = needed.fold(0.0, f64::max);
    wishes
        .iter()
        .map(|wish| match wish.weight {
            None => times(wish.rows, wish.epochs),
            Some(weight) => {
                let wanted = (mix * weight / total.max(f64::MIN_POSITIVE)).round() as u64;
                wanted.min(times(wish.rows, wish.most_epochs))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn share(name: &str, rows: usize, draws: u64) -> Share {
        Share { name: name.into(), rows, draws }
    }

    #[test]
    fn in_order_without_a_shuffle() {
        let shares = [share("a", 3, 7)];
        let rows: Vec<usize> = Order::new(1, false, &shares).map(|draw| draw.row).collect();
        assert_eq!(rows, [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn a_shuffle_differs_by_epoch_and_seed() {
        let shares = [share("a", 50, 100)];
        let rows =
            |seed| -> Vec<usize> { Order::new(seed, true, &shares).map(|draw| draw.row).collect() };
        let (one, two) = (rows(1), rows(2));
        assert_ne!(one, two);
        assert_ne!(one[..50], one[50..]);
        assert_eq!(one, rows(1));
    }

    #[test]
    fn weights_take_small_sources_again_up_to_the_cap() {
        let wish = |rows, weight, most_epochs| Wish { rows, epochs: 1.0, weight, most_epochs };
        assert_eq!(draws(&[wish(100, None, 4.0), wish(10, None, 4.0)]), [100, 10]);
        assert_eq!(draws(&[wish(100, Some(0.5), 20.0), wish(10, Some(0.5), 20.0)]), [100, 100]);
        assert_eq!(draws(&[wish(100, Some(3.0), 4.0), wish(10, Some(3.0), 4.0)]), [100, 40]);
        assert_eq!(draws(&[wish(0, Some(1.0), 4.0)]), [0]);
    }

    proptest! {
        #[test]
        fn every_row_comes_as_often_as_it_should(
            sizes in prop::collection::vec((0usize..30, 0u64..100), 1..5),
            seed in 0u64..100,
            shuffle: bool,
        ) {
            let shares: Vec<Share> = sizes
                .iter()
                .enumerate()
                .map(|(place, (rows, draws))| share(&place.to_string(), *rows, *draws))
                .collect();
            let mut seen: HashMap<(usize, usize), u64> = HashMap::new();
            let mut epochs: HashMap<(usize, u64, usize), u64> = HashMap::new();
            let all: Vec<Draw> = Order::new(seed, shuffle, &shares).collect();
            for draw in &all {
                *seen.entry((draw.source, draw.row)).or_default() += 1;
                *epochs.entry((draw.source, draw.epoch, draw.row)).or_default() += 1;
            }
            prop_assert!(epochs.values().all(|count| *count == 1), "once in an epoch");
            let expected: u64 =
                shares.iter().map(|share| if share.rows == 0 { 0 } else { share.draws }).sum();
            prop_assert_eq!(all.len() as u64, expected);
            for (source, share) in shares.iter().enumerate().filter(|(_, share)| share.rows > 0) {
                for row in 0..share.rows {
                    let count = seen.get(&(source, row)).copied().unwrap_or(0);
                    let whole = share.draws / share.rows as u64;
                    prop_assert!(count == whole || count == whole + 1);
                }
            }
            prop_assert_eq!(all, Order::new(seed, shuffle, &shares).collect::<Vec<_>>());
        }
    }
}
