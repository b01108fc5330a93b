//! Somebody other than the bundle's language model who answers `generate` of text.
//!
//! The plan, its prompts and its types stay as they are; only the question who writes a text has
//! another answer. Media stay the bundle's, since their codes are its own.

use crate::base::rng::Stream;
use crate::base::{Medium, Reply};
use crate::plan::graph::Held;

use super::engine::Engine;
use super::error::Failure;
use super::events::Events;
use super::semantic::Request;
use super::value::Value;

/// Answers prompts with texts.
pub trait Writer {
    /// A text that is what [`Request::held`] allows. Randomness, if the writer takes any, comes from
    /// `stream`; what it could not do is told as [`Failure::Writer`].
    fn write(
        &mut self,
        request: &Request<'_>,
        stream: &mut Stream,
        events: &mut dyn Events,
    ) -> Result<String, Failure>;
}

impl Engine {
    /// Has all texts written by another than the bundle's language model.
    pub fn written_by(&mut self, writer: Box<dyn Writer>) {
        self.writer = Some(writer);
    }

    /// The other writer's reply, if there is one and the request is for a text.
    pub(super) fn elsewhere(
        &mut self,
        request: &Request<'_>,
        stream: &mut Stream,
        events: &mut dyn Events,
    ) -> Option<Result<Value, Failure>> {
        let writer = self.writer.as_mut()?;
        if request.reply != Reply::Only(Medium::Text) {
            return None;
        }
        let text = writer.write(request, stream, events);
        Some(text.and_then(|text| match fits(&text, request.held) {
            true => Ok(Value::text(text)),
            false => Err(Failure::Defect("text of another form", "text of its type")),
        }))
    }
}

fn fits(text: &str, held: &Held) -> bool {
    match held {
        Held::Free => true,
        Held::Cases(cases) => cases.iter().any(|case| case == text),
        Held::Pattern(pattern) | Held::Json { pattern, .. } => pattern.matches(text),
        Held::Lasting(_) => false,
    }
}
