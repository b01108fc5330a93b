//! A static site of a library: its templates, pipelines, types and constants, each page a file
//! that loads nothing.

pub mod html;
mod page;
pub mod prompt;

use std::collections::BTreeMap;

use crate::base::{SourceId, Span};
use crate::lang::Compilation;
use crate::lang::syntax::{self, ast};

/// One module that compiled.
pub struct Module {
    /// As it stands after the library's name, such as `more/polite`; `lib` for the library itself.
    pub path: String,
    /// How others name it, such as `pkg/words/more/polite`.
    pub used_as: String,
    pub compilation: Compilation,
    file: ast::File,
}

impl Module {
    pub fn new(path: &str, used_as: &str, compilation: Compilation) -> Self {
        let text = compilation.sources.get(SourceId(0)).map(|file| file.text.clone());
        let file = syntax::parse(text.as_deref().unwrap_or(""), SourceId(0)).file;
        Module { path: path.to_string(), used_as: used_as.to_string(), compilation, file }
    }

    fn slice(&self, span: Span) -> &str {
        self.compilation.sources.slice(span)
    }

    /// The name that its source has in every compilation.
    fn source(&self) -> &str {
        self.compilation.sources.get(SourceId(0)).map_or("", |file| &file.name)
    }

    fn items(&self) -> impl Iterator<Item = &ast::Item> {
        self.file.items.iter().filter(|item| {
            // What is not `pub` is nobody else's, but a pipeline can be run.
            item.public.is_some() || matches!(item.kind, ast::ItemKind::Pipeline(_))
        })
    }
}

/// What the site is about.
pub struct Library {
    pub name: String,
    pub version: Option<String>,
    pub description: Option<String>,
    pub license: Option<String>,
    pub modules: Vec<Module>,
}

/// A test that uses a declaration.
struct Example<'a> {
    module: &'a Module,
    title: String,
    source: &'a str,
}

/// A declaration, the same in every compilation: its file's name and where its own name begins.
type Place = (String, u32);

struct Site<'a> {
    library: &'a Library,
    examples: BTreeMap<Place, Vec<Example<'a>>>,
    /// The page of each declaration that is shown.
    pages: BTreeMap<Place, String>,
}

/// The files of the site by name.
pub fn site(library: &Library) -> BTreeMap<String, String> {
    let mut site = Site { library, examples: BTreeMap::new(), pages: BTreeMap::new() };
    for module in &library.modules {
        for item in module.items() {
            if let Some(name) = item.name() {
                let address = format!("{}#{}", page_of(module), name.text);
                site.pages.insert((module.source().to_string(), name.span.start), address);
            }
        }
        site.tests(module);
    }
    let mut files = BTreeMap::from([("index.html".to_string(), site.index())]);
    for module in &library.modules {
        if module.items().next().is_some() || module.file.doc.is_some() {
            files.insert(page_of(module), site.module(module));
        }
    }
    files
}

fn page_of(module: &Module) -> String {
    format!("module.{}.html", module.path.replace('/', "."))
}

impl<'a> Site<'a> {
    fn tests(&mut self, module: &'a Module) {
        for item in &module.file.items {
            let ast::ItemKind::Test(test) = &item.kind else { continue };
            let inside = |span: Span| {
                span.source == SourceId(0)
                    && span.start >= item.span.start
                    && span.end <= item.span.end
            };
            let uses = module.compilation.index.uses().iter().filter(|used| inside(used.span));
            let mut places: Vec<Place> =
                uses.filter_map(|used| place(module, used.definition)).collect();
            places.sort();
            places.dedup();
            for place in places {
                self.examples.entry(place).or_default().push(Example {
                    module,
                    title: test.title.plain().unwrap_or_default(),
                    source: module.slice(item.span).trim(),
                });
            }
        }
    }
}

/// What a definition of a module's compilation means everywhere.
fn place(module: &Module, definition: Span) -> Option<Place> {
    let index = &module.compilation.index;
    let meant = index.meaning(index.definition(definition)?);
    let file = module.compilation.sources.get(meant.span.source)?;
    Some((file.name.clone(), meant.span.start))
}
