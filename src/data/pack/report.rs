//! What came of packing: per shard, so that a run can go on, and of the whole.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::order::Share;
use crate::base::atomic::write_atomic;
use crate::bundle::Bundle;
use crate::data::DataError;
use crate::data::packed::{Index, ShardEntry, TokenCounts};
use crate::data::recipe::Recipe;
use crate::data::sample::Sample;

pub const REPORT: &str = "report.json";
pub const REPORT_HTML: &str = "report.html";
pub const LEFT_OUT: &str = "left_out.jsonl";

/// A row that is in no sequence, or not with all its samples.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeftOut {
    pub source: String,
    pub file: String,
    pub line: usize,
    pub reason: String,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

/// What one source gave.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceCounts {
    pub name: String,
    pub draws: u64,
    pub samples: u64,
    pub tokens: TokenCounts,
    /// Targets of the loss.
    pub counted: u64,
    /// Draws whose samples are longer than a sequence, and draws of broken rows.
    pub too_long: u64,
    pub broken: u64,
}

impl SourceCounts {
    pub fn take(&mut self, sample: &Sample) {
        self.samples += 1;
        self.tokens.add(&sample.counts);
        self.counted += sample.counted.iter().filter(|counted| **counted).count() as u64;
    }

    fn add(&mut self, other: &SourceCounts) {
        self.draws += other.draws;
        self.samples += other.samples;
        self.tokens.add(&other.tokens);
        self.counted += other.counted;
        self.too_long += other.too_long;
        self.broken += other.broken;
    }
}

/// One shard, beside it as `shard-00000.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShardReport {
    /// Of all that the shard was made from.
    pub key: String,
    /// Absent where no sample of its stretch could be used.
    pub entry: Option<ShardEntry>,
    pub sources: Vec<SourceCounts>,
    pub left_out: Vec<LeftOut>,
}

impl ShardReport {
    pub fn new<'n>(key: &str, names: impl Iterator<Item = &'n str>) -> Self {
        let counts = |name: &str| SourceCounts { name: name.into(), ..Default::default() };
        ShardReport {
            key: key.to_string(),
            entry: None,
            sources: names.map(counts).collect(),
            left_out: Vec::new(),
        }
    }

    /// One that cannot be read is as good as none: its shard is made again.
    pub fn read(path: &Path) -> Result<Option<Self>, DataError> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(DataError::Read { path: path.to_path_buf(), source }),
        }
    }

    pub fn write(&self, path: &Path) -> Result<(), DataError> {
        write_atomic(path, &pretty(self)).map_err(DataError::Write)
    }
}

fn pretty(value: &impl Serialize) -> Vec<u8> {
    // Plain structs of numbers and texts cannot fail to be written.
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// The rows that were left out, each once, as JSONL.
pub fn left_out(reports: &[ShardReport]) -> String {
    let rows: BTreeSet<&LeftOut> = reports.iter().flat_map(|report| &report.left_out).collect();
    rows.iter().map(|row| serde_json::json!(row).to_string() + "\n").collect()
}

/// A source in the whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceReport {
    #[serde(flatten)]
    pub counts: SourceCounts,
    pub rows: u64,
    /// How often its rows were taken, on average.
    pub epochs: f64,
    /// What its weight asks for, of samples or tokens as the recipe weighs.
    pub wanted: Option<f64>,
    /// What it is of the samples and of the tokens.
    pub share_of_samples: f64,
    pub share_of_tokens: f64,
}

/// `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub model: String,
    pub max_length: u32,
    pub shards: u64,
    pub sequences: u64,
    pub samples: u64,
    pub tokens: TokenCounts,
    /// Targets of the loss.
    pub counted: u64,
    /// How full the sequences are: tokens of `sequences * max_length`.
    pub fill: f64,
    pub too_long: u64,
    pub broken: u64,
    pub sources: Vec<SourceReport>,
}

impl Report {
    pub fn new(
        bundle: &Bundle,
        index: &Index,
        recipe: &Recipe,
        shares: &[Share],
        reports: &[ShardReport],
    ) -> Self {
        let mut totals: Vec<SourceCounts> =
            ShardReport::new("", shares.iter().map(|share| share.name.as_str())).sources;
        for report in reports {
            for (total, counts) in totals.iter_mut().zip(&report.sources) {
                total.add(counts);
            }
        }
        let sum = |of: &dyn Fn(&SourceCounts) -> u64| totals.iter().map(of).sum::<u64>();
        let tokens = index.tokens();
        let (samples, all) = (sum(&|it| it.samples), tokens.total());
        let part = |of: u64, whole: u64| of as f64 / whole.max(1) as f64;
        let weights: f64 = recipe.sources.iter().filter_map(|source| source.weight).sum();
        let sources = totals.iter().zip(shares).zip(&recipe.sources);
        Report {
            model: bundle.name().to_string(),
            max_length: index.max_length,
            shards: index.shards.len() as u64,
            sequences: index.sequences(),
            samples,
            tokens,
            counted: sum(&|it| it.counted),
            fill: part(all, index.sequences() * u64::from(index.max_length)),
            too_long: sum(&|it| it.too_long),
            broken: sum(&|it| it.broken),
            sources: sources
                .map(|((counts, share), source)| SourceReport {
                    rows: share.rows as u64,
                    epochs: part(counts.draws, share.rows as u64),
                    wanted: source.weight.map(|weight| weight / weights),
                    share_of_samples: part(counts.samples, samples),
                    share_of_tokens: part(counts.tokens.total(), all),
                    counts: counts.clone(),
                })
                .collect(),
        }
    }

    pub fn json(&self) -> String {
        String::from_utf8(pretty(self)).unwrap_or_default()
    }
}
