//! The plan as text, DOT, Mermaid, SVG and HTML.

mod dot;
mod drawing;
mod label;
mod mermaid;
mod text;

pub use dot::dot;
pub use drawing::{TooLarge, html, svg};
pub use mermaid::mermaid;
pub use text::text;
