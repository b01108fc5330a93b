//! The recipe of a training: everything that its result depends on, in one file of YAML.

mod numbers;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::TrainError;
use crate::base::{Medium, text, yaml};
use numbers::{count, fraction, not_negative, positive, share};

/// A recipe beyond this is none.
const MAX_BYTES: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// A model by name, or the folder of one: vocabulary and configuration, and the weights to start with.
    pub model: String,
    /// Random weights in place of the model's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<Init>,
    /// Folders of packed sequences.
    #[serde(default)]
    pub data: Vec<DataSource>,
    /// Folders of packed sequences that the loss is measured on.
    #[serde(default)]
    pub validation: Vec<PathBuf>,
    /// No sequence may be longer, in tokens.
    #[serde(deserialize_with = "count")]
    pub length: u64,
    pub batch: BatchSize,
    #[serde(deserialize_with = "count")]
    pub steps: u64,
    pub optimizer: Optimizer,
    #[serde(default)]
    pub schedule: Schedule,
    /// The largest global norm of a gradient; absent: not clipped.
    #[serde(
        default,
        deserialize_with = "numbers::optional_positive",
        skip_serializing_if = "Option::is_none"
    )]
    pub clip: Option<f64>,
    #[serde(default)]
    pub seed: u64,
    #[serde(default)]
    pub attention: Attention,
    /// How much the mean loss of each medium counts; absent: all targets count the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shares: Option<Shares>,
    #[serde(default)]
    pub dtype: Precision,
    #[serde(default = "hundreds", deserialize_with = "count")]
    pub checkpoint_every: u64,
    #[serde(default = "hundreds", deserialize_with = "count")]
    pub evaluate_every: u64,
    /// How many checkpoints are kept.
    #[serde(default = "two", deserialize_with = "count")]
    pub keep: u64,
}

fn hundreds() -> u64 {
    500
}

fn two() -> u64 {
    2
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Init {
    pub seed: u64,
    /// Fields of HuggingFace's `LlamaConfig` that differ from the model's.
    #[serde(default)]
    pub config: serde_json::Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSource {
    pub path: PathBuf,
    /// Its share of the tokens, in proportion to the others'.
    #[serde(
        default,
        deserialize_with = "numbers::optional_positive",
        skip_serializing_if = "Option::is_none"
    )]
    pub weight: Option<f64>,
}

/// How much one step computes: by tokens, or by sequences.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "snake_case")]
pub struct BatchSize {
    /// Sequences are taken for a step as long as they do not pass this many tokens.
    #[serde(deserialize_with = "numbers::optional_count", skip_serializing_if = "Option::is_none")]
    pub tokens_per_step: Option<u64>,
    /// The most tokens of one forward pass, padding included.
    #[serde(deserialize_with = "numbers::optional_count", skip_serializing_if = "Option::is_none")]
    pub tokens_per_pass: Option<u64>,
    /// Instead: sequences of a forward pass, and passes of a step.
    #[serde(deserialize_with = "numbers::optional_count", skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    #[serde(deserialize_with = "numbers::optional_count", skip_serializing_if = "Option::is_none")]
    pub accumulation: Option<u64>,
}

/// [`BatchSize`] as one of its two kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepSize {
    Tokens { step: u64, pass: u64 },
    Rows { pass: u64, accumulation: u64 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    pub adamw: AdamW,
    /// For the matrices of the layers; the rest stays with AdamW.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muon: Option<Muon>,
}

/// `torch.optim.AdamW` (Loshchilov & Hutter 2019, algorithm 2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamW {
    #[serde(deserialize_with = "positive")]
    pub rate: f64,
    #[serde(default = "betas", deserialize_with = "numbers::betas")]
    pub betas: [f64; 2],
    #[serde(default = "eps", deserialize_with = "positive")]
    pub eps: f64,
    #[serde(default, deserialize_with = "not_negative")]
    pub weight_decay: f64,
    /// What is left out of the decay.
    #[serde(default)]
    pub no_decay: BTreeSet<Part>,
}

fn betas() -> [f64; 2] {
    [0.9, 0.999]
}

fn eps() -> f64 {
    1e-8
}

/// Parameters that weight decay may leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// All vectors: the weights of norms, and biases.
    Norms,
    /// `embed_tokens`; not the head.
    Embeddings,
}

/// `torch.optim.Muon` with `adjust_lr_fn="match_rms_adamw"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Muon {
    #[serde(deserialize_with = "positive")]
    pub rate: f64,
    #[serde(default = "momentum", deserialize_with = "fraction")]
    pub momentum: f64,
    #[serde(default = "yes")]
    pub nesterov: bool,
    #[serde(default = "muon_decay", deserialize_with = "not_negative")]
    pub weight_decay: f64,
}

fn momentum() -> f64 {
    0.95
}

fn yes() -> bool {
    true
}

fn muon_decay() -> f64 {
    0.1
}

/// See [`factor`](super::schedule::factor).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// The part of all steps in which the rate rises.
    #[serde(deserialize_with = "share")]
    pub warmup_ratio: f64,
    /// Where the cosine ends, as a part of the rate.
    #[serde(deserialize_with = "share")]
    pub min_rate: f64,
}

impl Default for Schedule {
    fn default() -> Self {
        Schedule { warmup_ratio: 0.03, min_rate: 0.0 }
    }
}

