//! From the journal to what is still to be done, and to the dialogues.
//!
//! Everything here is a function of recipe, stages and journal, in an order that does not depend on
//! the order in which pieces finished: so an interrupted run and one in one go end alike.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value as Json, json};

use crate::base::Medium;
use crate::base::rng::Stream;
use crate::runtime::json::value as typed;
use crate::runtime::value::Value;

use super::dialogue::{self, Turn};
use super::filter::{self, Reason};
use super::journal::{Journal, Outcome};
use super::near::{Kept, normalised};
use super::recipe::Recipe;
use super::stages::{Stages, key};

/// Something to be written by the writer.
pub struct Piece {
    pub key: String,
    pub seed: u64,
    pub inputs: Vec<Option<Value>>,
    /// What it is about, for reports.
    pub about: Json,
    /// How many results it is to give.
    count: usize,
}

/// A medium to be made.
pub struct Order {
    pub key: String,
    pub seed: u64,
    pub medium: Medium,
    pub words: String,
}

/// Something that did not make it, for `rejected.jsonl`.
pub struct Rejected {
    pub stage: &'static str,
    pub reason: Reason,
    pub about: Json,
}

pub struct Dialogue {
    pub id: String,
    pub about: Json,
    pub turns: Vec<Turn>,
}

/// A dialogue with the files of its media, by turn and place in the turn.
pub struct Finished {
    pub dialogue: Dialogue,
    pub files: Vec<Vec<String>>,
}

pub struct View<'a> {
    pub recipe: &'a Recipe,
    pub stages: &'a Stages,
    pub metas: &'a [String],
    pub limit: Option<usize>,
    pub journal: &'a Journal,
}

