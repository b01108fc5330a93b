//! Text files from strangers: no more of one is read than is of use.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Reads a UTF-8 text. Of a file longer than `most` bytes a little more than `most` is given, so
/// that whoever bounds texts sees that it is too long.
pub fn read(path: &Path, most: usize) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        // It may be cut within a character.
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
