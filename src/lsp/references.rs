//! All places that a name is used, in this file and in others.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lsp_types::{Location, Range, Uri};

use crate::lang::index::{Definition, Index, Kind};

use super::documents::{Analysis, Documents, Place, ROOT};
use super::positions::Lines;
use super::uris;

/// Which of the two names counts where an import has another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Through {
    /// What is meant, under whatever name.
    Meaning,
    /// The name itself.
    Name,
}

/// A use, with what a change of the name must know.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub uri: Uri,
    pub range: Range,
    pub shorthand: bool,
    pub declaration: bool,
}

pub fn references(
    documents: &Documents<'_>,
    analysis: &Analysis,
    offset: u32,
    declaration: bool,
) -> Option<Vec<Location>> {
    let index = analysis.index();
    let (_, definition) = index.at(ROOT, offset)?;
    let found = uses(documents, analysis, index.meaning(definition), Through::Meaning)?;
    let kept = found.into_iter().filter(|found| declaration || !found.declaration);
    Some(kept.map(|found| Location { uri: found.uri, range: found.range }).collect())
}

/// The uses of a definition in the open documents and in the workspace, in order.
pub fn uses(
    documents: &Documents<'_>,
    analysis: &Analysis,
    definition: &Definition,
    through: Through,
) -> Option<Vec<Found>> {
    let place = analysis.place(definition.span)?;
    let mut search = Search { place, through, seen: BTreeSet::new(), found: BTreeMap::new() };
    search.within(analysis);
    // Nothing outside of a file can name what is local to it; parameters are named in calls.
    if !matches!(definition.kind, Kind::Value | Kind::Alias | Kind::Broken) {
        for (_, other) in documents.open() {
            search.within(other);
        }
        documents.closed(|other| search.within(other));
    }
    Some(search.found.into_values().flatten().collect())
}

struct Search {
    /// The definition.
    place: Place,
    through: Through,
    seen: BTreeSet<Place>,
    found: BTreeMap<String, Vec<Found>>,
}

impl Search {
    fn within(&mut self, analysis: &Analysis) {
        let index = analysis.index();
        let mut lines: HashMap<_, _> = HashMap::new();
        for used in index.uses() {
            let Some(place) = self.meant(analysis, index, used.definition) else { continue };
            if place != self.place {
                continue;
            }
            let (Some(file), Some(at)) =
                (analysis.file(used.span.source), analysis.place(used.span))
            else {
                continue;
            };
            let Some(uri) = uris::of(&file.name) else { continue };
            let declaration = at == self.place;
            if !self.seen.insert(at) {
                continue;
            }
            let lines = lines.entry(used.span.source).or_insert_with(|| Lines::new(&file.text));
            self.found.entry(file.name.clone()).or_default().push(Found {
                uri,
                range: lines.range(used.span),
                shorthand: index.is_shorthand(used.span),
                declaration,
            });
        }
    }

    fn meant(&self, analysis: &Analysis, index: &Index, span: crate::base::Span) -> Option<Place> {
        match self.through {
            Through::Name => analysis.place(span),
            Through::Meaning => analysis.place(index.meaning(index.definition(span)?).span),
        }
    }
}
