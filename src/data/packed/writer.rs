//! Writing shards.

use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};

use super::{ShardEntry, TokenCounts};
use crate::base::atomic::write_atomic;
use crate::base::hash::Digest;
use crate::data::DataError;

/// A sequence to be written: whole samples, one after another.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PackedSequence {
    pub ids: Vec<u32>,
    /// For each token, whether it is a target of the loss.
    pub counted: Vec<bool>,
    /// The lengths of its samples; their sum is that of `ids`.
    pub samples: Vec<usize>,
}

/// Gathers sequences in memory and writes them as one shard.
#[derive(Debug, Default)]
pub struct ShardWriter {
    ids: Vec<u8>,
    counted: Vec<u8>,
    sequences: Vec<u64>,
    samples: Vec<u64>,
    counts: TokenCounts,
}

impl ShardWriter {
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of tokens gathered.
    pub fn tokens(&self) -> usize {
        self.counted.len()
    }

    pub fn is_empty(&self) -> bool {
        self.counted.is_empty()
    }

    /// Adds a sequence; one without tokens is none.
    ///
    /// # Panics
    /// If its parts do not fit each other: a fault of the caller.
    pub fn push(&mut self, sequence: &PackedSequence, counts: &TokenCounts) {
        assert_eq!(sequence.ids.len(), sequence.counted.len(), "a mark for each token");
        assert_eq!(
            sequence.ids.len(),
            sequence.samples.iter().sum::<usize>(),
            "samples cover the tokens"
        );
        if sequence.ids.is_empty() {
            return;
        }
        let mut at = self.tokens() as u64;
        self.sequences.push(at);
        for length in sequence.samples.iter().filter(|length| **length > 0) {
            self.samples.push(at);
            at += *length as u64;
        }
        self.ids.extend(sequence.ids.iter().flat_map(|id| id.to_le_bytes()));
        self.counted.extend(sequence.counted.iter().map(|counted| u8::from(*counted)));
        self.counts.add(counts);
    }

    /// Writes the shard into `folder` and begins a new one.
    pub fn finish(&mut self, folder: &Path, file: &str) -> Result<ShardEntry, DataError> {
        let mut done = std::mem::take(self);
        let (sequences, samples) = (done.sequences.len() as u64, done.samples.len() as u64);
        let tokens = done.tokens();
        done.sequences.push(tokens as u64);
        done.samples.push(tokens as u64);
        let words = |offsets: &[u64]| -> Vec<u8> {
            offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect()
        };
        let (starts, parts) = (words(&done.sequences), words(&done.samples));
        let views = [
            ("input_ids", Dtype::U32, tokens, &done.ids),
            ("counted", Dtype::U8, tokens, &done.counted),
            ("sequences", Dtype::U64, done.sequences.len(), &starts),
            ("samples", Dtype::U64, done.samples.len(), &parts),
        ];
        let views = views.map(|(name, dtype, length, data)| {
            let view = TensorView::new(dtype, vec![length], data);
            (name, view.unwrap_or_else(|error| unreachable!("lengths are counted: {error}")))
        });
        let failed = |error: safetensors::SafeTensorError| {
            DataError::Write(std::io::Error::other(error.to_string()))
        };
        let bytes = safetensors::serialize(views, None).map_err(failed)?;
        write_atomic(folder.join(file), &bytes).map_err(DataError::Write)?;
        Ok(ShardEntry {
            file: file.to_string(),
            blake3: Digest::of(&bytes).hex(),
            sequences,
            samples,
            tokens: done.counts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::packed::{INDEX, Index};

    fn sequence(ids: &[u32], samples: &[usize]) -> PackedSequence {
        let counted = ids.iter().map(|id| id % 2 == 0).collect();
        PackedSequence { ids: ids.to_vec(), counted, samples: samples.to_vec() }
    }

    fn written() -> (tempfile::TempDir, Index) {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = ShardWriter::new();
        let counts = TokenCounts { text: 3, control: 2, ..TokenCounts::default() };
        writer.push(&sequence(&[1, 2, 3, 4, 5], &[2, 3]), &counts);
        writer.push(&sequence(&[], &[]), &TokenCounts::default());
        writer.push(&sequence(&[6, 7], &[2]), &TokenCounts { text: 2, ..Default::default() });
        let mut index = Index::new(8, "0".into(), 5);
        index.shards.push(writer.finish(folder.path(), "a.safetensors").unwrap());
        assert!(writer.is_empty());
        index.write(folder.path()).unwrap();
        (folder, index)
    }

    #[test]
    fn what_is_written_is_read() {
        let (folder, index) = written();
        let read = Index::read(folder.path()).unwrap();
        assert_eq!(read, index);
        assert_eq!((read.sequences(), read.tokens().total()), (2, 7));
        let shard = read.open(folder.path(), &read.shards[0]).unwrap();
        shard.verify(&read.shards[0].blake3).unwrap();
        assert_eq!((shard.len(), shard.length(0), shard.length(1)), (2, 5, 2));
        let first = shard.sequence(0);
        assert_eq!(first.ids, [1, 2, 3, 4, 5]);
        assert_eq!(first.counted, [false, true, false, true, false]);
        assert_eq!(first.samples, [0..2, 2..5]);
        assert_eq!(shard.sequence(1).samples, std::slice::from_ref(&(0..2)));
    }

    #[test]
    fn damage_is_named() {
        let (folder, index) = written();
        let path = folder.path().join("a.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        let reason =
            |index: &Index| index.open(folder.path(), &index.shards[0]).err().unwrap().to_string();
        assert!(reason(&Index { vocabulary_size: 7, ..index.clone() }).contains("the id 7"));
        assert!(reason(&Index { max_length: 4, ..index.clone() }).contains("5 tokens"));
        for length in [0, 7, 100, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..length]).unwrap();
            assert!(reason(&index).contains("damaged"), "{length}");
        }
        // Every single byte may be anything: an error or another valid shard, never a panic.
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x41;
            std::fs::write(&path, &bytes).unwrap();
            if let Ok(shard) = index.open(folder.path(), &index.shards[0]) {
                (0..shard.len()).for_each(|at| drop(shard.sequence(at)));
                assert!(shard.verify(&index.shards[0].blake3).is_err(), "byte {at}");
            }
        }
        std::fs::write(folder.path().join(INDEX), "{}").unwrap();
        assert!(Index::read(folder.path()).unwrap_err().to_string().contains("damaged"));
    }
}
