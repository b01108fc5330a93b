//! Pairs of texts and media files into pairs of texts and tokens, shard by shard.
//!
//! A shard of the output is a fixed stretch of the rows and is made as a whole, so an
//! interrupted run goes on with the first that is missing: nothing is lost and nothing doubled.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::input::{Input, Read};
use super::pairs::Pair;
use super::{DataError, codes};
use crate::base::Medium;
use crate::base::atomic::write_atomic;
use crate::base::hash::Digest;
use crate::runtime::engine::Engine;
use crate::runtime::error::Failure;
use crate::runtime::events::Events;
use crate::runtime::read;
use crate::runtime::value::{Media, Value};

pub const FAILURES: &str = "failures.jsonl";
/// Changes when the same inputs give other bytes.
const VERSION: u32 = 1;

/// What shards are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// Lines of JSON
    Jsonl,
    /// Columns of texts: id, text, image, speech, music
    #[cfg(feature = "parquet")]
    Parquet,
}

impl Form {
    #[cfg(feature = "parquet")]
    const ALL: &[Form] = &[Form::Jsonl, Form::Parquet];
    #[cfg(not(feature = "parquet"))]
    const ALL: &[Form] = &[Form::Jsonl];

    fn ending(self) -> &'static str {
        match self {
            Form::Jsonl => ".jsonl",
            #[cfg(feature = "parquet")]
            Form::Parquet => ".parquet",
        }
    }

    /// The bytes of a shard.
    fn bytes(self, rows: &[Map<String, Json>]) -> std::io::Result<Vec<u8>> {
        match self {
            Form::Jsonl => {
                let mut text = String::new();
                for row in rows {
                    text.push_str(&json!(row).to_string());
                    text.push('\n');
                }
                Ok(text.into_bytes())
            }
            #[cfg(feature = "parquet")]
            Form::Parquet => {
                const COLUMNS: [&str; 5] = ["id", "text", "image", "speech", "music"];
                let cell = |value: &Json| match value {
                    Json::String(text) => text.clone(),
                    other => other.to_string(),
                };
                let cells = |row: &Map<String, Json>| COLUMNS.map(|key| row.get(key).map(cell));
                let rows: Vec<_> = rows.iter().map(|row| cells(row).to_vec()).collect();
                let mut bytes = Vec::new();
                super::parquet::write(&mut bytes, &COLUMNS, &rows)
                    .map_err(std::io::Error::other)?;
                Ok(bytes)
            }
        }
    }
}

/// How the work is cut.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// Rows of a shard.
    pub shard_rows: usize,
    /// Media that are encoded together.
    pub batch: usize,
    /// Whether shards with failed rows are made again.
    pub retry: bool,
    pub form: Form,
}

/// A row that could not be tokenised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailedRow {
    pub line: usize,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<Json>,
    pub reason: String,
}

/// Beside each shard: what it was made from and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct PartReport {
    key: String,
    from: String,
    blake3: String,
    rows: usize,
    failed: Vec<FailedRow>,
}

/// What came of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Outcome {
    pub rows: usize,
    pub tokenised: usize,
    pub failed: usize,
    pub shards: usize,
    /// Shards that were there already.
    pub kept: usize,
}

