//! The components of one model, loaded when a plan first needs them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::base::rng::Stream;
use crate::base::{Medium, Span};
use crate::bundle::manifest::SpanLength;
use crate::bundle::{Bundle, PromptPart as BundlePart, Role as Speaker};
use crate::bundle::{MediumTokens, Turn, Vocabulary};
use crate::lang::ir::Role;
use crate::models::{LanguageModel, sampling};
use crate::plan::{Op, Plan};

use super::components::loader::Loader;
use super::error::{Failure, RunError};
use super::events::{Events, Generated};
use super::generate;
use super::grammar::{Grammar, Length};
use super::roles::{Detokenizer, Tokenizer};
use super::settings::Settings;
use super::value::{Media, Prompt, PromptPart, Value};

pub use super::components::device::Device;

/// A model ready to encode, generate and decode.
pub struct Engine {
    bundle: Bundle,
    loader: Loader,
    llm: Option<Box<dyn LanguageModel>>,
    tokenizers: BTreeMap<Medium, Box<dyn Tokenizer>>,
    detokenizers: BTreeMap<Medium, Box<dyn Detokenizer>>,
}

impl Engine {
    /// Opens a bundle by name or folder. Reads its manifest only.
    pub fn open(model: &str, device: &Device) -> Result<Self, RunError> {
        let bundle = Bundle::find(model).map_err(Failure::from)?;
        let device = device.open().map_err(Failure::Device)?;
        Ok(Engine {
            loader: Loader::new(bundle.clone(), device),
            bundle,
            llm: None,
            tokenizers: BTreeMap::new(),
            detokenizers: BTreeMap::new(),
        })
    }

    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The model's name and the digest of its manifest, for records.
    pub fn model(&self) -> String {
        format!("{}@{}", self.bundle.name(), self.bundle.manifest_digest().short())
    }

    /// Checks, before anything is loaded, that the model has every component the plan may need.
    pub fn admits(&self, plan: &Plan) -> Result<(), RunError> {
        self.admits_within(plan, None)
    }

    fn admits_within(&self, plan: &Plan, outer: Option<Span>) -> Result<(), RunError> {
        for node in plan.graph.node_weights() {
            let result = match &node.op {
                Op::Encode(medium) => self.bundle.tokenizer(*medium).map(drop),
                Op::Decode { medium, .. } => self.bundle.detokenizer(*medium).map(drop),
                // A medium may be declared in the vocabulary before the model was taught it.
                Op::Generate { medium, .. } if *medium != Medium::Text => self
                    .bundle
                    .tokenizer(*medium)
                    .or_else(|_| self.bundle.detokenizer(*medium))
                    .map(drop),
                Op::Map(body) => {
                    self.admits_within(body, Some(node.span))?;
                    Ok(())
                }
                _ => Ok(()),
            };
            result.map_err(|error| RunError {
                failure: error.into(),
                span: Some(node.span).or(outer),
            })?;
        }
        Ok(())
    }

    /// Media → codes, several at once.
    pub fn encode(
        &mut self,
        medium: Medium,
        media: &[Arc<Media>],
        events: &mut dyn Events,
    ) -> Result<Vec<Vec<u32>>, Failure> {
        if !self.tokenizers.contains_key(&medium) {
            let component = self.bundle.tokenizer(medium)?;
            events.loading(&component.role().to_string());
            let tokenizer = self.loader.tokenizer(medium, &component)?;
            self.tokenizers.insert(medium, tokenizer);
        }
        self.tokenizers[&medium].encode(media)
    }

    /// Codes → a medium.
    pub fn decode(
        &mut self,
        medium: Medium,
        codes: &[u32],
        settings: &Settings,
        noise: &mut Stream,
        events: &mut dyn Events,
    ) -> Result<Media, Failure> {
        if !self.detokenizers.contains_key(&medium) {
            let component = self.bundle.detokenizer(medium)?;
            events.loading(&component.role().to_string());
            let detokenizer = self.loader.detokenizer(medium, &component)?;
            self.detokenizers.insert(medium, detokenizer);
        }
        self.detokenizers[&medium].decode(codes, settings, noise, events)
    }

    fn language_model(&mut self, events: &mut dyn Events) -> Result<&dyn LanguageModel, Failure> {
        if self.llm.is_none() {
            let component = self.bundle.llm();
            events.loading(&component.role().to_string());
            let model = self.loader.language_model(&component)?;
            let vocabulary = self.bundle.vocabulary()?.size();
            if vocabulary > model.vocab_size() {
                return Err(Failure::VocabularySize {
                    tokenizer: vocabulary,
                    model: model.vocab_size(),
                });
            }
            self.llm = Some(model);
        }
        self.llm.as_deref().ok_or(Failure::Defect("missing model", "model"))
    }

