//! The perceptual stage: codes become media, in a reply of one medium or of several.

use std::sync::Arc;

use crate::base::Medium;
use crate::base::rng::Stream;

use super::engine::Engine;
use super::error::Failure;
use super::events::Events;
use super::settings::Settings;
use super::value::{Made, Piece, Value};

/// Where the randomness comes from: the node's address and the run's seed.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub address: &'a str,
    pub seed: u64,
}

/// Decodes what the semantic stage has written. Each medium of a mixed reply has its own
/// settings and its own randomness.
pub fn decode(
    engine: &mut Engine,
    written: &Value,
    settings: &Settings,
    at: Place<'_>,
    events: &mut dyn Events,
) -> Result<Value, Failure> {
    match written {
        Value::Tokens(medium, codes) => {
            one(engine, *medium, codes, settings, at, events).map(Value::Media)
        }
        Value::Mixed(pieces) => {
            let mut out = Vec::with_capacity(pieces.len());
            for (place, piece) in pieces.iter().enumerate() {
                out.push(match piece {
                    Piece::Tokens(medium, codes) => {
                        let address = format!("{}[{place}]", at.address);
                        let at = Place { address: &address, ..at };
                        let settings = settings.of(*medium);
                        Piece::Media(one(engine, *medium, codes, &settings, at, events)?)
                    }
                    other => other.clone(),
                });
            }
            Ok(Value::Mixed(out.into()))
        }
        other => Err(Failure::Defect(other.kind(), "tokens")),
    }
}

fn one(
    engine: &mut Engine,
    medium: Medium,
    codes: &Arc<[u32]>,
    settings: &Settings,
    at: Place<'_>,
    events: &mut dyn Events,
) -> Result<Made, Failure> {
    let mut stream = Stream::new(settings.seed(at.seed)?, at.address);
    let media = engine.decode(medium, codes, settings, &mut stream, events)?;
    Ok(Made::decoded(media, codes.clone()))
}
