//! A recipe's sources into packed sequences.
//!
//! The mix is a list of draws that only seed and numbers of rows decide; each shard packs a
//! stretch of it by itself. So a shard is a function of the inputs and its number: an
//! interrupted run goes on with the first that is missing, and the bytes do not depend on the
//! number of threads.

mod bins;
mod html;
mod order;
mod report;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::json;

use super::DataError;
use super::packed::{INDEX, Index, PackedSequence, ShardWriter, TokenCounts};
use super::recipe::{Recipe, WeighBy};
use super::sample::{Form, Loss, Sample};
use crate::base::atomic::write_atomic;
use crate::base::hash::Digest;
use crate::bundle::Bundle;
use crate::lang::Loader;
use crate::runtime::engine::Engine;
use crate::runtime::events::Events;
use order::{Draw, Order, Share, Wish};
use source::{Draft, Opened};

pub use bins::{Packing, pack};
pub use report::{LEFT_OUT, LeftOut, REPORT, REPORT_HTML, Report, ShardReport, SourceCounts};

/// Changes when the same inputs give other bytes.
const VERSION: u32 = 1;
/// Draws that are rendered one after another before they are tokenised side by side.
const CHUNK: usize = 256;
/// Rows that are looked at for the mean length of a source's samples.
const MEASURED: usize = 256;

/// A recipe with all that it needs.
pub struct Job<'a> {
    recipe: &'a Recipe,
    bundle: Bundle,
    seed: u64,
    max_length: usize,
    end: Option<u32>,
    vocabulary_blake3: String,
    sources: Vec<Opened>,
    /// Of everything that decides the bytes.
    key: String,
}

impl<'a> Job<'a> {
    /// Opens the files of a recipe in `folder` and compiles its templates.
    pub fn open(
        recipe: &'a Recipe,
        folder: &Path,
        seed: Option<u64>,
        loader: &dyn Loader,
        engine: &mut Engine,
        events: &mut dyn Events,
    ) -> Result<Self, DataError> {
        let bundle = engine.bundle().clone();
        let vocabulary = bundle.vocabulary()?;
        let context = bundle.manifest().context;
        let max_length = recipe.max_length.unwrap_or(context);
        if max_length == 0 || max_length > context {
            return Err(DataError::Sample(format!(
                "`max_length` is {max_length}, but the context of {} is {context} tokens",
                bundle.name()
            )));
        }
        let end = recipe.end.as_deref().map(|end| {
            vocabulary.added(end).ok_or_else(|| {
                DataError::Sample(format!("`end`: {} has no token `{end}`", bundle.name()))
            })
        });
        let end = end.transpose()?;
        let mut sources = Vec::with_capacity(recipe.sources.len());
        for source in &recipe.sources {
            sources.push(Opened::open(source, recipe, folder, loader, engine, events)?);
        }
        let seed = seed.unwrap_or(recipe.seed);
        let vocabulary_blake3 = bundle.vocabulary_digest()?;
        let contents: Vec<_> = sources.iter().map(Opened::content).collect();
        let key = json!({
            "version": VERSION, "recipe": recipe, "seed": seed, "max_length": max_length,
            "vocabulary": vocabulary_blake3, "manifest": bundle.manifest_digest().hex(),
            "sources": contents,
        });
        let key = Digest::of(key.to_string().as_bytes()).hex();
        Ok(Job { recipe, bundle, seed, max_length, end, vocabulary_blake3, sources, key })
    }

