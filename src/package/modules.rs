//! Where `use pkg/…` leads, for one compilation.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::lang::words::nearest;
use crate::lang::{LoadError, PackageError};

use super::graph::{Graph, Mode, Read, tidy};
use super::manifest::MANIFEST;

/// The module that `use pkg/NAME` means.
pub const LIB: &str = "lib";

/// A module's file, and how many folders up from its own the package ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub file: PathBuf,
    pub up: Option<usize>,
}

/// What came of reading a project's packages.
type Known = Rc<Result<Graph, PackageError>>;

/// A project, and the package of it that a file is in, if it is in one.
type Owner = (Known, Option<String>);

/// Projects and their packages, read when they are first asked for.
#[derive(Default)]
pub struct Packages {
    graphs: RefCell<HashMap<PathBuf, Known>>,
}

impl Packages {
    /// Finds `pkg/NAME/…`, written in the file `from`.
    pub fn find(&self, from: &Path, path: &str, read: Read) -> Result<Found, LoadError> {
        let rest = path.strip_prefix("pkg/").unwrap_or(path);
        let (name, module) = match rest.split_once('/') {
            Some((name, module)) => (name, module),
            None => (rest, LIB),
        };
        let (graph, owner) = self.owner(from, read)?;
        let graph = graph.as_ref().as_ref().map_err(Clone::clone)?;
        let manifest = match &owner {
            Some(package) => &graph.packages[package].manifest,
            None => &graph.manifest,
        };
        let package = graph.packages.get(name).filter(|_| manifest.packages.contains_key(name));
        let Some(package) = package else {
            let place = owner.as_ref().map_or(&graph.root, |owner| &graph.packages[owner].folder);
            let known = manifest.packages.keys().map(String::as_str);
            let help = match nearest(name, known) {
                Some(near) => format!("did you mean `pkg/{near}`?"),
                None => format!("`agpt add {name} --path …` or `--git …` puts it there"),
            };
            return Err(LoadError::Package(PackageError {
                code: "E1003",
                message: format!("{} names no package `{name}`", place.join(MANIFEST).display()),
                help: Some(help),
            }));
        };
        let file = tidy(&package.folder.join(format!("{module}.agpt")));
        stays_in(&file, &package.folder)?;
        if !file.is_file() && read(&file).is_err() {
            return Err(LoadError::NotFound { similar: modules(&package.folder, name) });
        }
        let up = Some(module.matches('/').count());
        Ok(Found { file: as_named(from, file), up })
    }

    /// The modules of packages that a file may use, as they stand after `use`.
    pub fn names(&self, from: &Path, read: Read) -> Vec<String> {
        let Ok((graph, owner)) = self.owner(from, read) else { return Vec::new() };
        let Ok(graph) = graph.as_ref() else { return Vec::new() };
        let manifest = match &owner {
            Some(package) => &graph.packages[package].manifest,
            None => &graph.manifest,
        };
        let used = manifest.packages.keys();
        let known = used.filter_map(|name| Some((name, graph.packages.get(name)?)));
        known.flat_map(|(name, package)| modules(&package.folder, name)).collect()
    }

    /// For a `./` path of a file in a package: its limit, and an error beyond it.
    pub fn beside(&self, from: &Path, file: &Path) -> Result<Option<usize>, LoadError> {
        let Some(folder) = self.package_folder(from) else { return Ok(None) };
        let file = tidy(&absolute(file));
        stays_in(&file, &folder)?;
        let below = file.strip_prefix(&folder).unwrap_or(&file);
        Ok(Some(below.components().count().saturating_sub(1)))
    }

    /// The folder of the package that a file belongs to, if a graph that was read has it.
    fn package_folder(&self, from: &Path) -> Option<PathBuf> {
        let from = tidy(&absolute(from));
        let graphs = self.graphs.borrow();
        let packages = graphs.values().filter_map(|graph| graph.as_ref().as_ref().ok());
        let folders = packages.flat_map(|graph| graph.packages.values().map(|p| &p.folder));
        let around = folders.filter(|folder| from.starts_with(folder));
        around.max_by_key(|folder| folder.components().count()).cloned()
    }