/// What a token may look at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attention {
    /// All earlier tokens of its sequence, those of other samples too (as AnyGPT was trained).
    #[default]
    Sequence,
    /// The earlier tokens of its sample.
    Sample,
}

/// Weights of the mean losses of media. Control tokens count as text.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shares {
    #[serde(deserialize_with = "not_negative")]
    pub text: f64,
    #[serde(deserialize_with = "not_negative")]
    pub image: f64,
    #[serde(deserialize_with = "not_negative")]
    pub speech: f64,
    #[serde(deserialize_with = "not_negative")]
    pub music: f64,
}

impl Default for Shares {
    fn default() -> Self {
        Shares { text: 1.0, image: 1.0, speech: 1.0, music: 1.0 }
    }
}

impl Shares {
    pub fn of(&self, medium: Medium) -> f64 {
        match medium {
            Medium::Text => self.text,
            Medium::Image => self.image,
            Medium::Speech => self.speech,
            Medium::Music => self.music,
        }
    }
}

/// What is computed in. The optimizer's numbers are always f32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    #[default]
    F32,
    Bf16,
}

impl Recipe {
    /// Reads and checks a recipe; its paths are below the folder that it lies in.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let text = text::read(path, yaml::MAX_BYTES)
            .map_err(|source| TrainError::Read { path: path.to_path_buf(), source })?;
        let mut recipe = Self::parse(&text, &path.display().to_string())?;
        recipe.resolve(path.parent().unwrap_or(Path::new("")));
        Ok(recipe)
    }

    /// Reads a recipe; `path` is what errors call it.
    pub fn parse(text: &str, path: &str) -> Result<Self, TrainError> {
        if text.len() > MAX_BYTES {
            let message = "it is larger than 1 MiB, which no recipe is".to_string();
            return Err(TrainError::Recipe { path: path.to_string(), message });
        }
        let recipe: Recipe = crate::base::yaml::read(text).map_err(|error| {
            let place = error.location();
            TrainError::Syntax {
                path: path.to_string(),
                line: place.map_or(1, |place| place.line()),
                column: place.map_or(1, |place| place.column()),
                message: explained(&error),
            }
        })?;
        recipe.check(path)?;
        Ok(recipe)
    }

    /// Whether its parts fit each other; `path` is what errors call it.
    pub fn check(&self, path: &str) -> Result<(), TrainError> {
        match self.fault() {
            Some(message) => Err(TrainError::Recipe { path: path.to_string(), message }),
            None => Ok(()),
        }
    }

    /// What is said twice, half, or against itself.
    fn fault(&self) -> Option<String> {
        if let Err(message) = self.step_size() {
            return Some(message);
        }
        let weights = self.data.iter().filter(|data| data.weight.is_some()).count();
        if weights != 0 && weights != self.data.len() {
            return Some("`data`: give all of them a `weight`, or none".into());
        }
        let shares = self.shares.unwrap_or_default();
        if Medium::ALL.iter().all(|medium| shares.of(*medium) == 0.0) {
            return Some("`shares`: they are all 0, so nothing would be learnt".into());
        }
        let own = self.init.as_ref().is_some_and(|init| init.config.contains_key("vocab_size"));
        own.then(|| "`init.config`: `vocab_size` is the model's and cannot be changed".into())
    }

    fn resolve(&mut self, folder: &Path) {
        let paths = self.data.iter_mut().map(|data| &mut data.path).chain(&mut self.validation);
        paths.for_each(|path| *path = folder.join(&*path));
        // What a folder is to `--model`.
        if self.model.starts_with('.') || self.model.contains('/') {
            self.model = folder.join(&self.model).display().to_string();
        }
    }

    pub fn step_size(&self) -> Result<StepSize, String> {
        let BatchSize { tokens_per_step, tokens_per_pass, rows, accumulation } = self.batch;
        match (tokens_per_step, rows) {
            (Some(step), None) if accumulation.is_none() => {
                let pass = tokens_per_pass.unwrap_or(self.length.max(step.min(4096)));
                if pass < self.length {
                    return Err(format!(
                        "`batch`: `tokens_per_pass` is {pass}; a sequence may have {} (`length`)",
                        self.length
                    ));
                }
                Ok(StepSize::Tokens { step, pass })
            }
            (None, Some(pass)) if tokens_per_pass.is_none() => {
                Ok(StepSize::Rows { pass, accumulation: accumulation.unwrap_or(1) })
            }
            _ => Err("`batch`: give `tokens_per_step`, and `tokens_per_pass` if you like, or `rows` and \
                      `accumulation`"
                .into()),
        }
    }
}

/// The parser's words in ours; it appends "at line …", which we say in front.
fn explained(error: &serde_saphyr::Error) -> String {
    match error.without_snippet() {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
            match crate::lang::words::nearest(field, expected.iter().copied()) {
                Some(near) => format!("there is no `{field}` here; did you mean `{near}`?"),
                None => format!("there is no `{field}` here; there are: {}", expected.join(", ")),
            }
        }
        serde_saphyr::Error::SerdeMissingField { field, .. } => {
            format!("`{field}` is missing: add a line `{field}: …`")
        }
        other => {
            let message = other.to_string();
            let end = message.rfind(" at line ").unwrap_or(message.len());
            message[..end].trim_start_matches("error: ").replace('\n', " ")
        }
    }
}

#[cfg(test)]
mod tests;
