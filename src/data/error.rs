//! What can be wrong with data, in the user's words.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("cannot read `{}`: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// The message names the file: it comes from `base/atomic`.
    #[error("{0}")]
    Write(std::io::Error),
    #[error("`{}` is damaged: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    /// Data of another vocabulary than the model's.
    #[error("`{}` was made with another vocabulary: {reason}", path.display())]
    Vocabulary { path: PathBuf, reason: String },
    #[error("{0}")]
    Sample(String),
}

impl DataError {
    /// What to do about it.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            DataError::Damaged { .. } => {
                Some("remove the file and make the data again; finished shards are kept")
            }
            DataError::Vocabulary { .. } => Some("make the data again with this model's bundle"),
            _ => None,
        }
    }
}
