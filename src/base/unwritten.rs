//! Why a file could not be written, in a user's words.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// An error of writing with the file's name; inside an [`io::Error`], so that writers need no other
/// error type.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`: {reason}", path.display())]
struct Unwritten {
    path: PathBuf,
    reason: String,
}

/// The error with the file's name; one that has a name keeps it.
pub fn explained(path: &Path, error: io::Error) -> io::Error {
    if unwritten(&error).is_some() {
        return error;
    }
    let (path, reason) = (path.to_path_buf(), reason(&error));
    io::Error::new(error.kind(), Unwritten { path, reason })
}

/// Why, without the file's name: for messages that have said it.
pub fn reason(error: &io::Error) -> String {
    match unwritten(error) {
        Some(known) => known.reason.clone(),
        None if no_room(error) => format!("there is no room for it on the disk: {error}"),
        None => error.to_string(),
    }
}

/// What to do about it, where that can be said.
pub fn help(error: &io::Error) -> Option<&'static str> {
    no_room(error).then_some(
        "make room on the disk or choose another place; what is finished is kept, and the same \
         command goes on from there",
    )
}

/// Whether the disk is full, or a limit of the user or of the process is met.
fn no_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}

fn unwritten(error: &io::Error) -> Option<&Unwritten> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_in_words_and_has_advice() {
        for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge] {
            let error = explained(Path::new("a/b.json"), kind.into());
            let text = error.to_string();
            assert!(
                text.starts_with("cannot write `a/b.json`: there is no room for it on the disk: "),
                "{text}"
            );
            assert!(help(&error).is_some_and(|help| help.starts_with("make room")));
            assert!(reason(&error).starts_with("there is no room"));
        }
    }

    #[test]
    fn the_first_name_is_kept_and_said_once() {
        let error = explained(Path::new("a"), ErrorKind::PermissionDenied.into());
        let again = explained(Path::new("b"), error);
        assert_eq!(again.to_string(), "cannot write `a`: permission denied");
        assert_eq!(reason(&again), "permission denied");
        assert_eq!((again.kind(), help(&again)), (ErrorKind::PermissionDenied, None));
    }
}
