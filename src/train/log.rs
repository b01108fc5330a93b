//! `log.jsonl`: a line for every step and every evaluation.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::TrainError;
use super::media::{Losses, PerMedium};
use crate::base::Medium;
use crate::base::atomic::write_atomic;

pub const LOG: &str = "log.jsonl";

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Record {
    Step(Step),
    Evaluation(Evaluation),
}

impl Record {
    pub fn step(&self) -> u64 {
        match self {
            Record::Step(step) => step.step,
            Record::Evaluation(evaluation) => evaluation.step,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Counts from 1.
    pub step: u64,
    /// What the gradient is of: the mean loss of all targets, or that of media by the recipe's shares.
    pub loss: f64,
    /// Mean losses in nats per target; null without targets.
    pub losses: PerMedium<Option<f64>>,
    pub targets: PerMedium<u64>,
    pub rate: f64,
    /// The global norm of the gradient, before it is clipped.
    pub norm: f64,
    /// Tokens of this step without padding, and all so far.
    pub step_tokens: u64,
    pub tokens: u64,
    /// The part of its passes that is padding.
    pub padding: f64,
    pub tokens_per_second: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// After how many steps.
    pub step: u64,
    /// Over all targets.
    pub loss: f64,
    pub perplexity: f64,
    pub losses: PerMedium<Option<f64>>,
    pub perplexities: PerMedium<Option<f64>>,
    pub targets: PerMedium<u64>,
}

impl Evaluation {
    pub fn new(step: u64, losses: &Losses) -> Self {
        let perplexity = |medium| losses.mean(medium).map(f64::exp);
        Evaluation {
            step,
            loss: losses.overall(),
            perplexity: losses.overall().exp(),
            losses: losses.means(),
            perplexities: PerMedium::of(perplexity),
            targets: losses.targets,
        }
    }
}

/// `text 3.210, image 7.012`, in the order of the media.
pub fn listed(losses: &PerMedium<Option<f64>>) -> String {
    let each = Medium::ALL
        .into_iter()
        .filter_map(|medium| losses.get(medium).map(|loss| format!("{} {loss:.3}", medium.name())));
    each.collect::<Vec<_>>().join(", ")
}

/// The log of a training, open for more lines.
pub struct Log {
    path: PathBuf,
    file: File,
    pub records: Vec<Record>,
}

impl Log {
    /// Opens the log of a training that has made `step` steps; later lines are of steps that were lost.
    pub fn open(out: &Path, step: u64) -> Result<Self, TrainError> {
        let path = out.join(LOG);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(TrainError::Read { path, source }),
        };
        // The last line may be half of one.
        let records = text.lines().map_while(|line| serde_json::from_str::<Record>(line).ok());
        let records: Vec<Record> =
            records.take_while(|record| step > 0 && record.step() <= step).collect();
        let mut kept = String::new();
        for record in &records {
            kept.push_str(&line(record)?);
        }
        write_atomic(&path, kept.as_bytes()).map_err(TrainError::Write)?;
        let file = OpenOptions::new().append(true).open(&path);
        let file = file.map_err(|source| TrainError::Read { path: path.clone(), source })?;
        Ok(Log { path, file, records })
    }

    pub fn add(&mut self, record: Record) -> Result<(), TrainError> {
        self.file.write_all(line(&record)?.as_bytes()).map_err(|error| {
            TrainError::Write(crate::base::unwritten::explained(&self.path, error))
        })?;
        self.records.push(record);
        Ok(())
    }
}

fn line(record: &Record) -> Result<String, TrainError> {
    let json = serde_json::to_string(record).map_err(|error| TrainError::Write(error.into()))?;
    Ok(json + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation(step: u64) -> Record {
        let mut losses = Losses::default();
        losses.add(Medium::Text, 1.0);
        losses.add(Medium::Image, 3.0);
        Record::Evaluation(Evaluation::new(step, &losses))
    }

    #[test]
    fn lines_of_steps_that_were_lost_are_dropped() {
        let out = tempfile::tempdir().unwrap();
        let mut log = Log::open(out.path(), 0).unwrap();
        for step in 0..5 {
            log.add(evaluation(step)).unwrap();
        }
        let path = out.path().join(LOG);
        let whole = fs::read_to_string(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        let log = Log::open(out.path(), 4).unwrap();
        assert_eq!(log.records, (0..4).map(evaluation).collect::<Vec<_>>());
        assert_eq!(Log::open(out.path(), 1).unwrap().records.len(), 2);
        assert_eq!(Log::open(out.path(), 0).unwrap().records.len(), 0);
    }

    #[test]
    fn perplexity_is_of_each_medium() {
        let Record::Evaluation(evaluation) = evaluation(1) else { unreachable!() };
        assert_eq!((evaluation.loss, evaluation.losses.image), (2.0, Some(3.0)));
        assert!((evaluation.perplexities.text.unwrap() - std::f64::consts::E).abs() < 1e-12);
        assert_eq!(evaluation.perplexities.music, None);
        assert_eq!(listed(&evaluation.losses), "text 1.000, image 3.000");
    }
}
