//! Modules: loads what the root file uses, and says what each name at the top of a file means.

mod cycles;
mod names;

use std::collections::HashMap;

use crate::base::{Diagnostic, SourceId, Sources, Span};

use super::loader::{LoadError, LoadedPlugin, Loader, ModuleId, root_id};
use super::syntax::{self, ast};
use super::words::nearest;

pub use names::{BUILTIN_FUNCTIONS, BUILTIN_TYPES, member};

/// More modules than this are a loader's mistake.
const MAX_MODULES: usize = 512;

/// A place in [`Resolved::modules`].
pub type ModuleIndex = usize;

/// A declaration: its module and its place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemRef {
    pub module: ModuleIndex,
    pub item: usize,
}

/// What a name at the top of a file means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Item(ItemRef),
    Module(ModuleIndex),
    /// Its declaration has a mistake that was reported.
    Broken,
}

#[derive(Debug, Clone)]
pub struct Binding {
    pub target: Target,
    /// Where the name is declared or imported.
    pub span: Span,
    /// For an imported name, its place in [`Module::imports`].
    pub import: Option<usize>,
}

/// One imported name.
#[derive(Debug, Clone)]
pub struct Import {
    pub name: String,
    pub span: Span,
    /// `pub use`: others can use it from this module, too.
    pub public: bool,
    /// Whether `as` gave the name.
    pub alias: bool,
}

#[derive(Debug)]
pub struct Module {
    pub source: SourceId,
    /// As first written after `use`; empty for the root file.
    pub path: String,
    /// How many folders up its paths may lead, if there is a limit.
    pub up: Option<usize>,
    pub file: ast::File,
    pub names: HashMap<String, Binding>,
    pub imports: Vec<Import>,
    /// What each `use` led to, by place among the file's items.
    pub uses: HashMap<usize, Option<ModuleIndex>>,
    /// What each `plugin` names, by place among the file's items, where it could be read.
    pub plugins: HashMap<usize, LoadedPlugin>,
}

#[derive(Debug, Default)]
pub struct Resolved {
    /// The root file first.
    pub modules: Vec<Module>,
}

impl Resolved {
    /// Where a target is declared: its name, or the start of a module's file.
    pub fn declared(&self, target: Target) -> Option<Span> {
        match target {
            Target::Item(at) => Some(self.modules[at.module].file.items[at.item].name()?.span),
            Target::Module(module) => Some(Span::new(self.modules[module].source, 0, 0)),
            Target::Broken => None,
        }
    }

    /// Where a name at the top of a file is declared; an alias is declared where it is given.
    pub fn definition(&self, module: ModuleIndex, binding: &Binding) -> Option<Span> {
        match (binding.import, binding.target) {
            (Some(import), _) if self.modules[module].imports[import].alias => Some(binding.span),
            (None, Target::Broken) => Some(binding.span),
            (_, target) => self.declared(target),
        }
    }
}

/// Reads the root file and all modules it uses, directly or not.
pub fn resolve(
    root_name: &str,
    root_text: &str,
    loader: &dyn Loader,
    sources: &mut Sources,
    diagnostics: &mut Vec<Diagnostic>,
) -> Resolved {
    let mut ids: Vec<ModuleId> = vec![root_id(root_name)];
    let mut known: HashMap<ModuleId, ModuleIndex> = HashMap::from([(ids[0].clone(), 0)]);
    let mut modules = vec![read(String::new(), None, root_name, root_text, sources, diagnostics)];
    let mut next = 0;
    while next < modules.len() {
        let mut uses = HashMap::new();
        for (place, (path, span)) in used_paths(&modules[next].file) {
            let target = match loader.load(&ids[next], &path) {
                Ok(loaded) => match known.get(&loaded.id) {
                    Some(index) => Some(*index),
                    None if modules.len() >= MAX_MODULES => {
                        diagnostics.push(
                            Diagnostic::error("E0204", "too many modules")
                                .label(span, format!("more than {MAX_MODULES}")),
                        );
                        None
                    }
                    None => {
                        let index = modules.len();
                        known.insert(loaded.id.clone(), index);
                        ids.push(loaded.id);
                        modules.push(read(
                            path.clone(),
                            loaded.up,
                            &loaded.name,
                            &loaded.text,
                            sources,
                            diagnostics,
                        ));
                        Some(index)
                    }
                },
                Err(error) => {
                    diagnostics.push(not_loaded(&path, span, &error));
                    None
                }
            };
            uses.insert(place, target);
        }
        modules[next].uses = uses;
        let module = &modules[next];
        let found = plugins(&module.file, module.up, &ids[next], loader, diagnostics);
        modules[next].plugins = found;
        next += 1;
    }
    let mut resolved = Resolved { modules };
    cycles::check(&resolved, diagnostics);
    names::bind(&mut resolved, diagnostics);
    resolved
}

