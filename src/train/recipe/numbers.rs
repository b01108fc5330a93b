//! Numbers within their ranges, refused where they stand in the file.

use serde::de::{Deserialize, Deserializer, Error};

fn number<'de, D: Deserializer<'de>>(
    from: D,
    fits: impl Fn(f64) -> bool,
    expected: &str,
) -> Result<f64, D::Error> {
    let value = f64::deserialize(from)?;
    match value.is_finite() && fits(value) {
        true => Ok(value),
        false => Err(D::Error::custom(format!("{value} is out of range: {expected}"))),
    }
}

pub(super) fn positive<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    number(from, |value| value > 0.0, "a number above 0 is needed")
}

pub(super) fn optional_positive<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<f64>, D::Error> {
    positive(from).map(Some)
}

pub(super) fn not_negative<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    number(from, |value| value >= 0.0, "a number of at least 0 is needed")
}

/// From 0 to 1, both included.
pub(super) fn share<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    number(from, |value| (0.0..=1.0).contains(&value), "a number from 0 to 1 is needed")
}

/// From 0 to below 1.
pub(super) fn fraction<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    number(from, |value| (0.0..1.0).contains(&value), "a number from 0 to below 1 is needed")
}

pub(super) fn betas<'de, D: Deserializer<'de>>(from: D) -> Result<[f64; 2], D::Error> {
    let betas = <[f64; 2]>::deserialize(from)?;
    match betas.iter().all(|beta| (0.0..1.0).contains(beta)) {
        true => Ok(betas),
        false => Err(D::Error::custom("two numbers from 0 to below 1 are needed")),
    }
}

/// Steps, tokens, sequences.
pub(super) fn count<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    match u64::deserialize(from)? {
        value @ 1..=1_000_000_000_000 => Ok(value),
        value => Err(D::Error::custom(format!(
            "{value} is out of range: a whole number of at least 1 is needed"
        ))),
    }
}

pub(super) fn optional_count<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    count(from).map(Some)
}
