//! Files that appear whole or not at all.

use std::io::{self, Write};
use std::path::Path;

use super::unwritten::explained;

/// Of the names of temporary files.
const PREFIX: &str = ".agpt-";
const SUFFIX: &str = ".part";

/// Writes `bytes` to `path` through a temporary file in the same folder.
///
/// Under its final name the file is either what it was before or complete, also after a power
/// cut; on error no temporary file stays behind. The folder must exist.
pub fn write_atomic(path: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
    write_atomic_with(path, |file| file.write_all(bytes))
}

/// As [`write_atomic`], for a file that is there: it keeps its permissions.
pub fn replace_atomic(path: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
    let permissions = std::fs::metadata(path.as_ref())?.permissions();
    write(path.as_ref(), Some(permissions), |file| file.write_all(bytes))
}

/// As [`write_atomic`], for what is too large to be in memory at once.
pub fn write_atomic_with(
    path: impl AsRef<Path>,
    write_all: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    write(path.as_ref(), None, write_all)
}

/// Removes what killed processes had begun to write in a folder; nobody else may be writing there.
pub fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
            // What cannot be removed is in nobody's way.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn write(
    path: &Path,
    permissions: Option<std::fs::Permissions>,
    write_all: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let explain = |error: io::Error| explained(path, error);
    if path.file_name().is_none() || path.is_dir() {
        let text = format!("cannot write `{}`: it is a folder; give a file name", path.display());
        return Err(io::Error::new(io::ErrorKind::IsADirectory, text));
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        let text =
            format!("cannot write `{}`: there is no folder `{}`", path.display(), folder.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    // Temporary files are private by default; a finished file gets the usual permissions.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder).map_err(explain)?;
    let mut buffered = io::BufWriter::with_capacity(1 << 20, file.as_file_mut());
    write_all(&mut buffered).and_then(|()| buffered.flush()).map_err(explain)?;
    drop(buffered);
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions).map_err(explain)?;
    }
    file.as_file().sync_all().map_err(explain)?;
    file.persist(path).map_err(|error| explain(error.error))?;
    // The new name is durable once the folder is; where folders cannot be opened, it has to do.
    #[cfg(unix)]
    if let Ok(folder) = std::fs::File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn writes_and_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn errors_say_why_and_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        let error = write_atomic(folder.path().join("sub"), b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        let error = write_atomic(folder.path().join("none/a.txt"), b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("there is no folder"), "{error}");
        assert_eq!(names(folder.path()), ["sub"]);
    }
}
