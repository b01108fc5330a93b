//! From a component's architecture to the network in its role.

use std::sync::{Arc, Weak};

use candle_core::DType;

use crate::base::Medium;
use crate::bundle::manifest::{ComponentSpec, DtypeHint};
use crate::bundle::{Bundle, Component, ComponentRole};
use crate::models::encodec::{self, Encodec};
use crate::models::soundstorm::{self, SoundStorm};
use crate::models::speech_tokenizer::{self, SpeechTokenizer};
use crate::models::{LanguageModel, llama, seed_tokenizer};
use crate::runtime::error::Failure;
use crate::runtime::roles::{Detokenizer, Tokenizer};

use super::device::Device;
use super::music::MusicCodec;
use super::placement::{Bytes, Placement, Precision};
use super::seed::SeedTokenizer;
use super::speech::{SpeechTokens, Voice};
use super::unclip::{UnClipDetokenizer, reverse_path};

/// Loads components of one bundle to where they are placed. A codec that serves two roles in one
/// place is loaded once.
pub struct Loader {
    bundle: Bundle,
    placement: Placement,
    opened: Vec<(Device, candle_core::Device)>,
    speech: Vec<(Key, Weak<SpeechTokenizer>)>,
    music: Vec<(Key, Weak<Encodec>)>,
}

/// Where a component runs, and how.
#[derive(Debug, Clone)]
pub struct Place {
    pub device: Device,
    pub precision: Precision,
    on: candle_core::Device,
}

impl Place {
    pub fn dtype(&self) -> DType {
        self.precision.dtype(self.device)
    }
}

/// What makes two uses of a codec one.
#[derive(Clone, PartialEq)]
struct Key {
    spec: ComponentSpec,
    device: Device,
    precision: Precision,
}

/// What is still in use under a key.
fn in_use<T>(kept: &mut Vec<(Key, Weak<T>)>, key: &Key) -> Option<Arc<T>> {
    kept.retain(|(_, codec)| codec.strong_count() > 0);
    kept.iter().find(|(other, _)| other == key).and_then(|(_, codec)| codec.upgrade())
}

impl Loader {
    pub fn new(bundle: Bundle, placement: Placement) -> Self {
        let (opened, speech, music) = (Vec::new(), Vec::new(), Vec::new());
        Loader { bundle, placement, opened, speech, music }
    }

    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// Opens every device that some component is placed on, so that one that is not there is
    /// reported before anything is loaded.
    pub fn open_devices(&mut self) -> Result<(), Failure> {
        for component in self.bundle.components() {
            self.device(self.placement.device(component.role()))?;
        }
        Ok(())
    }

    fn device(&mut self, device: Device) -> Result<candle_core::Device, Failure> {
        if let Some((_, opened)) = self.opened.iter().find(|(known, _)| *known == device) {
            return Ok(opened.clone());
        }
        let opened = device.open().map_err(Failure::Device)?;
        self.opened.push((device, opened.clone()));
        Ok(opened)
    }

    /// On the processor everything is computed in f32 (candle's half-precision products are slow
    /// there); elsewhere the manifest may ask for another precision, and the user for any.
    pub fn place(&mut self, component: &Component) -> Result<Place, Failure> {
        let role = component.role();
        let device = self.placement.device(role);
        let precision = match (self.placement.precision(role), device, component.spec().dtype) {
            (Some(wished), _, _) => wished,
            (None, Device::Cpu, _) | (None, _, None | Some(DtypeHint::F32)) => Precision::F32,
            (None, _, Some(DtypeHint::F16)) => Precision::F16,
            (None, _, Some(DtypeHint::Bf16)) => Precision::Bf16,
        };
        let refused = |reason| Err(Failure::Precision { part: role, precision, reason });
        match precision {
            Precision::Quantized(_) if role != ComponentRole::Llm => {
                refused("only the language model can be quantized")
            }
            Precision::F16 | Precision::Bf16 if device == Device::Cpu => refused(
                "the processor computes in f32; of the language model, q8_0 or q4_k saves memory",
            ),
            _ => Ok(Place { device, precision, on: self.device(device)? }),
        }
    }

    /// The memory of a component's weights in a place, by the tensors of its files: at least
    /// what is loaded of them.
    pub fn needs(&self, component: &Component, place: &Place) -> Result<Bytes, Failure> {
        let dtype = place.dtype();
        let bytes = match (component.architecture(), place.precision) {
            ("stable-unclip", _) => {
                let mut bytes = 0;
                for folder in UnClipDetokenizer::FOLDERS {
                    bytes += component.weights_in(folder)?.memory(dtype, None);
                }
                bytes
            }
            ("soundstorm", _) => {
                let codec = self.bundle.tokenizer(Medium::Speech)?;
                component.weights()?.memory(dtype, None) + codec.weights()?.memory(dtype, None)
            }
            (_, Precision::Quantized(kind)) => match component.quantized_weights(kind)? {
                Some(weights) => weights.memory(dtype, None),
                None => component.weights()?.memory(dtype, Some(kind)),
            },
            _ => component.weights()?.memory(dtype, None),
        };
        // The language model also keeps the keys and values of what it has read.
        let sequence = match component.architecture() {
            "llama" => {
                let config: llama::Config = component.json("config.json")?;
                config.sequence_bytes(self.bundle.manifest().context, dtype)
            }
            _ => 0,
        };
        Ok(Bytes(bytes + sequence))
    }

