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

pub use error::DataError;
