//! What a name is: its line, its type, its documentation.

use lsp_types::{Hover, HoverContents, MarkupContent, MarkupKind};

use crate::lang::index::{Definition, Fact, Index, Kind};
use crate::lang::settings::Entry;

use super::documents::{Analysis, ROOT};
use super::positions::Lines;

pub fn hover(analysis: &Analysis, offset: u32) -> Option<Hover> {
    let index = analysis.index();
    let lines = Lines::new(analysis.text());
    let (text, span) = match (index.setting_at(ROOT, offset), index.at(ROOT, offset)) {
        // `{ voice }` is a setting and a value at once.
        (Some((span, entry)), Some((_, definition))) if index.is_shorthand(span) => {
            (format!("{}\n\n---\n\n{}", setting(entry), definition_text(index, definition)), span)
        }
        (Some((span, entry)), _) => (setting(entry), span),
        (None, Some((used, definition))) => (definition_text(index, definition), used.span),
        (None, None) => match index.fact_at(ROOT, offset) {
            Some((span, fact)) => (fact_text(fact), span),
            None => return None,
        },
    };
    Some(Hover { contents: HoverContents::Markup(markdown(text)), range: Some(lines.range(span)) })
}

pub fn markdown(value: String) -> MarkupContent {
    MarkupContent { kind: MarkupKind::Markdown, value }
}

pub fn definition_text(index: &Index, definition: &Definition) -> String {
    let meaning = index.meaning(definition);
    let mut out = format!("```agpt\n{}\n```", meaning.line);
    if let Some(doc) = &meaning.doc {
        out.push_str(&format!("\n\n{doc}"));
    }
    if definition.kind == Kind::Alias {
        out.push_str(&format!("\n\nimported as `{}`", definition.name));
    }
    out
}

pub fn fact_text(fact: &Fact) -> String {
    let doc = fact.doc.as_ref().map(|doc| format!("\n\n{doc}")).unwrap_or_default();
    format!("```agpt\n{}\n```{doc}", fact.line)
}

/// `temperature: float`, at least 0 and at most 2.
pub fn setting(entry: &Entry) -> String {
    let range = entry.range.map(|range| format!("\n\n{range}")).unwrap_or_default();
    format!(
        "```agpt\n{}: {}\n```\n\n{} setting. {}{range}",
        entry.name,
        entry.kind.ty(),
        entry.stage,
        entry.doc,
    )
}
