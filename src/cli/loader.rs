//! Modules from the standard library inside the program and from files.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::bundle::embedded;
use crate::lang::{LoadError, LoadedModule, LoadedPlugin, Loader, ModuleId};
use crate::plugins;

/// `std/…` is embedded; `./…` and `../…` are files, relative to the file that uses them.
pub struct FileLoader;

impl Loader for FileLoader {
    fn load(&self, from: &ModuleId, path: &str) -> Result<LoadedModule, LoadError> {
        load(from, path, &|file| std::fs::read_to_string(file))
    }

    fn plugin(&self, from: &ModuleId, path: &str) -> Result<LoadedPlugin, LoadError> {
        plugin(from, path, &mut |_| {})
    }
}

/// The same with another way to read files: an editor's buffers come before the disk.
pub fn load(
    from: &ModuleId,
    path: &str,
    read: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<LoadedModule, LoadError> {
    if let Some(name) = path.strip_prefix("std/") {
        return standard(name);
    }
    if path.starts_with("./") || path.starts_with("../") {
        return file(from, path, read);
    }
    Err(LoadError::NotFound { similar: standard_names() })
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
    Ok(LoadedModule { id: ModuleId(path.clone()), name: format!("{path}.agpt"), text: text.into() })
}

fn file(
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
    match read(&file) {
        Ok(text) => {
            let name = file.display().to_string();
            Ok(LoadedModule { id: ModuleId(name.clone()), name, text })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(LoadError::NotFound { similar: neighbours(&file, path) })
        }
        Err(error) => Err(LoadError::Unreadable(error.to_string())),
    }
}

/// Without `.` and without `name/..`, so that two ways to write a path give one module.
fn tidy(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(out.components().next_back(), Some(Component::Normal(_))) =>
            {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_tidied() {
        assert_eq!(tidy(Path::new("a/./b/../c.agpt")), Path::new("a/c.agpt"));
        assert_eq!(tidy(Path::new("../../c.agpt")), Path::new("../../c.agpt"));
    }
}