    fn form(&self, loss: Loss) -> Form<'_> {
        Form { bundle: &self.bundle, loss, end: self.end }
    }

    /// Packs everything into `out`, and says what came of it.
    pub fn run(
        &self,
        out: &Path,
        engine: &mut Engine,
        events: &mut dyn Events,
    ) -> Result<Report, DataError> {
        let shares = self.shares(engine, events)?;
        let total: u64 = shares.iter().map(|share| share.draws).sum();
        if total == 0 {
            return Err(DataError::Sample("the recipe's files have no rows".into()));
        }
        let mut order = Order::new(self.seed, self.recipe.shuffle, &shares);
        let (mut reports, mut done) = (Vec::new(), 0);
        loop {
            let draws: Vec<Draw> = order.by_ref().take(self.recipe.shard_samples).collect();
            if draws.is_empty() {
                break;
            }
            let names = Names::new(out, reports.len());
            let report = match self.finished(&names)? {
                Some(report) => report,
                None => self.shard(&names, &draws, done, total, engine, events)?,
            };
            done += draws.len() as u64;
            events.progress(done as usize, total as usize);
            reports.push(report);
        }
        self.conclude(out, &shares, &reports)
    }

    /// How many draws each source gets.
    fn shares(
        &self,
        engine: &mut Engine,
        events: &mut dyn Events,
    ) -> Result<Vec<Share>, DataError> {
        let mut wishes = Vec::with_capacity(self.sources.len());
        for (place, (source, opened)) in self.recipe.sources.iter().zip(&self.sources).enumerate() {
            let weight = match (source.weight, self.recipe.weigh_by) {
                (Some(weight), WeighBy::Tokens) => {
                    Some(weight / self.mean_length(place, engine, events)?)
                }
                (weight, _) => weight,
            };
            wishes.push(Wish {
                rows: opened.rows(),
                epochs: source.epochs,
                weight,
                most_epochs: source.most_epochs.max(source.epochs),
            });
        }
        let draws = order::draws(&wishes).into_iter().zip(&self.sources);
        Ok(draws
            .map(|(draws, opened)| Share { name: opened.name.clone(), rows: opened.rows(), draws })
            .collect())
    }

    /// How many tokens a row gives on average, by rows evenly spaced over the source.
    fn mean_length(
        &self,
        source: usize,
        engine: &mut Engine,
        events: &mut dyn Events,
    ) -> Result<f64, DataError> {
        let rows = self.sources[source].rows();
        let count = rows.min(MEASURED);
        let draws: Vec<Draw> =
            (0..count).map(|at| Draw { source, epoch: 0, row: at * rows / count }).collect();
        let made = self.samples(&draws, engine, events)?;
        let tokens: usize = made
            .iter()
            .flatten()
            .flatten()
            .map(|sample| sample.ids.len())
            .filter(|length| *length <= self.max_length)
            .sum();
        if tokens == 0 {
            let name = &self.sources[source].name;
            let reason = made.into_iter().find_map(Result::err);
            let reason = reason.unwrap_or_else(|| "it has no rows that fit a sequence".into());
            return Err(DataError::Sample(format!(
                "source `{name}`: of {count} rows not one can be used: {reason}"
            )));
        }
        Ok(tokens as f64 / count as f64)
    }

    /// The samples of draws, in their order; a row that is broken says why.
    fn samples(
        &self,
        draws: &[Draw],
        engine: &mut Engine,
        events: &mut dyn Events,
    ) -> Result<Vec<Result<Vec<Sample>, String>>, DataError> {
        let mut drafts: Vec<Result<Draft, String>> = Vec::with_capacity(draws.len());
        for draw in draws {
            if events.cancelled() {
                return Err(DataError::Cancelled);
            }
            drafts.push(self.sources[draw.source].draft(draw, self.seed, engine, events));
        }
        let made = draws.par_iter().zip(drafts).map(|(draw, draft)| {
            let source = &self.sources[draw.source];
            source.samples(draw, draft?, &self.form(source.loss))
        });
        Ok(made.collect())
    }

    /// The report of a shard that is whole, if there is one.
    fn finished(&self, names: &Names) -> Result<Option<ShardReport>, DataError> {
        let Some(report) = ShardReport::read(&names.report)? else { return Ok(None) };
        if report.key != self.key {
            return Err(DataError::Other { folder: names.folder.clone() });
        }
        let whole = match &report.entry {
            None => true,
            Some(entry) => match fs::read(names.folder.join(&entry.file)) {
                Ok(bytes) => Digest::of(&bytes).hex() == entry.blake3,
                Err(_) => false,
            },
        };
        Ok(whole.then_some(report))
    }

    fn shard(
        &self,
        names: &Names,
        draws: &[Draw],
        before: u64,
        total: u64,
        engine: &mut Engine,
        events: &mut dyn Events,
    ) -> Result<ShardReport, DataError> {
        let mut report =
            ShardReport::new(&self.key, self.sources.iter().map(|it| it.name.as_str()));
        let mut kept: Vec<Sample> = Vec::new();
        for (place, chunk) in draws.chunks(CHUNK).enumerate() {
            for (draw, made) in chunk.iter().zip(self.samples(chunk, engine, events)?) {
                let counts = &mut report.sources[draw.source];
                counts.draws += 1;
                let (samples, left_out) = match made {
                    Ok(samples) => {
                        let (samples, too_long) = self.fitting(samples);
                        counts.too_long += u64::from(too_long.is_some());
                        (samples, too_long)
                    }
                    Err(reason) => {
                        counts.broken += 1;
                        (Vec::new(), Some(reason))
                    }
                };
                for sample in samples {
                    counts.take(&sample);
                    kept.push(sample);
                }
                if let Some(reason) = left_out {
                    report.left_out.push(self.sources[draw.source].left_out(draw, reason));
                }
            }
            let done = before as usize + place * CHUNK + chunk.len();
            events.progress(done, total as usize);
        }
        let lengths: Vec<usize> = kept.iter().map(|sample| sample.ids.len()).collect();
        let mut writer = ShardWriter::new();
        for places in pack(&lengths, self.recipe.packing, self.max_length, self.recipe.window) {
            let (mut sequence, mut counts) = (PackedSequence::default(), TokenCounts::default());
            for sample in places.iter().filter_map(|place| kept.get(*place)) {
                sequence.ids.extend_from_slice(&sample.ids);
                sequence.counted.extend_from_slice(&sample.counted);
                sequence.samples.push(sample.ids.len());
                counts.add(&sample.counts);
            }
            writer.push(&sequence, &counts);
        }
        if !writer.is_empty() {
            report.entry = Some(writer.finish(&names.folder, &names.shard)?);
        }
        // The report says that the shard is there, so it comes second.
        report.write(&names.report)?;
        Ok(report)
    }

    /// Leaves out what is longer than a sequence.
    fn fitting(&self, mut samples: Vec<Sample>) -> (Vec<Sample>, Option<String>) {
        let longest = samples.iter().map(|sample| sample.ids.len()).max().unwrap_or(0);
        samples.retain(|sample| sample.ids.len() <= self.max_length);
        let reason = (longest > self.max_length).then(|| {
            format!("it has {longest} tokens; a sequence has at most {}", self.max_length)
        });
        (samples, reason)
    }

    fn conclude(
        &self,
        out: &Path,
        shares: &[Share],
        reports: &[ShardReport],
    ) -> Result<Report, DataError> {
        let size = u32::try_from(self.bundle.vocabulary()?.size()).unwrap_or(u32::MAX);
        let mut index = Index::new(size, self.vocabulary_blake3.clone(), self.max_length as u32);
        index.shards = reports.iter().filter_map(|report| report.entry.clone()).collect();
        if index.shards.is_empty() {
            let reason = reports.iter().find_map(|report| report.left_out.first());
            let reason = reason.map(|left| format!("; the first: {left}")).unwrap_or_default();
            return Err(DataError::Sample(format!("not one sample could be used{reason}")));
        }
        let report = Report::new(&self.bundle, &index, self.recipe, shares, reports);
        let write = |name: &str, text: &str| {
            write_atomic(out.join(name), text.as_bytes()).map_err(DataError::Write)
        };
        write(LEFT_OUT, &report::left_out(reports))?;
        write(REPORT, &report.json())?;
        write(REPORT_HTML, &html::page(&report))?;
        index.write(out)?;
        Ok(report)
    }
}

struct Names {
    folder: PathBuf,
    shard: String,
    report: PathBuf,
}

impl Names {
    fn new(folder: &Path, number: usize) -> Self {
        let report = folder.join(format!("shard-{number:05}.json"));
        Names {
            folder: folder.to_path_buf(),
            shard: format!("shard-{number:05}.safetensors"),
            report,
        }
    }
}

/// Removes what an earlier run has written into a folder, and nothing else.
pub fn clear(folder: &Path) -> Result<(), DataError> {
    let read = |source| DataError::Read { path: folder.to_path_buf(), source };
    for entry in fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.strip_prefix("shard-").and_then(|rest| {
            rest.strip_suffix(".safetensors").or_else(|| rest.strip_suffix(".json"))
        });
        let shard = number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        if shard || [INDEX, REPORT, REPORT_HTML, LEFT_OUT].contains(&name) {
            fs::remove_file(&path).map_err(DataError::Write)?;
        }
    }
    Ok(())
}
