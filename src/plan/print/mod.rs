//! The plan as text, DOT, Mermaid, SVG, HTML and JSON.

mod dot;
mod drawing;
mod json;
mod label;
mod mermaid;
mod text;

pub use dot::dot;
pub use drawing::{TooLarge, html, svg};
pub use json::json;
pub use mermaid::mermaid;
pub use text::text;
