//! Media from files.

use std::path::Path;

use crate::base::Medium;
use crate::lang::types::Type;
use crate::media::{RgbImage, Sound};

use super::error::Failure;
use super::value::{Media, Value};

/// Reads a medium; a text is read as UTF-8.
pub fn medium(path: &Path, medium: Medium) -> Result<Value, Failure> {
    match medium {
        Medium::Image => Ok(Value::media(Media::Image(RgbImage::load(path)?))),
        Medium::Text => match std::fs::read_to_string(path) {
            Ok(text) => Ok(Value::text(text)),
            Err(error) => Err(Failure::TextFile {
                path: path.to_path_buf(),
                reason: match error.kind() {
                    std::io::ErrorKind::NotFound => "there is no such file".to_string(),
                    std::io::ErrorKind::InvalidData => "it is not a UTF-8 text".to_string(),
                    _ => error.to_string(),
                },
            }),
        },
        Medium::Speech => Ok(Value::media(Media::Speech(Sound::load(path)?))),
        Medium::Music => Ok(Value::media(Media::Music(Sound::load(path)?))),
    }
}

/// Reads a picture or a sound from its bytes; `name` is for messages.
pub fn bytes(bytes: &[u8], name: &str, medium: Medium) -> Result<Value, Failure> {
    match medium {
        Medium::Image => Ok(Value::media(Media::Image(RgbImage::decode(bytes, name)?))),
        Medium::Speech => Ok(Value::media(Media::Speech(Sound::decode(bytes, name)?))),
        Medium::Music => Ok(Value::media(Media::Music(Sound::decode(bytes, name)?))),
        Medium::Text => Ok(Value::text(String::from_utf8_lossy(bytes))),
    }
}

/// Reads a medium of a type, which may say how long it lasts.
pub fn typed(path: &Path, kind: Medium, ty: &Type) -> Result<Value, Failure> {
    let value = medium(path, kind)?;
    let ty = match ty {
        Type::Option(inner) => inner.as_ref(),
        other => other,
    };
    if let (Type::Lasting(medium, wanted), Value::Media(made)) = (ty, &value)
        && let Media::Speech(sound) | Media::Music(sound) = &***made
        && !wanted.contains(sound.seconds())
    {
        let seconds = (sound.seconds() * 1000.0).round() / 1000.0;
        return Err(Failure::Lasts { medium: *medium, seconds, wanted: *wanted });
    }
    Ok(value)
}

/// Reads a picture, or sound as speech, by what the file begins with.
pub fn guessed(path: &Path) -> Result<Value, Failure> {
    let kind = if Sound::is_likely(path) { Medium::Speech } else { Medium::Image };
    medium(path, kind)
}
