//! Reading a shard: mapped, and checked before anything is taken from it.

use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};

use crate::base::hash::Digest;
use crate::base::mmap;
use crate::data::DataError;

/// One sequence of a shard.
#[derive(Debug, Clone, PartialEq)]
pub struct Sequence {
    pub ids: Vec<u32>,
    /// For each token, whether it is a target of the loss.
    pub counted: Vec<bool>,
    /// Where its samples are, in order and without gaps.
    pub samples: Vec<Range<usize>>,
}

/// A mapped shard whose offsets and ids are known to be sound.
pub struct Shard {
    path: PathBuf,
    map: Mmap,
    ids: Range<usize>,
    counted: Range<usize>,
    sequences: Vec<usize>,
    samples: Vec<usize>,
}

impl Shard {
    /// Opens a shard whose ids are below `vocabulary_size` and whose sequences are of at most
    /// `max_length` tokens.
    pub fn open(path: &Path, vocabulary_size: u32, max_length: u32) -> Result<Self, DataError> {
        let map = mmap::map(path)
            .map_err(|source| DataError::Read { path: path.to_path_buf(), source })?;
        let damaged = |reason: String| DataError::Damaged { path: path.to_path_buf(), reason };
        let parts = parts(&map).map_err(damaged)?;
        check(&map, &parts, vocabulary_size, max_length as usize).map_err(damaged)?;
        let Parts { ids, counted, sequences, samples } = parts;
        Ok(Shard { path: path.to_path_buf(), map, ids, counted, sequences, samples })
    }

    /// The number of sequences.
    pub fn len(&self) -> usize {
        self.sequences.len() - 1
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The length of a sequence in tokens.
    ///
    /// # Panics
    /// If there is no such sequence, as slices do.
    pub fn length(&self, index: usize) -> usize {
        self.sequences[index + 1] - self.sequences[index]
    }

    /// A sequence.
    ///
    /// # Panics
    /// If there is no such sequence, as slices do.
    pub fn sequence(&self, index: usize) -> Sequence {
        let (start, end) = (self.sequences[index], self.sequences[index + 1]);
        let ids = &self.map[self.ids.clone()][start * 4..end * 4];
        let ids = ids.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        let counted = &self.map[self.counted.clone()][start..end];
        let first = self.samples.partition_point(|sample| *sample < start);
        let last = self.samples.partition_point(|sample| *sample < end);
        let mut samples = Vec::with_capacity(last - first);
        for at in first..last {
            let next = self.samples.get(at + 1).map_or(end, |next| (*next).min(end));
            samples.push(self.samples[at] - start..next - start);
        }
        Sequence { ids, counted: counted.iter().map(|byte| *byte == 1).collect(), samples }
    }

    /// Whether the file has the hash of its entry; reads all of it.
    pub fn verify(&self, blake3: &str) -> Result<(), DataError> {
        if Digest::of(&self.map).hex() == blake3 {
            return Ok(());
        }
        let reason = "its contents are not those that were written (its hash differs)".to_string();
        Err(DataError::Damaged { path: self.path.clone(), reason })
    }
}

struct Parts {
    /// Bytes of the file.
    ids: Range<usize>,
    counted: Range<usize>,
    sequences: Vec<usize>,
    samples: Vec<usize>,
}

fn parts(bytes: &[u8]) -> Result<Parts, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let tensor = |name: &str, dtype: Dtype| {
        let view = file.tensor(name).map_err(|_| format!("it has no tensor `{name}`"))?;
        if view.dtype() != dtype || view.shape().len() != 1 {
            return Err(format!(
                "`{name}` should be a row of {dtype:?}; it is {:?} of shape {:?}",
                view.dtype(),
                view.shape()
            ));
        }
        Ok(view.data())
    };
    let within = |part: &[u8]| {
        let start = part.as_ptr().addr() - bytes.as_ptr().addr();
        start..start + part.len()
    };
    let offsets = |name: &str| -> Result<Vec<usize>, String> {
        let (words, _) = tensor(name, Dtype::U64)?.as_chunks::<8>();
        let number = |word: &[u8; 8]| usize::try_from(u64::from_le_bytes(*word));
        let numbers: Result<_, _> = words.iter().map(number).collect();
        numbers.map_err(|_| format!("`{name}` leads out of the file"))
    };
    Ok(Parts {
        ids: within(tensor("input_ids", Dtype::U32)?),
        counted: within(tensor("counted", Dtype::U8)?),
        sequences: offsets("sequences")?,
        samples: offsets("samples")?,
    })
}

fn check(bytes: &[u8], parts: &Parts, vocabulary: u32, longest: usize) -> Result<(), String> {
    let tokens = parts.ids.len() / 4;
    if parts.counted.len() != tokens {
        return Err(format!("it has {tokens} ids and {} marks", parts.counted.len()));
    }
    for (name, offsets) in [("sequences", &parts.sequences), ("samples", &parts.samples)] {
        let covered = offsets.first() == Some(&0) && offsets.last() == Some(&tokens);
        if !covered || !offsets.is_sorted_by(|a, b| a < b) {
            return Err(format!("`{name}` does not cover its tokens in order"));
        }
    }
    if let Some(pair) = parts.sequences.windows(2).find(|pair| pair[1] - pair[0] > longest) {
        let length = pair[1] - pair[0];
        return Err(format!("a sequence has {length} tokens; at most {longest} are allowed"));
    }
    let begins = |at: &usize| parts.samples.binary_search(at).is_ok();
    if !parts.sequences.iter().all(begins) {
        return Err("a sequence begins within a sample".into());
    }
    let (ids, _) = bytes[parts.ids.clone()].as_chunks::<4>();
    match ids.iter().map(|id| u32::from_le_bytes(*id)).find(|id| *id >= vocabulary) {
        Some(id) => Err(format!("it has the id {id}; the vocabulary has {vocabulary}")),
        None => Ok(()),
    }
}
