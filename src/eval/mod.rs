//! Runs `evaluation` declarations: rows of a data set through a plan, scores of what comes out.
//!
//! `loaders` read data sets from their folders, `runner` runs row after row and keeps every result
//! in `store`, `score` makes values with intervals of the results, `report` shows them beside what
//! was published. `judge` is the seam to networks outside of the evaluated model, `judges` are these networks. `metrics` computes
//! scores from texts and embeddings; it reads no files and runs no model.

pub mod error;
pub mod judge;
pub mod judges;
pub mod loaders;
pub mod metrics;
pub mod published;
pub mod report;
pub mod row;
pub mod runner;
pub mod score;
pub mod store;
