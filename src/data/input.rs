//! Where the pairs to be tokenised come from: lines of JSON, or Parquet.

use std::ops::Range;
use std::path::Path;

use super::DataError;
use super::pairs::Pair;
use super::rows::Rows;
use crate::base::hash::Digest;

/// A name in place of a column's own, as `KEY=NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    pub key: String,
    pub name: String,
}

/// A pair, and its medium's bytes where they lie beside the text.
pub type Read = Result<(Pair, Option<Vec<u8>>), String>;

pub enum Input {
    Lines(Rows),
    #[cfg(feature = "parquet")]
    Parquet(parquet::File),
}

/// Whether a path is a Parquet file's, by its name.
pub fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"))
}

/// What is said where Parquet is not built in.
#[cfg(not(feature = "parquet"))]
pub fn no_parquet(path: &Path) -> DataError {
    DataError::NoParquet { path: path.to_path_buf() }
}

impl Input {
    pub fn open(path: &Path, renamed: &[Renamed]) -> Result<Self, DataError> {
        if is_parquet(path) {
            #[cfg(feature = "parquet")]
            return Ok(Input::Parquet(parquet::File::open(path, renamed)?));
            #[cfg(not(feature = "parquet"))]
            return Err(no_parquet(path));
        }
        if !renamed.is_empty() {
            return Err(DataError::Sample(format!(
                "`{}` is no .parquet file; --column says what the columns of one are",
                path.display()
            )));
        }
        Ok(Input::Lines(Rows::open(path)?))
    }

    pub fn len(&self) -> usize {
        match self {
            Input::Lines(rows) => rows.len(),
            #[cfg(feature = "parquet")]
            Input::Parquet(file) => file.row_count(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of a row's line, or of the row in Parquet, from 1.
    pub fn number(&self, row: usize) -> usize {
        match self {
            Input::Lines(rows) => rows.line_number(row),
            #[cfg(feature = "parquet")]
            Input::Parquet(_) => row + 1,
        }
    }

    /// Changes when the rows do. In Parquet it is of the whole file.
    pub fn digest(&self, rows: Range<usize>) -> Digest {
        match self {
            Input::Lines(lines) => lines.digest(rows),
            #[cfg(feature = "parquet")]
            Input::Parquet(file) => file.digest(rows),
        }
    }

    /// The pairs of some rows, best in order.
    pub fn take(&mut self, rows: &[usize]) -> Result<Vec<Read>, DataError> {
        match self {
            Input::Lines(lines) => {
                let read = |row: &usize| Ok((lines.text(*row).and_then(Pair::parse)?, None));
                Ok(rows.iter().map(read).collect())
            }
            #[cfg(feature = "parquet")]
            Input::Parquet(file) => rows.iter().map(|row| file.pair(*row)).collect(),
        }
    }
}

#[cfg(feature = "parquet")]
pub mod parquet {
    //! Pairs of a Parquet file.

    use super::*;
    use crate::base::{Medium, mmap};
    use crate::data::parquet::{Cell, Column, Table, Unreadable};

    const KEYS: [&str; 5] = ["id", "text", "image", "speech", "music"];

    pub struct File {
        table: Table,
        digest: Digest,
    }

    impl From<Unreadable> for DataError {
        fn from(error: Unreadable) -> Self {
            DataError::Sample(error.to_string())
        }
    }

    impl File {
        pub fn open(path: &Path, renamed: &[Renamed]) -> Result<Self, DataError> {
            let column =
                |Renamed { key, name }: &Renamed| Column { key: key.clone(), name: name.clone() };
            let renamed: Vec<Column> = renamed.iter().map(column).collect();
            let table = Table::open(path, &KEYS, &renamed)?;
            let bytes = mmap::map(path)
                .map_err(|source| DataError::Read { path: path.to_path_buf(), source })?;
            let names: Vec<_> = renamed.iter().flat_map(|c| [&c.key, &c.name]).collect();
            let digest = Digest::of(format!("{} {names:?}", Digest::of(&bytes).hex()).as_bytes());
            Ok(File { table, digest })
        }

        pub fn row_count(&self) -> usize {
            self.table.row_count()
        }

        pub fn digest(&self, rows: Range<usize>) -> Digest {
            Digest::of(format!("{} {rows:?}", self.digest.hex()).as_bytes())
        }

        pub fn pair(&mut self, row: usize) -> Result<Read, DataError> {
            let cells = match self.table.row(row)? {
                Ok(cells) => cells,
                Err(reason) => return Ok(Err(reason)),
            };
            let Some(text) = cells.text else { return Ok(Err("it has no text".into())) };
            if text.trim().is_empty() {
                return Ok(Err("its text is empty".into()));
            }
            let mut media = cells.media.into_iter();
            let (Some((key, cell)), None) = (media.next(), media.next()) else {
                return Ok(Err("it has not exactly one medium".into()));
            };
            let Some(medium) = Medium::from_name(&key) else {
                return Ok(Err(format!("`{key}` is no medium")));
            };
            let (content, bytes) = match cell {
                Cell::Path(path) => (path, None),
                Cell::Bytes { bytes, name } => (name.unwrap_or_else(|| key.clone()), Some(bytes)),
            };
            Ok(Ok((Pair { id: cells.id, text, medium, content }, bytes)))
        }
    }
}
