//! What can go wrong in a run. Each failure becomes one diagnostic with the place in the
//! source that asked for the operation.

use std::path::PathBuf;

use crate::base::{Diagnostic, Medium, Span, unwritten};
use crate::bundle::{BundleError, ComponentRole};
use crate::lang::types::Seconds;
use crate::media::MediaError;
use crate::models;
use crate::plan::arith::ArithError;

use super::components::device::Device;
use super::components::placement::{Bytes, Precision};
use super::plugins::PluginError;

/// The cause of a failed run.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Media(#[from] MediaError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error("the model could not be run: {0}")]
    Model(#[from] models::Error),
    #[error(transparent)]
    Arith(#[from] ArithError),
    #[error("index {index} is outside a list of {length}")]
    Index { index: i64, length: usize },
    #[error("the prompt is empty")]
    EmptyPrompt,
    #[error(
        "the prompt takes {prompt} tokens and the reply {reply} more, but the context of {model} is {context}"
    )]
    ContextTooShort { prompt: usize, reply: usize, context: usize, model: String },
    #[error("`{name}` is {value}, but must be {range}")]
    Setting { name: &'static str, value: String, range: String },
    #[error("{0} is fixed at {1} tokens by the model, so `{2}` does not apply")]
    FixedLength(Medium, usize, &'static str),
    #[error("a prompt of {0} turns cannot stand inside another prompt's turn")]
    NestedTurns(usize),
    #[error("{count} {medium} codes were given, but the model's {medium} decoder takes {expected}")]
    CodeCount { medium: Medium, count: usize, expected: usize },
    #[error("{medium} code {code} is outside the codebook of {size}")]
    Code { medium: Medium, code: u32, size: usize },
    #[error("music code {code} stands where one of codebook {book} should")]
    Turn { code: u32, book: usize },
    #[error("the {medium} is {seconds:.0} s long, but at most {most:.0} s are encoded")]
    TooLong { medium: Medium, seconds: f64, most: f64 },
    #[error(
        "the {part} has {} codebooks of {}, but the {other} {} of {}", has.0, has.1, wants.0, wants.1
    )]
    Mismatch {
        part: ComponentRole,
        has: (usize, usize),
        other: &'static str,
        wants: (usize, usize),
    },
    #[error("{value:?} is not a value of type {expected}")]
    Argument { value: String, expected: String, hint: String },
    #[error("the {medium} lasts {} s, but {medium}[{wanted}] is wanted", .seconds)]
    Lasts { medium: Medium, seconds: f64, wanted: Seconds },
    #[error("the model's vocabulary has no text that matches /{0}/")]
    Unwritable(String),
    #[error("the shortest text that matches takes {least} tokens, but only {most} may be written")]
    TooFewTokens { least: usize, most: usize },
    #[error("parameter `{0}` has no value")]
    MissingInput(String),
    #[error("{path} cannot be read: {reason}")]
    TextFile { path: PathBuf, reason: String },
    #[error("{path} cannot be written: {reason}")]
    Output { path: PathBuf, reason: String },
    #[error("{path} cannot be written: {}", unwritten::reason(.source))]
    Unsaved { path: PathBuf, source: std::io::Error },
    #[error("the model gives no usable score to any token that may follow")]
    NoCandidate,
    #[error("the device cannot be used: {0}")]
    Device(String),
    #[error("the {part} cannot run in {precision}: {reason}")]
    Precision { part: ComponentRole, precision: Precision, reason: &'static str },
    #[error("the {part} needs {needs} on {device}, more than the {budget} of --memory")]
    Memory { part: ComponentRole, needs: Bytes, device: Device, budget: Bytes },
    #[error("this agpt cannot run networks of the architecture `{0}`")]
    Architecture(String),
    #[error(
        "the tokenizer has {tokenizer} tokens, but the language model's embedding only {model} rows"
    )]
    VocabularySize { tokenizer: usize, model: usize },
    #[error(
        "the image decoder's configuration does not say for what size it was trained (`sample_size`)"
    )]
    Unsized,
    #[error(
        "the model's tokenizer writes {0:?} and {1:?} alike, so a reply cannot say which it is"
    )]
    SameIds(String, String),
    #[error("{}", .0.message)]
    Plan(Box<Diagnostic>),
    #[error("{path} is no snapshot: {reason}")]
    Snapshot { path: PathBuf, reason: String },
    #[error("nothing is recorded for `{0}`")]
    Unrecorded(String),
    #[error("what is recorded for `{0}` is no reply of its type")]
    Misrecorded(String),
    #[error(transparent)]
    Plugin(Box<PluginError>),
    /// Of a [`Writer`](super::writer::Writer): it knows more of it than the run does.
    #[error("{0}")]
    Writer(Box<dyn std::error::Error + Send + Sync>),
    #[error("the run was cancelled")]
    Cancelled,
    #[error("a {0} stands where the plan promised a {1} (a defect of agpt)")]
    Defect(&'static str, &'static str),
}

