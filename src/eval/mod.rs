//! Evaluation: how good what was generated is.

pub mod judges;
