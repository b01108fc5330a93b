//! `packed.json`: which shards a data set has, and what is in them.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Shard;
use crate::base::Medium;
use crate::base::atomic::write_atomic;
use crate::data::DataError;

/// The name of the index in a data set's folder.
pub const INDEX: &str = "packed.json";

/// The version of the format that is written.
const FORMAT: u32 = 1;

/// Tokens by what they are: text, codes of a medium with its start and end, and control tokens
/// (role tokens, `<s>`, `<eos>`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCounts {
    pub text: u64,
    pub image: u64,
    pub speech: u64,
    pub music: u64,
    pub control: u64,
}

impl TokenCounts {
    pub fn of(&self, medium: Medium) -> u64 {
        match medium {
            Medium::Text => self.text,
            Medium::Image => self.image,
            Medium::Speech => self.speech,
            Medium::Music => self.music,
        }
    }

    /// The counter of a medium; `None` counts control tokens.
    pub fn of_mut(&mut self, medium: Option<Medium>) -> &mut u64 {
        match medium {
            Some(Medium::Text) => &mut self.text,
            Some(Medium::Image) => &mut self.image,
            Some(Medium::Speech) => &mut self.speech,
            Some(Medium::Music) => &mut self.music,
            None => &mut self.control,
        }
    }

    pub fn total(&self) -> u64 {
        self.text + self.image + self.speech + self.music + self.control
    }

    pub fn add(&mut self, other: &TokenCounts) {
        self.text += other.text;
        self.image += other.image;
        self.speech += other.speech;
        self.music += other.music;
        self.control += other.control;
    }
}

/// One shard of a data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardEntry {
    /// The file's name in the data set's folder.
    pub file: String,
    pub blake3: String,
    pub sequences: u64,
    pub samples: u64,
    pub tokens: TokenCounts,
}

/// A data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    pub format: u32,
    /// How many ids the vocabulary has.
    pub vocabulary_size: u32,
    /// The BLAKE3 hash of the files that say which token has which id: `Bundle::vocabulary_digest`.
    pub vocabulary_blake3: String,
    /// No sequence is longer, in tokens.
    pub max_length: u32,
    pub shards: Vec<ShardEntry>,
}

impl Index {
    pub fn new(vocabulary_size: u32, vocabulary_blake3: String, max_length: u32) -> Self {
        Index { format: FORMAT, vocabulary_size, vocabulary_blake3, max_length, shards: Vec::new() }
    }

    /// Reads the index of a folder.
    pub fn read(folder: &Path) -> Result<Self, DataError> {
        let path = folder.join(INDEX);
        let bytes =
            fs::read(&path).map_err(|source| DataError::Read { path: path.clone(), source })?;
        let damaged = |reason: String| DataError::Damaged { path: path.clone(), reason };
        let index: Index = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
        if index.format != FORMAT {
            let reason = format!("its format is {}; this agpt reads {FORMAT}", index.format);
            return Err(damaged(reason));
        }
        // A name that leads out of the folder is no shard's name.
        let plain = |name: &str| Path::new(name).file_name().is_some_and(|file| file == name);
        match index.shards.iter().find(|shard| !plain(&shard.file)) {
            Some(shard) => Err(damaged(format!("`{}` is no name of a file", shard.file))),
            None => Ok(index),
        }
    }

    pub fn write(&self, folder: &Path) -> Result<(), DataError> {
        let mut json = serde_json::to_vec_pretty(self).map_err(|e| DataError::Write(e.into()))?;
        json.push(b'\n');
        write_atomic(folder.join(INDEX), &json).map_err(DataError::Write)
    }

    /// Opens one of the shards and checks it against its entry.
    pub fn open(&self, folder: &Path, entry: &ShardEntry) -> Result<Shard, DataError> {
        let path = folder.join(&entry.file);
        let shard = Shard::open(&path, self.vocabulary_size, self.max_length)?;
        if shard.len() as u64 != entry.sequences {
            let reason =
                format!("it has {} sequences; {INDEX} says {}", shard.len(), entry.sequences);
            return Err(DataError::Damaged { path, reason });
        }
        Ok(shard)
    }

    pub fn tokens(&self) -> TokenCounts {
        let mut sum = TokenCounts::default();
        self.shards.iter().for_each(|shard| sum.add(&shard.tokens));
        sum
    }

    pub fn sequences(&self) -> u64 {
        self.shards.iter().map(|shard| shard.sequences).sum()
    }
}
