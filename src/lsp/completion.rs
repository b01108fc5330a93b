//! What could be written at the cursor.

use std::collections::BTreeSet;

use lsp_types::{CompletionItem, CompletionItemKind, CompletionTextEdit, Documentation, TextEdit};

use crate::base::{Medium, SourceId, Span};
use crate::lang::index::{Definition, Index, Kind};
use crate::lang::metrics::{METRICS, Metric};
use crate::lang::settings::{Stage, TABLE};
use crate::lang::types::Type;
use crate::lang::{BUILTIN_FUNCTIONS, BUILTIN_TYPES};

use super::context::{Wanted, wanted};
use super::documents::{Analysis, Documents, ROOT};
use super::hover::{definition_text, markdown, setting};
use super::positions::Lines;
use super::words::{AT_TOP, INSIDE};

pub fn completion(
    documents: &Documents,
    analysis: &Analysis,
    offset: usize,
) -> Vec<CompletionItem> {
    let Some(text) = analysis.text().get(..offset) else { return Vec::new() };
    let index = analysis.index();
    match wanted(text) {
        Wanted::Nothing => Vec::new(),
        Wanted::Path(typed) => paths(documents, analysis, &typed, offset),
        Wanted::Published(path) => {
            let own = analysis.file(ROOT).map_or("", |file| &file.name);
            let Some(module) = documents.module(own, &path) else { return Vec::new() };
            published(module.index(), ROOT)
        }
        Wanted::Metric => METRICS.iter().map(metric).collect(),
        Wanted::Declaration => words(&AT_TOP, CompletionItemKind::KEYWORD).collect(),
        Wanted::Stage => {
            words(&Stage::ALL.map(Stage::name), CompletionItemKind::PROPERTY).collect()
        }
        Wanted::Setting(stage, medium) => settings(stage, medium),
        Wanted::Member(name) => members(index, &name, offset),
        Wanted::Name(locals) => {
            let mut items: Vec<_> = locals
                .iter()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .map(|name| match local(index, name, offset) {
                    Some(definition) => item(index, name, definition),
                    None => plain(name, CompletionItemKind::VARIABLE),
                })
                .collect();
            let tops = index.names(ROOT).into_iter().flat_map(|names| &names.names);
            items.extend(
                tops.filter_map(|(name, span)| Some(item(index, name, index.definition(*span)?))),
            );
            items.extend(words(&BUILTIN_FUNCTIONS, CompletionItemKind::FUNCTION));
            items.extend(words(&Medium::ALL.map(Medium::name), CompletionItemKind::STRUCT));
            items.extend(words(&BUILTIN_TYPES, CompletionItemKind::STRUCT));
            items.extend(words(&INSIDE, CompletionItemKind::KEYWORD));
            // `chat` is a type and a word.
            let mut seen = BTreeSet::new();
            items.retain(|item| seen.insert(item.label.clone()));
            items
        }
    }
}

fn plain(label: &str, kind: CompletionItemKind) -> CompletionItem {
    CompletionItem { label: label.to_string(), kind: Some(kind), ..CompletionItem::default() }
}

fn words(words: &[&str], kind: CompletionItemKind) -> impl Iterator<Item = CompletionItem> {
    words.iter().map(move |word| plain(word, kind))
}

fn item(index: &Index, name: &str, definition: &Definition) -> CompletionItem {
    let meaning = index.meaning(definition);
    let kind = match meaning.kind {
        Kind::Module | Kind::Plugin => CompletionItemKind::MODULE,
        Kind::Const => CompletionItemKind::CONSTANT,
        Kind::Type => CompletionItemKind::STRUCT,
        Kind::Template => CompletionItemKind::INTERFACE,
        Kind::Pipeline => CompletionItemKind::FUNCTION,
        Kind::Alias | Kind::Parameter | Kind::Value | Kind::Broken => CompletionItemKind::VARIABLE,
    };
    CompletionItem {
        detail: Some(meaning.line.clone()),
        documentation: Some(Documentation::MarkupContent(markdown(definition_text(
            index, definition,
        )))),
        ..plain(name, kind)
    }
}

