//! A folder that one process at a time writes into.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use super::atomic;
use super::unwritten::explained;

/// The file that is locked; it stays when the process has ended, but the lock does not.
const LOCK: &str = ".agpt-lock";

/// As long as this lives, no other process gets the folder.
#[must_use]
pub struct Hold {
    _file: File,
}

/// Makes a folder and holds it, without what a killed process had begun to write there. None: another
/// process has it.
pub fn hold(folder: &Path) -> io::Result<Option<Hold>> {
    std::fs::create_dir_all(folder).map_err(|error| {
        let text = format!("cannot make the folder `{}`: {error}", folder.display());
        io::Error::new(error.kind(), text)
    })?;
    let path = folder.join(LOCK);
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(|error| explained(&path, error))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(None),
        // Where the file system has no locks, the user has to take care.
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    atomic::sweep(folder);
    Ok(Some(Hold { _file: file }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder_who_finds_it_swept() {
        let out = tempfile::tempdir().unwrap();
        let folder = out.path().join("new");
        let held = hold(&folder).unwrap();
        assert!(held.is_some() && hold(&folder).unwrap().is_none());
        std::fs::write(folder.join(".agpt-x1.part"), "half").unwrap();
        std::fs::write(folder.join("whole"), "").unwrap();
        drop(held);
        assert!(hold(&folder).unwrap().is_some());
        assert!(folder.join("whole").exists() && !folder.join(".agpt-x1.part").exists());
    }
}
