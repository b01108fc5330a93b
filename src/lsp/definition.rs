//! Where a name is declared.

use lsp_types::Location;

use super::documents::{Analysis, ROOT};
use super::positions::Lines;
use super::uris;

/// Through `as` to the declaration itself; none for what is inside of the program.
pub fn definition(analysis: &Analysis, offset: u32) -> Option<Location> {
    let index = analysis.index();
    let (_, definition) = index.at(ROOT, offset)?;
    let meaning = index.meaning(definition);
    let file = analysis.file(meaning.span.source)?;
    let range = Lines::new(&file.text).range(meaning.span);
    Some(Location { uri: uris::of(&file.name)?, range })
}
