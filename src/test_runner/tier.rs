//! How much of a run a test repeats.

use serde_json::{Value as Json, json};

/// The stages that run; the others give what was recorded, or are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Tier {
    /// Compare prompts: replies are the recorded ones, media stay codes; no language model
    Prompt,
    /// Compare prompts and what the language model writes; media stay codes
    Tokens,
    /// Compare prompts and the media decoded from recorded replies; no language model
    Replay,
    /// Run everything
    #[default]
    Full,
}

impl Tier {
    /// Whether the language model's replies are the recorded ones.
    pub fn replays(self) -> bool {
        matches!(self, Tier::Prompt | Tier::Replay)
    }

    /// Whether media that nothing looks into stay codes.
    pub fn leaves_codes(self) -> bool {
        matches!(self, Tier::Prompt | Tier::Tokens)
    }
}

/// A snapshot without what the perceptual stage made: of a generated medium its codes.
pub fn semantic(snapshot: &Json) -> Json {
    match snapshot {
        Json::Object(map) => match (map.get("medium"), map.get("codes")) {
            (Some(medium), Some(codes)) => json!({ "tokens": medium, "ids": codes }),
            _ => Json::Object(
                map.iter().map(|(key, value)| (key.clone(), semantic(value))).collect(),
            ),
        },
        Json::Array(items) => Json::Array(items.iter().map(semantic).collect()),
        other => other.clone(),
    }
}
