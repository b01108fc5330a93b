//! What can be wrong with a model bundle, and what to do about it.

use std::io;

use thiserror::Error;

use crate::base::unwritten;

#[derive(Debug, Error)]
pub enum BundleError {
    #[error("there is no model named `{name}`; {available}")]
    Unknown { name: String, available: String },

    #[error("`{path}` is not a model bundle: {reason}")]
    NotABundle { path: String, reason: String },

    #[error("`{path}` is not an evaluation model that can be used: {reason}")]
    Evaluator { path: String, reason: String },

    #[error("cannot read `{path}`: {source}")]
    Read { path: String, source: io::Error },

    #[error("cannot fetch `{what}`: {reason}")]
    Fetch { what: String, reason: String },

    #[error("`{path}`: {help}")]
    NotPulled { path: String, help: String },

    #[error("cannot write `{path}`: {}", unwritten::reason(.source))]
    Write { path: String, source: io::Error },

    #[error("the bundle `{bundle}` lacks the file `{path}`; {help}")]
    MissingFile { bundle: String, path: String, help: String },

    /// A manifest that is not what the format says, at a place in the file.
    #[error("{path}:{line}:{column}: {message}")]
    Syntax { path: String, line: u64, column: u64, message: String },

    /// A manifest whose parts do not fit each other.
    #[error("{path}: {message}")]
    Manifest { path: String, message: String },

    #[error("the bundle `{bundle}` has no {what}; {help}")]
    NoComponent { bundle: String, what: String, help: String },

    #[error("`{path}` has {found} bytes but the manifest says {expected}; fetch it again")]
    Size { path: String, expected: u64, found: u64 },

    #[error(
        "`{path}` is not the file of the manifest: its BLAKE3 hash is {found}, not {expected}; \
         fetch it again"
    )]
    Hash { path: String, expected: String, found: String },

    #[error("`{path}` is not a readable weights file: {reason}")]
    Weights { path: String, reason: String },

    #[error("the tensor `{tensor}` of `{path}` {reason}")]
    Tensor { path: String, tensor: String, reason: String },

    #[error("no tensor `{tensor}` in {files}{hint}")]
    MissingTensor { tensor: String, files: String, hint: String },

    #[error("`{path}` is not a usable text tokenizer: {reason}")]
    Tokenizer { path: String, reason: String },

    #[error("the tokenizer `{path}` does not fit the bundle: {reason}")]
    Vocabulary { path: String, reason: String },

    #[error("`{path}` is not the JSON that was expected: {reason}")]
    Json { path: String, reason: String },

    #[error("cannot make the prompt: {reason}")]
    Prompt { reason: String },
}

impl BundleError {
    /// What to do about it, where the message does not say it.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            BundleError::Write { source, .. } => unwritten::help(source),
            _ => None,
        }
    }
}
