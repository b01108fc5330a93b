//! Samples into sequences: which samples stand together, by their lengths alone.

use serde::{Deserialize, Serialize};

/// How samples are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Packing {
    /// A sequence is one sample.
    None,
    /// In order; a sample that does not fit begins the next sequence (AnyGPT's
    /// stage1_pretrain.py).
    #[default]
    Greedy,
    /// Into the fullest of the open sequences that has room. Fewer and fuller sequences.
    BestFit,
}

/// The samples of each sequence, as places in `lengths`. No sample is torn apart or lost, and
/// none may be longer than `longest`. `window` sequences are open at once for best fit.
pub fn pack(lengths: &[usize], packing: Packing, longest: usize, window: usize) -> Vec<Vec<usize>> {
    let window = match packing {
        Packing::None => return (0..lengths.len()).map(|place| vec![place]).collect(),
        Packing::Greedy => 1,
        Packing::BestFit => window.max(1),
    };
    let mut done = Vec::new();
    // Oldest first, so that equal ones are taken in order.
    let mut open: Vec<(usize, Vec<usize>)> = Vec::new();
    for (place, length) in lengths.iter().enumerate() {
        let fitting = open.iter().enumerate().filter(|(_, (used, _))| used + length <= longest);
        // The first of the fullest: `max_by_key` would take the last.
        match fitting.rev().max_by_key(|(_, (used, _))| *used).map(|(at, _)| at) {
            Some(at) => {
                open[at].0 += length;
                open[at].1.push(place);
            }
            None => {
                if open.len() == window {
                    let fullest = (0..open.len()).rev().max_by_key(|at| open[*at].0).unwrap_or(0);
                    done.push(open.remove(fullest).1);
                }
                open.push((*length, vec![place]));
            }
        }
    }
    done.extend(open.into_iter().map(|(_, samples)| samples));
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn greedy_begins_a_new_sequence_where_one_does_not_fit() {
        assert_eq!(
            pack(&[3, 4, 2, 9, 1], Packing::Greedy, 9, 8),
            [vec![0, 1, 2], vec![3], vec![4]]
        );
        assert_eq!(pack(&[3, 4], Packing::None, 9, 8), [[0], [1]]);
        assert_eq!(pack(&[], Packing::Greedy, 9, 8), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn best_fit_fills_gaps() {
        let lengths = [6, 7, 4, 3];
        assert_eq!(pack(&lengths, Packing::Greedy, 10, 4).len(), 3);
        assert_eq!(pack(&lengths, Packing::BestFit, 10, 4), [[0, 2], [1, 3]]);
    }

    proptest! {
        #[test]
        fn no_sample_is_lost_torn_or_doubled(
            lengths in prop::collection::vec(1usize..=50, 0..200),
            window in 1usize..20,
        ) {
            for packing in [Packing::None, Packing::Greedy, Packing::BestFit] {
                let sequences = pack(&lengths, packing, 50, window);
                let mut all: Vec<usize> = sequences.concat();
                prop_assert!(sequences.iter().all(|samples| !samples.is_empty()));
                for samples in &sequences {
                    let length: usize = samples.iter().map(|place| lengths[*place]).sum();
                    prop_assert!(length <= 50);
                    prop_assert!(samples.is_sorted(), "samples keep their order in a sequence");
                }
                if packing != Packing::BestFit {
                    prop_assert!(all.is_sorted());
                }
                all.sort_unstable();
                prop_assert_eq!(all, (0..lengths.len()).collect::<Vec<_>>());
                prop_assert_eq!(&sequences, &pack(&lengths, packing, 50, window));
            }
        }

        #[test]
        fn greedy_never_leaves_room_for_the_next(
            lengths in prop::collection::vec(1usize..=50, 1..200),
        ) {
            let sequences = pack(&lengths, Packing::Greedy, 50, 1);
            let sum = |samples: &[usize]| samples.iter().map(|at| lengths[*at]).sum::<usize>();
            for pair in sequences.windows(2) {
                prop_assert!(sum(&pair[0]) + lengths[pair[1][0]] > 50);
            }
        }
    }
}
