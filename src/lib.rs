//! agpt: a typed pipeline language and runtime for any-to-any generation.
//!
//! The folders are the map; an arrow of imports only ever goes upwards in this list
//! (docs/architecture.md has the drawing):
//! cli → test_runner → runtime → plan → lang, cli → lsp → plan, cli → docs → plan, lsp → package → lang, cli → plugins → lang, and runtime → bundle → models → nn →
//! media → base.

#![deny(unsafe_code)]

pub mod base;
pub mod bundle;
pub mod cli;
pub mod data;
pub mod docs;
pub mod eval;
pub mod lang;
pub mod lsp;
pub mod media;
pub mod models;
pub mod nn;
pub mod package;
pub mod plan;
pub mod plugins;
pub mod runtime;
pub mod test_runner;
pub mod train;
