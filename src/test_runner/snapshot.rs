//! A snapshot: a value as text that people can review, in layers that name the stage to blame.

use serde_json::{Value as Json, json};

use crate::base::{Diagnostic, Span};
use crate::runtime::value::{Media, Piece, Value};

/// Media count as the same from here on, though their bits differ: other processors round otherwise.
/// Peak signal-to-noise ratio of 8-bit pixels and of 16-bit samples, in decibels.
pub const SAME_FROM: f64 = 40.0;

/// A medium that belongs to a snapshot, to be stored beside it.
pub struct Kept {
    /// Its file's name within the test, such as `1-picture`.
    pub name: String,
    pub media: Media,
}

/// What a snapshot says of a value. Media are named by their files; `medium(name)` numbers them.
pub fn of(value: &Value, name: &str, kept: &mut Vec<Kept>) -> Json {
    match value {
        Value::None => Json::Null,
        Value::Text(text) => match &text.ids {
            Some(ids) => json!({ "text": &**text, "ids": ids.as_ref() }),
            None => json!(&**text),
        },
        Value::Int(value) => json!(value),
        Value::Float(value) => json!(value),
        Value::Bool(value) => json!(value),
        Value::Duration(seconds) => json!(format!("{seconds}s")),
        Value::Tokens(medium, codes) => json!({ "tokens": medium.name(), "ids": codes.as_ref() }),
        Value::Media(made) => {
            let media = media(made, name, kept);
            match &made.codes {
                Some(codes) => with(media, "codes", json!(codes.as_ref())),
                None => media,
            }
        }
        Value::List(items) => {
            let item = |(place, item)| of(item, &format!("{name}-{}", place + 1), kept);
            Json::Array(items.iter().enumerate().map(item).collect())
        }
        Value::Record(fields) => {
            let field = |(field, value): &(String, Value)| {
                (field.clone(), of(value, &format!("{name}-{field}"), kept))
            };
            Json::Object(fields.iter().map(field).collect())
        }
        Value::Mixed(pieces) => {
            let piece = |(place, piece): (usize, &Piece)| match piece {
                Piece::Text(text) => of(&Value::Text(text.clone()), name, kept),
                Piece::Tokens(medium, codes) => {
                    of(&Value::Tokens(*medium, codes.clone()), name, kept)
                }
                Piece::Media(media) => {
                    of(&Value::Media(media.clone()), &format!("{name}-{}", place + 1), kept)
                }
            };
            Json::Array(pieces.iter().enumerate().map(piece).collect())
        }
        Value::Prompt(prompt) => prompt.to_json(),
    }
}

fn with(mut object: Json, key: &str, value: Json) -> Json {
    if let Json::Object(map) = &mut object {
        map.insert(key.to_string(), value);
    }
    object
}

fn media(media: &Media, name: &str, kept: &mut Vec<Kept>) -> Json {
    let (size, extension) = match media {
        Media::Image(image) => (format!("{} x {} pixels", image.width(), image.height()), "png"),
        Media::Speech(sound) | Media::Music(sound) => {
            (format!("{} samples, {} Hz", sound.samples().len(), sound.rate()), "wav")
        }
    };
    kept.push(Kept { name: format!("{name}.{extension}"), media: media.clone() });
    json!({ "medium": media.medium().name(), "size": size, "file": format!("{name}.{extension}") })
}

/// A value in a line, for messages.
pub fn brief(value: &Value) -> String {
    let text = match value {
        Value::Text(text) => format!("{:?}", &**text),
        other => of(other, "", &mut Vec::new()).to_string(),
    };
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Signal over error in decibels, of the peak for pixels and of the power for samples; infinite
/// where nothing differs, nothing where the two cannot be compared.
pub fn likeness(old: &Media, new: &Media) -> Option<f64> {
    let decibels = |signal: f64, error: f64| match error {
        0.0 => f64::INFINITY,
        _ => 10.0 * (signal / error).log10(),
    };
    match (old, new) {
        (Media::Image(old), Media::Image(new)) => {
            if (old.width(), old.height()) != (new.width(), new.height()) {
                return None;
            }
            let squares = old.data().iter().zip(new.data());
            let squares = squares.map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
            Some(decibels(255.0f64.powi(2), squares.sum::<f64>() / old.data().len().max(1) as f64))
        }
        (Media::Speech(old) | Media::Music(old), Media::Speech(new) | Media::Music(new)) => {
            // Both as they are written, so that rounding to 16 bits counts on neither side.
            if old.rate() != new.rate() || old.samples().len() != new.samples().len() {
                return None;
            }
            let (mut signal, mut error) = (0.0, 0.0);
            for (a, b) in old.pcm_16().zip(new.pcm_16()) {
                signal += f64::from(a).powi(2);
                error += (f64::from(a) - f64::from(b)).powi(2);
            }
            Some(decibels(signal, error))
        }
        _ => None,
    }
}

/// How a value differs from its snapshot.
#[derive(Debug)]
pub enum Difference {
    /// There is no snapshot yet.
    New { now: Json },
    /// Something that people read differs.
    Value { before: Json, now: Json },
    /// The codes are the same, but not what was made of them.
    Perceptual { file: String, likeness: Option<f64> },
    /// A medium that was kept cannot be read.
    Lost { reason: String },
}

impl Difference {
    pub fn diagnostic(&self, span: Span) -> Diagnostic {
        match self {
            Difference::New { now } => Diagnostic::error("E0802", "there is no snapshot yet")
                .label(span, "of this")
                .help(format!("now: {}\naccept it with `agpt test --update`", cut(now))),
            Difference::Value { before, now } => {
                let stage = match (layer(before, "ids"), layer(now, "ids")) {
                    (Some(a), Some(b)) if a != b => ": the language model wrote other tokens",
                    _ if layer(before, "codes") != layer(now, "codes") => {
                        ": the language model wrote other codes"
                    }
                    _ => "",
                };
                Diagnostic::error("E0802", format!("this differs from its snapshot{stage}"))
                    .label(span, "differs")
                    .help(format!(
                        "before: {}\nnow:    {}\naccept it with `agpt test --update`",
                        cut(before),
                        cut(now)
                    ))
            }
            Difference::Lost { reason } => {
                Diagnostic::error("E0802", "a medium of this snapshot is lost")
                    .label(span, "cannot be compared")
                    .help(format!(
                        "{reason}\nrestore it, or accept a new one with `agpt test --update`"
                    ))
            }
            Difference::Perceptual { file, likeness } => {
                let how = match likeness {
                    Some(decibels) => format!("{decibels:.1} dB alike, {SAME_FROM} dB are wanted"),
                    None => "another size or kind".to_string(),
                };
                Diagnostic::error("E0802", "this is decoded differently from the same codes")
                    .label(span, "the perceptual stage differs")
                    .help(format!("{file}: {how}\naccept it with `agpt test --update`"))
            }
        }
    }
}

/// A layer of a snapshot, wherever it lies.
fn layer<'j>(value: &'j Json, name: &str) -> Option<Vec<&'j Json>> {
    let mut out = Vec::new();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Json::Object(map) => {
                out.extend(map.get(name));
                open.extend(map.values());
            }
            Json::Array(items) => open.extend(items),
            _ => {}
        }
    }
    (!out.is_empty()).then_some(out)
}

fn cut(value: &Json) -> String {
    let text = value.to_string();
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
