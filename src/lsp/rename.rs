//! Another name for something, everywhere.

use std::collections::HashMap;

use lsp_types::{PrepareRenameResponse, TextEdit, Uri, WorkspaceEdit};

use crate::base::Medium;
use crate::lang::index::{Definition, Kind};
use crate::lang::syntax::is_reserved;
use crate::lang::{BUILTIN_FUNCTIONS, BUILTIN_TYPES};

use super::documents::{Analysis, Documents, ROOT};
use super::positions::Lines;
use super::references::{Through, uses};
use super::uris;

/// What can be renamed at a place, or why it cannot.
pub fn prepare(analysis: &Analysis, offset: u32) -> Result<PrepareRenameResponse, String> {
    let (span, definition) = target(analysis, offset)?;
    Ok(PrepareRenameResponse::RangeWithPlaceholder {
        range: Lines::new(analysis.text()).range(span),
        placeholder: definition.name.clone(),
    })
}

// The protocol's own type has addresses as keys; they are compared by their text.
#[allow(clippy::mutable_key_type)]
pub fn rename(
    documents: &Documents<'_>,
    analysis: &Analysis,
    offset: u32,
    name: &str,
) -> Result<WorkspaceEdit, String> {
    let (_, definition) = target(analysis, offset)?;
    valid(name, definition)?;
    taken(analysis, definition, name)?;
    let found = uses(documents, analysis, definition, Through::Name)
        .ok_or_else(|| "nothing is declared here".to_string())?;
    let mut changes: HashMap<Uri, Vec<TextEdit>> = HashMap::new();
    for found in found {
        // `{ voice }` names a field as well, which keeps its name.
        let new_text = match found.shorthand {
            true => format!("{}: {name}", definition.name),
            false => name.to_string(),
        };
        changes.entry(found.uri).or_default().push(TextEdit { range: found.range, new_text });
    }
    Ok(WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() })
}

fn target(analysis: &Analysis, offset: u32) -> Result<(crate::base::Span, &Definition), String> {
    let Some((used, definition)) = analysis.index().at(ROOT, offset) else {
        return Err("there is no name here".to_string());
    };
    match definition.kind {
        Kind::Module => {
            return Err("a module is named by its file; `as` gives it another name".to_string());
        }
        Kind::Broken => return Err("its declaration has a mistake; correct that first".to_string()),
        _ => {}
    }
    let file = analysis.file(definition.span.source);
    if file.is_none_or(|file| uris::of(&file.name).is_none()) {
        return Err(format!("`{}` belongs to the standard library", definition.name));
    }
    Ok((used.span, definition))
}

fn valid(name: &str, definition: &Definition) -> Result<(), String> {
    let word = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !word {
        return Err(format!(
            "`{name}` is no name: names are letters, digits and `_`, and begin with no digit"
        ));
    }
    if is_reserved(name) {
        return Err(format!("`{name}` is a word of the language"));
    }
    let builtin = match definition.kind {
        Kind::Type | Kind::Alias => {
            BUILTIN_TYPES.contains(&name) || Medium::from_name(name).is_some()
        }
        _ => false,
    };
    if builtin || (definition.kind != Kind::Type && BUILTIN_FUNCTIONS.contains(&name)) {
        return Err(format!("`{name}` is built in"));
    }
    Ok(())
}

/// One name means one thing in a file: the new one must be free at the top of the file, and for
/// what stands at the top, among all local names as well.
fn taken(analysis: &Analysis, definition: &Definition, name: &str) -> Result<(), String> {
    if name == definition.name {
        return Ok(());
    }
    let index = analysis.index();
    let source = definition.span.source;
    let top = index.names(source).is_some_and(|names| names.names.contains_key(name));
    let local = !matches!(definition.kind, Kind::Value | Kind::Parameter)
        && index.definitions().any(|other| other.span.source == source && other.name == name);
    if top || local {
        return Err(format!("`{name}` has a meaning already"));
    }
    Ok(())
}
