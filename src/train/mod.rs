//! Training of the language model: AnyGPT's two stages, and anything else that a recipe says.

mod chart;
pub mod checkpoint;
mod error;
pub mod expand;
pub mod export;
mod feed;
mod hub_files;
mod log;
mod media;
mod memory;
pub mod network;
pub mod ops;
pub mod optimizer;
pub mod recipe;
mod run;
pub mod schedule;
mod start;
mod tensors;

pub use error::{Diverged, TrainError};
pub use log::{Evaluation, Step, listed};
pub use media::PerMedium;
pub use run::{Begun, Outcome, Place, Watch, train};
