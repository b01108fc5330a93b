//! Metrics of `agpt eval`, pure functions of texts, counts and embeddings.
//!
//! No file is read and no model is run here. Texts become tokens ([`ptb`], [`normalise`]), tokens
//! become statistics per item ([`bleu`], [`cider`], [`rouge`], [`meteor`], [`error_rate`]), embeddings
//! become similarities ([`similarity`]), and statistics become a score with an interval
//! ([`statistic`], [`interval`]). [`registry`] names every metric with its inputs, range and source.
//!
//! Conventions: fractions are in [0, 1] and not percentages unless a function says so; an input that
//! has no score (no references, embeddings of different lengths) is a [`MetricError`], never a NaN.
//! SPICE is not here: it needs a dependency parser and WordNet.

pub mod accuracy;
pub mod bleu;
pub mod cider;
mod edit;
mod error;
pub mod error_rate;
pub mod interval;
pub mod meteor;
mod ngram;
pub mod normalise;
#[cfg(test)]
mod properties;
pub mod ptb;
pub mod registry;
pub mod rouge;
pub mod similarity;
pub mod statistic;
pub mod stem;
mod tokens;

pub use edit::{Chunk, Edit, align};
pub use error::MetricError;
pub use registry::Metric;
pub use tokens::TokenItem;
