//! The `.agpt` files that a command is about.

use std::fs;
use std::path::{Path, PathBuf};

/// More levels of folders than this are not looked through.
const MAX_DEPTH: usize = 64;

/// A file as it is; a folder's `.agpt` files in order of their names, but for those in hidden
/// folders and in `target`, which are not the user's to write.
pub fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    within(path, 0, files)
}

fn within(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    if depth > MAX_DEPTH {
        return Err(std::io::Error::other("its folders are nested too deeply"));
    }
    let mut entries = fs::read_dir(path)?.collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let (kind, inner) = (entry.file_type()?, entry.path());
        // Links could lead in circles, and out of the folder.
        if kind.is_dir() {
            if !name.starts_with('.') && name != "target" {
                within(&inner, depth + 1, files)?;
            }
        } else if kind.is_file() && inner.extension().is_some_and(|e| e == "agpt") {
            // `./a.agpt` is shown as `a.agpt`.
            files.push(inner.strip_prefix(".").map_or(inner.clone(), Path::to_path_buf));
        }
    }
    Ok(())
}
