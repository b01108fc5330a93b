//! Where results lie: `run.json` says of what run, `results.jsonl` has a line for each row that was
//! run, `media/` holds what was generated, by the hash of its content.
//!
//! A line is written whole and made durable before the next row runs. What a kill left of a line is
//! cut off when the run goes on.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::base::atomic::write_atomic;
use crate::base::text;
use crate::media::{encode_png, encode_wav};
use crate::runtime::value::{Media, Value};

use super::error::EvalError;

/// What decides the results of a row; results of different runs never stand in one folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub agpt: String,
    pub evaluation: String,
    /// Digest of the plan and of the measures.
    pub plan: String,
    pub model: String,
    pub seed: u64,
    /// Where and how precisely, as given on the command line.
    pub machine: String,
    pub judges: Vec<String>,
}

impl Run {
    /// The first thing in which two runs differ, in words.
    fn difference(&self, other: &Run) -> Option<String> {
        let told =
            |what: &str, before: &str, now: &str| format!("the {what} was {before}, now {now},");
        Some(if self.evaluation != other.evaluation {
            told("evaluation", &self.evaluation, &other.evaluation)
        } else if self.model != other.model {
            told("model", &self.model, &other.model)
        } else if self.seed != other.seed {
            told("seed", &self.seed.to_string(), &other.seed.to_string())
        } else if self.machine != other.machine {
            told("device or precision", &self.machine, &other.machine)
        } else if self.judges != other.judges {
            told("list of judges", &self.judges.join(", "), &other.judges.join(", "))
        } else if self.plan != other.plan {
            "what the evaluation does".to_string()
        } else if self.agpt != other.agpt {
            told("version of agpt", &self.agpt, &other.agpt)
        } else {
            return None;
        })
    }
}

/// What came of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub key: String,
    pub id: String,
    pub seconds: f64,
    /// The fields of the plan's record, media as `{"image": "media/….png"}`. Of a row that failed,
    /// those that were there before.
    pub values: serde_json::Map<String, Json>,
    /// What judges said, by measure: `{"score": 0.3}` or `{"heard": "…"}`.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub judged: serde_json::Map<String, Json>,
    /// Why the row failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

pub struct Store {
    folder: PathBuf,
    file: File,
    done: HashMap<String, Record>,
}

impl Store {
    /// Opens the folder of a run, or makes it; with `restart` what is there of an earlier run is
    /// dropped.
    pub fn open(folder: &Path, run: &Run, restart: bool) -> Result<Store, EvalError> {
        let unwritable = EvalError::unwritable;
        std::fs::create_dir_all(folder.join("media")).map_err(|e| unwritable(folder, e))?;
        let (about, results) = (folder.join("run.json"), folder.join("results.jsonl"));
        let before = match text::read(&about, 1 << 20) {
            Ok(text) => {
                Some(serde_json::from_str::<Run>(&text).map_err(|error| EvalError::Malformed {
                    path: about.clone(),
                    place: format!("line {}", error.line()),
                    reason: error.to_string(),
                }))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(EvalError::unreadable(&about, &error)),
        };
        // An empty file is what a run leaves that was stopped before it had a `run.json`.
        let has_results = std::fs::metadata(&results).is_ok_and(|file| file.len() > 0);
        if before.is_none() && has_results {
            return Err(EvalError::Foreign { folder: folder.to_path_buf() });
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&results)
            .map_err(|e| unwritable(&results, e))?;
        // Two runs in one folder would write into each other's lines; the lock ends with the process.
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(EvalError::Busy { folder: folder.to_path_buf() });
            }
            // Where the file system has no locks, the user has to take care.
            Err(std::fs::TryLockError::Error(_)) => {}
        }
        if let Some(before) = before.filter(|_| !restart)
            && let Some(what) = before?.difference(run)
        {
            return Err(EvalError::OtherRun { folder: folder.to_path_buf(), what });
        }
        if restart {
            file.set_len(0).map_err(|e| unwritable(&results, e))?;
        }
        let mut json = serde_json::to_vec_pretty(run).unwrap_or_default();
        json.push(b'\n');
        write_atomic(&about, &json).map_err(|e| unwritable(&about, e))?;
        let done = read(&mut file, &results)?;
        Ok(Store { folder: folder.to_path_buf(), file, done })
    }

    pub fn find(&self, key: &str) -> Option<&Record> {
        self.done.get(key)
    }

    /// Keeps the result of a row: durable when this returns.
    pub fn append(&mut self, record: Record) -> Result<(), EvalError> {
        let path = self.folder.join("results.jsonl");
        let mut line = serde_json::to_vec(&record)
            .map_err(|error| EvalError::unwritable(&path, error.into()))?;
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        written.map_err(|error| EvalError::unwritable(&path, error))?;
        self.done.insert(record.key.clone(), record);
        Ok(())
    }

    /// A value as it is kept; media go to files of their own first.
    pub fn keep(&self, value: &Value) -> Result<Json, EvalError> {
        Ok(match value {
            Value::Text(text) => Json::String(text.to_string()),
            Value::List(items) => {
                Json::Array(items.iter().map(|item| self.keep(item)).collect::<Result<_, _>>()?)
            }
            Value::Media(media) => {
                let mut object = serde_json::Map::new();
                let name = self.save(media)?;
                object.insert(media.medium().name().to_string(), Json::String(name));
                Json::Object(object)
            }
            // Metrics take nothing else.
            _ => Json::Null,
        })
    }

    fn save(&self, media: &Media) -> Result<String, EvalError> {
        let extension = match media {
            Media::Image(_) => "png",
            Media::Speech(_) | Media::Music(_) => "wav",
        };
        let name = format!("media/{}.{extension}", media.digest().hex());
        let path = self.folder.join(&name);
        if path.is_file() {
            return Ok(name);
        }
        let bytes = match media {
            Media::Image(image) => encode_png(image, &[]),
            Media::Speech(sound) | Media::Music(sound) => encode_wav(sound, ""),
        };
        let unwritable = |error| EvalError::unwritable(&path, error);
        let bytes = bytes.map_err(|error| unwritable(std::io::Error::other(error)))?;
        write_atomic(&path, &bytes).map_err(unwritable)?;
        Ok(name)
    }
}