/// The shards in a folder of this module's output, in order.
pub fn parts(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let read = |source| DataError::Read { path: folder.to_path_buf(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("part-") && Form::ALL.iter().any(|form| name.ends_with(form.ending())) {
            found.push(path);
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(DataError::Sample(format!(
            "`{}` has no part-*.jsonl or part-*.parquet; make them with `agpt data tokenize`",
            folder.display()
        )));
    }
    Ok(found)
}

/// Removes what a run has left in a folder, and nothing else; `input` must not be a part of it.
pub fn clear(folder: &Path, input: &Path) -> Result<(), DataError> {
    let read = |source| DataError::Read { path: folder.to_path_buf(), source };
    let inside = |at: &Path| Some(at.canonicalize().ok()?.parent()?.to_path_buf());
    if inside(input).is_some_and(|place| folder.canonicalize().is_ok_and(|out| out == place)) {
        return Err(DataError::Sample(format!(
            "`{}` lies in the folder of the output, which --fresh would clear",
            input.display()
        )));
    }
    for entry in fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.strip_prefix("part-").and_then(|rest| rest.split_once('.'));
        let part = number.is_some_and(|(number, ending)| {
            number.bytes().all(|byte| byte.is_ascii_digit())
                && ["jsonl", "parquet", "json"].contains(&ending)
        });
        if part || name == FAILURES {
            fs::remove_file(&path).map_err(DataError::Write)?;
        }
    }
    Ok(())
}

/// Tokenises `rows`, whose paths are relative to `beside`, into `out`.
pub fn run(
    rows: &mut Input,
    beside: &Path,
    out: &Path,
    cut: Cut,
    engine: &mut Engine,
    events: &mut dyn Events,
) -> Result<Outcome, DataError> {
    let mut outcome = Outcome { rows: rows.len(), ..Outcome::default() };
    let mut failures = String::new();
    let mut number = 0;
    loop {
        let start = number * cut.shard_rows;
        if start >= rows.len() {
            break;
        }
        let range = start..(start + cut.shard_rows).min(rows.len());
        // Of the rows as they are written.
        let from = rows.digest(range.clone()).hex();
        let part = Part { beside, range: range.clone(), out, number, form: cut.form, from };
        let report = match part.finished(cut, engine)? {
            Some(report) => {
                outcome.kept += 1;
                report
            }
            None => part.make(rows, cut, engine, events)?,
        };
        for failed in &report.failed {
            failures.push_str(&json!(failed).to_string());
            failures.push('\n');
        }
        outcome.failed += report.failed.len();
        outcome.tokenised += report.rows;
        outcome.shards += 1;
        events.progress(range.end, rows.len());
        number += 1;
    }
    part_beyond(out, number, cut.form)?;
    write_atomic(out.join(FAILURES), failures.as_bytes()).map_err(DataError::Write)?;
    Ok(outcome)
}

/// Shards that these rows do not have would be taken for a part of them.
fn part_beyond(out: &Path, number: usize, form: Form) -> Result<(), DataError> {
    // Nor those in another form, which would be the same rows twice.
    let other = |form: &Form| out.join(name(0, form.ending())).exists();
    let twice = Form::ALL.iter().filter(|other| **other != form).any(other);
    if twice || out.join(name(number, form.ending())).exists() {
        return Err(DataError::Other { folder: out.to_path_buf() });
    }
    Ok(())
}

fn name(number: usize, ending: &str) -> String {
    format!("part-{number:05}{ending}")
}

struct Part<'a> {
    form: Form,
    from: String,
    beside: &'a Path,
    range: Range<usize>,
    out: &'a Path,
    number: usize,
}

/// What became of a row.
type Made = Result<Map<String, Json>, FailedRow>;

/// A row on its way.
struct Waiting {
    line: usize,
    id: Json,
    pair: Pair,
    media: Arc<Media>,
}

impl Part<'_> {
    fn path(&self, ending: &str) -> PathBuf {
        self.out.join(name(self.number, ending))
    }

    /// Of the model, and how rows are cut.
    fn key(cut: Cut, engine: &Engine) -> String {
        let mut key = json!({
            "version": VERSION,
            "shard_rows": cut.shard_rows,
            "batch": cut.batch,
            "model": engine.bundle().manifest_digest().hex(),
        });
        if cut.form != Form::Jsonl {
            key["form"] = Json::from(cut.form.ending());
        }
        Digest::of(key.to_string().as_bytes()).hex()
    }

    /// The report of a shard that is whole: its hash is that of the bytes that are there.
    fn finished(&self, cut: Cut, engine: &Engine) -> Result<Option<PartReport>, DataError> {
        let Ok(bytes) = fs::read(self.path(".json")) else { return Ok(None) };
        let Ok(report) = serde_json::from_slice::<PartReport>(&bytes) else { return Ok(None) };
        if report.key != Self::key(cut, engine) {
            return Err(DataError::Other { folder: self.out.to_path_buf() });
        }
        // Rows that were changed or added make their shard again.
        let whole = report.from == self.from
            && fs::read(self.path(self.form.ending()))
                .is_ok_and(|bytes| Digest::of(&bytes).hex() == report.blake3);
        let again = cut.retry && !report.failed.is_empty();
        Ok((whole && !again).then_some(report))
    }

    fn make(
        &self,
        input: &mut Input,
        cut: Cut,
        engine: &mut Engine,
        events: &mut dyn Events,
    ) -> Result<PartReport, DataError> {
        let mut done: Vec<(usize, Made)> = Vec::new();
        // Media of one kind that follow each other are encoded together, at most a batch.
        let all: Vec<usize> = self.range.clone().collect();
        for chunk in all.chunks(cut.batch) {
            if events.cancelled() {
                return Err(DataError::Cancelled);
            }
            let read: Vec<Result<Waiting, FailedRow>> = self.read_all(input, chunk)?;
            let mut kinds: [Vec<Waiting>; 3] = Default::default();
            for read in read {
                match read {
                    Err(failed) => done.push((failed.line, Err(failed))),
                    Ok(waiting) => match waiting.pair.medium {
                        Medium::Image => kinds[0].push(waiting),
                        Medium::Speech => kinds[1].push(waiting),
                        _ => kinds[2].push(waiting),
                    },
                }
            }
            for waiting in kinds.into_iter().filter(|waiting| !waiting.is_empty()) {
                encode(waiting, engine, events, &mut done)?;
            }
            let last = chunk.last().map_or(0, |row| row + 1);
            events.progress(last, input.len());
        }
        done.sort_by_key(|(line, _)| *line);
        let (mut made, mut failed) = (Vec::new(), Vec::new());
        for (_, result) in done {
            match result {
                Ok(row) => made.push(row),
                Err(row) => failed.push(row),
            }
        }
        let path = self.path(self.form.ending());
        let bytes = self.form.bytes(&made).map_err(|error| {
            let text = format!("cannot write `{}`: {error}", path.display());
            DataError::Write(std::io::Error::new(error.kind(), text))
        })?;
        let key = Self::key(cut, engine);
        let (from, blake3) = (self.from.clone(), Digest::of(&bytes).hex());
        let report = PartReport { key, from, blake3, rows: made.len(), failed };
        write_atomic(path, &bytes).map_err(DataError::Write)?;
        // The report says that the shard is there, so it comes second.
        let mut bytes = serde_json::to_vec_pretty(&report).unwrap_or_default();
        bytes.push(b'\n');
        write_atomic(self.path(".json"), &bytes).map_err(DataError::Write)?;
        Ok(report)
    }

    /// The media of some rows, decoded side by side.
    fn read_all(
        &self,
        input: &mut Input,
        rows: &[usize],
    ) -> Result<Vec<Result<Waiting, FailedRow>>, DataError> {
        let taken = input.take(rows)?;
        let lines: Vec<usize> = rows.iter().map(|row| input.number(*row)).collect();
        let taken = lines.into_par_iter().zip(taken);
        Ok(taken.map(|(line, read)| self.read(line, read)).collect())
    }

    fn read(&self, line: usize, read: Read) -> Result<Waiting, FailedRow> {
        let failed = |id: Option<Json>, reason: String| FailedRow { line, id, reason };
        let (pair, bytes) = read.map_err(|reason| failed(None, reason))?;
        let id = pair.id.clone();
        let read = match bytes {
            Some(bytes) => read::bytes(&bytes, &pair.content, pair.medium),
            None => read::medium(&self.beside.join(&pair.content), pair.medium),
        };
        match read.map_err(|error| failed(id.clone(), error.to_string()))? {
            Value::Media(made) => {
                let media = Arc::clone(&made);
                Ok(Waiting { line, id: id.unwrap_or(Json::from(line)), pair, media })
            }
            other => Err(failed(id, format!("it is a {}", other.kind()))),
        }
    }
}

