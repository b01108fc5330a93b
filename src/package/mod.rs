//! Packages: a folder with an agpt.yaml, the packages that it uses, and what pins them.

pub mod breaks;
pub mod content;
pub mod edit;
pub mod git;
pub mod graph;
pub mod lock;
pub mod manifest;
pub mod modules;
mod problem;
mod yaml;

pub use graph::{Graph, Mode, Renew};
pub use lock::{LOCK, Lock};
pub use manifest::{MANIFEST, Manifest};
pub use modules::Packages;
pub use problem::Problem;
