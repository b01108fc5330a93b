//! The one place where files are mapped into memory.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use memmap2::Mmap;

/// Maps a file for reading.
///
/// The contract of `Mmap::map` is that nobody shortens or
/// rewrites the file while it is mapped, which no program can promise for a file. Mapping is
/// still right for weights: a checkpoint of 28 GB must not be copied, and its files are written
/// once and renamed into place. Whoever truncates one during a run gets SIGBUS, as with every
/// program that maps its weights; no bytes are interpreted as anything but plain numbers.
#[allow(unsafe_code)]
pub fn map(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: see above; the mapping is read-only and owned by the returned value.
    unsafe { Mmap::map(&file) }
}

/// Gives the memory of a range back to the system, which reads the file again if it is needed:
/// so the pages of a checkpoint of 28 GB do not pile up while it is copied tensor by tensor.
#[allow(unsafe_code)]
pub fn release(map: &Mmap, range: Range<usize>) {
    #[cfg(unix)]
    // SAFETY: the mapping is a file's, read-only and shared; a page that was given back is the
    // file's again when it is touched. A failure only leaves the pages where they are.
    let _ = unsafe {
        let advice = memmap2::UncheckedAdvice::DontNeed;
        map.unchecked_advise_range(advice, range.start, range.len())
    };
    #[cfg(not(unix))]
    let _ = (map, range);
}
