//! Data for training: media into tokens, samples out of templates, sequences packed from them.
//!
//! This layer knows nothing of optimisers; `train` reads what it writes.

pub mod codes;
mod error;
pub mod input;
pub mod pack;
pub mod packed;
pub mod pairs;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod providers;
pub mod recipe;
pub mod rows;
pub mod sample;
pub mod synthesis;
pub mod template;
pub mod tokenize;

use std::path::Path;

use crate::base::hold::Hold;

pub use error::DataError;

/// Makes a folder for data, or takes it where it is, and keeps other processes out.
pub fn hold(folder: &Path) -> Result<Hold, DataError> {
    let held = crate::base::hold::hold(folder).map_err(DataError::Write)?;
    held.ok_or_else(|| DataError::Busy { folder: folder.to_path_buf() })
}
