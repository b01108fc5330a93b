//! Files of one row a line: mapped, with the place of every line.

use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use crate::base::hash::Digest;
use crate::base::mmap;
use crate::data::DataError;

/// The rows of a file; empty lines are none.
pub struct Rows {
    path: PathBuf,
    map: Option<Mmap>,
    lines: Vec<(usize, Range<usize>)>,
}

impl Rows {
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let read = |source| DataError::Read { path: path.to_path_buf(), source };
        let empty = std::fs::metadata(path).map_err(read)?.len() == 0;
        // An empty file cannot be mapped.
        let map = if empty { None } else { Some(mmap::map(path).map_err(read)?) };
        let bytes: &[u8] = map.as_deref().unwrap_or_default();
        let (mut lines, mut start) = (Vec::new(), 0);
        for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if !line.trim_ascii().is_empty() {
                lines.push((number + 1, start..start + line.len()));
            }
            start += line.len() + 1;
        }
        Ok(Rows { path: path.to_path_buf(), map, lines })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn len(&self) -> usize {
        self.lines.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The number of a row's line in the file, from 1.
    pub fn line_number(&self, row: usize) -> usize {
        self.lines.get(row).map_or(0, |(number, _)| *number)
    }

    /// The text of a row, or why it is none.
    pub fn text(&self, row: usize) -> Result<&str, String> {
        let bytes = self.map.as_deref().unwrap_or_default();
        let line = self.lines.get(row).and_then(|(_, range)| bytes.get(range.clone()));
        let line = line.ok_or_else(|| "there is no such row".to_string())?;
        std::str::from_utf8(line).map_err(|_| "it is not UTF-8 text".to_string())
    }

    /// The hash of a range of rows as they are written.
    pub fn digest(&self, rows: Range<usize>) -> Digest {
        let bytes = self.map.as_deref().unwrap_or_default();
        let start = self.lines.get(rows.start).map_or(0, |(_, range)| range.start);
        let last = rows.end.checked_sub(1).and_then(|last| self.lines.get(last));
        let end = last.map_or(start, |(_, range)| range.end);
        Digest::of(bytes.get(start..end).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_line_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows");
        std::fs::write(&path, b"one\n\n  \r\ntwo\n\xff\nlast").unwrap();
        let rows = Rows::open(&path).unwrap();
        let texts: Vec<_> = (0..rows.len()).map(|row| rows.text(row)).collect();
        assert_eq!(
            (texts[0].clone(), texts[1].clone(), texts[3].clone()),
            (Ok("one"), Ok("two"), Ok("last"))
        );
        assert!(texts[2].is_err() && rows.text(9).is_err());
        assert_eq!(rows.line_number(1), 4);
        assert_ne!(rows.digest(0..1), rows.digest(0..2));
        std::fs::write(&path, b"").unwrap();
        assert!(Rows::open(&path).unwrap().is_empty());
    }
}
