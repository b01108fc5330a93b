//! Where a bundle's files are: in the binary or in a folder.

use std::fs;
use std::io;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;

use super::{BundleError, embedded};
use crate::base::mmap;

/// The name of the manifest in every bundle.
pub const MANIFEST: &str = "bundle.yaml";

/// The bytes of a file, cheap to clone and never copied.
#[derive(Clone)]
pub enum Blob {
    Embedded(&'static [u8]),
    Mapped(Arc<Mmap>),
    Owned(Arc<[u8]>),
}

impl Blob {
    /// Tells the system that a range will not be read again soon.
    pub(super) fn release(&self, range: Range<usize>) {
        if let Blob::Mapped(map) = self
            && range.start <= range.end
            && range.end <= map.len()
        {
            mmap::release(map, range);
        }
    }
}

impl Deref for Blob {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Blob::Embedded(bytes) => bytes,
            Blob::Mapped(map) => map,
            Blob::Owned(bytes) => bytes,
        }
    }
}

/// A bundle's files. Paths are relative, with `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// stdlib/models/<name> inside the binary.
    Embedded(String),
    Folder(PathBuf),
}

impl Source {
    /// What people call a file of this bundle.
    pub fn display(&self, path: &str) -> String {
        match self {
            Source::Embedded(name) => format!("{name}/{path}"),
            Source::Folder(folder) => folder.join(path).display().to_string(),
        }
    }

    /// The size of a file; `None` when there is none.
    pub fn size(&self, path: &str) -> Result<Option<u64>, BundleError> {
        match self {
            Source::Embedded(_) => Ok(self.embedded(path).map(|bytes| bytes.len() as u64)),
            Source::Folder(folder) => match fs::metadata(folder.join(path)) {
                Ok(meta) => Ok(meta.is_file().then_some(meta.len())),
                Err(error) if is_missing(&error) => Ok(None),
                Err(source) => Err(BundleError::Read { path: self.display(path), source }),
            },
        }
    }

    /// Whether a file is there, or the safetensors file that stands for it.
    pub fn has_or_has_converted(&self, path: &str) -> bool {
        let there = |path: &str| matches!(self.size(path), Ok(Some(_)));
        there(path) || there(&converted(path))
    }

    /// The bytes of a file, mapped; `None` when there is none.
    pub fn open(&self, path: &str) -> Result<Option<Blob>, BundleError> {
        let Source::Folder(folder) = self else {
            return Ok(self.embedded(path).map(Blob::Embedded));
        };
        match self.size(path)? {
            None => Ok(None),
            // An empty file cannot be mapped on every system.
            Some(0) => Ok(Some(Blob::Embedded(&[]))),
            Some(_) => match mmap::map(&folder.join(path)) {
                Ok(map) => Ok(Some(Blob::Mapped(Arc::new(map)))),
                Err(source) => Err(BundleError::Read { path: self.display(path), source }),
            },
        }
    }

    /// The bytes of a small file, read at once: what may be edited should not be mapped.
    pub fn read(&self, path: &str) -> Result<Option<Blob>, BundleError> {
        let Source::Folder(folder) = self else { return self.open(path) };
        match fs::read(folder.join(path)) {
            Ok(bytes) => Ok(Some(Blob::Owned(bytes.into()))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(source) => Err(BundleError::Read { path: self.display(path), source }),
        }
    }

    /// The names of the files directly in a folder of the bundle, sorted; empty when there is no
    /// such folder.
    pub fn list(&self, folder: &str) -> Vec<String> {
        let mut names = self.list_below(folder);
        names.retain(|name| !name.contains('/'));
        names
    }

    /// The files below a folder of the bundle, at any depth, sorted.
    pub fn list_below(&self, folder: &str) -> Vec<String> {
        let mut names = Vec::new();
        match self {
            Source::Embedded(name) => {
                let below = match folder {
                    "" | "." => format!("models/{name}"),
                    _ => format!("models/{name}/{folder}"),
                };
                names.extend(embedded::files_below(&below).map(|(path, _)| path.to_string()));
            }
            Source::Folder(root) => walk(&root.join(folder), "", 0, &mut names),
        }
        names.sort();
        names
    }

    fn embedded(&self, path: &str) -> Option<&'static [u8]> {
        match self {
            Source::Embedded(name) => embedded::file(&format!("models/{name}/{path}")),
            Source::Folder(_) => None,
        }
    }
}