/// The local of that name which was declared last before the cursor.
fn local<'a>(index: &'a Index, name: &str, offset: usize) -> Option<&'a Definition> {
    index
        .definitions()
        .filter(|d| matches!(d.kind, Kind::Value | Kind::Parameter))
        .filter(|d| d.span.source == ROOT && d.name == name && (d.span.start as usize) < offset)
        .max_by_key(|definition| definition.span.start)
}

/// What may stand after `name.`: what a module publishes, or the fields of a value.
fn members(index: &Index, name: &str, offset: usize) -> Vec<CompletionItem> {
    let top = index.names(ROOT).and_then(|names| names.names.get(name));
    if let Some(top) = top.and_then(|span| index.definition(*span)) {
        let meaning = index.meaning(top);
        let function = |(name, line): &(String, String)| CompletionItem {
            detail: Some(line.clone()),
            ..plain(name, CompletionItemKind::FUNCTION)
        };
        return match meaning.kind {
            Kind::Module => published(index, meaning.span.source),
            Kind::Plugin => index.functions_of(meaning.span).iter().map(function).collect(),
            _ => Vec::new(),
        };
    }
    let field = |name: &str, ty: &Type| CompletionItem {
        detail: Some(format!("{name}: {ty}")),
        ..plain(name, CompletionItemKind::FIELD)
    };
    match local(index, name, offset).and_then(|definition| definition.ty.as_ref()) {
        Some(Type::Record(fields)) => fields.iter().map(|(name, ty)| field(name, ty)).collect(),
        Some(Type::Mixed) => ["text", "images", "speech", "music"]
            .into_iter()
            .filter_map(|name| Some(field(name, &Type::of_mixed(name)?)))
            .collect(),
        _ => Vec::new(),
    }
}

/// What a module lets others use.
fn published(index: &Index, source: SourceId) -> Vec<CompletionItem> {
    let public = index.names(source).into_iter().flat_map(|names| &names.public);
    let items = public.filter_map(|(name, span)| Some(item(index, name, index.definition(*span)?)));
    items.collect()
}

/// Modules and folders; each replaces what was typed, as `/` and `.` end words for editors.
fn paths(
    documents: &Documents,
    analysis: &Analysis,
    typed: &str,
    offset: usize,
) -> Vec<CompletionItem> {
    let own = analysis.file(ROOT).map_or("", |file| &file.name);
    let range = Lines::new(analysis.text()).range(Span::new(ROOT, offset - typed.len(), offset));
    let item = |path: String| CompletionItem {
        text_edit: Some(CompletionTextEdit::Edit(TextEdit { range, new_text: path.clone() })),
        ..plain(
            &path,
            match path.ends_with('/') {
                true => CompletionItemKind::FOLDER,
                false => CompletionItemKind::MODULE,
            },
        )
    };
    documents.paths(own, typed).into_iter().map(item).collect()
}

fn metric(metric: &Metric) -> CompletionItem {
    CompletionItem {
        detail: Some(metric.usage()),
        documentation: Some(Documentation::MarkupContent(markdown(metric.about()))),
        ..plain(metric.name, CompletionItemKind::FUNCTION)
    }
}

fn settings(stage: Stage, medium: Option<Medium>) -> Vec<CompletionItem> {
    let mut items: Vec<CompletionItem> = Vec::new();
    let serves = |media: &[Medium]| medium.is_none_or(|medium| media.contains(&medium));
    for entry in TABLE.iter().filter(|entry| entry.stage == stage && serves(entry.media)) {
        // Without a medium a name may be there for several; the first stands for all.
        if items.iter().any(|known| known.label == entry.name) {
            continue;
        }
        let range = entry.range.map(|range| format!(", {range}")).unwrap_or_default();
        items.push(CompletionItem {
            detail: Some(format!("{}{range}", entry.kind.ty())),
            documentation: Some(Documentation::MarkupContent(markdown(setting(entry)))),
            insert_text: Some(format!("{}: ", entry.name)),
            ..plain(entry.name, CompletionItemKind::PROPERTY)
        });
    }
    items
}
