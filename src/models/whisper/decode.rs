//! The likeliest text of a window, id by id, under the rules of a checkpoint's
//! `generation_config.json` (transformers' `generation_whisper.py`, without timestamps, without
//! sampling when a text is unlikely, and without the text of the window before).

use std::collections::BTreeMap;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::super::{Check, Result};
use super::{Config, Whisper};

const MODEL: &str = "whisper generation";

/// The published `generation_config.json`, what of it has to do with transcription.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    pub decoder_start_token_id: u32,
    pub eos_token_id: Ids,
    /// Ids that are never written.
    #[serde(default)]
    pub suppress_tokens: Option<Vec<u32>>,
    /// Ids that are not written first.
    #[serde(default)]
    pub begin_suppress_tokens: Option<Vec<u32>>,
    /// The most ids beside those that a text begins with; without it, as many as the decoder has
    /// positions for.
    #[serde(default)]
    pub max_length: Option<usize>,
    /// `<|en|>` and so on; empty in models of English only.
    #[serde(default)]
    pub lang_to_id: BTreeMap<String, u32>,
    #[serde(default)]
    pub task_to_id: BTreeMap<String, u32>,
    #[serde(default)]
    pub no_timestamps_token_id: Option<u32>,
    #[serde(default)]
    pub is_multilingual: Option<bool>,
    /// The language of transcriptions of which no other is asked, as `en` or `<|en|>`.
    #[serde(default)]
    pub language: Option<String>,
}

/// One id or several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Ids {
    One(u32),
    Several(Vec<u32>),
}

impl Default for Ids {
    fn default() -> Self {
        Ids::Several(vec![])
    }
}

impl Ids {
    pub fn as_slice(&self) -> &[u32] {
        match self {
            Ids::One(id) => std::slice::from_ref(id),
            Ids::Several(ids) => ids,
        }
    }
}

impl Rules {
    /// Whether every id is in the vocabulary, and transcribing without timestamps possible.
    pub fn validate(&self, cfg: &Config) -> Result<()> {
        let check = Check(MODEL);
        let none = vec![];
        let some = |ids: &Option<Vec<u32>>| ids.as_ref().unwrap_or(&none).clone();
        for (field, ids) in [
            ("decoder_start_token_id", vec![self.decoder_start_token_id]),
            ("eos_token_id", self.eos_token_id.as_slice().to_vec()),
            ("suppress_tokens", some(&self.suppress_tokens)),
            ("begin_suppress_tokens", some(&self.begin_suppress_tokens)),
            ("lang_to_id", self.lang_to_id.values().copied().collect()),
            ("task_to_id", self.task_to_id.values().copied().collect()),
            ("no_timestamps_token_id", self.no_timestamps_token_id.into_iter().collect()),
        ] {
            if let Some(id) = ids.iter().find(|&&id| id as usize >= cfg.vocab_size) {
                let size = cfg.vocab_size;
                return check.fail(field, format!("has {id}, outside the vocabulary of {size}"));
            }
        }
        if self.eos_token_id.as_slice().is_empty() {
            return check.fail("eos_token_id", "must be given");
        }
        if self.no_timestamps_token_id.is_none() {
            return check.fail("no_timestamps_token_id", OUTDATED);
        }
        if self.multilingual() && self.lang_to_id.is_empty() {
            return check.fail("lang_to_id", OUTDATED);
        }
        if let Some(language) = self.language.as_ref().filter(|code| !self.knows(code)) {
            let known = self.languages().join(", ");
            return check.fail("language", format!("is `{language}`; the model knows {known}"));
        }
        if self.multilingual() && !self.task_to_id.contains_key("transcribe") {
            return check.fail("task_to_id", OUTDATED);
        }
        Ok(())
    }

    /// Whether texts begin with their language.
    pub fn multilingual(&self) -> bool {
        self.is_multilingual.unwrap_or(!self.lang_to_id.is_empty())
    }

    /// The codes of the languages that the model knows, sorted.
    pub fn languages(&self) -> Vec<&str> {
        if !self.multilingual() {
            return vec!["en"];
        }
        let tokens = self.lang_to_id.keys();
        tokens.filter_map(|token| token.strip_prefix("<|")?.strip_suffix("|>")).collect()
    }

