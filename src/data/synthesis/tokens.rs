//! Dialogues in the format of AnyGPT's published training data: media stand in the messages as the
//! names of their tokens.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::base::Medium;
use crate::bundle::Bundle;
use crate::media::{RgbImage, Sound};
use crate::runtime::engine::Engine;
use crate::runtime::error::Failure;
use crate::runtime::events::Events;
use crate::runtime::value::Media;

use super::assemble::Finished;
use super::dialogue::Turn;
use super::near::normalised;

/// The codes of a file's medium.
pub fn encode(
    engine: &mut Engine,
    file: &Path,
    medium: Medium,
    events: &mut dyn Events,
) -> Result<Vec<u32>, Failure> {
    let media = match medium {
        Medium::Image => Media::Image(RgbImage::load(file)?),
        Medium::Music => Media::Music(Sound::load(file)?),
        _ => Media::Speech(Sound::load(file)?),
    };
    let codes = engine.encode(medium, &[Arc::new(media)], events)?;
    Ok(codes.into_iter().flatten().collect())
}

/// `<soim><🖼️5>…<eoim>`; nothing where the bundle has no such medium.
fn written(bundle: &Bundle, medium: Medium, codes: &[u32]) -> Option<String> {
    let layout = bundle.manifest().vocabulary.media.get(medium)?;
    let mut out = layout.start.clone();
    for code in codes {
        out.push_str(&format!("<{}{code}>", layout.prefix));
    }
    out.push_str(&layout.end);
    Some(out)
}

/// A dialogue as a row: `{ id, conversation: [[{ role, message }, …]] }`. `codes` gives those of a
/// file.
///
/// A message is the text, then picture, speech and music. What a user says aloud is heard and not
/// read: where the text says the same as the speech, it is left out.
pub fn row<'c>(
    bundle: &Bundle,
    finished: &Finished,
    codes: impl Fn(&str) -> Option<&'c [u32]>,
) -> Option<Json> {
    let turns = finished.dialogue.turns.iter().zip(&finished.files);
    let messages = turns.map(|(turn, files)| {
        let mut parts = Vec::new();
        if !is_only_heard(turn) && !turn.text.trim().is_empty() {
            parts.push(turn.text.trim().to_string());
        }
        for ((medium, _), file) in turn.media.iter().zip(files) {
            parts.push(written(bundle, *medium, codes(file)?)?);
        }
        Some(json!({ "role": turn.role, "message": parts.join(" ") }))
    });
    let messages: Vec<Json> = messages.collect::<Option<_>>()?;
    Some(json!({ "id": finished.dialogue.id, "conversation": [messages] }))
}

fn is_only_heard(turn: &Turn) -> bool {
    let same = |words: &str| normalised(words) == normalised(&turn.text);
    turn.role == "user"
        && turn.media.iter().any(|(medium, words)| *medium == Medium::Speech && same(words))
}
