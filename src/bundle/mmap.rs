//! The one place where files are mapped into memory.

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::Mmap;

/// Maps a file for reading.
///
/// The one `unsafe` of the layer: the contract of `Mmap::map` is that nobody shortens or
/// rewrites the file while it is mapped, which no program can promise for a file. Mapping is
/// still right for weights: a checkpoint of 28 GB must not be copied, and its files are written
/// once and renamed into place. Whoever truncates one during a run gets SIGBUS, as with every
/// program that maps its weights; no bytes are interpreted as anything but plain numbers.
#[allow(unsafe_code)]
pub(super) fn map(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: see above; the mapping is read-only and owned by the returned value.
    unsafe { Mmap::map(&file) }
}
