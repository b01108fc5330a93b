//! Quick fixes: the changes that diagnostics offer.

use std::collections::HashMap;

use lsp_types::{CodeAction, CodeActionKind, CodeActionParams, TextEdit, WorkspaceEdit};

use crate::base::{Diagnostic, Fix, Span};
use crate::lang::format::format;

use super::documents::{Analysis, ROOT};
use super::positions::Lines;
use super::{diagnostics, formatting, uris};

/// The fixes of the diagnostics that a range touches.
pub fn actions(analysis: &Analysis, params: &CodeActionParams) -> Vec<CodeAction> {
    let wanted = params.context.only.as_ref().is_none_or(|kinds| {
        kinds.iter().any(|kind| *kind == CodeActionKind::EMPTY || *kind == CodeActionKind::QUICKFIX)
    });
    if !wanted {
        return Vec::new();
    }
    let lines = Lines::new(analysis.text());
    let start = lines.offset(params.range.start);
    let end = lines.offset(params.range.end).max(start);
    let touched = |diagnostic: &&Diagnostic| {
        let Some(label) = diagnostic.labels.first() else { return false };
        let (from, to) = (label.span.start as usize, label.span.end as usize);
        label.span.source == ROOT && from <= end && start <= to
    };
    let here = analysis.diagnostics.iter().filter(touched);
    here.filter_map(|diagnostic| action(analysis, diagnostic)).collect()
}

// The protocol's own type has addresses as keys; they are compared by their text.
#[allow(clippy::mutable_key_type)]
fn action(analysis: &Analysis, diagnostic: &Diagnostic) -> Option<CodeAction> {
    let fix = diagnostic.fix.as_ref()?;
    let sources = &analysis.compilation.sources;
    let file = sources.get(fix.span.source)?;
    // The standard library has no file to change.
    let uri = uris::of(&file.name)?;
    let (span, new_text) =
        neat(&file.text, fix).unwrap_or_else(|| (fix.span, fix.replacement.clone()));
    let edit = TextEdit { range: Lines::new(&file.text).range(span), new_text };
    let shown = diagnostics::convert(diagnostic, sources)?;
    Some(CodeAction {
        title: title(fix, sources.slice(fix.span)),
        kind: Some(CodeActionKind::QUICKFIX),
        diagnostics: Some(vec![shown]),
        edit: Some(WorkspaceEdit {
            changes: Some(HashMap::from([(uri, vec![edit])])),
            ..WorkspaceEdit::default()
        }),
        is_preferred: Some(true),
        ..CodeAction::default()
    })
}

/// The fix with what the formatter makes of it, where the text was as the formatter has it.
fn neat(text: &str, fix: &Fix) -> Option<(Span, String)> {
    let source = fix.span.source;
    if format(text, source).ok()? != text {
        return None;
    }
    let (start, end) = (fix.span.start as usize, fix.span.end as usize);
    let fixed = format!("{}{}{}", text.get(..start)?, fix.replacement, text.get(end..)?);
    let formatted = format(&fixed, source).ok()?;
    // A fix that needs no more stays what it is.
    (formatted != fixed).then(|| formatting::changed(text, &formatted, source))
}

fn title(fix: &Fix, now: &str) -> String {
    if let Some(title) = &fix.title {
        return title.clone();
    }
    let (now, then) = (now.trim(), fix.replacement.trim());
    match (now, then) {
        (now, "") if fix.replacement.is_empty() => format!("Remove `{now}`"),
        (_, "") => "Start a new line".to_string(),
        ("", then) => format!("Add `{then}`"),
        (now, then) => format!("Change `{now}` to `{then}`"),
    }
}
