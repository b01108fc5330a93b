//! Data for training: samples out of templates, and sequences packed from them.
//!
//! This layer knows nothing of optimisers; `train` reads what it writes.

mod error;
pub mod packed;
pub mod providers;
pub mod synthesis;

pub use error::DataError;
