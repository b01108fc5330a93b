//! Source text → syntax tree.

pub mod ast;
mod build;
mod characters;
mod docs;
mod errors;
mod expressions;
mod operators;
mod scan;
mod strings;
mod type_exprs;

pub use build::parse;
pub(in crate::lang) use build::{Grammar, Pair, Rule};
pub use errors::is_reserved;
pub(in crate::lang) use operators::rank_of;
pub use scan::MAX_BYTES;
pub(in crate::lang) use scan::scan;
