//! Modules from the standard library inside the program and from files.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::base::text;
use crate::bundle::embedded;
use crate::lang::syntax::MAX_BYTES;
use crate::lang::{LoadError, LoadedModule, LoadedPlugin, Loader, ModuleId};
use crate::package::Packages;
use crate::package::graph::tidy;
use crate::plugins;

/// `std/…` is embedded; `./…` and `../…` are files, relative to the file that uses them; `pkg/…`
/// are files of packages. One for each compilation: it keeps what it has read of packages.
#[derive(Default)]
pub struct FileLoader {
    packages: Packages,
}

impl Loader for FileLoader {
    fn load(&self, from: &ModuleId, path: &str) -> Result<LoadedModule, LoadError> {
        load(&self.packages, from, path, &|file| text::read(file, MAX_BYTES))
    }

    fn plugin(&self, from: &ModuleId, path: &str) -> Result<LoadedPlugin, LoadError> {
        plugin(from, path, &mut |_| {})
    }
}

/// The same with another way to read files: an editor's buffers come before the disk.
pub fn load(
    packages: &Packages,
    from: &ModuleId,
    path: &str,
    read: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<LoadedModule, LoadError> {
    if let Some(name) = path.strip_prefix("std/") {
        return standard(name);
    }
    if path.starts_with("./") || path.starts_with("../") {
        return file(packages, from, path, read);
    }
    if path.starts_with("pkg/") && !from.0.starts_with("std/") {
        let found = packages.find(Path::new(&from.0), path, read)?;
        let text = read(&found.file).map_err(|error| LoadError::Unreadable(error.to_string()))?;
        let name = found.file.display().to_string();
        return Ok(LoadedModule { id: ModuleId(name.clone()), name, text, up: found.up });
    }
    Err(LoadError::NotFound { similar: standard_names() })
}

/// What may stand after `use` where `typed` stands already; folders end with `/`.
pub fn names(
    packages: &Packages,
    from: &ModuleId,
    typed: &str,
    read: &dyn Fn(&Path) -> io::Result<String>,
) -> Vec<String> {
    if from.0.starts_with("std/") {
        return standard_names();
    }
    if !typed.starts_with('.') {
        let mut names = standard_names();
        names.extend(packages.names(Path::new(&from.0), read));
        names.extend(beside(from, "."));
        return names;
    }
    let mut names = beside(from, typed.rsplit_once('/').map_or(".", |(folder, _)| folder));
    if !typed.contains('/') {
        names.push("../".to_string());
    }
    names
}

/// The modules and folders in a folder that is named from a file; without the file itself.
fn beside(from: &ModuleId, prefix: &str) -> Vec<String> {
    let own = tidy(Path::new(&from.0));
    let folder = own.parent().unwrap_or(Path::new("")).join(prefix);
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let name = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let kind = entry.file_type().ok()?;
        let file = name.strip_suffix(".agpt").filter(|_| kind.is_file());
        let itself = own.file_name().is_some_and(|own| *own == *name) && prefix == ".";
        match file {
            _ if name.starts_with('.') || itself => None,
            Some(stem) => Some(format!("{prefix}/{stem}")),
            None => kind.is_dir().then(|| format!("{prefix}/{name}/")),
        }
    };
    let mut names: Vec<String> = entries.filter_map(name).take(1000).collect();
    names.sort();
    names
}

/// Reads a component beside the file that declares it; `asked` is told which file that is.
pub fn plugin(
    from: &ModuleId,
    path: &str,
    asked: &mut dyn FnMut(&Path),
) -> Result<LoadedPlugin, LoadError> {
    let folder = Path::new(&from.0).parent().unwrap_or(Path::new(""));
    let file = tidy(&folder.join(path));
    asked(&file);
    match plugins::read(&file) {
        Ok(Ok(component)) => {
            let name = file.display().to_string();
            Ok(LoadedPlugin { name, component: Arc::new(component) })
        }
        Ok(Err(reason)) => Err(LoadError::Unreadable(reason)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(LoadError::NotFound { similar: components(&file, path) })
        }
        Err(error) => Err(LoadError::Unreadable(error.to_string())),
    }
}

/// The components beside a missing one, as one would write them.
fn components(file: &Path, path: &str) -> Vec<String> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let prefix = path.rsplit_once('/').map_or(String::new(), |(prefix, _)| format!("{prefix}/"));
    let entries = std::fs::read_dir(folder.unwrap_or(Path::new("."))).into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names
        .filter(|name| name.ends_with(".wasm"))
        .map(|name| format!("{prefix}{name}"))
        .collect();
    names.sort();
    names
}

fn standard_names() -> Vec<String> {
    embedded::modules().map(|name| format!("std/{name}")).collect()
}

fn standard(name: &str) -> Result<LoadedModule, LoadError> {
    let text =
        embedded::module(name).ok_or_else(|| LoadError::NotFound { similar: standard_names() })?;
    let path = format!("std/{name}");
    let name = format!("{path}.agpt");
    Ok(LoadedModule { id: ModuleId(path), name, text: text.into(), up: None })
}

fn file(
    packages: &Packages,
    from: &ModuleId,
    path: &str,
    read: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<LoadedModule, LoadError> {
    // The standard library is not in a folder of the user's.
    if from.0.starts_with("std/") {
        return Err(LoadError::NotFound { similar: standard_names() });
    }
    let folder = Path::new(&from.0).parent().unwrap_or(Path::new(""));
    let file = tidy(&folder.join(format!("{path}.agpt")));
    let up = packages.beside(Path::new(&from.0), &file)?;
    match read(&file) {
        Ok(text) => {
            let name = file.display().to_string();
            Ok(LoadedModule { id: ModuleId(name.clone()), name, text, up })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(LoadError::NotFound { similar: neighbours(&file, path) })
        }
        Err(error) => Err(LoadError::Unreadable(error.to_string())),
    }
}

/// The modules beside a missing file, as one would write them after `use`.
fn neighbours(file: &Path, path: &str) -> Vec<String> {
    let folder = match file.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => return Vec::new(),
    };
    let prefix = path.rsplit_once('/').map_or(".", |(prefix, _)| prefix);
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut names: Vec<String> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "agpt"))
        .filter_map(|path| Some(format!("{prefix}/{}", path.file_stem()?.to_str()?)))
        .collect();
    names.sort();
    names
}
