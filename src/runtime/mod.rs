//! Executes a plan: values, components of the model, grammars, settings, events.

pub mod automaton;
pub mod components;
pub mod conversation;
pub mod engine;
pub mod error;
pub mod events;
pub mod execute;
pub mod generate;
pub mod grammar;
pub mod json;
pub mod perceptual;
pub mod plugins;
pub mod read;
pub mod recording;
pub mod render;
mod resident;
pub mod roles;
pub mod semantic;
pub mod settings;
pub mod value;
pub mod writer;
