//! Values at run time.

use std::sync::Arc;

use crate::base::hash::Digest;
use crate::base::{Literal, Medium};
use crate::lang::ir::Role;
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

/// A prompt before it meets a bundle's format.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    pub turns: Vec<PromptTurn>,
    pub out: Type,
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
}

/// What a node of a plan evaluates to. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    None,
    Text(Arc<str>),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// In seconds.
    Duration(f64),
    Media(Arc<Media>),
    /// Codes of a medium, or ids of text.
    Tokens(Medium, Arc<[u32]>),
    List(Arc<[Value]>),
    Record(Arc<[(String, Value)]>),
    Prompt(Arc<Prompt>),
}

impl Value {
    pub fn text(text: impl Into<Arc<str>>) -> Value {
        Value::Text(text.into())
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
            Literal::Text(text) => Value::Text(text.into()),
            Literal::Int(value) => Value::Int(value),
            Literal::Float(value) => Value::Float(value),
            Literal::Bool(value) => Value::Bool(value),
            Literal::Duration(value) => Value::Duration(value),
        }
    }
}
