//! What can go wrong in training, in the user's words.

use std::path::PathBuf;

use crate::base::unwritten;
use crate::bundle::BundleError;
use crate::data::DataError;

#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A recipe that is not what the format says, at a place in the file.
    #[error("{path}:{line}:{column}: {message}")]
    Syntax { path: String, line: u64, column: u64, message: String },
    /// A recipe whose parts do not fit each other.
    #[error("{path}: {message}")]
    Recipe { path: String, message: String },
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Network(#[from] super::network::Error),
    #[error(transparent)]
    Model(#[from] crate::models::Error),
    #[error("a computation failed: {0}")]
    Tensor(#[from] candle_core::Error),
    #[error("cannot read `{}`: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// The message names the file.
    #[error("{0}")]
    Write(std::io::Error),
    /// A checkpoint could not be written; those before it are as they were.
    #[error("the checkpoint of step {step} could not be written: {}", unwritten::reason(.source))]
    Checkpoint { step: u64, source: std::io::Error, kept: Option<u64> },
    #[error("`{}` is damaged: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    /// The checkpoint to go on from cannot be used.
    #[error("the checkpoint `{}` cannot be used: {source}", folder.display())]
    Unusable { folder: PathBuf, source: Box<TrainError>, before: Option<u64> },
    #[error("`{}` was begun with another recipe: {changes}", path.display())]
    Changed { path: PathBuf, changes: String },
    #[error("another `agpt train` writes to `{}`", folder.display())]
    Busy { folder: PathBuf },
    #[error("{0}")]
    Diverged(Box<Diverged>),
    #[error("training needs about {needed}, {available} are available: {parts}")]
    Memory { needed: String, available: String, parts: String },
    #[error("{message}")]
    Input { message: String, help: &'static str },
}

/// A loss, a gradient or a parameter that is no number, and where it came from.
#[derive(Debug, thiserror::Error)]
#[error("step {step}: {what} is {value}{place}")]
pub struct Diverged {
    pub step: u64,
    /// The loss of a medium, a parameter or its gradient.
    pub what: String,
    pub value: f64,
    /// Where the sequence is: `; the sequence is number 3 of data/a.safetensors`.
    pub place: String,
    pub checkpoint: Option<u64>,
}

const SMALLER: &str =
    "lower `batch.tokens_per_pass` (or `rows`), or `length`; or take a smaller model";

/// Whether a device had no memory left: CUDA says `CUDA_ERROR_OUT_OF_MEMORY`, others say it in words.
fn out_of_memory(error: &TrainError) -> bool {
    let text = error.to_string().to_lowercase();
    text.contains("out_of_memory") || text.contains("out of memory")
}

impl TrainError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            TrainError::Data(error) => return error.help().map(String::from),
            TrainError::Write(error) => return unwritten::help(error).map(String::from),
            TrainError::Changed { .. } => {
                "give the recipe as it was, or another folder with --out".into()
            }
            TrainError::Unusable { folder, before, .. } => {
                let then = match before {
                    Some(step) => format!("the newest is then that of step {step}"),
                    None => "there is none before it".into(),
                };
                format!("remove `{}`; {then}", folder.display())
            }
            TrainError::Busy { .. } => "wait for it, or give another folder with --out".into(),
            TrainError::Checkpoint { kept, .. } => match kept {
                Some(step) => format!(
                    "make room or choose another folder; the same command goes on from step {step}"
                ),
                None => "make room or choose another folder with --out".into(),
            },
            TrainError::Diverged(diverged) => {
                let back = match diverged.checkpoint {
                    Some(step) => format!("; the checkpoint of step {step} is kept"),
                    None => String::new(),
                };
                format!(
                    "nothing of it was saved{back}. Lower the rate, lengthen the warm-up or clip the gradient \
                     more; if the same sequence does it again, look at it"
                )
            }
            TrainError::Memory { .. } => SMALLER.into(),
            TrainError::Tensor(_)
            | TrainError::Network(_)
            | TrainError::Model(_)
            | TrainError::Bundle(_)
                if out_of_memory(self) =>
            {
                SMALLER.into()
            }
            TrainError::Bundle(error) => return error.help().map(String::from),
            TrainError::Input { help, .. } => (*help).to_string(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_without_memory_has_advice() {
        let error = "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")";
        let full = TrainError::from(candle_core::Error::Msg(error.into()));
        assert!(full.help().unwrap().contains("tokens_per_pass"));
        assert_eq!(TrainError::from(candle_core::Error::Msg("shape".into())).help(), None);
    }
}
