//! What the language model wrote in a run, kept so that the run can be repeated without it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::hash::Digest;

use super::events::Generated;

/// Replies by the addresses of their nodes; in a loop the address names the row.
pub type Recording = BTreeMap<String, Recorded>;

/// One reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// The prompt for people; media are abbreviated.
    pub prompt: String,
    /// Of the prompt's ids, each as four bytes, least first.
    pub prompt_blake3: String,
    /// Ids of the joint vocabulary, without those that ended the reply.
    pub ids: Vec<u32>,
    /// For each id, how near another was; nothing where no other could be drawn.
    pub gaps: Vec<Option<f64>>,
}

impl Recorded {
    pub fn of(generated: &Generated) -> Self {
        let bytes: Vec<u8> = generated.prompt_ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        Recorded {
            prompt: generated.prompt.clone(),
            prompt_blake3: Digest::of(&bytes).hex(),
            ids: generated.ids.clone(),
            gaps: generated.gaps.iter().map(|gap| rounded(*gap)).collect(),
        }
    }
}

/// Three digits say whether a gap is tiny; the rest would be noise in a file people read.
fn rounded(gap: f32) -> Option<f64> {
    if !gap.is_finite() {
        return None;
    }
    format!("{gap:.2e}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_short() {
        assert_eq!(rounded(0.123_456), Some(0.123));
        assert_eq!(rounded(0.0), Some(0.0));
        assert_eq!(rounded(f32::INFINITY), None);
    }
}
