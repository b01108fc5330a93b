//! Training of the language model.

pub mod network;
pub mod ops;
