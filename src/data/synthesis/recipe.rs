//! `recipe.yaml`: who does what, how much of it, and what is kept.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::base::Medium;
use crate::data::providers::{Budget, Provider};

use super::SynthesisError;

/// The version of the recipe's format that is read.
const FORMAT: u32 = 1;
/// A larger recipe is none.
const MAX_BYTES: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    pub format: u32,
    /// Of all randomness.
    #[serde(default)]
    pub seed: u64,
    /// The stages, as a path beside the recipe; `std/synthesis` without it.
    #[serde(default)]
    pub pipelines: Option<String>,
    /// Who writes topics, scenarios and dialogues.
    pub writer: Provider,
    /// Who makes the media. Dialogues hold no others.
    #[serde(default)]
    pub image: Option<Provider>,
    #[serde(default)]
    pub speech: Option<Provider>,
    #[serde(default)]
    pub music: Option<Provider>,
    #[serde(default)]
    pub topics: Topics,
    #[serde(default)]
    pub scenarios: Scenarios,
    #[serde(default)]
    pub filters: Filters,
    #[serde(default)]
    pub budget: Budget,
}

/// The paper made 20,000 of 100 meta topics.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Topics {
    pub per_meta: usize,
    /// How many are asked for at once.
    pub batch: usize,
}

impl Default for Topics {
    fn default() -> Self {
        Topics { per_meta: 200, batch: 20 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenarios {
    pub per_topic: usize,
}

impl Default for Scenarios {
    fn default() -> Self {
        Scenarios { per_topic: 5 }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filters {
    /// Turns of a dialogue, of both sides.
    pub least_turns: usize,
    pub most_turns: usize,
    /// Of a turn's text, of a description, of words that are spoken.
    pub most_characters: usize,
    /// The part of five-word sequences that two dialogues may share (Jaccard index).
    pub near: f64,
    /// Dialogues with such words are none.
    pub refusals: Vec<String>,
}

impl Default for Filters {
    fn default() -> Self {
        let words = [
            "as an ai language model",
            "as a language model",
            "i can't assist with",
            "i cannot assist with",
            "i'm sorry, but i can't",
            "i am sorry, but i cannot",
        ];
        Filters {
            least_turns: 2,
            most_turns: 20,
            most_characters: 2000,
            near: 0.7,
            refusals: words.map(str::to_string).to_vec(),
        }
    }
}

impl Recipe {
    /// Reads and checks a recipe; `path` is what errors call it.
    pub fn parse(text: &str, path: &Path) -> Result<Recipe, SynthesisError> {
        let refused = |line: u64, column: u64, message: String| SynthesisError::Recipe {
            path: path.to_path_buf(),
            line,
            column,
            message,
        };
        if text.len() > MAX_BYTES {
            return Err(refused(1, 1, "it is larger than 1 MiB".to_string()));
        }
        let recipe: Recipe = crate::base::yaml::read(text).map_err(|error| {
            let place = error.location();
            let message = error.without_snippet().to_string().replace('\n', " ");
            // The parser says the place again at the end.
            let message = message.split(" at line ").next().unwrap_or_default().to_string();
            let (line, column) = place.map_or((1, 1), |place| (place.line(), place.column()));
            refused(line, column, message)
        })?;
        match recipe.refused() {
            Some(message) => Err(refused(1, 1, message)),
            None => Ok(recipe),
        }
    }

    fn refused(&self) -> Option<String> {
        if self.format != FORMAT {
            return Some(format!("`format` is {}, but this agpt reads {FORMAT}", self.format));
        }
        let roles = [("writer", Some(&self.writer))];
        let media = self.media().into_iter().map(|medium| (medium.name(), self.maker(medium)));
        for (role, provider) in roles.into_iter().chain(media) {
            if let Some(why) = provider.and_then(Provider::refused) {
                return Some(format!("`{role}`: {why}"));
            }
        }
        if self.media().is_empty() {
            let roles = "`image`, `speech` or `music`";
            return Some(format!("nobody makes any medium; give {roles} a provider"));
        }
        if matches!(self.writer, Provider::Command(_)) {
            return Some("`writer` must be `openai` or `bundle`".to_string());
        }
        if matches!(self.music, Some(Provider::Openai(_))) {
            let why = "OpenAI's protocol has no address that makes music";
            return Some(format!("`music`: {why}; use `bundle` or `command`"));
        }
        let counts = [
            ("topics.per_meta", self.topics.per_meta, 100_000),
            ("topics.batch", self.topics.batch, 1000),
            ("scenarios.per_topic", self.scenarios.per_topic, 1000),
            ("filters.most_characters", self.filters.most_characters, 1_000_000),
            ("filters.least_turns", self.filters.least_turns, 1000),
            ("filters.most_turns", self.filters.most_turns, 1000),
        ];
        for (name, count, most) in counts {
            if !(1..=most).contains(&count) {
                return Some(format!("`{name}` is {count}, but must be between 1 and {most}"));
            }
        }
        if self.filters.least_turns > self.filters.most_turns {
            return Some("`filters.least_turns` is above `filters.most_turns`".to_string());
        }
        if !(self.filters.near > 0.0 && self.filters.near <= 1.0) {
            return Some("`filters.near` must be above 0 and at most 1".to_string());
        }
        if self.budget.cost.is_some_and(|cost| !cost.is_finite() || cost < 0.0) {
            return Some("`budget.cost` must be at least 0".to_string());
        }
        None
    }

    pub fn maker(&self, medium: Medium) -> Option<&Provider> {
        match medium {
            Medium::Text => None,
            Medium::Image => self.image.as_ref(),
            Medium::Speech => self.speech.as_ref(),
            Medium::Music => self.music.as_ref(),
        }
    }

    /// The media that somebody makes.
    pub fn media(&self) -> Vec<Medium> {
        Medium::ALL.into_iter().filter(|medium| self.maker(*medium).is_some()).collect()
    }

    /// What decides what a provider makes.
    pub fn identity(&self, medium: Medium) -> Json {
        match medium {
            Medium::Text => self.writer.identity(),
            other => self.maker(other).map_or(json!(null), Provider::identity),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "format: 1\nwriter:\n  openai: { url: \"http://localhost:1/v1\", model: m }\nspeech: { bundle: nano }\n";

    fn parse(text: &str) -> Result<Recipe, String> {
        Recipe::parse(text, Path::new("r.yaml")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_small_recipe_has_the_papers_numbers() {
        let recipe = parse(SMALL).unwrap();
        assert_eq!(recipe.topics, Topics { per_meta: 200, batch: 20 });
        assert_eq!(recipe.media(), [Medium::Speech]);
    }

    #[test]
    fn mistakes_are_named() {
        for (more, says) in [
            ("colour: red\n", "colour"),
            ("music:\n  openai: { model: m }\n", "no address that makes music"),
            ("image:\n  command: { run: [paint] }\n", "{out}"),
            ("topics: { batch: 0 }\n", "topics.batch"),
            ("filters: { near: 2 }\n", "filters.near"),
        ] {
            let error = parse(&format!("{SMALL}{more}")).unwrap_err();
            assert!(error.contains(says) && error.starts_with("r.yaml:"), "{error}");
        }
        assert!(parse(&SMALL.replace('1', "2")).unwrap_err().contains("`format` is 2"));
        assert!(parse("format: [").is_err());
    }
}
