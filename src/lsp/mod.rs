//! The language server: what editors ask of a file while it is written. It reads messages one
//! after the other and answers each before the next; a file is compiled in milliseconds.

mod actions;
mod completion;
mod context;
mod definition;
mod diagnostics;
mod documents;
mod formatting;
mod hover;
mod positions;
mod references;
mod rename;
mod server;
mod symbols;
mod uris;
mod words;

pub use documents::Modules;
pub use server::serve;
