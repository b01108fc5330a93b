//! Results: text to standard output, media to files that appear only when complete.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::base::Medium;
use crate::base::atomic::write_atomic;
use crate::media::{encode_flac, encode_png, encode_wav};
use crate::runtime::error::Failure;
use crate::runtime::value::{Media, Piece, Value};

use super::Exit;

/// Prints to standard output; a reader that has gone away is no failure.
pub fn stdout(text: &str) -> Exit {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Exit::Success,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Success,
        Err(error) => {
            eprintln!("standard output cannot be written: {error}");
            Exit::Failed
        }
    }
}

/// What speech and music are written as, 16-bit either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SoundFormat {
    Wav,
    Flac,
}

impl SoundFormat {
    fn extension(self) -> &'static str {
        match self {
            SoundFormat::Wav => "wav",
            SoundFormat::Flac => "flac",
        }
    }

    /// What the name of a file asks for.
    fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?;
        [SoundFormat::Wav, SoundFormat::Flac]
            .into_iter()
            .find(|format| extension.eq_ignore_ascii_case(format.extension()))
    }
}

/// Where results go and what is written into them.
pub struct Outputs {
    /// `--out`: a folder, or the file of a pipeline with one medium as its result.
    pub out: Option<PathBuf>,
    /// The format of sounds, where the name of a file does not say it.
    pub sound: SoundFormat,
    pub pipeline: String,
    /// Whether the result is a single value without a name of its own.
    pub single: bool,
    /// The recipe that media carry in their metadata.
    pub recipe: Json,
    /// Collected for `--json`; otherwise results are printed as they come.
    pub json: Option<serde_json::Map<String, Json>>,
}

const DEFAULT_FOLDER: &str = "out";

impl Outputs {
    /// Takes one named result.
    pub fn take(&mut self, name: &str, value: &Value) -> Result<(), Failure> {
        let written = self.write(name, value)?;
        match &mut self.json {
            Some(map) => {
                map.insert(name.to_string(), written);
            }
            None => {
                let line = match (&written, value) {
                    (Json::String(text), _) => text.clone(),
                    (Json::Array(pieces), Value::Mixed(_)) => lines(pieces),
                    (other, _) => other.to_string(),
                };
                let line =
                    if self.single { format!("{line}\n") } else { format!("{name}: {line}\n") };
                stdout(&line);
            }
        }
        Ok(())
    }

    /// The value as JSON, media replaced by the paths of their files.
    fn write(&self, name: &str, value: &Value) -> Result<Json, Failure> {
        Ok(match value {
            Value::None => Json::Null,
            Value::Text(text) => json!(&**text),
            Value::Int(value) => json!(value),
            Value::Float(value) => json!(value),
            Value::Bool(value) => json!(value),
            Value::Duration(seconds) => json!(format!("{seconds}s")),
            Value::Tokens(_, codes) => json!(codes.as_ref()),
            Value::Media(media) => json!(self.save(name, media)?.display().to_string()),
            Value::List(items) => {
                let items = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.write(&format!("{name}-{}", index + 1), item));
                Json::Array(items.collect::<Result<_, _>>()?)
            }
            Value::Record(fields) => {
                let fields = fields.iter().map(|(field, value)| {
                    Ok((field.clone(), self.write(&format!("{name}-{field}"), value)?))
                });
                Json::Object(fields.collect::<Result<_, Failure>>()?)
            }
            // A mixed reply is the list of its parts in order, each under its kind.
            Value::Mixed(pieces) => {
                let piece = |(place, piece): (usize, &Piece)| {
                    Ok(match piece {
                        Piece::Text(text) => json!({ "text": text.trim() }),
                        Piece::Tokens(medium, codes) => json!({ medium.name(): codes.as_ref() }),
                        Piece::Media(media) => {
                            let path = self.save(&format!("{name}-{}", place + 1), media)?;
                            json!({ media.medium().name(): path.display().to_string() })
                        }
                    })
                };
                let pieces = pieces.iter().enumerate().map(piece);
                Json::Array(pieces.collect::<Result<_, Failure>>()?)
            }
            Value::Prompt(prompt) => prompt.to_json(),
        })
    }

    fn save(&self, name: &str, media: &Media) -> Result<PathBuf, Failure> {
        let recipe = self.recipe.to_string();
        let (bytes, extension) = match media {
            Media::Image(image) => (encode_png(image, &[("agpt".to_string(), recipe)])?, "png"),
            Media::Speech(sound) | Media::Music(sound) => {
                let named = self.out.as_deref().and_then(SoundFormat::of);
                let format = named.unwrap_or(self.sound);
                let bytes = match format {
                    SoundFormat::Wav => encode_wav(sound, &recipe)?,
                    SoundFormat::Flac => encode_flac(sound, &recipe)?,
                };
                (bytes, format.extension())
            }
        };
        let path = self.path(name, media.medium(), extension)?;
        write_atomic(&path, &bytes)
            .map_err(|source| Failure::Unsaved { path: path.clone(), source })?;
        Ok(path)
    }

    /// An explicit file is replaced; in a folder a new name is found, so that nothing that was
    /// made before is lost.
    fn path(&self, name: &str, medium: Medium, extension: &str) -> Result<PathBuf, Failure> {
        let folder = match &self.out {
            Some(out) if self.single && !out.is_dir() && out.extension().is_some() => {
                if out.extension().is_some_and(|given| !given.eq_ignore_ascii_case(extension)) {
                    return Err(Failure::Output {
                        path: out.clone(),
                        reason: match medium {
                            Medium::Image => format!("the {medium} is written as .{extension}"),
                            _ => format!("the {medium} is written as .wav or .flac"),
                        },
                    });
                }
                // The parts of a list or of a mixed reply have names of their own.
                if name != self.pipeline {
                    return Err(Failure::Output {
                        path: out.clone(),
                        reason: "the result is more than one file; give a folder".to_string(),
                    });
                }
                return Ok(out.clone());
            }
            Some(out) => out.clone(),
            None => PathBuf::from(DEFAULT_FOLDER),
        };
        std::fs::create_dir_all(&folder)
            .map_err(|source| Failure::Unsaved { path: folder.clone(), source })?;
        let stem = if self.single || name == self.pipeline {
            name.to_string()
        } else {
            format!("{}-{name}", self.pipeline)
        };
        Ok(unused(&folder, &stem, extension))
    }
}

/// The parts of a mixed reply, a line each.
fn lines(pieces: &[Json]) -> String {
    let values = pieces.iter().filter_map(Json::as_object).flat_map(|piece| piece.values());
    let lines = values.filter_map(Json::as_str).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

fn unused(folder: &Path, stem: &str, extension: &str) -> PathBuf {
    let first = folder.join(format!("{stem}.{extension}"));
    if !first.exists() {
        return first;
    }
    (2u64..)
        .map(|number| folder.join(format!("{stem}-{number}.{extension}")))
        .find(|path| !path.exists())
        .unwrap_or(first)
}