    /// The project that a file belongs to, and the package of it, if it is in one.
    fn owner(&self, from: &Path, read: Read) -> Result<Owner, LoadError> {
        let from = tidy(&absolute(from));
        if let Some(found) = self.known_owner(&from) {
            return Ok(found);
        }
        let root = project_of(&from).ok_or_else(|| PackageError {
            code: "E1003",
            message: format!("there is no {MANIFEST} in the folder of this file or above it"),
            help: Some("packages are named there: `agpt new` makes one".to_string()),
        })?;
        let mut graphs = self.graphs.borrow_mut();
        let graph = graphs.entry(root.clone()).or_insert_with(|| {
            Rc::new(Graph::of(&root, &Mode::Offline, read).map_err(|problem| problem.to_error()))
        });
        Ok((graph.clone(), None))
    }

    fn known_owner(&self, from: &Path) -> Option<Owner> {
        let graphs = self.graphs.borrow();
        let mut best: Option<(usize, Known, String)> = None;
        for graph in graphs.values() {
            let Ok(read) = graph.as_ref() else { continue };
            for (name, package) in &read.packages {
                let depth = package.folder.components().count();
                let nearer = best.as_ref().is_none_or(|(known, ..)| depth > *known);
                if from.starts_with(&package.folder) && nearer {
                    best = Some((depth, graph.clone(), name.clone()));
                }
            }
        }
        let (_, graph, name) = best?;
        Some((graph, Some(name)))
    }
}

/// The nearest folder with an agpt.yaml at or above a file.
pub fn project_of(file: &Path) -> Option<PathBuf> {
    let file = tidy(&absolute(file));
    file.ancestors().skip(1).find(|folder| folder.join(MANIFEST).is_file()).map(Path::to_path_buf)
}

pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// In the manner that the file that uses it is named: an editor's paths are absolute, a command's
/// are as typed.
fn as_named(from: &Path, file: PathBuf) -> PathBuf {
    if from.is_absolute() {
        return file;
    }
    let here = std::env::current_dir().ok();
    match here.as_deref().and_then(|here| file.strip_prefix(here).ok()) {
        Some(below) => below.to_path_buf(),
        None => file,
    }
}

/// A package's modules are in its folder, also by way of links.
fn stays_in(file: &Path, folder: &Path) -> Result<(), LoadError> {
    let linked_out = match (file.canonicalize(), folder.canonicalize()) {
        (Ok(file), Ok(folder)) => !file.starts_with(folder),
        // What is not there leads nowhere.
        _ => false,
    };
    if file.starts_with(folder) && !linked_out {
        return Ok(());
    }
    Err(LoadError::Package(PackageError {
        code: "E1009",
        message: format!("{} is outside of the package in {}", file.display(), folder.display()),
        help: Some("a package uses its own files, and other packages by `pkg/NAME`".to_string()),
    }))
}

/// The modules of a package, as they stand after `use`.
fn modules(folder: &Path, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    collect(folder, "", 0, &mut found);
    found.sort();
    found
        .iter()
        .map(|module| match module.as_str() {
            LIB => format!("pkg/{name}"),
            module => format!("pkg/{name}/{module}"),
        })
        .collect()
}

fn collect(folder: &Path, prefix: &str, depth: usize, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let Ok(kind) = entry.file_type() else { continue };
        if name.starts_with('.') || found.len() >= 1000 {
            continue;
        }
        if kind.is_dir() {
            // A folder with a manifest is another package.
            if depth >= 8 || entry.path().join(MANIFEST).is_file() {
                continue;
            }
            collect(&entry.path(), &format!("{prefix}{name}/"), depth + 1, found);
        } else if let Some(stem) = name.strip_suffix(".agpt").filter(|_| kind.is_file()) {
            found.push(format!("{prefix}{stem}"));
        }
    }
}

/// The modules below a folder without `.agpt`, sorted; hidden folders left out.
pub fn modules_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    collect(folder, "", 0, &mut found);
    found.sort();
    found
}
