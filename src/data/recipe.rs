//! `data.yaml`: which data a model is trained on, as what prompts, in which mix.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::DataError;
use super::pack::Packing;
use super::sample::Loss;

/// The version that is read.
const FORMAT: u32 = 1;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    pub format: u32,
    /// Of all that is drawn: templates, instructions, the mix.
    #[serde(default)]
    pub seed: u64,
    /// No sequence is longer, in tokens [default: the model's context].
    #[serde(default)]
    pub max_length: Option<usize>,
    #[serde(default)]
    pub loss: Loss,
    #[serde(default)]
    pub packing: Packing,
    /// How many sequences are open at once for `best-fit`.
    #[serde(default = "window")]
    pub window: usize,
    /// Whether the rows of a source are drawn in a random order, anew in each epoch.
    #[serde(default = "yes")]
    pub shuffle: bool,
    /// How many samples are packed together into a shard.
    #[serde(default = "shard_samples")]
    pub shard_samples: usize,
    /// A token behind every sample, such as `</s>`, which the published models were given.
    #[serde(default)]
    pub end: Option<String>,
    /// Whether weights are shares of tokens or of samples.
    #[serde(default)]
    pub weigh_by: WeighBy,
    pub sources: Vec<Source>,
}

fn window() -> usize {
    64
}

fn yes() -> bool {
    true
}

fn shard_samples() -> usize {
    8192
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeighBy {
    #[default]
    Samples,
    Tokens,
}

/// Where samples come from: one of `pairs`, `conversations` and `text`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub name: String,
    /// Rows of a text and a medium, or a folder of `agpt data tokenize`.
    #[serde(default)]
    pub pairs: Option<Files>,
    /// Rows of conversations with media inlined.
    #[serde(default)]
    pub conversations: Option<Files>,
    /// Rows `{"text": …}`; in files of another ending every line is a text.
    #[serde(default)]
    pub text: Option<Files>,
    /// How pairs become prompts and replies.
    #[serde(default)]
    pub templates: Vec<TemplateUse>,
    /// The share of the mix, in relation to the others'.
    #[serde(default)]
    pub weight: Option<f64>,
    /// How often all rows are taken.
    #[serde(default = "once")]
    pub epochs: f64,
    /// With weights: no row is taken more often than this.
    #[serde(default = "most_epochs")]
    pub most_epochs: f64,
    /// Another one than the recipe's.
    #[serde(default)]
    pub loss: Option<Loss>,
}

fn once() -> f64 {
    1.0
}