    pub fn tokenizer(
        &mut self,
        medium: Medium,
        component: &Component,
        place: &Place,
    ) -> Result<Box<dyn Tokenizer>, Failure> {
        Ok(match (medium, component.architecture()) {
            (Medium::Image, "seed-2") => {
                let config: seed_tokenizer::Config = component.json("config.json")?;
                let weights = component.var_builder(place.dtype(), &place.on)?;
                Box::new(SeedTokenizer::load(config, weights)?)
            }
            (Medium::Speech, "speech-tokenizer") => {
                Box::new(SpeechTokens(self.speech_codec(component, place)?))
            }
            (Medium::Music, "encodec") => Box::new(MusicCodec(self.music_codec(component, place)?)),
            (_, other) => return Err(Failure::Architecture(other.to_string())),
        })
    }

    pub fn detokenizer(
        &mut self,
        medium: Medium,
        component: &Component,
        place: &Place,
    ) -> Result<Box<dyn Detokenizer>, Failure> {
        Ok(match (medium, component.architecture()) {
            (Medium::Image, "stable-unclip") => Box::new(UnClipDetokenizer::load(
                component,
                &reverse_path(&self.bundle)?,
                self.bundle.manifest().perceptual.image.clone(),
                place.dtype(),
                &place.on,
            )?),
            (Medium::Speech, "soundstorm") => {
                let codec = self.speech_codec(&self.bundle.tokenizer(Medium::Speech)?, place)?;
                let config: soundstorm::Config = component.json("config.json")?;
                let (ours, theirs) = (&config, codec.config());
                if ours.codebook_size != theirs.codebook_size
                    || ours.num_quantizers + 1 != theirs.n_q
                {
                    return Err(Failure::Mismatch {
                        part: component.role(),
                        has: (ours.num_quantizers + 1, ours.codebook_size),
                        other: "speech tokenizer",
                        wants: (theirs.n_q, theirs.codebook_size),
                    });
                }
                let weights = component.var_builder(place.dtype(), &place.on)?;
                Box::new(Voice {
                    acoustic: SoundStorm::load(&config, weights)?,
                    codec,
                    defaults: self.bundle.manifest().perceptual.speech.clone(),
                })
            }
            (Medium::Music, "encodec") => Box::new(MusicCodec(self.music_codec(component, place)?)),
            (_, other) => return Err(Failure::Architecture(other.to_string())),
        })
    }

    pub fn language_model(
        &mut self,
        component: &Component,
        place: &Place,
    ) -> Result<Box<dyn LanguageModel>, Failure> {
        match component.architecture() {
            "llama" => {
                let config: llama::Config = component.json("config.json")?;
                let (dtype, on) = (place.dtype(), &place.on);
                let weights = match place.precision {
                    Precision::Quantized(kind) => {
                        component.quantized_var_builder(kind, dtype, on)?
                    }
                    _ => component.var_builder(dtype, on)?,
                };
                Ok(Box::new(llama::Llama::load(&config, weights)?))
            }
            other => Err(Failure::Architecture(other.to_string())),
        }
    }

    fn speech_codec(
        &mut self,
        component: &Component,
        place: &Place,
    ) -> Result<Arc<SpeechTokenizer>, Failure> {
        let key = key(component, place);
        if let Some(codec) = in_use(&mut self.speech, &key) {
            return Ok(codec);
        }
        let config: speech_tokenizer::Config = component.json("config.json")?;
        self.fits_vocabulary(component, Medium::Speech, 1, config.codebook_size)?;
        let weights = component.var_builder(place.dtype(), &place.on)?;
        let codec = Arc::new(SpeechTokenizer::load(&config, weights)?);
        self.speech.push((key, Arc::downgrade(&codec)));
        Ok(codec)
    }

    fn music_codec(
        &mut self,
        component: &Component,
        place: &Place,
    ) -> Result<Arc<Encodec>, Failure> {
        let key = key(component, place);
        if let Some(codec) = in_use(&mut self.music, &key) {
            return Ok(codec);
        }
        let config: encodec::Config = component.json("config.json")?;
        let books = config.num_quantizers();
        self.fits_vocabulary(component, Medium::Music, books, config.codebook_size)?;
        let weights = component.var_builder(place.dtype(), &place.on)?;
        let codec = Arc::new(Encodec::load(&config, weights)?);
        self.music.push((key, Arc::downgrade(&codec)));
        Ok(codec)
    }

    /// The codes of a codec must be those that the vocabulary has tokens for.
    fn fits_vocabulary(
        &self,
        component: &Component,
        medium: Medium,
        books: usize,
        size: usize,
    ) -> Result<(), Failure> {
        let vocabulary = self.bundle.vocabulary()?;
        let Some(tokens) = vocabulary.tokens(medium) else { return Ok(()) };
        let wants = (tokens.codebooks as usize, tokens.codebook_size as usize);
        if wants == (books, size) {
            return Ok(());
        }
        Err(Failure::Mismatch {
            part: component.role(),
            has: (books, size),
            other: "vocabulary",
            wants,
        })
    }
}

fn key(component: &Component, place: &Place) -> Key {
    let (device, precision) = (place.device, place.precision);
    Key { spec: component.spec().clone(), device, precision }
}
