//! Open documents and what came of compiling them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::base::{Diagnostic, SourceFile, SourceId, Span, text};
use crate::lang::index::Index;
use crate::lang::syntax::MAX_BYTES;
use crate::lang::{self, Compilation, LoadError, LoadedModule, LoadedPlugin, Loader, ModuleId};
use crate::package::Packages;
use crate::plan;

/// The file that a compilation began with.
pub const ROOT: SourceId = SourceId(0);

/// More files of a workspace than this are not searched: an editor waits for the answer.
const MAX_FILES: usize = 2000;
const MAX_DEPTH: usize = 16;

/// Finds modules; their files are read with `read`, which knows what is open in the editor.
pub trait Modules {
    fn load(
        &self,
        packages: &Packages,
        from: &ModuleId,
        path: &str,
        read: &dyn Fn(&Path) -> io::Result<String>,
    ) -> Result<LoadedModule, LoadError>;

    /// What may stand after `use` where `typed` stands already; folders end with `/`.
    fn names(
        &self,
        packages: &Packages,
        from: &ModuleId,
        typed: &str,
        read: &dyn Fn(&Path) -> io::Result<String>,
    ) -> Vec<String>;

    /// Reads the component that a `plugin` names, and tells the file that it looked for.
    fn plugin(
        &self,
        from: &ModuleId,
        path: &str,
        asked: &mut dyn FnMut(&Path),
    ) -> Result<LoadedPlugin, LoadError>;
}

/// Takes what is open in the editor before what is on the disk.
struct BufferLoader<'a> {
    modules: &'a dyn Modules,
    packages: Packages,
    texts: &'a BTreeMap<String, String>,
    /// The names of files that were asked for, whether they were there or not.
    asked: RefCell<BTreeSet<String>>,
}

impl Loader for BufferLoader<'_> {
    fn load(&self, from: &ModuleId, path: &str) -> Result<LoadedModule, LoadError> {
        self.modules.load(&self.packages, from, path, &|file| {
            let name = file.display().to_string();
            let open = self.texts.get(&name).cloned();
            self.asked.borrow_mut().insert(name);
            open.map_or_else(|| text::read(file, MAX_BYTES), Ok)
        })
    }

    fn plugin(&self, from: &ModuleId, path: &str) -> Result<LoadedPlugin, LoadError> {
        self.modules.plugin(from, path, &mut |file| {
            self.asked.borrow_mut().insert(file.display().to_string());
        })
    }
}

/// A compiled document.
pub struct Analysis {
    pub compilation: Compilation,
    /// Those of the compilation and those of its plans.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that it uses or looks for; when one changes, so may this.
    pub asked: BTreeSet<String>,
}

impl Analysis {
    pub fn index(&self) -> &Index {
        &self.compilation.index
    }

    pub fn file(&self, source: SourceId) -> Option<&SourceFile> {
        self.compilation.sources.get(source)
    }

    /// The text of the document itself.
    pub fn text(&self) -> &str {
        self.file(ROOT).map_or("", |file| &file.text)
    }

    /// A place that means the same in every compilation.
    pub fn place(&self, span: Span) -> Option<Place> {
        let name = self.file(span.source)?.name.clone();
        Some(Place { name, start: span.start, end: span.end })
    }
}

/// A span with the name of its file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    pub name: String,
    pub start: u32,
    pub end: u32,
}

pub struct Documents<'a> {
    modules: &'a dyn Modules,
    /// By the names that documents are compiled under.
    texts: BTreeMap<String, String>,
    analyses: BTreeMap<String, Analysis>,
    pub folders: Vec<PathBuf>,
}

impl<'a> Documents<'a> {
    pub fn new(modules: &'a dyn Modules) -> Self {
        Documents {
            modules,
            texts: BTreeMap::new(),
            analyses: BTreeMap::new(),
            folders: Vec::new(),
        }
    }

    pub fn set(&mut self, name: &str, text: String) {
        self.texts.insert(name.to_string(), text);
        self.refresh(name);
    }

    pub fn close(&mut self, name: &str) {
        self.texts.remove(name);
        self.analyses.remove(name);
        self.refresh(name);
    }

    /// Compiles a document again, and those that use it.
    pub fn refresh(&mut self, name: &str) {
        let touched: Vec<String> = self
            .texts
            .keys()
            .filter(|open| {
                *open == name
                    || self.analyses.get(*open).is_some_and(|known| known.asked.contains(name))
            })
            .cloned()
            .collect();
        for open in touched {
            let Some(text) = self.texts.get(&open) else { continue };
            let analysis = self.analyse(&open, text);
            self.analyses.insert(open, analysis);
        }
    }

    fn analyse(&self, name: &str, text: &str) -> Analysis {
        let asked = RefCell::default();
        let loader = BufferLoader {
            modules: self.modules,
            packages: Packages::default(),
            texts: &self.texts,
            asked,
        };
        let compilation = lang::compile(name, text, &loader);
        let mut diagnostics = compilation.diagnostics.clone();
        // Limits of the plan are errors of the file too, as `agpt check` has it.
        if let Some(program) = &compilation.program {
            for entry in &program.entries {
                diagnostics.extend(plan::lower(program, *entry).err());
            }
        }
        Analysis { compilation, diagnostics, asked: loader.asked.into_inner() }
    }

    /// What may stand after `use` in a document where `typed` stands already.
    pub fn paths(&self, from: &str, typed: &str) -> Vec<String> {
        let from = ModuleId(from.to_string());
        self.modules.names(&Packages::default(), &from, typed, &|file| self.read(file))
    }

    /// The module that a document names by `path`.
    pub fn module(&self, from: &str, path: &str) -> Option<Analysis> {
        let from = ModuleId(from.to_string());
        let read = |file: &Path| self.read(file);
        let found = self.modules.load(&Packages::default(), &from, path, &read).ok()?;
        Some(self.analyse(&found.name, &found.text))
    }

    fn read(&self, file: &Path) -> io::Result<String> {
        let open = self.texts.get(&file.display().to_string()).cloned();
        open.map_or_else(|| text::read(file, MAX_BYTES), Ok)
    }

    pub fn get(&self, name: &str) -> Option<&Analysis> {
        self.analyses.get(name)
    }

    pub fn open(&self) -> impl Iterator<Item = (&String, &Analysis)> {
        self.analyses.iter()
    }

    /// Compiles the files of the workspace that are not open, one after the other.
    pub fn closed(&self, mut each: impl FnMut(&Analysis)) {
        let mut files = Vec::new();
        for folder in &self.folders {
            collect(folder, 0, &mut files);
        }
        files.sort();
        files.dedup();
        for file in files {
            let name = file.display().to_string();
            if self.texts.contains_key(&name) {
                continue;
            }
            // What cannot be read has no uses to find.
            if let Ok(text) = text::read(&file, MAX_BYTES) {
                each(&self.analyse(&name, &text));
            }
        }
    }
}

/// The .agpt files in a folder. Hidden folders and links are left out: they may lead anywhere.
fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    for entry in entries {
        if files.len() >= MAX_FILES {
            return;
        }
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let Ok(kind) = entry.file_type() else { continue };
        let path = entry.path();
        if hidden || kind.is_symlink() {
            continue;
        }
        if kind.is_dir() && depth < MAX_DEPTH {
            collect(&path, depth + 1, files);
        } else if kind.is_file() && path.extension().is_some_and(|e| e == "agpt") {
            files.push(path);
        }
    }
}
