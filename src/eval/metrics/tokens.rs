use super::{MetricError, ptb};

/// A prediction and what it is compared with, as tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenItem {
    pub prediction: Vec<String>,
    /// At least one for every metric of captions.
    pub references: Vec<Vec<String>>,
}

impl TokenItem {
    /// Captions by the tokens that COCO's evaluation uses ([`ptb::caption_tokens`]).
    pub fn captions<S: AsRef<str>>(prediction: &str, references: &[S]) -> Self {
        TokenItem {
            prediction: ptb::caption_tokens(prediction),
            references: references.iter().map(|text| ptb::caption_tokens(text.as_ref())).collect(),
        }
    }

    /// Texts that are tokens with white space between them.
    pub fn words<S: AsRef<str>>(prediction: &str, references: &[S]) -> Self {
        let split = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        TokenItem {
            prediction: split(prediction),
            references: references.iter().map(|text| split(text.as_ref())).collect(),
        }
    }
}

/// Refuses an empty list and items without references.
pub(super) fn check(items: &[TokenItem]) -> Result<(), MetricError> {
    if items.is_empty() {
        return Err(MetricError::NoItems);
    }
    match items.iter().position(|item| item.references.is_empty()) {
        Some(item) => Err(MetricError::NoReferences { item }),
        None => Ok(()),
    }
}
