//! The plan as a picture, laid out here: no other program is needed to see it.

mod cards;
mod html;
mod layout;
mod svg;

pub use html::html;
pub use svg::svg;

/// A plan of which a drawing could not be read.
#[derive(Debug, thiserror::Error)]
#[error("a plan of {operations} operations is too large to be drawn")]
pub struct TooLarge {
    pub operations: usize,
}
