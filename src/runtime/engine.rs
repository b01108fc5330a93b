//! The components of one model, loaded when a plan first needs them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::base::rng::Stream;
use crate::base::{Medium, Reply, Span};
use crate::bundle::{Bundle, Component, ComponentRole};
use crate::models::{LanguageModel, Session};
use crate::plan::{Op, Plan};

use super::automaton::{Automaton, Spellings};
use super::components::loader::{Loader, Place};
use super::error::{Failure, RunError};
use super::events::{Events, Loaded, Unloaded};
use super::plugins::Plugins;
use super::recording::Recording;
use super::resident::Resident;
use super::roles::{Detokenizer, Tokenizer};
use super::settings::Settings;
use super::value::Media;
use super::writer::Writer;

pub use super::components::device::Device;
pub use super::components::placement::{Budget, Bytes, Choice, Placement, Precision};

/// A sequence that the language model has read.
pub(super) struct Held {
    pub session: Box<dyn Session>,
    /// What it has read, id by id.
    pub ids: Vec<u32>,
}

/// Where a component that is about to be loaded goes, and the memory it takes there.
pub(super) struct Room {
    pub place: Place,
    needs: Bytes,
}

/// A model ready to encode, generate and decode.
pub struct Engine {
    pub(super) bundle: Bundle,
    pub(super) loader: Loader,
    pub(super) llm: Option<Box<dyn LanguageModel>>,
    /// The last sequence, for prompts that begin as it does.
    pub(super) held: Option<Held>,
    /// How the bundle's tokenizer spells text, and the patterns that were walked with it.
    pub(super) spellings: Option<Arc<Spellings>>,
    pub(super) automata: HashMap<String, Arc<Automaton>>,
    pub(super) resident: Resident,
    pub plugins: Plugins,
    /// Replies to give instead of asking the language model.
    pub replay: Option<Recording>,
    /// Who writes texts, if it is not the language model.
    pub(super) writer: Option<Box<dyn Writer>>,
    tokenizers: BTreeMap<Medium, Box<dyn Tokenizer>>,
    detokenizers: BTreeMap<Medium, Box<dyn Detokenizer>>,
}

impl Engine {
    /// Opens a bundle by name or folder. Reads its manifest only.
    pub fn open(model: &str, placement: impl Into<Placement>) -> Result<Self, RunError> {
        Self::of(Bundle::find_whole(model).map_err(Failure::from)?, placement)
    }

    /// The same of a bundle whose files need not all be there: what a run asks for and does not
    /// find is an error then.
    pub fn open_partly(model: &str, placement: impl Into<Placement>) -> Result<Self, RunError> {
        Self::of(Bundle::find(model).map_err(Failure::from)?, placement)
    }

    fn of(bundle: Bundle, placement: impl Into<Placement>) -> Result<Self, RunError> {
        let mut loader = Loader::new(bundle.clone(), placement.into());
        loader.open_devices()?;
        Ok(Engine {
            loader,
            bundle,
            llm: None,
            held: None,
            spellings: None,
            automata: HashMap::new(),
            resident: Resident::default(),
            plugins: Plugins::default(),
            replay: None,
            writer: None,
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

    /// Checks, before anything is loaded, that the model has every component the plan may need,
    /// and that its plugins are allowed what they are granted.
    pub fn admits(&self, plan: &Plan) -> Result<(), RunError> {
        self.plugins.admits(plan)?;
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
            let room = self.make_room(&component, events)?;
            let tokenizer = self.loader.tokenizer(medium, &component, &room.place)?;
            self.tokenizers.insert(medium, tokenizer);
            self.settle(&component, &room, events);
        }
        self.resident.touch(ComponentRole::Tokenizer(medium));
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
            let room = self.make_room(&component, events)?;
            let detokenizer = self.loader.detokenizer(medium, &component, &room.place)?;
            self.detokenizers.insert(medium, detokenizer);
            self.settle(&component, &room, events);
        }
        self.resident.touch(ComponentRole::Detokenizer(medium));
        self.detokenizers[&medium].decode(codes, settings, noise, events)
    }

    /// Unloads what can best be missed until a component fits into the memory of its device.
    pub(super) fn make_room(
        &mut self,
        component: &Component,
        events: &mut dyn Events,
    ) -> Result<Room, Failure> {
        let place = self.loader.place(component)?;
        let needs = self.loader.needs(component, &place)?;
        if let Some(budget) = self.loader.placement().budget(place.device) {
            let device = place.device;
            if needs > budget {
                return Err(Failure::Memory { part: component.role(), needs, device, budget });
            }
            while self.resident.used(device) + needs.0 > budget.0 {
                let Some((role, bytes)) = self.resident.dismiss(device) else { break };
                self.unload(role);
                events.unloaded(&Unloaded { part: role.to_string(), device, bytes: Bytes(bytes) });
            }
        }
        events.loading(&component.role().to_string());
        Ok(Room { place, needs })
    }

    /// Notes that a component is there.
    pub(super) fn settle(&mut self, component: &Component, room: &Room, events: &mut dyn Events) {
        let device = room.place.device;
        self.resident.add(component.role(), device, room.needs.0);
        events.loaded(&Loaded {
            part: component.role().to_string(),
            device,
            precision: room.place.precision,
            bytes: room.needs,
            in_use: Bytes(self.resident.used(device)),
            budget: self.loader.placement().budget(device),
        });
    }

    fn unload(&mut self, role: ComponentRole) {
        match role {
            ComponentRole::Llm => {
                self.held = None;
                self.llm = None;
            }
            ComponentRole::Tokenizer(medium) => drop(self.tokenizers.remove(&medium)),
            ComponentRole::Detokenizer(medium) => drop(self.detokenizers.remove(&medium)),
        }
    }

    /// Whether what is loaded may have to be unloaded again.
    pub(super) fn is_tight(&self) -> bool {
        !self.loader.placement().budgets.is_empty()
    }
}