/// Encodes media of one kind; where they fail together, one by one.
fn encode(
    waiting: Vec<Waiting>,
    engine: &mut Engine,
    events: &mut dyn Events,
    done: &mut Vec<(usize, Made)>,
) -> Result<(), DataError> {
    let Some(medium) = waiting.first().map(|waiting| waiting.pair.medium) else { return Ok(()) };
    // A model that cannot encode the medium at all is no fault of a row.
    engine.bundle().tokenizer(medium)?;
    let media: Vec<Arc<Media>> = waiting.iter().map(|waiting| waiting.media.clone()).collect();
    let together = match engine.encode(medium, &media, events) {
        Ok(codes) if codes.len() == media.len() => Some(codes),
        Ok(_) => None,
        Err(error) => {
            of_all(error)?;
            None
        }
    };
    for (place, waiting) in waiting.into_iter().enumerate() {
        let codes = match &together {
            Some(codes) => codes.get(place).cloned().ok_or_else(|| "it has no codes".to_string()),
            None => match engine.encode(medium, std::slice::from_ref(&waiting.media), events) {
                Ok(codes) => codes.into_iter().next().ok_or_else(|| "it has no codes".to_string()),
                Err(error) => Err(of_all(error)?),
            },
        };
        let line = waiting.line;
        let made = codes.and_then(|codes| written(engine, &waiting, &codes));
        let failed = |reason| FailedRow { line, id: waiting.pair.id.clone(), reason };
        done.push((line, made.map_err(failed)));
    }
    Ok(())
}

/// A failure of the machine or the model ends the run; one of a medium is its row's.
fn of_all(error: Failure) -> Result<String, DataError> {
    match error {
        Failure::Cancelled => Err(DataError::Cancelled),
        Failure::Bundle(_)
        | Failure::Device(_)
        | Failure::Precision { .. }
        | Failure::Memory { .. }
        | Failure::Architecture(_)
        | Failure::Mismatch { .. } => Err(error.into()),
        error => Ok(error.to_string()),
    }
}

fn written(engine: &Engine, waiting: &Waiting, codes: &[u32]) -> Result<Map<String, Json>, String> {
    let medium = waiting.pair.medium;
    let bundle = engine.bundle();
    let vocabulary = bundle.vocabulary().map_err(|error| error.to_string())?;
    let tokens = vocabulary.tokens(medium);
    let tokens = tokens.ok_or_else(|| format!("the vocabulary has no {medium} tokens"))?;
    codes::check(medium, tokens, codes)?;
    let mut row = Map::new();
    row.insert("id".into(), waiting.id.clone());
    row.insert("text".into(), Json::from(waiting.pair.text.as_str()));
    row.insert(medium.name().into(), Json::from(codes::spelled(bundle, medium, codes)?));
    Ok(row)
}
