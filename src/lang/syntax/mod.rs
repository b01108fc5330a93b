//! Source text → syntax tree.

pub mod ast;
mod build;
mod docs;
mod errors;
mod expressions;
mod operators;
mod scan;
mod strings;
mod type_exprs;

pub use build::parse;

/// Whether a word cannot be a name.
pub fn is_reserved(word: &str) -> bool {
    errors::RESERVED.contains(&word)
}