    /// The token of a language, given by its code or as it is in the vocabulary. None in a model
    /// of English only, whose texts do not begin with it.
    pub fn language(&self, code: &str) -> Option<u32> {
        let token = if code.starts_with("<|") { code.to_string() } else { format!("<|{code}|>") };
        self.lang_to_id.get(&token).copied().filter(|_| self.multilingual())
    }

    /// Whether the language of this code can be transcribed.
    pub fn knows(&self, code: &str) -> bool {
        self.language(code).is_some() || (!self.multilingual() && code == "en")
    }

    /// The ids without timestamps, whose tokens come after all others.
    pub fn text(&self, ids: &[u32]) -> Vec<u32> {
        let times = self.no_timestamps_token_id.map_or(u32::MAX, |id| id.saturating_add(1));
        ids.iter().copied().filter(|&id| id < times).collect()
    }

    /// What a transcription begins with; a language's token in models of several languages.
    pub fn prefix(&self, language: Option<u32>) -> Vec<u32> {
        let mut ids = vec![self.decoder_start_token_id];
        if let Some(language) = language {
            ids.push(language);
            ids.extend(self.task_to_id.get("transcribe"));
        }
        ids.extend(self.no_timestamps_token_id);
        ids
    }
}

const OUTDATED: &str =
    "is missing; take the generation_config.json that is published with the model now";

impl Whisper {
    /// The likeliest of the languages' tokens after the first token
    /// (`WhisperGenerationMixin.detect_language`).
    pub fn detect_language(&self, states: &Tensor, rules: &Rules) -> Result<Option<u32>> {
        let scores = self.start(states)?.append(&[rules.decoder_start_token_id])?;
        let scores = last_row(&scores)?;
        // By id, so that of equal scores the lowest id counts, as there.
        let mut languages: Vec<u32> = rules.lang_to_id.values().copied().collect();
        languages.sort_unstable();
        Ok(likeliest(languages.into_iter().filter_map(|id| Some((id, *scores.get(id as usize)?)))))
    }

    /// The ids that follow `prefix` about the window of `states`, without the one that ends them.
    pub fn transcribe(&self, states: &Tensor, prefix: &[u32], rules: &Rules) -> Result<Vec<u32>> {
        let positions = self.config().max_target_positions;
        let most = rules.max_length.unwrap_or(positions).saturating_add(prefix.len());
        let most = most.min(positions);
        let mut text = self.start(states)?;
        let mut scores = last_row(&text.append(prefix)?)?;
        let mut ids: Vec<u32> = vec![];
        while prefix.len() + ids.len() < most {
            forbid(&mut scores, rules.suppress_tokens.as_deref());
            if ids.is_empty() {
                forbid(&mut scores, rules.begin_suppress_tokens.as_deref());
            }
            let Some(id) = likeliest((0..).zip(scores.iter().copied())) else {
                let what = "the scores of the next token are not numbers";
                return Err(candle_core::Error::Msg(what.into()).into());
            };
            if rules.eos_token_id.as_slice().contains(&id) {
                break;
            }
            ids.push(id);
            if prefix.len() + ids.len() < most {
                scores = last_row(&text.append(&[id])?)?;
            }
        }
        Ok(ids)
    }
}

fn last_row(scores: &Tensor) -> Result<Vec<f32>> {
    Ok(scores.get(scores.dim(0)? - 1)?.to_vec1()?)
}

fn forbid(scores: &mut [f32], ids: Option<&[u32]>) {
    for &id in ids.unwrap_or(&[]) {
        if let Some(score) = scores.get_mut(id as usize) {
            *score = f32::NEG_INFINITY;
        }
    }
}

/// The id of the highest score, of equals the first; `None` when no score is above −∞.
fn likeliest(scores: impl Iterator<Item = (u32, f32)>) -> Option<u32> {
    let better = |best: Option<(u32, f32)>, (id, score): (u32, f32)| match best {
        Some((_, highest)) if score <= highest || score.is_nan() => best,
        None if score.is_nan() || score == f32::NEG_INFINITY => None,
        _ => Some((id, score)),
    };
    scores.fold(None, better).map(|(id, _)| id)
}
