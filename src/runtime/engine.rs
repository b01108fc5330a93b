//! The components of one model, loaded when a plan first needs them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::rng::Stream;
use crate::base::{Medium, Reply, Span};
use crate::bundle::Bundle;
use crate::models::{LanguageModel, Session};
use crate::plan::{Op, Plan};

use super::components::loader::Loader;
use super::error::{Failure, RunError};
use super::events::Events;
use super::roles::{Detokenizer, Tokenizer};
use super::settings::Settings;
use super::value::Media;

pub use super::components::device::Device;

/// A sequence that the language model has read.
pub(super) struct Held {
    pub session: Box<dyn Session>,
    /// What it has read, id by id.
    pub ids: Vec<u32>,
}

/// A model ready to encode, generate and decode.
pub struct Engine {
    pub(super) bundle: Bundle,
    pub(super) loader: Loader,
    pub(super) llm: Option<Box<dyn LanguageModel>>,
    /// The last sequence, for prompts that begin as it does.
    pub(super) held: Option<Held>,
    tokenizers: BTreeMap<Medium, Box<dyn Tokenizer>>,
    detokenizers: BTreeMap<Medium, Box<dyn Detokenizer>>,
}

impl Engine {
    /// Opens a bundle by name or folder. Reads its manifest only.
    pub fn open(model: &str, device: &Device) -> Result<Self, RunError> {
        let bundle = Bundle::find_whole(model).map_err(Failure::from)?;
        let device = device.open().map_err(Failure::Device)?;
        Ok(Engine {
            loader: Loader::new(bundle.clone(), device),
            bundle,
            llm: None,
            held: None,
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
                Op::Decode { reply: Reply::Only(medium), .. } => {
                    self.bundle.detokenizer(*medium).map(drop)
                }
                // A medium may be declared in the vocabulary before the model was taught it.
                Op::Generate { reply: Reply::Only(medium), .. } if *medium != Medium::Text => self
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

    /// The media that a mixed reply may hold: those that can be decoded.
    pub fn media(&self) -> Vec<Medium> {
        let whole = |medium: &Medium| self.bundle.detokenizer(*medium).is_ok();
        Medium::ALL.into_iter().filter(whole).collect()
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
}
