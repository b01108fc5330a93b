//! A conversation that goes on turn by turn: what `agpt chat` holds.
//!
//! Turns are kept as the ids that were read and written, so nothing is tokenised twice, and the
//! language model only reads what is new. A turn that fails leaves the conversation as it was.

use crate::base::rng::Stream;
use crate::base::{Medium, Reply, Role};
use crate::lang::types::Type;
use crate::plan::graph::Held;

use super::engine::Engine;
use super::error::Failure;
use super::events::Events;
use super::perceptual::{self, Place};
use super::render::splice;
use super::semantic::Request;
use super::settings::Settings;
use super::value::{Made, Prompt, PromptPart, PromptTurn, Value};

/// Something that the user says.
#[derive(Debug, Clone)]
pub enum Said {
    Text(String),
    Media(Made),
}

/// The turns so far.
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    turns: Vec<PromptTurn>,
    /// How many replies there are.
    replies: usize,
    pub seed: u64,
}

impl Conversation {
    pub fn new(seed: u64, system: Option<&str>) -> Self {
        let turn = |text: &str| PromptTurn {
            role: Role::System,
            parts: vec![PromptPart::Text(text.to_string())],
        };
        Conversation { turns: system.map(turn).into_iter().collect(), replies: 0, seed }
    }

    /// The user's turn and the reply to it. The randomness of the reply is that of the node
    /// `conversation/reply1/…` of a plan, and so on, so that a pipeline can repeat it.
    pub fn say(
        &mut self,
        engine: &mut Engine,
        said: &[Said],
        reply: Reply,
        events: &mut dyn Events,
    ) -> Result<Value, Failure> {
        // What the model cannot make is refused before it writes anything.
        if let Reply::Only(medium) = reply
            && medium != Medium::Text
        {
            engine.bundle().detokenizer(medium)?;
        }
        let mut parts = Vec::with_capacity(said.len());
        for said in said {
            parts.push(match said {
                Said::Text(text) => PromptPart::Text(text.clone()),
                Said::Media(made) => {
                    let medium = made.medium();
                    let codes = engine.encode(medium, &[std::sync::Arc::clone(made)], events)?;
                    PromptPart::Tokens(medium, codes.into_iter().flatten().collect())
                }
            });
        }
        let mut turns = self.turns.clone();
        turns.push(PromptTurn { role: Role::User, parts });
        let prompt = Prompt { turns, out: Type::Chat };
        let (settings, number) = (Settings::default(), self.replies + 1);
        let address = format!("conversation/reply{number}/generate");
        let request = Request {
            path: &address,
            reply,
            prompt: &prompt,
            settings: &settings,
            held: &Held::Free,
        };
        let mut stream = Stream::new(self.seed, &address);
        let written = engine.generate(&request, &mut stream, events)?;
        let value = match reply {
            Reply::Only(Medium::Text) => written,
            _ => {
                let address = format!("conversation/reply{number}/decode");
                let at = Place { address: &address, seed: self.seed };
                perceptual::decode(engine, &written, &settings, at, events)?
            }
        };
        let mut parts = Vec::new();
        match &value {
            Value::Media(made) => {
                let codes = made.codes.clone().ok_or(Failure::Defect("medium", "reply"))?;
                parts.push(PromptPart::Tokens(made.medium(), codes));
            }
            value => splice(value, Role::Assistant, &mut parts)?,
        }
        self.turns = prompt.turns;
        self.turns.push(PromptTurn { role: Role::Assistant, parts });
        self.replies = number;
        Ok(value)
    }
}
