//! Accuracy: the share of answers that are right, in [0, 1]. Its interval is
//! [`wilson`](super::interval::wilson)'s.

use super::MetricError;

/// Whether a prediction equals one of the references as it stands, but for white space at the ends
/// and its amount between words. Normalise both sides first where case or punctuation are not to count.
pub fn exact_match<S: AsRef<str>>(prediction: &str, references: &[S]) -> Result<bool, MetricError> {
    if references.is_empty() {
        return Err(MetricError::NoReferences { item: 0 });
    }
    let same =
        |reference: &S| reference.as_ref().split_whitespace().eq(prediction.split_whitespace());
    Ok(references.iter().any(same))
}

/// The share of predictions equal to their label.
pub fn accuracy<T: PartialEq>(predictions: &[T], labels: &[T]) -> Result<f64, MetricError> {
    if predictions.len() != labels.len() {
        let (predictions, references) = (predictions.len(), labels.len());
        return Err(MetricError::Unpaired { predictions, references });
    }
    if labels.is_empty() {
        return Err(MetricError::NoItems);
    }
    let right = predictions.iter().zip(labels).filter(|(p, l)| p == l).count();
    Ok(right as f64 / labels.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_are_of_words_in_order() {
        assert_eq!(exact_match(" two  dogs", &["a dog", "two dogs "]), Ok(true));
        assert_eq!(exact_match("Two dogs", &["two dogs"]), Ok(false));
        assert_eq!(exact_match("", &[""]), Ok(true));
        assert_eq!(exact_match::<&str>("", &[]), Err(MetricError::NoReferences { item: 0 }));
        assert_eq!(accuracy(&["a", "b", "c"], &["a", "b", "d"]), Ok(2.0 / 3.0));
        assert_eq!(accuracy::<u8>(&[], &[]), Err(MetricError::NoItems));
        assert!(accuracy(&[1], &[]).is_err());
    }
}
