//! Texts that say the same, or nearly.
//!
//! Texts are compared by their sequences of five words (Jaccard index). Which pairs are compared at
//! all is found by MinHash signatures in bands (Broder 1997; Leskovec, Rajaraman, Ullman, Mining of
//! Massive Datasets, section 3.4): a pair at the threshold is missed once in some hundred cases,
//! and no pair below it is taken for alike.

use std::collections::HashMap;

const SHINGLE: usize = 5;
const HASHES: usize = 128;

/// Lower case, words only, single spaces.
pub fn normalised(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// FNV-1a, and the finisher of MurmurHash3 to spread its bits.
fn hash(bytes: &[u8]) -> u64 {
    let folded = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    mixed(folded)
}

fn mixed(mut x: u64) -> u64 {
    x = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    x = (x ^ (x >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

/// The sequences of words as hashes, sorted, each once. A short text is one sequence.
fn shingles(normalised: &str) -> Vec<u32> {
    let words: Vec<&str> = normalised.split(' ').collect();
    let mut shingles: Vec<u32> = words
        .windows(SHINGLE.min(words.len()))
        .map(|words| (hash(words.join(" ").as_bytes()) >> 32) as u32)
        .collect();
    shingles.sort_unstable();
    shingles.dedup();
    shingles
}

/// The part of what two sorted sets hold together that both hold.
fn jaccard(a: &[u32], b: &[u32]) -> f64 {
    let (mut i, mut j, mut both) = (0, 0, 0usize);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        both += usize::from(x == y);
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    let all = a.len() + b.len() - both;
    if all == 0 { 1.0 } else { both as f64 / all as f64 }
}

/// The texts that were kept so far.
pub struct Kept {
    threshold: f64,
    /// Hashes of a signature that must all agree; fewer find less alike texts, with more work.
    rows: usize,
    sets: Vec<Vec<u32>>,
    bands: HashMap<(usize, u64), Vec<usize>>,
}

impl Kept {
    pub fn new(threshold: f64) -> Kept {
        let rows = if threshold >= 0.6 { 4 } else { 2 };
        Kept { threshold, rows, sets: Vec::new(), bands: HashMap::new() }
    }

    /// Keeps a text, or gives the place of the first kept one that it is like, and how much.
    pub fn add(&mut self, text: &str) -> Option<(usize, f64)> {
        let set = shingles(&normalised(text));
        let keys = self.keys(&set);
        let mut candidates: Vec<usize> =
            keys.iter().filter_map(|key| self.bands.get(key)).flatten().copied().collect();
        candidates.sort_unstable();
        candidates.dedup();
        for place in candidates {
            let alike = jaccard(&set, &self.sets[place]);
            if alike >= self.threshold {
                return Some((place, alike));
            }
        }
        for key in keys {
            self.bands.entry(key).or_default().push(self.sets.len());
        }
        self.sets.push(set);
        None
    }

    fn keys(&self, set: &[u32]) -> Vec<(usize, u64)> {
        let least = |number: usize| {
            let salt = mixed(number as u64 + 1);
            set.iter().map(|shingle| mixed(u64::from(*shingle) ^ salt)).min().unwrap_or(0)
        };
        let signature: Vec<u64> = (0..HASHES).map(least).collect();
        let bands = signature.chunks(self.rows).enumerate();
        let together = |rows: &[u64]| rows.iter().fold(0, |hash, row| mixed(hash ^ row));
        bands.map(|(band, rows)| (band, together(rows))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(from: usize, to: usize) -> String {
        (from..to).map(|n| format!("word{n}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_written_otherwise_is_the_same() {
        assert_eq!(normalised("  A red\n apple, please!"), "a red apple please");
        let mut kept = Kept::new(0.7);
        assert_eq!(kept.add("A red apple, please!"), None);
        assert_eq!(kept.add("a RED apple please"), Some((0, 1.0)));
        assert_eq!(kept.add("a green apple please"), None);
        assert_eq!(kept.add(""), None);
        assert_eq!(kept.add("!"), Some((2, 1.0)));
    }

    #[test]
    fn texts_are_alike_by_what_they_share() {
        // 96 sequences each; 86 of 106 are shared: 0.81. Then 46 of 146: 0.32.
        let mut kept = Kept::new(0.7);
        assert_eq!(kept.add(&text(0, 100)), None);
        let (place, alike) = kept.add(&text(10, 110)).unwrap();
        assert!(place == 0 && (alike - 86.0 / 106.0).abs() < 1e-9, "{alike}");
        assert_eq!(kept.add(&text(50, 150)), None);
        let mut stricter = Kept::new(0.3);
        assert_eq!(stricter.add(&text(0, 100)), None);
        assert!(stricter.add(&text(50, 150)).is_some());
    }

    #[test]
    fn no_two_of_many_different_texts_are_alike() {
        let mut kept = Kept::new(0.7);
        for number in 0..500 {
            assert_eq!(kept.add(&text(number * 20, number * 20 + 40)), None);
        }
    }
}
