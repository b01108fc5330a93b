//! A document in the one style, as the lines that change.

use lsp_types::TextEdit;

use crate::base::{SourceId, Span};
use crate::lang::format::format;

use super::documents::{Analysis, ROOT};
use super::positions::Lines;

/// What to change; nothing where the document has syntax errors, which are shown already.
pub fn formatting(analysis: &Analysis) -> Option<Vec<TextEdit>> {
    let before = analysis.text();
    let after = format(before, ROOT).ok()?;
    if before == after {
        return Some(Vec::new());
    }
    let (span, new_text) = changed(before, &after, ROOT);
    Some(vec![TextEdit { range: Lines::new(before).range(span), new_text }])
}

/// The lines that differ between two texts, and what they become. Lines that stay at both ends are
/// left alone, so that marks and cursors there stay too.
pub fn changed(before: &str, after: &str, source: SourceId) -> (Span, String) {
    let head = shared(before.split_inclusive('\n'), after.split_inclusive('\n'));
    let tail = shared(
        before[head..].split_inclusive('\n').rev(),
        after[head..].split_inclusive('\n').rev(),
    );
    let span = Span::new(source, head, before.len() - tail);
    (span, after[head..after.len() - tail].to_string())
}

/// How many bytes of lines are the same from the start.
fn shared<'a>(left: impl Iterator<Item = &'a str>, right: impl Iterator<Item = &'a str>) -> usize {
    left.zip(right).take_while(|(left, right)| left == right).map(|(line, _)| line.len()).sum()
}
