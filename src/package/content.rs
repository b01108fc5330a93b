//! The files of a package, and the hash that names their content.

use std::fs;
use std::path::Path;

use crate::base::hash::Digest;

use super::Problem;

/// A package beyond these holds something that is no library.
pub const MAX_FILES: usize = 4096;
pub const MAX_TOTAL: u64 = 256 << 20;
pub const MAX_DEPTH: usize = 16;

/// Whether a file belongs to a package's content. Hidden files are the tools' of its author, and
/// what others' lock files say is not asked.
pub fn counts(path: &str) -> bool {
    path != super::lock::LOCK && !path.split('/').any(|part| part.starts_with('.'))
}

/// One file: its path below the package's folder with `/`, and its bytes.
pub type File = (String, Vec<u8>);

/// BLAKE3 over `agpt package 1\n` and then, for each file in the order of its path's bytes: the
/// path's length (8 bytes, little-endian), the path, the content's length, the content.
pub fn hash(files: &mut [File]) -> Digest {
    files.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"agpt package 1\n");
    for (path, bytes) in files.iter() {
        for part in [path.as_bytes(), bytes.as_slice()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    Digest(*hasher.finalize().as_bytes())
}

/// Reads all that counts below a folder. Links are not followed: they are a mistake here.
pub fn read(folder: &Path) -> Result<Vec<File>, Problem> {
    let mut files = Vec::new();
    let mut total = 0;
    walk(folder, "", 0, &mut files, &mut total)?;
    Ok(files)
}

fn walk(
    folder: &Path,
    prefix: &str,
    depth: usize,
    files: &mut Vec<File>,
    total: &mut u64,
) -> Result<(), Problem> {
    let failed = |path: &Path, reason: &dyn std::fmt::Display| {
        Problem::new("E1011", format!("{} cannot be read: {reason}", path.display()))
    };
    if depth > MAX_DEPTH {
        return Err(failed(folder, &"its folders are too deep"));
    }
    for entry in fs::read_dir(folder).map_err(|error| failed(folder, &error))? {
        let entry = entry.map_err(|error| failed(folder, &error))?;
        let path = entry.path();
        let Ok(name) = entry.file_name().into_string() else {
            return Err(failed(&path, &"its name is not UTF-8"));
        };
        let below = format!("{prefix}{name}");
        if !counts(&below) {
            continue;
        }
        let kind = entry.file_type().map_err(|error| failed(&path, &error))?;
        if kind.is_dir() {
            walk(&path, &format!("{below}/"), depth + 1, files, total)?;
        } else if kind.is_file() {
            let size = entry.metadata().map_err(|error| failed(&path, &error))?.len();
            *total = total.saturating_add(size);
            if files.len() >= MAX_FILES || *total > MAX_TOTAL {
                return Err(failed(folder, &"it is too large for a package"));
            }
            let bytes = fs::read(&path).map_err(|error| failed(&path, &error))?;
            files.push((below, bytes));
        } else {
            return Err(failed(&path, &"a package holds files and folders only"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_depends_on_paths_and_bytes_and_on_nothing_else() {
        let file = |path: &str, text: &str| (path.to_string(), text.as_bytes().to_vec());
        let one = hash(&mut [file("a", "x"), file("b", "y")]);
        assert_eq!(one, hash(&mut [file("b", "y"), file("a", "x")]));
        assert_ne!(one, hash(&mut [file("a", "xb"), file("", "y")]));
        assert_ne!(one, hash(&mut [file("a", "y"), file("b", "x")]));
        // Fixed for all time: lock files hold it.
        assert_eq!(hash(&mut []).hex(), Digest::of(b"agpt package 1\n").hex(),);
    }

    #[test]
    fn hidden_files_and_the_lock_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at(".git")).unwrap();
        fs::create_dir_all(at("media")).unwrap();
        for name in [".git/x", ".gitignore", "agpt.lock", "agpt.yaml", "media/cat.png"] {
            fs::write(at(name), name).unwrap();
        }
        let mut names: Vec<String> =
            read(folder.path()).unwrap().into_iter().map(|f| f.0).collect();
        names.sort();
        assert_eq!(names, ["agpt.yaml", "media/cat.png"]);
    }
}
