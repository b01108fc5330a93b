//! `meteor_exact_stem`: METEOR 1.5 (Denkowski and Lavie, 2014, "Meteor Universal: Language Specific
//! Translation Evaluation for Any Target Language") with its exact and stem matchers only.
//!
//! The parameters are those of METEOR for English: alpha 0.85, beta 0.2, gamma 0.6, delta 0.75, weights
//! 1.0 for exact and 0.6 for stem matches. WordNet synonyms and the paraphrase table are not here, and
//! the list of function words (`function_words.txt`) is our own, so these numbers are *not* METEOR and
//! lie below it. Over one list of function words the original with `-m 'exact stem'` gives the same.
//!
//! Range [0, 1]. The score of a corpus is that of the summed statistics.

mod align;

use super::statistic::Statistic;
use super::tokens::check;
use super::{MetricError, TokenItem};
use align::{Matched, align};

/// Words that carry grammar more than meaning: they weigh `1 - DELTA` against `DELTA` of the others.
const FUNCTION_WORDS: &str = include_str!("function_words.txt");

const ALPHA: f64 = 0.85;
const BETA: f64 = 0.2;
const GAMMA: f64 = 0.6;
const DELTA: f64 = 0.75;
/// Of an exact and of a stem match.
const WEIGHTS: [f64; 2] = [1.0, 0.6];

/// Most tokens of a side that are aligned.
pub const LIMIT: usize = 1000;

/// Counts of one side of an alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Side {
    content: u64,
    function: u64,
    /// By matcher: exact, stem.
    matched_content: [u64; 2],
    matched_function: [u64; 2],
}

impl Side {
    fn new(tokens: &[String], matched: &[Option<Matched>]) -> Self {
        let mut side = Side::default();
        for (token, matched) in tokens.iter().zip(matched) {
            let function = FUNCTION_WORDS.lines().any(|word| word == token);
            *(if function { &mut side.function } else { &mut side.content }) += 1;
            if let Some(matched) = matched {
                let counts =
                    if function { &mut side.matched_function } else { &mut side.matched_content };
                counts[matched.stage] += 1;
            }
        }
        side
    }

    fn add(&mut self, other: &Side) {
        self.content += other.content;
        self.function += other.function;
        for stage in 0..2 {
            self.matched_content[stage] += other.matched_content[stage];
            self.matched_function[stage] += other.matched_function[stage];
        }
    }

    /// Weighted share of the tokens that are matched.
    fn share(&self) -> f64 {
        let weigh =
            |content: u64, function: u64| DELTA * content as f64 + (1.0 - DELTA) * function as f64;
        let all = weigh(self.content, self.function);
        let matched: f64 = (0..2)
            .map(|stage| {
                WEIGHTS[stage] * weigh(self.matched_content[stage], self.matched_function[stage])
            })
            .sum();
        if all == 0.0 { 0.0 } else { matched / all }
    }

    fn length(&self) -> u64 {
        self.content + self.function
    }

    fn matches(&self) -> u64 {
        self.matched_content.iter().chain(&self.matched_function).sum()
    }
}

/// What the score adds up over a corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meteor {
    prediction: Side,
    reference: Side,
    /// Runs of matches that stand in one order on both sides. A text that equals its reference has
    /// none, so that it has no penalty, in a corpus too.
    chunks: u64,
}

impl Meteor {
    /// The statistics of an item against the reference that scores best.
    ///
    /// # Errors
    /// No references; more than [`LIMIT`] tokens in a text.
    pub fn of(item: &TokenItem) -> Result<Self, MetricError> {
        check(std::slice::from_ref(item))?;
        let mut best: Option<Meteor> = None;
        for reference in &item.references {
            let (left, right) = (item.prediction.len(), reference.len());
            if left.max(right) > LIMIT {
                return Err(MetricError::TooLong { left, right, limit: LIMIT });
            }
            let one = Meteor::pair(&item.prediction, reference);
            if best.is_none_or(|best| one.value() > best.value()) {
                best = Some(one);
            }
        }
        Ok(best.unwrap_or_default())
    }

    /// The statistics of every item.
    pub fn each(items: &[TokenItem]) -> Result<Vec<Self>, MetricError> {
        check(items)?;
        items.iter().map(Meteor::of).collect()
    }

    fn pair(prediction: &[String], reference: &[String]) -> Self {
        let alignment = align(prediction, reference);
        let mut back = vec![None; prediction.len()];
        let mut chunks = 0;
        let mut last: Option<(usize, usize)> = None;
        for (place, matched) in alignment.iter().enumerate() {
            let Some(matched) = matched else { continue };
            back[matched.place] = Some(Matched { stage: matched.stage, place });
            if last != place.checked_sub(1).zip(matched.place.checked_sub(1)) || last.is_none() {
                chunks += 1;
            }
            last = Some((place, matched.place));
        }
        let matches = alignment.iter().flatten().count();
        if chunks == 1 && matches == prediction.len() && matches == reference.len() {
            chunks = 0;
        }
        Meteor {
            prediction: Side::new(prediction, &back),
            reference: Side::new(reference, &alignment),
            chunks,
        }
    }

    /// Harmonic mean of precision and recall, less the penalty of fragments; 0 without a match.
    pub fn value(&self) -> f64 {
        let (precision, recall) = (self.prediction.share(), self.reference.share());
        if precision == 0.0 || recall == 0.0 {
            return 0.0;
        }
        let mean = 1.0 / ((1.0 - ALPHA) / precision + ALPHA / recall);
        let fragments = self.chunks as f64 / self.prediction.matches() as f64;
        mean * (1.0 - GAMMA * libm::pow(fragments, BETA))
    }
}

impl Statistic for Meteor {
    fn zero() -> Self {
        Meteor::default()
    }

    fn add(&mut self, other: &Self) {
        self.prediction.add(&other.prediction);
        self.reference.add(&other.reference);
        self.chunks += other.chunks;
    }

    fn score(&self) -> Option<f64> {
        (self.prediction.length() + self.reference.length() > 0).then(|| self.value())
    }
}
