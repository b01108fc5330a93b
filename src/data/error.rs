//! What can be wrong with data, in the user's words.

use std::path::PathBuf;

use crate::base::{Diagnostic, Sources, unwritten};
use crate::bundle::BundleError;
use crate::runtime::error::Failure;

#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("cannot read `{}`: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// The message names the file: it comes from `base/unwritten`.
    #[error("{0}")]
    Write(std::io::Error),
    #[error("`{}` is damaged: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    /// Data of another vocabulary than the model's.
    #[error("`{}` was made with another vocabulary: {reason}", path.display())]
    Vocabulary { path: PathBuf, reason: String },
    #[error("{0}")]
    Sample(String),
    #[error("`{}` is a Parquet file, which this agpt is built without", path.display())]
    NoParquet { path: PathBuf },
    #[error("{}:{line}:{column}: {message}", path.display())]
    Syntax { path: PathBuf, line: usize, column: usize, message: String },
    #[error("{}: {reason}", path.display())]
    Recipe { path: PathBuf, reason: String },
    #[error("template `{name}`: {reason}")]
    Template { name: String, reason: String },
    /// Templates that do not compile: the diagnostics say it all.
    #[error("the recipe's templates have errors")]
    Source(Box<(Vec<Diagnostic>, Sources)>),
    #[error("`{}` holds the data of another recipe, model or input", folder.display())]
    Other { folder: PathBuf },
    #[error("another agpt writes to `{}`", folder.display())]
    Busy { folder: PathBuf },
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Run(#[from] Failure),
    #[error("cancelled; what is finished stays, and the same command goes on from there")]
    Cancelled,
}

impl DataError {
    /// What to do about it.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            DataError::Write(error) => unwritten::help(error),
            DataError::Bundle(error) => error.help(),
            DataError::Damaged { .. } => {
                Some("remove the file and make the data again; finished shards are kept")
            }
            DataError::Vocabulary { .. } => Some("make the data again with this model's bundle"),
            DataError::Other { .. } => {
                Some("choose another folder with --out, or begin anew with --fresh")
            }
            DataError::Busy { .. } => Some("wait for it, or give another folder with --out"),
            DataError::NoParquet { .. } => Some(
                "build it with `cargo build --release --features parquet`, or write the pairs as \
                 JSON lines with the media as files (docs/data.md shows how)",
            ),
            DataError::Syntax { .. } | DataError::Recipe { .. } => {
                Some("docs/data.md lists what a recipe holds")
            }
            _ => None,
        }
    }
}
