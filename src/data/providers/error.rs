//! What a provider could not do, and whom that concerns.

use std::path::PathBuf;

use crate::base::unwritten;

#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    #[error("the environment variable `{0}`, which should hold the key, is not set")]
    Key(String),
    #[error("`{url}` is no address to send data to: {reason}")]
    Url { url: String, reason: &'static str },
    #[error("this agpt was built without the feature `providers`, so it asks no servers")]
    NotBuilt,
    /// An answer that says the request itself is wrong.
    #[error("{url} answered {status}: {message}")]
    Answer { url: String, status: u16, message: String },
    #[error("{url} could not be had after {tries} tries; the last said: {reason}")]
    Unavailable { url: String, tries: u32, reason: String },
    #[error("the provider refused: {0}")]
    Refused(String),
    #[error("no reply was of the form asked for in {tries} tries; the last one: {reason}")]
    Invalid { tries: u32, reason: String },
    #[error("the reply was cut off at {0} tokens each time")]
    CutOff(u64),
    #[error("the budget of {0} is spent")]
    Budget(String),
    #[error("`{program}` {reason}")]
    Program { program: String, reason: String },
    #[error("what was made is no {medium}: {reason}")]
    Media { medium: &'static str, reason: String },
    #[error("{0}")]
    Local(String),
    #[error("`{}` cannot be written: {}", path.display(), unwritten::reason(.source))]
    Write { path: PathBuf, source: std::io::Error },
    #[error("stopped")]
    Stopped,
}

/// How far an error reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The whole run: another request would fail as well.
    Run,
    /// This piece of work, for good: asking again gives the same.
    Piece,
    /// This piece of work, for now: a later run may try it again.
    Now,
}

impl ProviderError {
    pub fn scope(&self) -> Scope {
        match self {
            ProviderError::Refused(_)
            | ProviderError::Invalid { .. }
            | ProviderError::CutOff(_)
            | ProviderError::Media { .. } => Scope::Piece,
            ProviderError::Unavailable { .. } | ProviderError::Program { .. } => Scope::Now,
            _ => Scope::Run,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<&'static str> {
        Some(match self {
            ProviderError::Key(_) => "export it; keys are read from nowhere else",
            ProviderError::Url { .. } => {
                "give an https address, or http on this machine, such as http://localhost:8000/v1"
            }
            ProviderError::NotBuilt => {
                "build agpt with the default features, or use `bundle` or `command` in the recipe"
            }
            ProviderError::Answer { status: 401 | 403, .. } => {
                "check the key in the environment variable that `key_env` names"
            }
            ProviderError::Answer { status: 404, .. } => {
                "check `url` (it ends before /chat/completions) and `model`"
            }
            ProviderError::Answer { .. } => {
                "change the recipe; a server without `json_schema` takes `structured: object`"
            }
            ProviderError::Unavailable { .. } => {
                "run the command again: what is there is kept, and only the rest is asked for"
            }
            ProviderError::Budget(_) => {
                "raise `budget` in the recipe and run the command again; what is there is kept"
            }
            ProviderError::Write { source, .. } => return unwritten::help(source),
            _ => return None,
        })
    }

    /// A word for counts of what was rejected.
    pub fn word(&self) -> &'static str {
        match self {
            ProviderError::Refused(_) => "refused",
            ProviderError::CutOff(_) => "too long",
            ProviderError::Media { .. } => "missing media",
            _ => "broken structure",
        }
    }
}
