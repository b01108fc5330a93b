//! One trait per role of a component. The language model's is `models::LanguageModel`.

use std::sync::Arc;

use crate::base::rng::Stream;

use super::error::Failure;
use super::events::Events;
use super::settings::Settings;
use super::value::Media;

/// A medium → its codes.
pub trait Tokenizer {
    /// Encodes several media at once; one list of codes each.
    fn encode(&self, media: &[Arc<Media>]) -> Result<Vec<Vec<u32>>, Failure>;
}

/// Codes (and conditioning) → a medium.
pub trait Detokenizer {
    /// All randomness comes from `noise`.
    fn decode(
        &self,
        codes: &[u32],
        settings: &Settings,
        noise: &mut Stream,
        events: &mut dyn Events,
    ) -> Result<Media, Failure>;
}
