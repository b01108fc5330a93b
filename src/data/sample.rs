//! One training sample: its ids, which of them are learned, and what they are.

use serde::{Deserialize, Serialize};

use super::codes;
use super::packed::TokenCounts;
use crate::base::Role;
use crate::bundle::{self, Bundle, Turn};

/// Which tokens are targets of the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Loss {
    /// All of them, as in AnyGPT's pretraining (stage1_pretrain.py: labels are the ids).
    #[default]
    All,
    /// The assistant's replies with what ends them, as in its fine-tuning (stage2_sft.py).
    Reply,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub ids: Vec<u32>,
    /// For each id, whether it is a target of the loss.
    pub counted: Vec<bool>,
    pub counts: TokenCounts,
}

/// What all samples of a source have in common.
#[derive(Clone, Copy)]
pub struct Form<'a> {
    pub bundle: &'a Bundle,
    pub loss: Loss,
    /// A token behind every sample, such as `</s>`.
    pub end: Option<u32>,
}

impl Form<'_> {
    /// A conversation or prompt with its replies.
    pub fn replied(&self, written: bundle::Sample) -> Result<Sample, String> {
        let mut counted = vec![self.loss == Loss::All; written.ids.len()];
        for reply in &written.replies {
            if let Some(marks) = counted.get_mut(reply.clone()) {
                marks.fill(true);
            }
        }
        self.finish(written.ids, counted)
    }

    /// Text with media between its words; all of it is learned.
    pub fn document(&self, text: &str) -> Result<Sample, String> {
        let parts = codes::parse(self.bundle, text, true)?;
        if parts.is_empty() {
            return Err("the text is empty".into());
        }
        let builder = self.bundle.prompt_builder().map_err(|error| error.to_string())?;
        let ids = builder.document(&parts).map_err(|error| error.to_string())?;
        let counted = vec![true; ids.len()];
        self.finish(ids, counted)
    }

    /// A conversation in the public format, media inlined.
    pub fn conversation(&self, messages: &[Message]) -> Result<Sample, String> {
        let mut turns = Vec::with_capacity(messages.len());
        for (place, message) in messages.iter().enumerate() {
            let role = match message.role.as_str() {
                "system" => Role::System,
                "user" => Role::User,
                "assistant" => Role::Assistant,
                other => {
                    return Err(format!(
                        "message {} is of `{other}`; known are system, user and assistant",
                        place + 1
                    ));
                }
            };
            let parts = codes::parse(self.bundle, &message.message, role == Role::Assistant);
            let parts = parts.map_err(|reason| format!("message {}: {reason}", place + 1))?;
            if role == Role::Assistant && parts.is_empty() {
                return Err(format!("message {} is empty", place + 1));
            }
            turns.push(Turn { role, parts });
        }
        let builder = self.bundle.prompt_builder().map_err(|error| error.to_string())?;
        self.replied(builder.sample(&turns, None).map_err(|error| error.to_string())?)
    }

    fn finish(&self, mut ids: Vec<u32>, mut counted: Vec<bool>) -> Result<Sample, String> {
        if let Some(end) = self.end {
            ids.push(end);
            counted.push(true);
        }
        let vocabulary = self.bundle.vocabulary().map_err(|error| error.to_string())?;
        let mut counts = TokenCounts::default();
        let kinds = Kinds::new(vocabulary);
        for id in &ids {
            *counts.of_mut(kinds.of(*id)) += 1;
        }
        Ok(Sample { ids, counted, counts })
    }
}

/// One message of a conversation in the public format.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    pub role: String,
    pub message: String,
}

/// What kind of token an id is.
pub struct Kinds<'a>(&'a bundle::Vocabulary);

impl<'a> Kinds<'a> {
    pub fn new(vocabulary: &'a bundle::Vocabulary) -> Self {
        Kinds(vocabulary)
    }

    /// The medium that an id is a part of, with its start and end; `None` for control tokens.
    pub fn of(&self, id: u32) -> Option<crate::base::Medium> {
        if self.0.is_text(id) {
            return Some(crate::base::Medium::Text);
        }
        let within = |tokens: &bundle::MediumTokens| {
            id == tokens.start
                || id == tokens.end
                || id.checked_sub(tokens.first).is_some_and(|code| code < tokens.codes())
        };
        self.0.media().find(|(_, tokens)| within(tokens)).map(|(medium, _)| medium)
    }
}
