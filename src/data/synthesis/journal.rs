//! The journal: what every finished piece of work gave, one line each, in the order they finished;
//! and what was paid for answers that gave nothing.
//!
//! A line is the beginning of its content's hash, a space, JSON, a line break. It is written with one
//! call and forced to the disk before the piece counts as done. A run that was killed leaves at most
//! one torn line, the last; it is cut off, and its piece is done again.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::base::hash::Digest;
use crate::data::providers::{ProviderError, Usage};

use super::SynthesisError;

/// What a piece of work gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Made(Json),
    Rejected {
        reason: String,
        detail: String,
    },
    /// Nothing: what was paid for answers that no piece could use.
    Spent,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub stage: String,
    /// The hash of all that the piece depends on.
    pub key: String,
    pub outcome: Outcome,
    #[serde(default)]
    pub used: Usage,
}

#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    entries: HashMap<String, Outcome>,
    /// Of all entries.
    pub used: Usage,
    /// Whether a torn line was cut off.
    pub mended: bool,
}

const MARK: usize = 16;

impl Journal {
    /// Opens or begins a journal, and keeps other runs out of it.
    pub fn open(path: &Path) -> Result<Journal, SynthesisError> {
        let failed = |reason: String| SynthesisError::File { path: path.to_path_buf(), reason };
        let failed_io = |error: std::io::Error| failed(error.to_string());
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed_io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(SynthesisError::Locked(path.to_path_buf()));
            }
            Err(TryLockError::Error(error)) => return Err(failed_io(error)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed_io)?;
        let mut journal = Journal {
            path: path.to_path_buf(),
            file,
            entries: HashMap::new(),
            used: Usage::default(),
            mended: false,
        };
        let good = journal.replay(&bytes)?;
        if good < bytes.len() {
            journal.mended = true;
            journal.file.set_len(good as u64).map_err(failed_io)?;
            journal.file.sync_data().map_err(failed_io)?;
        }
        journal.file.seek(SeekFrom::Start(good as u64)).map_err(failed_io)?;
        Ok(journal)
    }

    /// Takes in what is there; gives the length of what is whole.
    fn replay(&mut self, bytes: &[u8]) -> Result<usize, SynthesisError> {
        let mut good = 0;
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        for (index, line) in lines.enumerate() {
            let end = good + line.len();
            match read(line) {
                Ok(entry) => self.take(entry),
                Err(_) if end == bytes.len() => return Ok(good),
                Err(reason) => {
                    let (path, line) = (self.path.clone(), index + 1);
                    return Err(SynthesisError::Journal { path, line, reason });
                }
            }
            good = end;
        }
        Ok(good)
    }

    fn take(&mut self, entry: Entry) {
        self.used.add(&entry.used);
        if entry.outcome == Outcome::Spent {
            return;
        }
        self.entries.insert(entry.key, entry.outcome);
    }

    pub fn get(&self, key: &str) -> Option<&Outcome> {
        self.entries.get(key)
    }

    /// What was made under a key.
    pub fn made(&self, key: &str) -> Option<&Json> {
        match self.get(key) {
            Some(Outcome::Made(json)) => Some(json),
            _ => None,
        }
    }

    /// Notes what a run has `spent` beyond all entries, so that the next one's budget knows of it.
    pub fn note(&mut self, stage: &str, spent: &Usage) -> Result<(), SynthesisError> {
        let used = spent.beyond(&self.used);
        if used == Usage::default() {
            return Ok(());
        }
        let (stage, key) = (stage.to_string(), String::new());
        self.append(Entry { stage, key, outcome: Outcome::Spent, used })
    }

    /// Appends an entry; once this returns it survives the process and the machine.
    pub fn append(&mut self, entry: Entry) -> Result<(), SynthesisError> {
        let failed = |path: &Path, reason: String| {
            let path = path.to_path_buf();
            SynthesisError::File { path, reason }
        };
        let json =
            serde_json::to_string(&entry).map_err(|error| failed(&self.path, error.to_string()))?;
        let line = format!("{} {json}\n", mark(json.as_bytes()));
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(|source| ProviderError::Write { path: self.path.clone(), source })?;
        self.take(entry);
        Ok(())
    }
}

fn mark(json: &[u8]) -> String {
    Digest::of(json).hex()[..MARK].to_string()
}

fn read(line: &[u8]) -> Result<Entry, String> {
    let line = line.strip_suffix(b"\n").ok_or("it has no end")?;
    let (given, json) = line.split_at_checked(MARK).ok_or("it is too short")?;
    let json = json.strip_prefix(b" ").ok_or("it does not begin with a hash")?;
    if given != mark(json).as_bytes() {
        return Err("its hash is another one".to_string());
    }
    serde_json::from_slice(json).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(key: &str) -> Entry {
        let used = Usage { requests: 1, input: 10, ..Usage::default() };
        let outcome = Outcome::Made(json!({ "text": "a\nb" }));
        Entry { stage: "s".into(), key: key.into(), outcome, used }
    }

    fn written(path: &Path, keys: &[&str]) -> Vec<u8> {
        let mut journal = Journal::open(path).unwrap();
        for key in keys {
            journal.append(entry(key)).unwrap();
        }
        drop(journal);
        std::fs::read(path).unwrap()
    }

    #[test]
    fn wherever_a_journal_is_torn_all_whole_lines_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let bytes = written(&path, &["a", "b", "c"]);
        for length in 0..=bytes.len() {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let whole = bytes[..length].iter().filter(|byte| **byte == b'\n').count();
            let mut journal = Journal::open(&path).unwrap();
            assert_eq!(journal.used.requests as usize, whole);
            journal.append(entry("d")).unwrap();
            drop(journal);
            let journal = Journal::open(&path).unwrap();
            assert!(!journal.mended);
            assert_eq!(journal.used.requests as usize, whole + 1);
            assert!(journal.made("d").is_some());
        }
    }

    #[test]
    fn what_came_to_nothing_is_counted_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::open(&path).unwrap();
        journal.append(entry("a")).unwrap();
        let spent = Usage { requests: 3, input: 30, cost: 0.5, ..Usage::default() };
        journal.note("s", &spent).unwrap();
        journal.note("s", &spent).unwrap();
        drop(journal);
        let journal = Journal::open(&path).unwrap();
        assert_eq!(journal.used, spent);
        assert!(journal.get("").is_none());
    }

    #[test]
    fn damage_in_the_middle_is_an_error_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut bytes = written(&path, &["a", "b", "c"]);
        let place = bytes.len() / 2;
        bytes[place] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let error = Journal::open(&path).unwrap_err();
        assert!(error.to_string().starts_with("line 2 of"), "{error}");
    }

    #[test]
    fn two_runs_do_not_write_one_journal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let held = Journal::open(&path).unwrap();
        assert!(matches!(Journal::open(&path), Err(SynthesisError::Locked(_))));
        drop(held);
        assert!(Journal::open(&path).is_ok());
    }
}
