//! Runs an evaluation: row after row through one plan, each with randomness of its own.

use std::time::Instant;

use serde_json::{Value as Json, json};

use crate::base::hash::Digest;
use crate::lang::ir::{Evaluation, Measured};
use crate::lang::metrics::JudgeKind;
use crate::plan::Plan;
use crate::runtime::engine::Engine;
use crate::runtime::error::Failure;
use crate::runtime::events::Events;
use crate::runtime::execute::{Executor, Resolve};
use crate::runtime::value::{Media, Value};

use super::error::EvalError;
use super::judge::{Judge, JudgeError, Judges};
use super::metrics::similarity::cosine;
use super::row::{self, Row};
use super::store::{Record, Store};

/// What the rows of one evaluation share.
pub struct Runner<'a> {
    pub engine: &'a mut Engine,
    pub judges: &'a mut Judges,
    pub evaluation: &'a Evaluation,
    pub plan: &'a Plan,
    pub seed: u64,
    pub resolve: &'a Resolve<'a>,
    pub store: &'a mut Store,
}

/// How far a run is.
pub struct Told<'r> {
    pub row: usize,
    pub of: usize,
    pub record: &'r Record,
    /// It was there from an earlier run.
    pub kept: bool,
}

impl Runner<'_> {
    /// Runs all rows that have no result yet; gives the results in the order of the rows.
    pub fn run(
        &mut self,
        rows: &[Row],
        events: &mut dyn Events,
        told: &mut dyn FnMut(&Told<'_>),
    ) -> Result<Vec<Record>, EvalError> {
        let params = &self.evaluation.pipeline.params;
        let used: Vec<&str> = params.iter().map(|param| param.name.as_str()).collect();
        let mut records = Vec::with_capacity(rows.len());
        for (place, row) in rows.iter().enumerate() {
            if events.cancelled() {
                return Err(EvalError::Run(Box::new(Failure::Cancelled)));
            }
            let key = row.key(&used);
            let kept = self.store.find(&key).cloned();
            let was_kept = kept.is_some();
            let record = match kept {
                Some(record) => record,
                None => {
                    let record = self.row(row, key, events)?;
                    self.store.append(record.clone())?;
                    record
                }
            };
            told(&Told { row: place + 1, of: rows.len(), record: &record, kept: was_kept });
            records.push(record);
        }
        Ok(records)
    }

    fn row(
        &mut self,
        row: &Row,
        key: String,
        events: &mut dyn Events,
    ) -> Result<Record, EvalError> {
        let begun = Instant::now();
        let mut unread = None;
        let params = &self.evaluation.pipeline.params;
        let inputs: Vec<Option<Value>> = params
            .iter()
            .map(|param| {
                let cell = row.cell(&param.name).unwrap_or(&row::Cell::Absent);
                match row::value(cell, &param.ty) {
                    Ok(value) => Some(value),
                    Err(failure) => {
                        unread.get_or_insert(failure);
                        None
                    }
                }
            })
            .collect();
        let mut fields: Vec<(String, Value)> = Vec::new();
        let mut executor = Executor {
            engine: self.engine,
            seed: row_seed(self.seed, &row.id),
            resolve: self.resolve,
            events,
        };
        let result = executor.run(self.plan, &inputs, &mut |name, value| {
            fields.push((name.to_string(), value.clone()));
            Ok(())
        });
        let mut error = match (unread, result) {
            (Some(failure), _) => Some(failure.to_string()),
            (None, Ok(_)) => None,
            (None, Err(error)) if stops_all(&error.failure) => {
                return Err(EvalError::Run(Box::new(error.failure)));
            }
            (None, Err(error)) => Some(error.failure.to_string()),
        };
        let mut judged = serde_json::Map::new();
        if error.is_none() {
            for measured in &self.evaluation.measures {
                match judge(self.judges, measured, &fields) {
                    Ok(None) => {}
                    Ok(Some(said)) => {
                        judged.insert(measured.name.clone(), said);
                    }
                    Err(failure) => {
                        error = Some(format!("`{}`: {failure}", measured.name));
                        break;
                    }
                }
            }
        }
        let mut values = serde_json::Map::new();
        for (name, value) in &fields {
            // A medium of the row is there already.
            let given = params.iter().any(|param| param.name == *name);
            if !(given && matches!(value, Value::Media(_))) {
                values.insert(name.clone(), self.store.keep(value)?);
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        Ok(Record { key, id: row.id.clone(), seconds, values, judged, error })
    }
}

/// The seed of a row: other rows, and how many there are, change nothing.
fn row_seed(seed: u64, id: &str) -> u64 {
    let digest = Digest::of(format!("agpt evaluation seed 1\n{seed}\n{id}").as_bytes());
    let [a, b, c, d, e, f, g, h, ..] = digest.0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// What is no fault of the row: every other one would fail as well.
fn stops_all(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Cancelled
            | Failure::Bundle(_)
            | Failure::Mismatch { .. }
            | Failure::Output { .. }
            | Failure::Unsaved { .. }
            | Failure::Device(_)
            | Failure::Precision { .. }
            | Failure::Memory { .. }
            | Failure::Architecture(_)
            | Failure::VocabularySize { .. }
            | Failure::Unsized
            | Failure::Plan(_)
            | Failure::Defect(..)
    )
}

/// Asks the judge of a measure, if it has one.
fn judge(
    judges: &mut Judges,
    measured: &Measured,
    fields: &[(String, Value)],
) -> Result<Option<Json>, JudgeError> {
    let Some(kind) = measured.metric.judge else { return Ok(None) };
    let missing = || JudgeError::Failed(format!("the judge `{}` was not opened", kind.name()));
    let judge = judges.get_mut(&kind).ok_or_else(missing)?.as_mut();
    let argument = |place: usize| {
        let name = measured.fields.get(place)?;
        fields.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    };
    let said = match kind {
        JudgeKind::Transcriber => match argument(0) {
            Some(Value::Media(made)) => match &***made {
                Media::Speech(sound) | Media::Music(sound) => {
                    json!({ "heard": judge.transcribe(sound)? })
                }
                Media::Image(_) => return Err(JudgeError::CannotAnswer("a picture")),
            },
            _ => return Err(JudgeError::CannotAnswer("this value")),
        },
        JudgeKind::Clip | JudgeKind::Clap | JudgeKind::Speaker => {
            let left = vector(judge, argument(0))?;
            let right = vector(judge, argument(1))?;
            json!({ "score": cosine(&left, &right)? })
        }
    };
    Ok(Some(said))
}

fn vector(judge: &mut dyn Judge, value: Option<&Value>) -> Result<Vec<f32>, JudgeError> {
    match value {
        Some(Value::Text(text)) => judge.words(text),
        Some(Value::Media(made)) => match &***made {
            Media::Image(image) => judge.picture(image),
            Media::Speech(sound) | Media::Music(sound) => judge.sound(sound),
        },
        _ => Err(JudgeError::CannotAnswer("this value")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{SourceId, Span};
    use crate::lang::metrics::metric;
    use crate::media::Sound;

    /// Hears what its samples count; its vectors are the first two samples.
    struct Counting;

    impl Judge for Counting {
        fn identity(&self) -> String {
            "counting".to_string()
        }
        fn sound(&mut self, sound: &Sound) -> Result<Vec<f32>, JudgeError> {
            Ok(sound.samples().iter().take(2).copied().collect())
        }
        fn transcribe(&mut self, sound: &Sound) -> Result<String, JudgeError> {
            Ok(format!("{} samples", sound.samples().len()))
        }
    }

    fn measured(name: &str, fields: &[&str]) -> Measured {
        Measured {
            name: name.to_string(),
            metric: metric(name).unwrap(),
            fields: fields.iter().map(|field| (*field).to_string()).collect(),
            span: Span::new(SourceId(0), 0, 0),
        }
    }

    #[test]
    fn judges_are_asked_about_the_fields() {
        let mut judges = Judges::new();
        judges.insert(JudgeKind::Speaker, Box::new(Counting));
        judges.insert(JudgeKind::Transcriber, Box::new(Counting));
        let sound = |samples: &[f32]| {
            Value::media(Media::Speech(Sound::new(16_000, samples.to_vec()).unwrap()))
        };
        let fields = vec![
            ("said".to_string(), sound(&[0.5, 0.0, 0.1])),
            ("voice".to_string(), sound(&[0.0, 0.5])),
            ("words".to_string(), Value::text("x")),
        ];
        let mut ask = |m: &Measured| judge(&mut judges, m, &fields);
        let alike = ask(&measured("speaker_similarity", &["said", "said"])).unwrap();
        assert_eq!(alike, Some(json!({ "score": 1.0 })));
        let other = ask(&measured("speaker_similarity", &["said", "voice"])).unwrap();
        assert_eq!(other, Some(json!({ "score": 0.0 })));
        let heard = ask(&measured("spoken_wer", &["said", "words"])).unwrap();
        assert_eq!(heard, Some(json!({ "heard": "3 samples" })));
        assert_eq!(ask(&measured("wer", &["words", "words"])).unwrap(), None);
        // A judge that was not asked for, and a value it is not for.
        assert!(ask(&measured("clap_score", &["said", "words"])).is_err());
        assert!(ask(&measured("speaker_similarity", &["said", "words"])).is_err());
    }

    #[test]
    fn seeds_of_rows_differ() {
        assert_eq!(row_seed(1, "a"), row_seed(1, "a"));
        assert_ne!(row_seed(1, "a"), row_seed(1, "b"));
        assert_ne!(row_seed(1, "a"), row_seed(2, "a"));
    }
}
