//! What every layer shares: source positions, diagnostics, media names, hashing, seeded
//! randomness, whole-or-nothing files.

pub mod atomic;
pub mod contained;
pub mod diagnostic;
pub mod hash;
pub mod hold;
pub mod markup;
pub mod medium;
pub mod mmap;
pub mod pattern;
pub mod rng;
pub mod role;
pub mod span;
pub mod text;
pub mod unwritten;
pub mod value;
pub mod yaml;

pub use diagnostic::{Diagnostic, Fix, Label, Severity};
pub use medium::{Medium, Reply};
pub use pattern::Pattern;
pub use role::Role;
pub use span::{SourceFile, SourceId, Sources, Span};
pub use value::Literal;
