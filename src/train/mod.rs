//! Training of the language model.

pub mod network;