fn most_epochs() -> f64 {
    4.0
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Files {
    One(String),
    Many(Vec<String>),
}

impl Files {
    pub fn paths(&self) -> &[String] {
        match self {
            Files::One(path) => std::slice::from_ref(path),
            Files::Many(paths) => paths,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateUse {
    /// `std/tasks:caption`, or `FILE.agpt:NAME` beside the recipe.
    pub template: String,
    /// What the parameter `instruction` is drawn from: a constant such as
    /// `std/instructions:CAPTION`, or a list of texts.
    #[serde(default)]
    pub instructions: Option<Pool>,
    /// How likely it is taken, in relation to the source's others of the same medium.
    #[serde(default = "once")]
    pub probability: f64,
    /// Values of other parameters.
    #[serde(default)]
    pub with: BTreeMap<String, Scalar>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Pool {
    Named(String),
    Listed(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

impl Recipe {
    /// Reads and checks a recipe; `path` is what errors call it.
    pub fn parse(text: &str, path: &Path) -> Result<Self, DataError> {
        let recipe: Recipe = crate::base::yaml::read(text).map_err(|error| {
            let place = error.location();
            let message = error.without_snippet().to_string();
            let end = message.rfind(" at line ").unwrap_or(message.len());
            DataError::Syntax {
                path: path.to_path_buf(),
                line: place.map_or(1, |place| place.line() as usize),
                column: place.map_or(1, |place| place.column() as usize),
                message: message[..end].trim_start_matches("error: ").replace('\n', " "),
            }
        })?;
        let failed = |reason| DataError::Recipe { path: path.to_path_buf(), reason };
        recipe.check().map_err(failed)?;
        Ok(recipe)
    }

    fn check(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!("its format is {}; this agpt reads {FORMAT}", self.format));
        }
        if self.sources.is_empty() {
            return Err("it has no sources".into());
        }
        for (name, value) in [("window", self.window), ("shard_samples", self.shard_samples)] {
            if value == 0 {
                return Err(format!("`{name}` must be 1 or more"));
            }
        }
        let mut names = BTreeSet::new();
        for source in &self.sources {
            source.check().map_err(|reason| format!("source `{}`: {reason}", source.name))?;
            if !names.insert(&source.name) {
                return Err(format!("two sources are called `{}`", source.name));
            }
        }
        let weighted = self.sources.iter().filter(|source| source.weight.is_some()).count();
        if weighted != 0 && weighted != self.sources.len() {
            return Err("either all sources have a `weight` or none".into());
        }
        Ok(())
    }
}

impl Source {
    /// The files that the rows are in.
    pub fn files(&self) -> &[String] {
        let files = [&self.pairs, &self.conversations, &self.text].into_iter().flatten().next();
        files.map_or(&[], Files::paths)
    }

    fn check(&self) -> Result<(), String> {
        let kinds = [&self.pairs, &self.conversations, &self.text];
        if kinds.iter().filter(|files| files.is_some()).count() != 1 {
            return Err("give one of `pairs`, `conversations` and `text`".into());
        }
        if self.files().is_empty() {
            return Err("it names no file".into());
        }
        match (self.pairs.is_some(), self.templates.is_empty()) {
            (true, true) => return Err("pairs need `templates`".into()),
            (false, false) => return Err("only pairs have `templates`".into()),
            _ => {}
        }
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let mut numbers = vec![("epochs", self.epochs), ("most_epochs", self.most_epochs)];
        numbers.extend(self.weight.map(|weight| ("weight", weight)));
        numbers.extend(self.templates.iter().map(|it| ("probability", it.probability)));
        match numbers.into_iter().find(|(_, value)| !positive(*value)) {
            Some((name, value)) => Err(format!("`{name}` is {value}; it must be above 0")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Recipe::parse(text, Path::new("data.yaml")).unwrap_err().to_string()
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let unknown = "format: 1\nsources:\n  - name: a\n    texts: x.txt\n";
        let message = error(unknown);
        assert!(message.starts_with("data.yaml:4:5") && message.contains("texts"), "{message}");
        let source = |more: &str| format!("format: 1\nsources:\n  - {{ name: a, {more} }}\n");
        assert!(error(&source("text: a, pairs: b")).contains("give one of"));
        assert!(error(&source("pairs: b")).contains("pairs need `templates`"));
        assert!(error(&source("text: b, epochs: 0")).contains("`epochs` is 0"));
        assert!(error(&source("text: b, weight: -1.0")).contains("`weight` is -1"));
        assert!(error("format: 2\nsources: []").contains("its format is 2"));
        assert!(error("format: 1\nsources: []").contains("no sources"));
        let two =
            "format: 1\nsources:\n  - { name: a, text: b }\n  - { name: b, text: c, weight: 1 }\n";
        assert!(error(two).contains("either all sources"));
    }

    #[test]
    fn a_recipe_is_read() {
        let text = "format: 1\nloss: reply\npacking: best-fit\nsources:\n  - name: a\n    pairs: [a.jsonl, b]\n    templates:\n      - template: std/tasks:caption\n        instructions: std/instructions:CAPTION\n        probability: 0.25\n        with: { tone: plain, count: 3 }\n";
        let recipe = Recipe::parse(text, Path::new("data.yaml")).unwrap();
        assert_eq!((recipe.loss, recipe.packing), (Loss::Reply, Packing::BestFit));
        assert_eq!(recipe.sources[0].files(), ["a.jsonl", "b"]);
        let with = &recipe.sources[0].templates[0].with;
        assert_eq!(
            (&with["tone"], &with["count"]),
            (&Scalar::Text("plain".into()), &Scalar::Int(3))
        );
    }
}