/// The lines that are whole; the file ends behind them afterwards.
fn read(file: &mut File, path: &Path) -> Result<HashMap<String, Record>, EvalError> {
    let bytes = std::fs::read(path).map_err(|error| EvalError::unreadable(path, &error))?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut done = HashMap::new();
    for (number, line) in bytes.get(..whole).unwrap_or_default().split(|b| *b == b'\n').enumerate()
    {
        if line.is_empty() {
            continue;
        }
        let record: Record =
            serde_json::from_slice(line).map_err(|error| EvalError::Malformed {
                path: path.to_path_buf(),
                place: format!("line {}", number + 1),
                reason: format!("{error}; give --restart to begin anew"),
            })?;
        done.insert(record.key.clone(), record);
    }
    let place = whole as u64;
    let cut = file.set_len(place).and_then(|()| file.seek(SeekFrom::Start(place)));
    cut.map_err(|error| EvalError::unwritable(path, error))?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(model: &str) -> Run {
        Run {
            agpt: "1".into(),
            evaluation: "e".into(),
            plan: "p".into(),
            model: model.into(),
            seed: 1,
            machine: "cpu".into(),
            judges: Vec::new(),
        }
    }

    fn record(key: &str) -> Record {
        Record {
            key: key.into(),
            id: key.into(),
            seconds: 0.5,
            values: serde_json::Map::new(),
            judged: serde_json::Map::new(),
            error: None,
        }
    }

    #[test]
    fn half_a_line_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path(), &run("m"), false).unwrap();
        store.append(record("a")).unwrap();
        drop(store);
        let path = folder.path().join("results.jsonl");
        let whole = std::fs::read(&path).unwrap();
        let mut torn = whole.clone();
        torn.extend_from_slice(b"{\"key\": \"b");
        std::fs::write(&path, torn).unwrap();
        let mut store = Store::open(folder.path(), &run("m"), false).unwrap();
        assert!(store.find("a").is_some() && store.find("b").is_none());
        store.append(record("c")).unwrap();
        drop(store);
        let store = Store::open(folder.path(), &run("m"), false).unwrap();
        assert!(store.find("a").is_some() && store.find("c").is_some());
    }

    #[test]
    fn a_run_that_was_stopped_before_it_said_what_it_is_begins_again() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("results.jsonl"), "").unwrap();
        let mut store = Store::open(folder.path(), &run("m"), false).unwrap();
        store.append(record("a")).unwrap();
        drop(store);
        assert!(Store::open(folder.path(), &run("m"), false).unwrap().find("a").is_some());
    }

    #[test]
    fn runs_are_never_mixed() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path(), &run("m"), false).unwrap();
        store.append(record("a")).unwrap();
        assert!(matches!(
            Store::open(folder.path(), &run("m"), false),
            Err(EvalError::Busy { .. })
        ));
        drop(store);
        let error = Store::open(folder.path(), &run("other"), false).err().unwrap();
        assert!(error.to_string().contains("the model was m, now other"), "{error}");
        let mut store = Store::open(folder.path(), &run("other"), true).unwrap();
        assert!(store.find("a").is_none());
        store.append(record("b")).unwrap();
        drop(store);
        std::fs::remove_file(folder.path().join("run.json")).unwrap();
        let error = Store::open(folder.path(), &run("m"), true).err().unwrap();
        assert!(matches!(error, EvalError::Foreign { .. }));
    }
}