    /// The semantic stage: a reply to a prompt, held to what the medium allows.
    pub fn generate(
        &mut self,
        path: &str,
        medium: Medium,
        prompt: &Prompt,
        settings: &Settings,
        stream: &mut Stream,
        events: &mut dyn Events,
    ) -> Result<Value, Failure> {
        let begun = Instant::now();
        let bundle = self.bundle.clone();
        let builder = bundle.prompt_builder()?;
        let written = builder.build(&turns(prompt)?, medium)?;
        let defaults = bundle.manifest().sampling.get(medium);
        let sampling = sampling::Settings {
            temperature: settings.float("temperature", defaults.temperature)?,
            top_k: settings.count("top_k", defaults.top_k)?,
            top_p: settings.float("top_p", defaults.top_p)?,
            min_p: settings.float("min_p", defaults.min_p)?,
            repetition_penalty: settings
                .float("repetition_penalty", defaults.repetition_penalty)?,
        };
        let vocabulary = bundle.vocabulary()?;
        let context = bundle.manifest().context;
        let room = context.saturating_sub(written.ids.len());
        let length = reply_length(vocabulary, medium, defaults, settings, room)?;
        let (least, most) = match length {
            Length::Exactly(count) => (count, count),
            Length::Between(least, most) => (least, most),
        };
        if room == 0 || least > room {
            return Err(Failure::ContextTooShort {
                prompt: written.ids.len(),
                reply: least.max(1),
                context,
                model: bundle.name().to_string(),
            });
        }
        let grammar = match vocabulary.tokens(medium) {
            Some(tokens) if medium != Medium::Text => {
                let books: Vec<_> =
                    (0..tokens.codebooks as usize).map(|layer| tokens.ids_at(layer)).collect();
                Grammar::medium(&books, tokens.end, length)
            }
            _ => Grammar::text(text_ranges(vocabulary), builder.stop()?, length),
        };
        let mut text = bundle.text_tokenizer()?.stream();
        let model = self.language_model(events)?;
        let mut session = generate::start(model, written.ids.len(), most)?;
        let ids = generate::reply(
            session.as_mut(),
            &written.ids,
            &grammar,
            &sampling,
            stream,
            events,
            |id, produced, events| match medium {
                Medium::Text => events.text(&text.push(id)),
                _ => events.progress(produced, most),
            },
        )?;
        events.generated(&Generated {
            path: path.to_string(),
            medium,
            prompt: written.text_for_people,
            prompt_tokens: written.ids.len(),
            ids: ids.clone(),
            took: begun.elapsed(),
        });
        match medium {
            Medium::Text => Ok(Value::text(bundle.text_tokenizer()?.decode(&ids))),
            medium => codes(vocabulary, medium, &ids).map(|codes| Value::Tokens(medium, codes)),
        }
    }
}

fn codes(vocabulary: &Vocabulary, medium: Medium, ids: &[u32]) -> Result<Arc<[u32]>, Failure> {
    ids.iter()
        .map(|id| match vocabulary.medium_of(*id) {
            Some((other, code)) if other == medium => Ok(code),
            _ => Err(Failure::Defect("token", "code of the medium")),
        })
        .collect()
}

/// A prompt in the words of the bundle layer; something must be in it.
fn turns(prompt: &Prompt) -> Result<Vec<Turn>, Failure> {
    let says_something = |part: &PromptPart| match part {
        PromptPart::Text(text) => !text.trim().is_empty(),
        PromptPart::Tokens(_, codes) => !codes.is_empty(),
    };
    if !prompt.turns.iter().any(|turn| turn.parts.iter().any(says_something)) {
        return Err(Failure::EmptyPrompt);
    }
    let spoken = prompt.turns.iter().enumerate().filter(|(index, turn)| {
        // The last turn of the assistant is empty where the reply is to stand.
        !(turn.role == Role::Assistant && turn.parts.is_empty() && index + 1 == prompt.turns.len())
    });
    Ok(spoken
        .map(|(_, turn)| Turn {
            role: match turn.role {
                Role::System => Speaker::System,
                Role::User => Speaker::User,
                Role::Assistant => Speaker::Assistant,
            },
            parts: turn
                .parts
                .iter()
                .map(|part| match part {
                    PromptPart::Text(text) => BundlePart::Text(text.clone()),
                    PromptPart::Tokens(medium, codes) => {
                        BundlePart::Tokens(*medium, codes.to_vec())
                    }
                })
                .collect(),
        })
        .collect())
}

/// How long the reply may be: what the layout fixes, else the settings within the context.
fn reply_length(
    vocabulary: &Vocabulary,
    medium: Medium,
    defaults: &crate::bundle::manifest::Sampling,
    settings: &Settings,
    room: usize,
) -> Result<Length, Failure> {
    let tokens = vocabulary.tokens(medium);
    if let Some(MediumTokens { length: SpanLength::Tokens(count), .. }) = tokens {
        for name in ["max_tokens", "min_tokens"] {
            if settings.get(name).is_some() {
                return Err(Failure::FixedLength(medium, *count as usize, name));
            }
        }
        return Ok(Length::Exactly(*count as usize));
    }
    let frame = tokens.map_or(1, |tokens| tokens.codebooks as usize).max(1);
    if let Some(seconds) = settings.duration("duration")?
        && let Some(MediumTokens { length: SpanLength::FramesPerSecond(rate), .. }) = tokens
    {
        // The nearest whole frame, and at least one.
        let frames = (seconds * rate).round().max(1.0) as usize;
        return Ok(Length::Exactly(frames.saturating_mul(frame)));
    }
    let most = settings.count("max_tokens", defaults.max_tokens.unwrap_or(room))?.min(room);
    let least = settings.count("min_tokens", defaults.min_tokens)?.max(1);
    if least > most && settings.get("min_tokens").is_some() && most < room {
        return Err(Failure::Setting {
            name: "min_tokens",
            value: least.to_string(),
            range: format!("at most max_tokens, {most}"),
        });
    }
    // Whole frames only.
    let most = (most / frame * frame).max(frame);
    Ok(Length::Between(least.next_multiple_of(frame).min(most.max(least)), most))
}

/// The text part of the vocabulary as ranges of ids.
fn text_ranges(vocabulary: &Vocabulary) -> Vec<std::ops::Range<u32>> {
    let mut ranges: Vec<std::ops::Range<u32>> = Vec::new();
    for (id, is_text) in (0u32..).zip(vocabulary.text_mask()) {
        if !is_text {
            continue;
        }
        match ranges.last_mut() {
            Some(range) if range.end == id => range.end = id + 1,
            _ => ranges.push(id..id + 1),
        }
    }
    ranges
}
