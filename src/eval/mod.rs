//! Evaluation: how good a model's outputs are.
//!
//! `metrics` computes scores from texts and embeddings; it reads no files and runs no model.

pub mod metrics;
