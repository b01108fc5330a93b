//! Reading YAML from strangers: typed, within limits, with the place of a mistake.

use std::ops::Range;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_saphyr::{Error, Location};

use crate::base::{Diagnostic, SourceId, Span};
use crate::lang::words::nearest;

use super::Problem;

/// A manifest or lock file beyond this is none.
pub const MAX_BYTES: usize = 1 << 20;

/// Parses `text`; `code` is the diagnostics' and `path` what they call the file.
pub fn parse<T: DeserializeOwned>(
    text: &str,
    path: &Path,
    code: &'static str,
) -> Result<T, Problem> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if text.len() > MAX_BYTES {
        return Err(Problem::new(code, format!("{} is larger than 1 MiB", path.display())));
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 8,
            max_documents: 1,
            max_nodes: 50_000,
            max_events: 200_000,
            max_aliases: 0,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let range = error.location().map_or(0..0, |location| range(&location, text));
        let diagnostic = explained(&error, &name, code);
        let label = match error.without_snippet() {
            Error::SerdeUnknownField { .. } => "not known",
            Error::DuplicateMappingKey { .. } => "given twice",
            _ => "here",
        };
        Problem::at(diagnostic.label(span(range), label), path, text)
    })
}

/// A place in the only text of a [`Problem`].
pub fn span(range: Range<usize>) -> Span {
    Span::new(SourceId(0), range.start, range.end)
}

/// The bytes of a place; its line's first word where the parser gives no more than a line.
pub fn range(location: &Location, text: &str) -> Range<usize> {
    let at = location.span();
    let (start, length) = match (at.byte_offset(), at.byte_len()) {
        (Some(start), Some(length)) => (start as usize, length as usize),
        _ => (0, 0),
    };
    let start = start.min(text.len());
    let end = start.saturating_add(length).min(text.len());
    // A node that spans lines is shown by its first one.
    let first = text.get(start..end).and_then(|part| part.lines().next()).unwrap_or("");
    start..start + first.trim_end().len()
}

fn explained(error: &Error, name: &str, code: &'static str) -> Diagnostic {
    match error.without_snippet() {
        Error::SerdeUnknownField { field, expected, .. } => {
            let diagnostic = Diagnostic::error(code, format!("{name} has no key `{field}`"));
            match nearest(field, expected.iter().copied()) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                None => diagnostic.help(format!("keys here: {}", expected.join(", "))),
            }
        }
        Error::SerdeMissingField { field, .. } => {
            Diagnostic::error(code, format!("`{field}` is missing"))
                .help(format!("add a line `{field}: …`"))
        }
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("a key");
            Diagnostic::error(code, format!("`{key}` is there twice")).help("keep one of them")
        }
        other => {
            let message = other.to_string();
            let end = message.rfind(" at line ").unwrap_or(message.len());
            let message = message[..end].trim_start_matches("error: ").replace('\n', " ");
            Diagnostic::error(code, format!("{name} cannot be read: {message}"))
                .help("it is YAML; docs/packages.md shows a whole file")
        }
    }
}
