use thiserror::Error;

/// Why a score cannot be computed. `item` counts from 0, in the order given.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum MetricError {
    #[error(
        "there is nothing to score: the list of items is empty. Check the filter and the limit of the suite"
    )]
    NoItems,
    #[error(
        "item {item} has no reference to compare with. Give at least one reference, or leave the item out"
    )]
    NoReferences { item: usize },
    #[error(
        "{predictions} predictions for {references} references: there must be one of each for every item"
    )]
    Unpaired { predictions: usize, references: usize },
    #[error(
        "embeddings of {left} and {right} numbers cannot be compared: both must come from the same model"
    )]
    Dimensions { left: usize, right: usize },
    #[error(
        "the embedding is empty, all zeros or not finite, so its direction is unknown. Check the input of the encoder"
    )]
    NoDirection,
    #[error("the confidence level {level} is not between 0 and 1, for example 0.95")]
    Level { level: f64 },
    #[error(
        "an interval from {resamples} resamples means nothing: ask for at least 2, usually 1000"
    )]
    Resamples { resamples: usize },
    #[error("{successes} successes of {trials} trials are not a proportion")]
    Proportion { successes: u64, trials: u64 },
    #[error(
        "R@{k} needs k of at least 1, and the table of similarities must have one column for every query's target (query {query}, target {target}, {columns} columns)"
    )]
    Retrieval { k: usize, query: usize, target: usize, columns: usize },
    #[error(
        "an error rate with no reference words is not a number: all {items} references are empty after normalisation. {insertions} words were inserted"
    )]
    EmptyReferences { items: usize, insertions: u64 },
    #[error(
        "{left} by {right} tokens are too many to align (limit: {limit} tokens a side). Split the text into utterances"
    )]
    TooLong { left: usize, right: usize, limit: usize },
    #[error("unknown metric {name:?}. Known: {known}")]
    UnknownMetric { name: String, known: String },
}
