//! Values at run time.

use std::ops::Deref;
use std::sync::Arc;

use serde_json::json;

use crate::base::hash::Digest;
use crate::base::{Literal, Medium, Role};
use crate::lang::types::Type;
use crate::media::{RgbImage, Sound};

/// A decoded medium.
#[derive(Debug, Clone, PartialEq)]
pub enum Media {
    Image(RgbImage),
    Speech(Sound),
    Music(Sound),
}

impl Media {
    pub fn medium(&self) -> Medium {
        match self {
            Media::Image(_) => Medium::Image,
            Media::Speech(_) => Medium::Speech,
            Media::Music(_) => Medium::Music,
        }
    }

    /// Of the content, for records: equal media have equal digests.
    pub fn digest(&self) -> Digest {
        match self {
            Media::Image(image) => Digest::of(image.data()),
            Media::Speech(sound) | Media::Music(sound) => {
                let rate = sound.rate().to_le_bytes();
                let samples = sound.samples().iter().flat_map(|sample| sample.to_le_bytes());
                Digest::of(&rate.into_iter().chain(samples).collect::<Vec<u8>>())
            }
        }
    }
}

/// A text, with the ids that the language model wrote if it is a reply of this run.
#[derive(Debug, Clone)]
pub struct Text {
    text: Arc<str>,
    pub ids: Option<Arc<[u32]>>,
}

impl Text {
    pub fn written(text: impl Into<Arc<str>>, ids: Vec<u32>) -> Text {
        Text { text: text.into(), ids: Some(ids.into()) }
    }
}

/// Texts are what they say, however they came about.
impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        self.text == other.text
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

/// A medium, with the codes it was decoded from if it is a reply of this run.
#[derive(Debug, Clone)]
pub struct Made {
    media: Arc<Media>,
    pub codes: Option<Arc<[u32]>>,
}

impl Made {
    pub fn decoded(media: Media, codes: Arc<[u32]>) -> Made {
        Made { media: Arc::new(media), codes: Some(codes) }
    }
}

impl From<Media> for Made {
    fn from(media: Media) -> Made {
        Made { media: Arc::new(media), codes: None }
    }
}

impl PartialEq for Made {
    fn eq(&self, other: &Made) -> bool {
        self.media == other.media
    }
}

impl Deref for Made {
    type Target = Arc<Media>;

    fn deref(&self) -> &Arc<Media> {
        &self.media
    }
}

/// A part of a mixed reply. Between the two stages its media are codes.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    Text(Text),
    Tokens(Medium, Arc<[u32]>),
    Media(Made),
}

/// A prompt before it meets a bundle's format.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    pub turns: Vec<PromptTurn>,
    pub out: Type,
}

impl Prompt {
    /// As data: the turns with what they hold, media as their codes.
    pub fn to_json(&self) -> serde_json::Value {
        let part = |part: &PromptPart| match part {
            PromptPart::Text(text) => json!({ "text": text }),
            PromptPart::Tokens(medium, codes) => json!({ medium.name(): codes.as_ref() }),
            PromptPart::Ids(ids) => json!({ "ids": ids.as_ref() }),
        };
        let turn = |turn: &PromptTurn| {
            let parts: Vec<_> = turn.parts.iter().map(part).collect();
            json!({ "role": turn.role.name(), "parts": parts })
        };
        self.turns.iter().map(turn).collect()
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct PromptTurn {
    pub role: Role,
    pub parts: Vec<PromptPart>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum PromptPart {
    Text(String),
    Tokens(Medium, Arc<[u32]>),
    /// What the language model wrote in an earlier turn, id by id.
    Ids(Arc<[u32]>),
}

/// What a node of a plan evaluates to. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    None,
    Text(Text),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// In seconds.
    Duration(f64),
    Media(Made),
    /// Text and media in turn.
    Mixed(Arc<[Piece]>),
    /// Codes of a medium, or ids of text.
    Tokens(Medium, Arc<[u32]>),
    List(Arc<[Value]>),
    Record(Arc<[(String, Value)]>),
    Prompt(Arc<Prompt>),
}

impl Value {
    pub fn text(text: impl Into<Arc<str>>) -> Value {
        Value::Text(Text { text: text.into(), ids: None })
    }

    pub fn media(media: Media) -> Value {
        Value::Media(media.into())
    }

    /// The literal form of scalars.
    pub fn literal(&self) -> Option<Literal> {
        Some(match self {
            Value::None => Literal::None,
            Value::Text(text) => Literal::Text(text.to_string()),
            Value::Int(value) => Literal::Int(*value),
            Value::Float(value) => Literal::Float(*value),
            Value::Bool(value) => Literal::Bool(*value),
            Value::Duration(value) => Literal::Duration(*value),
            _ => return None,
        })
    }

    /// What the value is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::None => "none",
            Value::Text(_) => "text",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Bool(_) => "bool",
            Value::Duration(_) => "duration",
            Value::Media(media) => media.medium().name(),
            Value::Mixed(_) => "mixed",
            Value::Tokens(..) => "tokens",
            Value::List(_) => "list",
            Value::Record(_) => "record",
            Value::Prompt(_) => "prompt",
        }
    }
}

impl From<Literal> for Value {
    fn from(literal: Literal) -> Value {
        match literal {
            Literal::None => Value::None,
            Literal::Text(text) => Value::text(text),
            Literal::Int(value) => Value::Int(value),
            Literal::Float(value) => Value::Float(value),
            Literal::Bool(value) => Value::Bool(value),
            Literal::Duration(value) => Value::Duration(value),
        }
    }
}
