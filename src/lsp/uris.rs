//! Addresses of files, as the protocol writes them, and paths.

use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use lsp_types::Uri;

/// The name that a document is compiled under: its path, so that files find each other, or the
/// address itself for what is not a file yet.
pub fn name(uri: &Uri) -> String {
    path(uri.as_str()).map_or_else(|| uri.as_str().to_string(), |path| path.display().to_string())
}

/// The path of a `file:` address.
pub fn path(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file://")?;
    // What stands before the first slash is a host; ours is empty or named.
    let rest = rest.strip_prefix("localhost").unwrap_or(rest);
    if !rest.starts_with('/') {
        return None;
    }
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let decoded = decode(&rest[..end])?;
    let bytes = decoded.as_bytes();
    // `/c:/folder` is `c:/folder` where there are drives.
    let drive = cfg!(windows) && bytes.len() > 2 && bytes[2] == b':';
    Some(tidy(Path::new(if drive { &decoded[1..] } else { &decoded })))
}

/// The address of a name that a document or a module has; the modules inside of the program
/// have none.
pub fn of(name: &str) -> Option<Uri> {
    let path = Path::new(name);
    if !path.is_absolute() {
        return if name.contains(':') { Uri::from_str(name).ok() } else { None };
    }
    let shown = name.replace(std::path::MAIN_SEPARATOR, "/");
    let root = if shown.starts_with('/') { "" } else { "/" };
    let mut out = format!("file://{root}");
    for byte in shown.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    Uri::from_str(&out).ok()
}

fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            out.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

/// Without `.` and `name/..`, as modules are named.
fn tidy(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn paths_go_there_and_back() {
        for name in ["/a/b.agpt", "/with space/ä😀%.agpt", "/#?/x.agpt"] {
            let uri = of(name).unwrap();
            assert_eq!(path(uri.as_str()), Some(PathBuf::from(name)), "{}", uri.as_str());
        }
        assert_eq!(path("file:///a/./b/../c.agpt"), Some(PathBuf::from("/a/c.agpt")));
    }

    #[test]
    fn what_is_no_file_has_no_path() {
        assert_eq!(path("untitled:Untitled-1"), None);
        assert_eq!(path("file:///a%2"), None);
        assert_eq!(path("file:///a%ff"), None);
        assert_eq!(path("file://host/a"), None);
        assert!(of("std/tasks.agpt").is_none());
        assert_eq!(name(&Uri::from_str("untitled:Untitled-1").unwrap()), "untitled:Untitled-1");
    }
}
