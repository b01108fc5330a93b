//! Diagnostics for the editor, and which files they go to.

use std::collections::BTreeMap;

use lsp_types::{DiagnosticRelatedInformation, DiagnosticSeverity, Location, NumberOrString};

use crate::base::{Diagnostic, Severity, SourceId, Sources};

use super::documents::{Documents, ROOT};
use super::positions::Lines;
use super::uris;

/// What each file is to show: open documents always, others where they have errors.
pub fn of(documents: &Documents<'_>) -> BTreeMap<String, Vec<lsp_types::Diagnostic>> {
    let mut all: BTreeMap<String, Vec<lsp_types::Diagnostic>> = BTreeMap::new();
    for (name, analysis) in documents.open() {
        let sources = &analysis.compilation.sources;
        let own = analysis.diagnostics.iter().filter(|d| source(d) == ROOT);
        all.insert(name.clone(), own.filter_map(|d| convert(d, sources)).collect());
        for (id, file) in sources.iter().filter(|(id, _)| *id != ROOT) {
            // An open document speaks for itself, and the standard library has no file.
            if documents.get(&file.name).is_some() || uris::of(&file.name).is_none() {
                continue;
            }
            let errors = analysis
                .diagnostics
                .iter()
                .filter(|d| source(d) == id && d.severity == Severity::Error);
            let errors: Vec<_> = errors.filter_map(|d| convert(d, sources)).collect();
            if !errors.is_empty() {
                all.entry(file.name.clone()).or_insert(errors);
            }
        }
    }
    all
}

/// The file that a diagnostic is about.
fn source(diagnostic: &Diagnostic) -> SourceId {
    diagnostic.labels.first().map_or(ROOT, |label| label.span.source)
}

/// A diagnostic as the protocol has it.
pub fn convert(diagnostic: &Diagnostic, sources: &Sources) -> Option<lsp_types::Diagnostic> {
    let main = diagnostic.labels.first();
    let range = match main {
        Some(label) => Lines::new(&sources.get(label.span.source)?.text).range(label.span),
        None => lsp_types::Range::default(),
    };
    let mut message = diagnostic.message.clone();
    if let Some(label) = main.filter(|label| !label.text.is_empty()) {
        message.push_str(&format!("\n{}", label.text));
    }
    if let Some(help) = &diagnostic.help {
        message.push_str(&format!("\nhelp: {help}"));
    }
    let related = diagnostic.labels.iter().skip(1).filter_map(|label| {
        let file = sources.get(label.span.source)?;
        let location = Location {
            uri: uris::of(&file.name)?,
            range: Lines::new(&file.text).range(label.span),
        };
        Some(DiagnosticRelatedInformation { location, message: label.text.clone() })
    });
    let related: Vec<_> = related.collect();
    Some(lsp_types::Diagnostic {
        range,
        severity: Some(match diagnostic.severity {
            Severity::Error => DiagnosticSeverity::ERROR,
            Severity::Warning => DiagnosticSeverity::WARNING,
        }),
        code: Some(NumberOrString::String(diagnostic.code.to_string())),
        source: Some("agpt".to_string()),
        message,
        related_information: (!related.is_empty()).then_some(related),
        ..lsp_types::Diagnostic::default()
    })
}
