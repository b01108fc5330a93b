//! Dialogues with media, written and made by models: how AnyInstruct was built (section 4 of the
//! AnyGPT paper), as a command that can be stopped and gone on with.
//!
//! Meta topics → topics → scenarios → dialogues with media in words → the media. The first four are
//! pipelines of the language, which a user may replace; who answers them says the recipe. Every piece
//! of work is named by the hash of what it depends on, and its result is kept in a journal, so the
//! output is a function of the journal and the recipe.

mod assemble;
mod dialogue;
mod error;
mod filter;
mod journal;
mod near;
mod pool;
mod recipe;
mod run;
mod stages;
mod tokens;

pub use error::SynthesisError;
pub use journal::Journal;
pub use recipe::Recipe;
pub use run::{Summary, Synthesis, Watch};
pub use stages::Stages;