/// The safetensors file that stands for a file of weights.
pub(super) fn converted(path: &str) -> String {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    format!("{}{stem}.safetensors", path.strip_suffix(name).unwrap_or_default())
}

/// Deeper than any bundle; a link that leads back must not go on for ever.
const MAX_DEPTH: usize = 8;

fn walk(folder: &Path, prefix: &str, depth: usize, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') {
            continue;
        }
        let (path, name) = (entry.path(), format!("{prefix}{name}"));
        if path.is_file() {
            names.push(name);
        } else if path.is_dir() && depth < MAX_DEPTH {
            walk(&path, &format!("{name}/"), depth + 1, names);
        }
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Where models are looked for by name, the first folder first; then inside the binary.
#[derive(Debug, Clone, Default)]
pub struct Search {
    pub folders: Vec<PathBuf>,
}

impl Search {
    /// `$AGPT_MODELS` and the user's data folder (on Linux `~/.local/share/agpt/models`).
    pub fn from_environment() -> Self {
        let mut folders = Vec::new();
        if let Some(value) = std::env::var_os("AGPT_MODELS").filter(|value| !value.is_empty()) {
            // An empty part would be every folder.
            let parts = std::env::split_paths(&value);
            folders.extend(parts.filter(|part| !part.as_os_str().is_empty()));
        }
        if let Some(dirs) = directories::ProjectDirs::from("", "", "agpt") {
            folders.push(dirs.data_dir().join("models"));
        }
        Search { folders }
    }

    /// Finds `--model` `wanted`: a path (anything with a separator, or starting with a dot), or
    /// the name of a model in one of the folders or in the binary.
    pub fn find(&self, wanted: &str) -> Result<Source, BundleError> {
        if looks_like_a_path(wanted) {
            return folder_bundle(Path::new(wanted));
        }
        for folder in &self.folders {
            let candidate = folder.join(wanted);
            if !wanted.is_empty() && candidate.join(MANIFEST).is_file() {
                return Ok(Source::Folder(candidate));
            }
        }
        if embedded::bundles().any(|name| name == wanted) {
            return Ok(Source::Embedded(wanted.to_string()));
        }
        let mut available = format!("there are: {}", self.names().join(", "));
        if Path::new(wanted).join(MANIFEST).is_file() {
            available = format!("for the folder of this name write `./{wanted}`");
        }
        Err(BundleError::Unknown { name: wanted.to_string(), available })
    }

    /// The names that [`find`](Self::find) knows, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = embedded::bundles().map(String::from).collect();
        for folder in &self.folders {
            let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
            let bundles = entries.filter(|entry| entry.path().join(MANIFEST).is_file());
            names.extend(bundles.filter_map(|entry| entry.file_name().into_string().ok()));
        }
        names.sort();
        names.dedup();
        names
    }
}

pub(super) fn looks_like_a_path(text: &str) -> bool {
    text.starts_with('.') || text.contains('/') || text.contains(std::path::MAIN_SEPARATOR)
}

fn folder_bundle(folder: &Path) -> Result<Source, BundleError> {
    let reason = if folder.join(MANIFEST).is_file() {
        return Ok(Source::Folder(folder.to_path_buf()));
    } else if folder.is_dir() {
        format!("it has no {MANIFEST}")
    } else if folder.is_file() {
        format!("it is a file; give the folder that holds {MANIFEST}")
    } else {
        "there is no such folder".to_string()
    };
    Err(BundleError::NotABundle { path: folder.display().to_string(), reason })
}
