//! Pictures and sounds from descriptions.

use std::path::PathBuf;
use std::sync::Arc;

use crate::base::rng::Stream;
use crate::base::{Medium, Span};
use crate::media::{RgbImage, Sound, encode_png, encode_wav};
use crate::plan::Plan;
use crate::runtime::engine::Engine;
use crate::runtime::error::Failure;
use crate::runtime::events::Events;
use crate::runtime::execute::Executor;
use crate::runtime::value::{Media, Value};

use super::{Client, Command, ProviderError, Stop, Usage, command};

/// Makes media of one kind.
pub enum Maker<'a> {
    Server(Arc<Client>),
    /// A pipeline from the description to the medium, on a model of agpt's.
    Local {
        engine: Box<Engine>,
        plan: &'a Plan,
    },
    Program(&'a Command, Arc<Stop>),
}

/// The file of a medium.
pub struct Made {
    pub bytes: Vec<u8>,
    pub extension: &'static str,
    pub usage: Usage,
}

impl Maker<'_> {
    /// What a description says. The seed is a local model's and a program's; a server's voice is
    /// drawn with it.
    pub fn make(
        &mut self,
        medium: Medium,
        description: &str,
        seed: u64,
        address: &str,
        events: &mut dyn Events,
    ) -> Result<Made, ProviderError> {
        let (bytes, usage) = match self {
            Maker::Server(client) => match medium {
                Medium::Image => client.image(description, address)?,
                Medium::Speech => {
                    let voice = voice(&client.config.voices, seed);
                    client.speech(description, &voice, address)?
                }
                Medium::Text | Medium::Music => return Err(no_endpoint(medium)),
            },
            Maker::Local { engine, plan } => {
                (local(engine, plan, description, seed, events)?, Usage::default())
            }
            Maker::Program(program, stop) => {
                (command::run(program, description, seed, stop)?, Usage::default())
            }
        };
        let extension = checked(&bytes, medium)?;
        Ok(Made { bytes, extension, usage })
    }
}

/// OpenAI's protocol knows no music.
pub fn no_endpoint(medium: Medium) -> ProviderError {
    ProviderError::Local(format!(
        "OpenAI's protocol has no address that makes {medium}; use `bundle` or `command` for it"
    ))
}

fn voice(voices: &[String], seed: u64) -> String {
    let draw = Stream::new(seed, "voice").uniform();
    let place = (draw * voices.len() as f64) as usize;
    voices.get(place).map_or_else(|| "alloy".to_string(), String::clone)
}

fn local(
    engine: &mut Engine,
    plan: &Plan,
    description: &str,
    seed: u64,
    events: &mut dyn Events,
) -> Result<Vec<u8>, ProviderError> {
    let resolve = |_: Span, path: &str| PathBuf::from(path);
    let mut executor = Executor { engine, seed, resolve: &resolve, events };
    let made = executor.run(plan, &[Some(Value::text(description))], &mut |_, _| Ok(()));
    let made = made.map_err(|error| match error.failure {
        Failure::Cancelled => ProviderError::Stopped,
        // Of this description, and not of the model.
        failure @ (Failure::EmptyPrompt | Failure::ContextTooShort { .. }) => {
            let medium = match plan.graph[plan.result].ty {
                crate::lang::types::Type::Medium(medium) => medium.name(),
                _ => "medium",
            };
            ProviderError::Media { medium, reason: failure.to_string() }
        }
        failure => ProviderError::Local(failure.to_string()),
    })?;
    let Value::Media(made) = made else {
        return Err(ProviderError::Local(format!("`{}` gave no medium", plan.name)));
    };
    let bytes = match &**made {
        Media::Image(image) => encode_png(image, &[]),
        Media::Speech(sound) | Media::Music(sound) => encode_wav(sound, ""),
    };
    bytes.map_err(|error| ProviderError::Local(error.to_string()))
}

/// Whether the bytes are a file of the medium that can be read, and what such files are called.
fn checked(bytes: &[u8], medium: Medium) -> Result<&'static str, ProviderError> {
    let name = medium.name();
    let read = match medium {
        Medium::Image => RgbImage::decode(bytes, name).map(drop),
        _ => Sound::decode(bytes, name).map(drop),
    };
    read.map_err(|error| ProviderError::Media { medium: name, reason: error.to_string() })?;
    Ok(match bytes {
        [0x89, b'P', b'N', b'G', ..] => "png",
        [0xFF, 0xD8, ..] => "jpg",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "webp",
        [b'R', b'I', b'F', b'F', ..] => "wav",
        [b'f', b'L', b'a', b'C', ..] => "flac",
        [b'O', b'g', b'g', b'S', ..] => "ogg",
        _ => "mp3",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_picture_is_refused() {
        let picture = encode_png(&RgbImage::filled(4, 4, [1, 2, 3]), &[]).unwrap();
        assert_eq!(checked(&picture, Medium::Image).unwrap(), "png");
        assert!(checked(b"<html>", Medium::Image).is_err());
        assert!(checked(&picture, Medium::Speech).is_err());
        assert!(checked(&picture[..picture.len() / 2], Medium::Image).is_err());
    }

    #[test]
    fn a_voice_is_the_seeds() {
        let voices = ["a".to_string(), "b".to_string()];
        assert_eq!(voice(&voices, 1), voice(&voices, 1));
        let drawn: std::collections::BTreeSet<_> = (0..32).map(|n| voice(&voices, n)).collect();
        assert_eq!(drawn.len(), 2);
    }
}