fn read(
    path: String,
    up: Option<usize>,
    name: &str,
    text: &str,
    sources: &mut Sources,
    diagnostics: &mut Vec<Diagnostic>,
) -> Module {
    let source = sources.add(name, text);
    let parsed = syntax::parse(text, source);
    diagnostics.extend(parsed.diagnostics);
    Module {
        source,
        path,
        up,
        file: parsed.file,
        names: HashMap::new(),
        imports: Vec::new(),
        uses: HashMap::new(),
        plugins: HashMap::new(),
    }
}

/// Why a path leads out of the package that says it, `up` folders below the package's own.
pub fn outside_package(up: Option<usize>, path: &str, span: Span) -> Option<Diagnostic> {
    let mut depth = i64::try_from(up?).unwrap_or(i64::MAX);
    let mut inside = !path.starts_with('/') && !path.contains(['\\', ':']);
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        inside &= depth >= 0;
    }
    (!inside).then(|| {
        Diagnostic::error("E1009", "this file is outside of the package")
            .label(span, "a package reads its own files only")
            .help("put the file into the package's folder")
    })
}

/// Reads the components that a file names.
fn plugins(
    file: &ast::File,
    up: Option<usize>,
    id: &ModuleId,
    loader: &dyn Loader,
    diagnostics: &mut Vec<Diagnostic>,
) -> HashMap<usize, LoadedPlugin> {
    let mut loaded = HashMap::new();
    for (place, item) in file.items.iter().enumerate() {
        let ast::ItemKind::Plugin(item) = &item.kind else { continue };
        if item.format.text != "wasm" {
            diagnostics.push(
                Diagnostic::error("E0901", format!("`{}` is no kind of plugin", item.format.text))
                    .label(item.format.span, "not known")
                    .help("plugins are WebAssembly components: `wasm \"file.wasm\"`"),
            );
            continue;
        }
        let Some(path) = item.path.plain().filter(|path| !path.is_empty()) else {
            diagnostics.push(
                Diagnostic::error("E0901", "the path of a plugin is a plain text")
                    .label(item.path.span, "empty, or with a hole")
                    .help("write the path of its component, taken from the folder of this file"),
            );
            continue;
        };
        if let Some(diagnostic) = outside_package(up, &path, item.path.span) {
            diagnostics.push(diagnostic);
            continue;
        }
        match loader.plugin(id, &path) {
            Ok(plugin) => drop(loaded.insert(place, plugin)),
            Err(error) => diagnostics.push(no_plugin(item, &path, &error)),
        }
    }
    loaded
}

fn no_plugin(item: &ast::Plugin, path: &str, error: &LoadError) -> Diagnostic {
    let name = &item.name.text;
    match error {
        LoadError::NotFound { similar } => {
            let diagnostic = Diagnostic::error(
                "E0901",
                format!("the component of plugin `{name}` is not there: {path}"),
            )
            .label(item.path.span, "no such file");
            match nearest(path, similar.iter().map(String::as_str)) {
                Some(near) => diagnostic.help(format!("did you mean \"{near}\"?")),
                None => diagnostic.help("the path is taken from the folder of this file"),
            }
        }
        LoadError::Unreadable(reason) => {
            let diagnostic = Diagnostic::error(
                "E0901",
                format!("the component of plugin `{name}` cannot be used: {reason}"),
            );
            diagnostic
                .label(item.path.span, "this file")
                .help("`agpt plugin inspect FILE` shows what is in a component")
        }
        LoadError::Package(error) => {
            let diagnostic = Diagnostic::error(error.code, error.message.clone())
                .label(item.path.span, "this file");
            match &error.help {
                Some(help) => diagnostic.help(help.clone()),
                None => diagnostic,
            }
        }
    }
}

fn used_paths(file: &ast::File) -> Vec<(usize, (String, Span))> {
    let uses = file.items.iter().enumerate().filter_map(|(place, item)| match &item.kind {
        ast::ItemKind::Use(item) => Some((place, (item.path.clone(), item.path_span))),
        _ => None,
    });
    uses.collect()
}

fn not_loaded(path: &str, span: Span, error: &LoadError) -> Diagnostic {
    match error {
        LoadError::NotFound { similar } => {
            let diagnostic = Diagnostic::error("E0204", format!("there is no module `{path}`"))
                .label(span, "not found");
            if let Some(near) = nearest(path, similar.iter().map(String::as_str)) {
                diagnostic.did_you_mean(near)
            } else if path.starts_with("./") || path.starts_with("../") {
                diagnostic.help("the path is taken from the folder of this file, without `.agpt`")
            } else if path.starts_with("std/") {
                diagnostic
            } else {
                diagnostic
                    .help(format!("a file beside this one is named with its folder: `./{path}`"))
            }
        }
        LoadError::Unreadable(reason) => {
            Diagnostic::error("E0204", format!("module `{path}` cannot be read: {reason}"))
                .label(span, "")
        }
        LoadError::Package(error) => {
            let diagnostic =
                Diagnostic::error(error.code, error.message.clone()).label(span, "used here");
            match &error.help {
                Some(help) => diagnostic.help(help.clone()),
                None => diagnostic,
            }
        }
    }
}
