//! The outline of a document.

use lsp_types::{DocumentSymbol, SymbolKind};

use crate::base::{SourceId, Span};
use crate::lang::index::Kind;
use crate::lang::syntax::{
    self,
    ast::{Ident, ItemKind},
};

use super::documents::{Analysis, ROOT};
use super::positions::Lines;

/// Declarations in order, with the parameters and values inside of each.
pub fn symbols(analysis: &Analysis) -> Vec<DocumentSymbol> {
    let text = analysis.text();
    let lines = Lines::new(text);
    let index = analysis.index();
    let mut locals: Vec<_> = index
        .definitions()
        .filter(|d| d.span.source == ROOT && matches!(d.kind, Kind::Parameter | Kind::Value))
        .collect();
    locals.sort_by_key(|definition| definition.span.start);
    // Parsed again for the extents of the items, which the index has no need of.
    let parsed = syntax::parse(text, SourceId(0));
    let items = parsed.file.items.iter().filter_map(|item| {
        let name = match &item.kind {
            // A test has a title instead; editors refuse empty names.
            ItemKind::Test(test) => {
                let text = test.title.plain().filter(|title| !title.is_empty());
                Ident { text: text.unwrap_or_else(|| "test".to_string()), span: test.title.span }
            }
            ItemKind::Evaluation(evaluation) => evaluation.name.clone(),
            _ => item.name()?.clone(),
        };
        let detail = index.definition(name.span).map(|definition| definition.line.clone());
        let kind = match &item.kind {
            ItemKind::Use(_) => return None,
            ItemKind::Const(_) => SymbolKind::CONSTANT,
            ItemKind::Type(_) => SymbolKind::STRUCT,
            ItemKind::Template(_) => SymbolKind::INTERFACE,
            ItemKind::Pipeline(_) => SymbolKind::FUNCTION,
            ItemKind::Plugin(_) => SymbolKind::MODULE,
            ItemKind::Test(_) | ItemKind::Evaluation(_) => SymbolKind::EVENT,
        };
        let from = locals.partition_point(|local| local.span.start < item.span.start);
        let inside = locals[from..].iter().take_while(|local| local.span.end <= item.span.end);
        let children = inside.map(|local| {
            symbol(
                &lines,
                &local.name,
                Some(local.line.clone()),
                SymbolKind::VARIABLE,
                (local.span, local.span),
                Vec::new(),
            )
        });
        let whole = item.span.to(name.span);
        let children = children.collect();
        Some(symbol(&lines, &name.text, detail, kind, (whole, name.span), children))
    });
    items.collect()
}

fn symbol(
    lines: &Lines<'_>,
    name: &str,
    detail: Option<String>,
    kind: SymbolKind,
    (whole, name_span): (Span, Span),
    children: Vec<DocumentSymbol>,
) -> DocumentSymbol {
    // The protocol's type has a field that is deprecated and must be given.
    #[allow(deprecated)]
    DocumentSymbol {
        name: name.to_string(),
        detail,
        kind,
        tags: None,
        deprecated: None,
        range: lines.range(whole),
        selection_range: lines.range(name_span),
        children: Some(children),
    }
}
