//! A data set: the shards of a folder as one list of sequences.

use std::path::{Path, PathBuf};

use crate::base::hash::Digest;
use crate::data::DataError;
use crate::data::packed::{INDEX, Index, Sequence, Shard};
use crate::train::TrainError;

pub struct DataSet {
    folder: PathBuf,
    shards: Vec<(String, Shard)>,
    /// Where the sequences of each shard begin in the whole list; the last entry is its length.
    starts: Vec<usize>,
    /// The hash of the index, which has the hashes of the shards.
    digest: Digest,
}

/// What data must fit: the model's vocabulary, and the longest sequence of the recipe.
#[derive(Clone, Copy)]
pub struct Fit<'a> {
    pub vocabulary_size: u32,
    pub vocabulary_blake3: &'a str,
    pub length: u64,
}

impl DataSet {
    pub fn open(folder: &Path, fit: Fit<'_>) -> Result<Self, TrainError> {
        let index = Index::read(folder)?;
        let other = |reason| DataError::Vocabulary { path: folder.to_path_buf(), reason };
        if index.vocabulary_size != fit.vocabulary_size {
            return Err(other(format!(
                "it has {} ids, the model's has {}",
                index.vocabulary_size, fit.vocabulary_size
            ))
            .into());
        }
        if index.vocabulary_blake3 != fit.vocabulary_blake3 {
            return Err(other(
                "its tokenizer has other files, or an older agpt packed it (the hashes differ)"
                    .into(),
            )
            .into());
        }
        let path = folder.join(INDEX);
        let bytes = std::fs::read(&path).map_err(|source| TrainError::Read { path, source })?;
        let (mut shards, mut starts) = (Vec::new(), vec![0]);
        for entry in &index.shards {
            let shard = index.open(folder, entry)?;
            // A changed id is still an id: without this it would be learned. Hashing is far faster than a step.
            shard.verify(&entry.blake3)?;
            if let Some(long) =
                (0..shard.len()).map(|at| shard.length(at)).find(|n| *n as u64 > fit.length)
            {
                return Err(TrainError::Input {
                    message: format!(
                        "`{}` has a sequence of {long} tokens; the recipe's `length` is {}",
                        folder.join(&entry.file).display(),
                        fit.length
                    ),
                    help: "raise `length`, or pack the data again with shorter sequences",
                });
            }
            starts.push(starts.last().unwrap_or(&0) + shard.len());
            shards.push((entry.file.clone(), shard));
        }
        let set =
            DataSet { folder: folder.to_path_buf(), shards, starts, digest: Digest::of(&bytes) };
        if set.len() == 0 {
            return Err(TrainError::Input {
                message: format!("`{}` has no sequences", folder.display()),
                help: "give a folder that `agpt data pack` has written samples into",
            });
        }
        Ok(set)
    }

    pub fn len(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub fn tokens(&self) -> u64 {
        (0..self.len()).map(|at| self.length(at) as u64).sum()
    }

    /// The shard of a sequence, and its place there.
    fn place(&self, at: usize) -> (&(String, Shard), usize) {
        let shard = self.starts.partition_point(|start| *start <= at) - 1;
        (&self.shards[shard], at - self.starts[shard])
    }

    pub fn length(&self, at: usize) -> usize {
        let ((_, shard), at) = self.place(at);
        shard.length(at)
    }

    pub fn sequence(&self, at: usize) -> Sequence {
        let ((_, shard), at) = self.place(at);
        shard.sequence(at)
    }

    /// What people call a sequence.
    pub fn describe(&self, at: usize) -> String {
        let ((file, _), at) = self.place(at);
        format!("sequence {at} of {}", self.folder.join(file).display())
    }
}