impl Failure {
    fn code(&self) -> &'static str {
        match self {
            Failure::Media(_)
            | Failure::TextFile { .. }
            | Failure::TooLong { .. }
            | Failure::Lasts { .. } => "E0701",
            Failure::Bundle(_)
            | Failure::Architecture(_)
            | Failure::VocabularySize { .. }
            | Failure::Mismatch { .. }
            | Failure::SameIds(..)
            | Failure::Unwritable(_)
            | Failure::Unsized => "E0702",
            Failure::Device(_) | Failure::Precision { .. } => "E0711",
            Failure::Memory { .. } => "E0712",
            Failure::Model(_) | Failure::NoCandidate => "E0703",
            Failure::Arith(_) | Failure::Index { .. } => "E0704",
            Failure::EmptyPrompt | Failure::ContextTooShort { .. } | Failure::NestedTurns(_) => {
                "E0705"
            }
            Failure::Setting { .. } | Failure::FixedLength(..) | Failure::TooFewTokens { .. } => {
                "E0706"
            }
            Failure::CodeCount { .. } | Failure::Code { .. } | Failure::Turn { .. } => "E0707",
            Failure::MissingInput(_) | Failure::Argument { .. } => "E0708",
            Failure::Output { .. } | Failure::Unsaved { .. } => "E0709",
            Failure::Plan(_) => "E0601",
            Failure::Snapshot { .. } => "E0804",
            Failure::Unrecorded(_) | Failure::Misrecorded(_) => "E0806",
            Failure::Plugin(error) => error.code(),
            Failure::Writer(_) => "E0713",
            Failure::Cancelled => "E0710",
            Failure::Defect(..) => "E0799",
        }
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Failure::Argument { hint, .. } => hint.clone(),
            Failure::Bundle(error) => return error.help().map(str::to_string),
            Failure::EmptyPrompt => "give the user's turn some text or a medium".to_string(),
            Failure::ContextTooShort { .. } => {
                "shorten the prompt, or lower `max_tokens`".to_string()
            }
            Failure::Model(models::Error::Tensor(_)) => {
                "check the bundle's files against its manifest".to_string()
            }
            Failure::Precision { .. } => {
                "choose another --dtype, or name a part: --dtype llm=q8_0".to_string()
            }
            Failure::Memory { part: ComponentRole::Llm, .. } => {
                "give it more, or fewer bits: --dtype llm=q8_0 or llm=q4_k".to_string()
            }
            Failure::Memory { .. } => "give it more, or put it elsewhere with --device".to_string(),
            Failure::SameIds(..) => "use other words for one of them".to_string(),
            Failure::FixedLength(..) => "remove the setting".to_string(),
            Failure::TooLong { .. } => "cut it first".to_string(),
            Failure::Lasts { seconds, wanted, .. } if *seconds < wanted.least => {
                "record more of it".to_string()
            }
            Failure::Lasts { .. } => "cut it first".to_string(),
            Failure::Unwritable(_) => "use another pattern, or another model".to_string(),
            Failure::TooFewTokens { .. } => {
                "raise `max_tokens`, or shorten the prompt if the context is full".to_string()
            }
            Failure::Output { .. } => "choose another place with --out".to_string(),
            Failure::Unsaved { source, .. } => unwritten::help(source)
                .unwrap_or("choose another place, or change whose folder it is")
                .to_string(),
            Failure::Snapshot { .. } => {
                "restore it, or remove it and accept a new one with `agpt test --update`"
                    .to_string()
            }
            Failure::Unrecorded(_) | Failure::Misrecorded(_) => {
                "record it with `agpt test --record`, which runs the language model".to_string()
            }
            Failure::Plugin(error) => error.help(),
            Failure::Defect(..) => "please report it with the source file".to_string(),
            _ => return None,
        })
    }
}

/// A failure and the expression that asked for the operation.
#[derive(Debug)]
pub struct RunError {
    pub failure: Failure,
    pub span: Option<Span>,
}

impl RunError {
    pub fn diagnostic(&self) -> Diagnostic {
        if let Failure::Plan(diagnostic) = &self.failure {
            return diagnostic.as_ref().clone();
        }
        let mut diagnostic = Diagnostic::error(self.failure.code(), self.failure.to_string());
        if let Some(span) = self.span {
            diagnostic = diagnostic.label(span, "asked for here");
        }
        diagnostic.help = self.failure.help();
        diagnostic
    }
}

impl From<Failure> for RunError {
    fn from(failure: Failure) -> Self {
        RunError { failure, span: None }
    }
}
