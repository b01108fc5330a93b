//! The plan as text, DOT and Mermaid.

mod dot;
mod label;
mod mermaid;
mod text;

pub use dot::dot;
pub use mermaid::mermaid;
pub use text::text;
