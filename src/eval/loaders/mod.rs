//! Data sets from their folders. Nothing is downloaded; a folder that is not laid out as it should
//! be is refused with what is missing and where to get it.

mod coco;
mod csv;
mod librispeech;
mod musiccaps;
mod rows;
mod vctk;

use std::path::{Path, PathBuf};

use crate::base::rng::Stream;
use crate::lang::ir::Param;
use crate::lang::metrics::DataSet;

use super::error::EvalError;
use super::row::{Location, Row};

pub use rows::rows;

/// How to get a set and how its folder looks.
pub fn layout(set: &str) -> &'static str {
    match set {
        "coco-karpathy" | "coco-val2014" => coco::LAYOUT,
        "librispeech" => librispeech::LAYOUT,
        "vctk" => vctk::LAYOUT,
        "musiccaps" => musiccaps::LAYOUT,
        _ => "rows of one's own are a .jsonl or .csv file, one row a line",
    }
}

/// Reads a public set from `folder`; rows come in the order of their ids.
pub fn public(set: &'static DataSet, folder: &Path) -> Result<Vec<Row>, EvalError> {
    let rows = match set.name {
        "coco-karpathy" => coco::karpathy(folder)?,
        "coco-val2014" => coco::val2014(folder)?,
        "librispeech" => librispeech::load(folder)?,
        "vctk" => vctk::load(folder)?,
        _ => musiccaps::load(folder)?,
    };
    match rows.is_empty() {
        true => Err(EvalError::Empty(folder.display().to_string())),
        false => Ok(rows),
    }
}

/// Which rows are run: a sample drawn with a seed, of the size of the limit, or the first ones.
/// The order of the set stays.
pub fn choose(rows: Vec<Row>, limit: Option<usize>, sample: Option<u64>) -> Vec<Row> {
    let Some(limit) = limit.filter(|limit| *limit < rows.len()) else { return rows };
    let Some(seed) = sample else { return rows.into_iter().take(limit).collect() };
    // Each row draws for itself, so that a larger sample holds the smaller one.
    let mut drawn: Vec<(f64, usize)> = rows
        .iter()
        .enumerate()
        .map(|(place, row)| {
            (Stream::new(seed, &format!("evaluation sample {}", row.id)).uniform(), place)
        })
        .collect();
    drawn.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut kept: Vec<bool> = vec![false; rows.len()];
    for (_, place) in drawn.into_iter().take(limit) {
        kept[place] = true;
    }
    rows.into_iter().zip(kept).filter_map(|(row, keep)| keep.then_some(row)).collect()
}

/// The entries of a folder by name, sorted.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, EvalError> {
    let list = std::fs::read_dir(folder).map_err(|e| EvalError::unreadable(folder, &e))?;
    let mut out = Vec::new();
    for entry in list {
        out.push(entry.map_err(|e| EvalError::unreadable(folder, &e))?.path());
    }
    out.sort();
    Ok(out)
}

fn text(path: &Path) -> Result<String, EvalError> {
    std::fs::read_to_string(path).map_err(|error| EvalError::unreadable(path, &error))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn missing(set: &'static str, folder: &Path, missing: impl Into<String>) -> EvalError {
    EvalError::Layout { set, folder: folder.to_path_buf(), missing: missing.into() }
}

fn on_disk(path: PathBuf) -> super::row::Cell {
    super::row::Cell::File(Location::Disk(path))
}

/// The file of rows of an evaluation, on disk or in the binary.
pub struct RowsFile<'a> {
    pub location: Location,
    /// The columns that are read.
    pub params: &'a [Param],
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: usize) -> Vec<Row> {
        (0..count).map(|n| Row { id: format!("{n:03}"), columns: Vec::new() }).collect()
    }

    #[test]
    fn samples_are_drawn_row_by_row() {
        let ids = |rows: Vec<Row>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
        assert_eq!(ids(choose(rows(5), Some(2), None)), ["000", "001"]);
        assert_eq!(choose(rows(5), Some(9), Some(1)).len(), 5);
        let small = ids(choose(rows(100), Some(10), Some(1)));
        let large = ids(choose(rows(100), Some(20), Some(1)));
        assert!(small.iter().all(|id| large.contains(id)), "{small:?} {large:?}");
        assert!(small.is_sorted());
        assert_ne!(small, ids(choose(rows(100), Some(10), Some(2))));
    }
}
