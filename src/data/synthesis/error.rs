//! What ends a synthesis, in the user's words.

use std::path::PathBuf;

use crate::data::providers::ProviderError;

#[derive(Debug, thiserror::Error)]
pub enum SynthesisError {
    #[error("{}:{line}:{column}: {message}", path.display())]
    Recipe { path: PathBuf, line: u64, column: u64, message: String },
    #[error("{0}")]
    Stage(String),
    #[error("`{}` cannot be used: {reason}", path.display())]
    File { path: PathBuf, reason: String },
    #[error("line {line} of `{}` is damaged: {reason}", path.display())]
    Journal { path: PathBuf, line: usize, reason: String },
    #[error("`{}` is being written by another run", .0.display())]
    Locked(PathBuf),
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error("{count} pieces of work failed one after the other; the last: {last}")]
    Hopeless { count: usize, last: String },
    #[error("{0}")]
    Engine(String),
    #[error("the run was cancelled")]
    Cancelled,
}

impl SynthesisError {
    /// What to do about it.
    pub fn help(&self) -> Option<&str> {
        Some(match self {
            SynthesisError::Provider(error) => return error.help(),
            SynthesisError::Recipe { .. } => "docs/synthesis.md lists what a recipe may say",
            SynthesisError::Stage(_) => {
                "docs/synthesis.md says which pipelines there must be; std/synthesis is a model"
            }
            SynthesisError::Journal { .. } => {
                "restore the file, or begin in another folder; only a torn last line is mended"
            }
            SynthesisError::Locked(_) => "wait for it, or give another --out",
            SynthesisError::Hopeless { .. } | SynthesisError::Cancelled => {
                "run the command again: what is there is kept, and only the rest is asked for"
            }
            _ => return None,
        })
    }
}