impl View<'_> {
    fn piece(&self, stage: &str, about: Json, inputs: Vec<Option<Value>>, count: usize) -> Piece {
        let digest = match stage {
            "topics" => &self.stages.topics.digest,
            "scenarios" => &self.stages.scenarios.digest,
            _ => &self.stages.dialogue.digest,
        };
        let names: Vec<&str> = self.recipe.media().into_iter().map(Medium::name).collect();
        let writer = self.recipe.identity(Medium::Text);
        let key = key(&json!([stage, digest, writer, self.recipe.seed, names, count, about]));
        let seed = seed(self.recipe.seed, stage, &key);
        Piece { key, seed, inputs, about, count }
    }

    /// The media that dialogues may hold, as the pipelines' parameter.
    fn media(&self) -> Value {
        let names = self.recipe.media().into_iter().map(|medium| Value::text(medium.name()));
        Value::List(names.collect())
    }

    /// How many topics suffice for the limit on dialogues.
    fn wanted_topics(&self) -> usize {
        let all = self.metas.len().saturating_mul(self.recipe.topics.per_meta);
        let enough = |limit: usize| limit.div_ceil(self.recipe.scenarios.per_topic);
        self.limit.map_or(all, |limit| enough(limit).min(all))
    }

    /// Each round takes all meta topics in turn, so that a limited run sees many of them.
    pub fn topic_pieces(&self) -> Vec<Piece> {
        let topics = &self.recipe.topics;
        let (mut pieces, mut promised) = (Vec::new(), 0);
        for round in 0..topics.per_meta.div_ceil(topics.batch) {
            let count = topics.batch.min(topics.per_meta - round * topics.batch);
            for meta in self.metas {
                if promised >= self.wanted_topics() {
                    return pieces;
                }
                promised += count;
                let inputs = self.stages.topics.inputs(&[
                    ("meta", Value::text(meta.as_str())),
                    ("count", Value::Int(count as i64)),
                    ("round", Value::Int(round as i64)),
                ]);
                let about = json!({ "meta": meta, "round": round });
                pieces.push(self.piece("topics", about, inputs, count));
            }
        }
        pieces
    }

    /// The topics that are there, each once, as what they are about.
    pub fn topics(&self, rejected: &mut Vec<Rejected>) -> Vec<Json> {
        let (mut topics, mut seen) = (Vec::new(), HashSet::new());
        for piece in self.topic_pieces() {
            for topic in self.items(&piece, "topics", rejected) {
                let Some(text) = topic.as_str() else { continue };
                let about = json!({ "meta": piece.about["meta"], "topic": text.trim() });
                let plain = normalised(text);
                let detail = String::new();
                if plain.is_empty() {
                    let reason = Reason { word: filter::BROKEN, detail: "it is empty".into() };
                    rejected.push(Rejected { stage: "topics", reason, about });
                } else if !seen.insert(plain) {
                    let reason = Reason { word: filter::DUPLICATE, detail };
                    rejected.push(Rejected { stage: "topics", reason, about });
                } else {
                    topics.push(about);
                }
            }
        }
        topics.truncate(self.wanted_topics());
        topics
    }

    /// What a piece gave, as far as it was asked for.
    fn items(&self, piece: &Piece, stage: &'static str, rejected: &mut Vec<Rejected>) -> Vec<Json> {
        match self.journal.get(&piece.key) {
            Some(Outcome::Made(Json::Array(items))) => {
                items.iter().take(piece.count).cloned().collect()
            }
            Some(Outcome::Rejected { reason, detail }) => {
                let reason = Reason { word: known(reason), detail: detail.clone() };
                rejected.push(Rejected { stage, reason, about: piece.about.clone() });
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    pub fn scenario_pieces(&self, topics: &[Json]) -> Vec<Piece> {
        let count = self.recipe.scenarios.per_topic;
        let piece = |about: &Json| {
            let inputs = self.stages.scenarios.inputs(&[
                ("topic", Value::text(about["topic"].as_str().unwrap_or_default())),
                ("count", Value::Int(count as i64)),
                ("media", self.media()),
            ]);
            self.piece("scenarios", about.clone(), inputs, count)
        };
        topics.iter().map(piece).collect()
    }

    /// One dialogue for each scenario; the same scenario of a topic counts once.
    pub fn dialogue_pieces(&self, scenarios: &[Piece], rejected: &mut Vec<Rejected>) -> Vec<Piece> {
        let (mut pieces, mut seen) = (Vec::new(), HashSet::new());
        for scenario in scenarios {
            for item in self.items(scenario, "scenarios", rejected) {
                // It was of this type when it came.
                let Ok(value) = typed(&item, &self.stages.scenario) else { continue };
                let mut about = scenario.about.clone();
                let inputs = self.stages.dialogue.inputs(&[
                    ("topic", Value::text(about["topic"].as_str().unwrap_or_default())),
                    ("scenario", value),
                    ("media", self.media()),
                ]);
                about["scenario"] = item;
                let piece = self.piece("dialogue", about, inputs, usize::MAX);
                if seen.insert(piece.key.clone()) {
                    pieces.push(piece);
                }
            }
        }
        pieces.truncate(self.limit.unwrap_or(usize::MAX));
        pieces
    }

    /// The dialogues that are there and pass all filters.
    pub fn dialogues(&self, pieces: &[Piece], rejected: &mut Vec<Rejected>) -> Vec<Dialogue> {
        let (filters, media) = (&self.recipe.filters, self.recipe.media());
        let mut kept = Kept::new(filters.near);
        let mut dialogues: Vec<Dialogue> = Vec::new();
        for piece in pieces {
            let turns = match self.journal.get(&piece.key) {
                Some(Outcome::Made(json)) => dialogue::turns(json).unwrap_or_default(),
                Some(Outcome::Rejected { .. }) => {
                    self.items(piece, "dialogue", rejected);
                    continue;
                }
                Some(Outcome::Spent) | None => continue,
            };
            let reason = filter::against(&turns, filters, &media).or_else(|| {
                let (place, alike) = kept.add(&dialogue::words(&turns))?;
                let word = if alike < 1.0 { filter::NEAR } else { filter::DUPLICATE };
                let other = dialogues.get(place).map_or("", |dialogue| dialogue.id.as_str());
                Some(Reason { word, detail: format!("{alike:.2} like {other}") })
            });
            match reason {
                Some(reason) => {
                    let mut about = piece.about.clone();
                    about["turns"] = turns.iter().map(|turn| shown(turn, &[])).collect();
                    rejected.push(Rejected { stage: "dialogue", reason, about });
                }
                None => {
                    let id = piece.key.chars().take(16).collect();
                    dialogues.push(Dialogue { id, about: piece.about.clone(), turns });
                }
            }
        }
        dialogues
    }

    /// The media of dialogues, each once.
    pub fn orders(&self, dialogues: &[Dialogue]) -> Vec<Order> {
        let mut orders = BTreeMap::new();
        let turns = dialogues.iter().flat_map(|dialogue| &dialogue.turns);
        for (medium, words) in turns.flat_map(|turn| &turn.media) {
            let key = self.medium_key(*medium, words);
            orders.entry(key.clone()).or_insert_with(|| Order {
                seed: seed(self.recipe.seed, medium.name(), &key),
                key,
                medium: *medium,
                words: words.clone(),
            });
        }
        orders.into_values().collect()
    }

    fn medium_key(&self, medium: Medium, words: &str) -> String {
        let digest = self.stages.maker(medium).map(|stage| stage.digest.as_str());
        let maker = self.recipe.identity(medium);
        key(&json!([medium.name(), digest, maker, self.recipe.seed, words]))
    }

    /// The dialogues of which all media are there; how many others still wait for some.
    pub fn finished(
        &self,
        dialogues: Vec<Dialogue>,
        rejected: &mut Vec<Rejected>,
    ) -> (Vec<Finished>, usize) {
        let (mut finished, mut waiting) = (Vec::new(), 0);
        for dialogue in dialogues {
            match self.files(&dialogue) {
                Files::All(files) => finished.push(Finished { dialogue, files }),
                Files::Wait => waiting += 1,
                Files::Never(detail) => {
                    let reason = Reason { word: filter::MISSING, detail };
                    let mut about = dialogue.about;
                    about["turns"] = dialogue.turns.iter().map(|turn| shown(turn, &[])).collect();
                    rejected.push(Rejected { stage: "media", reason, about });
                }
            }
        }
        (finished, waiting)
    }

    fn files(&self, dialogue: &Dialogue) -> Files {
        let (mut files, mut waits) = (Vec::new(), false);
        for turn in &dialogue.turns {
            let mut of_turn = Vec::new();
            for (medium, words) in &turn.media {
                match self.journal.get(&self.medium_key(*medium, words)) {
                    Some(Outcome::Made(made)) => {
                        of_turn.push(made["file"].as_str().unwrap_or_default().to_string());
                    }
                    Some(Outcome::Rejected { reason, detail }) => {
                        return Files::Never(format!("{medium}: {reason}: {detail}"));
                    }
                    Some(Outcome::Spent) | None => waits = true,
                }
            }
            files.push(of_turn);
        }
        if waits { Files::Wait } else { Files::All(files) }
    }
}

enum Files {
    All(Vec<Vec<String>>),
    Wait,
    Never(String),
}

/// A turn as data; `files` are those of its media, as far as there are any.
pub fn shown(turn: &Turn, files: &[String]) -> Json {
    let mut out = json!({ "role": turn.role, "text": turn.text });
    for (place, (medium, words)) in turn.media.iter().enumerate() {
        let what = if *medium == Medium::Speech { "words" } else { "description" };
        let mut made = json!({ what: words });
        if let Some(file) = files.get(place) {
            made["path"] = json!(file);
        }
        out[medium.name()] = made;
    }
    out
}

/// The seed of one piece: another piece changes nothing of it.
fn seed(run: u64, stage: &str, key: &str) -> u64 {
    let draw = Stream::new(run, &format!("synthesis/{stage}/{key}")).uniform();
    (draw * (1u64 << 53) as f64) as u64
}

/// The words that providers' errors have.
fn known(word: &str) -> &'static str {
    [filter::REFUSED, filter::LONG, filter::MISSING]
        .into_iter()
        .find(|known| *known == word)
        .unwrap_or(filter::BROKEN)
}
