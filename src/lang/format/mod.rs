//! The formatter: source text → the same program, laid out in the one style.
//!
//! It decides on spaces, line ends and commas, and on nothing else. Comments stay between the
//! tokens they are between. A bracket whose first item was written on a line of its own keeps a
//! line for each; any other stands on one line where it fits into 100 columns.

mod cursor;
mod declarations;
mod document;
mod expressions;
mod lists;
mod types;
mod verify;

use pest::Parser as _;

use crate::base::{Diagnostic, Severity, SourceId, Span};
use crate::lang::syntax::{Grammar, Rule, parse, scan};

use cursor::{Done, Formatter, Mismatch};

/// Formats a text. One with syntax errors is left alone: the errors are given instead.
pub fn format(text: &str, source: SourceId) -> Result<String, Vec<Diagnostic>> {
    let mut errors = parse(text, source).diagnostics;
    errors.retain(|diagnostic| diagnostic.severity == Severity::Error);
    if !errors.is_empty() {
        return Err(errors);
    }
    // Lines end as the first one does.
    let crlf = text.find('\n').is_some_and(|end| text[..end].ends_with('\r'));
    let plain = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let formatted =
        layout(&plain).and_then(|formatted| match verify::difference(&plain, &formatted) {
            None => Ok(formatted),
            Some(message) => Err(Mismatch { message, at: 0 }),
        });
    match formatted {
        Ok(formatted) if crlf => Ok(formatted.replace('\n', "\r\n")),
        Ok(formatted) => Ok(formatted),
        Err(mismatch) => Err(vec![internal(&mismatch, text, &plain, source)]),
    }
}

fn layout(text: &str) -> Result<String, Mismatch> {
    let mut formatter = Formatter::new(text);
    for segment in &scan(text, SourceId(0)).segments {
        let gap = formatter.take_gap();
        formatter.lines(&gap, "");
        formatter.enter(segment.start);
        let pairs = Grammar::parse(Rule::item, &text[segment.start..segment.end]);
        let item = pairs.ok().and_then(|mut pairs| pairs.next()).ok_or_else(|| Mismatch {
            message: "a declaration is not read as it was before".to_string(),
            at: segment.start,
        })?;
        formatter.item(item)?;
    }
    finish(&mut formatter)?;
    Ok(formatter.document.print())
}

/// The comments at the end of the file, and its last line's end.
fn finish(formatter: &mut Formatter<'_>) -> Done {
    formatter.line("");
    formatter.end()
}

fn internal(mismatch: &Mismatch, text: &str, plain: &str, source: SourceId) -> Diagnostic {
    // Offsets count without the marks and carriage returns that were taken out.
    let line = plain[..mismatch.at.min(plain.len())].matches('\n').count();
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let end = start + text[start..].find('\n').unwrap_or(text.len() - start);
    Diagnostic::error("E0190", format!("the formatter failed: {}", mismatch.message))
        .label(Span::new(source, start, end), "on this line")
        .help("nothing was changed; this is a mistake in agpt: please report it with this file")
}
