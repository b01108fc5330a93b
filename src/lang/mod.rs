//! The compiler's front end: source → syntax → resolved names → types → typed IR.
//! Pure: no file is read here and no model is known here.

mod check;
pub mod fold;
pub mod format;
pub mod index;
pub mod interface;
pub mod ir;
pub mod json;
mod loader;
pub mod metrics;
pub mod plugin;
pub mod printer;
mod resolve;
pub mod settings;
pub mod syntax;
pub mod types;
pub(crate) mod words;

use crate::base::{Diagnostic, Severity, Sources};

/// Names that need no declaration.
pub use resolve::{BUILTIN_FUNCTIONS, BUILTIN_TYPES};

pub use loader::{
    LoadError, LoadedModule, LoadedPlugin, Loader, MemoryLoader, ModuleId, PackageError, root_id,
};

/// What came of a source text.
#[derive(Debug)]
pub struct Compilation {
    /// All texts that were read; spans of the diagnostics and of the program point into them.
    pub sources: Sources,
    /// There if and only if no diagnostic is an error.
    pub program: Option<ir::Program>,
    pub diagnostics: Vec<Diagnostic>,
    /// Where names are declared and used, as far as that could be found out.
    pub index: index::Index,
}

/// Whoever has more mistakes corrects the first ones and looks again.
const MAX_DIAGNOSTICS: usize = 200;

/// Leaves the first diagnostics, among them an error if there is one; the last says how many
/// were left out.
fn shorten(diagnostics: &mut Vec<Diagnostic>) {
    if diagnostics.len() <= MAX_DIAGNOSTICS {
        return;
    }
    let is_error = |diagnostic: &Diagnostic| diagnostic.severity == Severity::Error;
    if let Some(first) = diagnostics.iter().position(is_error).filter(|at| *at >= MAX_DIAGNOSTICS) {
        diagnostics.swap(first, MAX_DIAGNOSTICS - 1);
    }
    let more = diagnostics.len() - MAX_DIAGNOSTICS;
    diagnostics.truncate(MAX_DIAGNOSTICS);
    if let Some(last) = diagnostics.last_mut() {
        let note = format!("{more} more diagnostics are not shown");
        last.help = Some(last.help.take().map_or(note.clone(), |help| format!("{help}\n{note}")));
    }
}

/// Compiles a root file with all that it uses.
pub fn compile(root_name: &str, root_text: &str, loader: &dyn Loader) -> Compilation {
    let mut sources = Sources::default();
    let mut diagnostics = Vec::new();
    let resolved = resolve::resolve(root_name, root_text, loader, &mut sources, &mut diagnostics);
    let (program, index) = check::check(&resolved, &sources, &mut diagnostics);
    // In reading order, so that the first mistake comes first.
    diagnostics.sort_by_key(|diagnostic| {
        diagnostic.labels.first().map(|label| (label.span.source, label.span.start))
    });
    shorten(&mut diagnostics);
    Compilation { sources, program, diagnostics, index }
}
