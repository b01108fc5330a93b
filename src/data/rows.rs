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
    /// Opens a file of lines, or the rows with tokens of a Parquet file as such.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        if super::input::is_parquet(path) {
            return Self::of_parquet(path);
        }
        Self::of_lines(path)
    }

    #[cfg(not(feature = "parquet"))]
    fn of_parquet(path: &Path) -> Result<Self, DataError> {
        Err(super::input::no_parquet(path))
    }

    /// Rows are taken in any order, which Parquet is no good for: they are written out as lines to a
    /// file that has no name any more when they are read.
    #[cfg(feature = "parquet")]
    fn of_parquet(path: &Path) -> Result<Self, DataError> {
        use std::io::Write;

        use crate::base::unwritten;

        let mut file = super::input::parquet::File::open(path, &[])?;
        let temporary = |error: std::io::Error| {
            let text = format!(
                "cannot write the rows of `{}` out: {}",
                path.display(),
                unwritten::reason(&error)
            );
            DataError::Write(std::io::Error::new(error.kind(), text))
        };
        let named = tempfile::NamedTempFile::new().map_err(temporary)?;
        let mut out = std::io::BufWriter::new(named.as_file());
        for row in 0..file.row_count() {
            let failed = |reason: String| {
                DataError::Sample(format!("`{}`, row {}: {reason}", path.display(), row + 1))
            };
            let (pair, bytes) = file.pair(row)?.map_err(failed)?;
            if bytes.is_some() {
                return Err(failed(format!(
                    "it has the bytes of {}, not its tokens; make them with `agpt data tokenize`",
                    pair.medium
                )));
            }
            let mut object = serde_json::Map::new();
            object.extend(pair.id.map(|id| ("id".to_string(), id)));
            object.insert("text".into(), pair.text.into());
            object.insert(pair.medium.name().into(), pair.content.into());
            writeln!(out, "{}", serde_json::Value::Object(object)).map_err(temporary)?;
        }
        out.flush().map_err(temporary)?;
        drop(out);
        let mut rows = Self::of_lines(named.path())?;
        rows.path = path.to_path_buf();
        Ok(rows)
    }

    fn of_lines(path: &Path) -> Result<Self, DataError> {
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
