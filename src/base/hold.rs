//! A folder that one process at a time writes into.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use super::atomic;
use super::unwritten::explained;

/// The file that is locked; it stays when the process has ended, but the lock does not.
const LOCK: &str = ".agpt-lock";
/// A process that was killed a moment ago may have its lock still.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(100);

/// As long as this lives, no other process gets the folder.
#[must_use]
pub struct Hold {
    file: File,
    exclusive: bool,
}

impl Hold {
    /// Whether nobody else writes here; unknown where the file system has no locks.
    pub fn exclusive(&self) -> bool {
        self.exclusive
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // At the end of the process it goes anyway.
        let _ = self.file.unlock();
    }
}

/// Makes a folder and holds it, without what a killed process had begun to write there. None: another
/// process has it. Where the file system has no locks, the user has to take care.
pub fn hold(folder: &Path) -> io::Result<Option<Hold>> {
    std::fs::create_dir_all(folder).map_err(|error| {
        let text = format!("cannot make the folder `{}`: {error}", folder.display());
        io::Error::new(error.kind(), text)
    })?;
    let path = folder.join(LOCK);
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(|error| explained(&path, error))?;
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => {
                atomic::sweep(folder);
                return Ok(Some(Hold { file, exclusive: true }));
            }
            Err(TryLockError::Error(_)) => return Ok(Some(Hold { file, exclusive: false })),
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
        }
    }
    Ok(None)
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
        assert!(hold(&folder).unwrap().is_some_and(|held| held.exclusive()));
        assert!(folder.join("whole").exists() && !folder.join(".agpt-x1.part").exists());
    }
}
