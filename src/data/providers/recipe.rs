//! The part of a recipe that says who does something.

use serde::Deserialize;

/// One way to have something made. Exactly one of the keys.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// A server that speaks OpenAI's protocol.
    Openai(Box<Openai>),
    /// A model of agpt's, by name or folder.
    Bundle(String),
    /// A program, which is given the description and a path to write to.
    Command(Command),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Openai {
    /// Up to and with `/v1`.
    #[serde(default = "openai_url")]
    pub url: String,
    pub model: String,
    /// The environment variable that holds the key; a server on this machine may need none.
    #[serde(default)]
    pub key_env: Option<String>,
    /// How a reply is made to have the form that is asked for.
    #[serde(default)]
    pub structured: Structured,
    /// The most tokens of a reply where the pipeline says nothing.
    #[serde(default = "max_tokens")]
    pub max_tokens: u64,
    /// Whether that number is called `max_completion_tokens`, as newer models of OpenAI's want it.
    #[serde(default)]
    pub completion_tokens: bool,
    /// Where the pipeline says nothing.
    #[serde(default)]
    pub temperature: Option<f64>,
    /// Of pictures: such as `1024x1024`.
    #[serde(default)]
    pub size: Option<String>,
    /// Whether the server is asked to send the picture itself: models that always do refuse the
    /// question.
    #[serde(default = "yes")]
    pub response_format: bool,
    /// Of speech: one is drawn for each piece.
    #[serde(default)]
    pub voices: Vec<String>,
    /// How many requests are on their way at once.
    #[serde(default = "parallel")]
    pub parallel: usize,
    #[serde(default)]
    pub requests_per_minute: Option<u32>,
    #[serde(default)]
    pub tokens_per_minute: Option<u64>,
    /// For one request, from its first byte to the last of its answer.
    #[serde(default = "timeout")]
    pub timeout_seconds: f64,
    /// How often a request is sent that fails by no fault of its own.
    #[serde(default = "tries")]
    pub tries: u32,
    /// The wait before the second try; it doubles with each, up to a minute.
    #[serde(default = "backoff")]
    pub backoff_seconds: f64,
    /// How often a reply of the wrong form is asked for again.
    #[serde(default = "corrections")]
    pub corrections: u32,
    /// A longer answer is not read.
    #[serde(default = "max_response")]
    pub max_response_mib: u64,
    #[serde(default)]
    pub prices: Prices,
}

/// What holds a reply to its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Structured {
    /// `response_format: json_schema`, made from the type.
    #[default]
    Schema,
    /// `response_format: json_object`, with the schema in the prompt.
    Object,
    /// The schema in the prompt only.
    Prompt,
}

/// In any one currency.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prices {
    /// A million tokens that are read.
    pub input: f64,
    /// A million tokens that are written.
    pub output: f64,
    /// One request, such as one picture.
    pub request: f64,
    /// A million characters that are read aloud.
    pub characters: f64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments. `{out}` is the path to write to, `{seed}` a number; the
    /// description comes on standard input. No shell is between.
    pub run: Vec<String>,
    #[serde(default = "timeout")]
    pub timeout_seconds: f64,
    #[serde(default = "one")]
    pub parallel: usize,
}

fn openai_url() -> String {
    "https://api.openai.com/v1".to_string()
}
fn max_tokens() -> u64 {
    4096
}
fn yes() -> bool {
    true
}
fn one() -> usize {
    1
}
fn parallel() -> usize {
    4
}
fn timeout() -> f64 {
    120.0
}
fn tries() -> u32 {
    6
}
fn backoff() -> f64 {
    1.0
}
fn corrections() -> u32 {
    3
}
fn max_response() -> u64 {
    64
}

impl Openai {
    /// Why the numbers make no sense, if they do not.
    pub fn refused(&self) -> Option<String> {
        let positive = |value: f64| value.is_finite() && value > 0.0 && value <= 86_400.0;
        let price = |value: f64| value.is_finite() && value >= 0.0;
        let Prices { input, output, request, characters } = self.prices;
        let bad = if self.model.trim().is_empty() {
            "`model` is empty"
        } else if self.max_tokens == 0 {
            "`max_tokens` must be at least 1"
        } else if !(1..=256).contains(&self.parallel) {
            "`parallel` must be between 1 and 256"
        } else if self.requests_per_minute == Some(0) {
            "`requests_per_minute` must be at least 1"
        } else if self.tokens_per_minute == Some(0) {
            "`tokens_per_minute` must be at least 1"
        } else if !positive(self.timeout_seconds) || !positive(self.backoff_seconds) {
            "`timeout_seconds` and `backoff_seconds` must be above 0 and at most a day"
        } else if !(1..=100).contains(&self.tries) || self.corrections > 100 {
            "`tries` must be between 1 and 100, and `corrections` at most 100"
        } else if !(1..=4096).contains(&self.max_response_mib) {
            "`max_response_mib` must be between 1 and 4096"
        } else if ![input, output, request, characters].into_iter().all(price) {
            "`prices` must be numbers of at least 0"
        } else {
            return None;
        };
        Some(bad.to_string())
    }
}

impl Provider {
    pub fn parallel(&self) -> usize {
        match self {
            Provider::Openai(openai) => openai.parallel,
            Provider::Bundle(_) => 1,
            Provider::Command(command) => command.parallel.clamp(1, 256),
        }
    }

    /// What of it decides what is made: the rest may change between runs without making
    /// anything anew.
    pub fn identity(&self) -> serde_json::Value {
        match self {
            Provider::Openai(openai) => serde_json::json!({
                "model": openai.model,
                "temperature": openai.temperature,
                "size": openai.size,
                "voices": openai.voices,
            }),
            Provider::Bundle(name) => serde_json::json!({ "bundle": name }),
            Provider::Command(command) => serde_json::json!({ "run": command.run }),
        }
    }

    /// Why it cannot be used, as far as the recipe alone says.
    pub fn refused(&self) -> Option<String> {
        match self {
            Provider::Openai(openai) => openai.refused(),
            Provider::Bundle(_) => None,
            Provider::Command(command) => {
                let seconds = command.timeout_seconds;
                if command.run.is_empty() {
                    Some("`run` names no program".to_string())
                } else if !command.run.iter().any(|word| word.contains("{out}")) {
                    Some("`run` does not say where the program writes to: `{out}`".to_string())
                } else if !(seconds > 0.0 && seconds <= 86_400.0) {
                    Some("`timeout_seconds` must be above 0 and at most a day".to_string())
                } else {
                    None
                }
            }
        }
    }
}
