//! From a component's architecture to the network in its role.

use std::sync::Arc;

use candle_core::{DType, Device};

use crate::base::Medium;
use crate::bundle::manifest::DtypeHint;
use crate::bundle::{Bundle, Component};
use crate::models::encodec::{self, Encodec};
use crate::models::soundstorm::{self, SoundStorm};
use crate::models::speech_tokenizer::{self, SpeechTokenizer};
use crate::models::{LanguageModel, llama, seed_tokenizer};
use crate::runtime::error::Failure;
use crate::runtime::roles::{Detokenizer, Tokenizer};

use super::music::MusicCodec;
use super::seed::SeedTokenizer;
use super::speech::{SpeechTokens, Voice};
use super::unclip::{UnClipDetokenizer, reverse_path};

/// Loads components of one bundle onto one device. A codec that serves two roles is loaded once.
pub struct Loader {
    bundle: Bundle,
    device: Device,
    speech: Option<Arc<SpeechTokenizer>>,
    music: Option<(Component, Arc<Encodec>)>,
}

impl Loader {
    pub fn new(bundle: Bundle, device: Device) -> Self {
        Loader { bundle, device, speech: None, music: None }
    }

    /// On the processor everything runs in f32 (candle's half-precision products are slow
    /// there); elsewhere the manifest may ask for another precision.
    fn dtype(&self, component: &Component) -> DType {
        match (&self.device, component.spec().dtype) {
            (Device::Cpu, _) | (_, None | Some(DtypeHint::F32)) => DType::F32,
            (_, Some(DtypeHint::F16)) => DType::F16,
            (_, Some(DtypeHint::Bf16)) => DType::BF16,
        }
    }

    pub fn tokenizer(
        &mut self,
        medium: Medium,
        component: &Component,
    ) -> Result<Box<dyn Tokenizer>, Failure> {
        Ok(match (medium, component.architecture()) {
            (Medium::Image, "seed-2") => {
                let config: seed_tokenizer::Config = component.json("config.json")?;
                let weights = component.var_builder(self.dtype(component), &self.device)?;
                Box::new(SeedTokenizer::load(config, weights)?)
            }
            (Medium::Speech, "speech-tokenizer") => {
                Box::new(SpeechTokens(self.speech_codec(component)?))
            }
            (Medium::Music, "encodec") => Box::new(MusicCodec(self.music_codec(component)?)),
            (_, other) => return Err(Failure::Architecture(other.to_string())),
        })
    }

    pub fn detokenizer(
        &mut self,
        medium: Medium,
        component: &Component,
    ) -> Result<Box<dyn Detokenizer>, Failure> {
        Ok(match (medium, component.architecture()) {
            (Medium::Image, "stable-unclip") => Box::new(UnClipDetokenizer::load(
                component,
                &reverse_path(&self.bundle)?,
                self.bundle.manifest().perceptual.image.clone(),
                self.dtype(component),
                &self.device,
            )?),
            (Medium::Speech, "soundstorm") => {
                let codec = self.speech_codec(&self.bundle.tokenizer(Medium::Speech)?)?;
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
                let weights = component.var_builder(self.dtype(component), &self.device)?;
                Box::new(Voice {
                    acoustic: SoundStorm::load(&config, weights)?,
                    codec,
                    defaults: self.bundle.manifest().perceptual.speech.clone(),
                })
            }
            (Medium::Music, "encodec") => Box::new(MusicCodec(self.music_codec(component)?)),
            (_, other) => return Err(Failure::Architecture(other.to_string())),
        })
    }

    pub fn language_model(
        &mut self,
        component: &Component,
    ) -> Result<Box<dyn LanguageModel>, Failure> {
        match component.architecture() {
            "llama" => {
                let config: llama::Config = component.json("config.json")?;
                let weights = component.var_builder(self.dtype(component), &self.device)?;
                Ok(Box::new(llama::Llama::load(&config, weights)?))
            }
            other => Err(Failure::Architecture(other.to_string())),
        }
    }

    fn speech_codec(&mut self, component: &Component) -> Result<Arc<SpeechTokenizer>, Failure> {
        if let Some(codec) = &self.speech {
            return Ok(codec.clone());
        }
        let config: speech_tokenizer::Config = component.json("config.json")?;
        self.fits_vocabulary(component, Medium::Speech, 1, config.codebook_size)?;
        let weights = component.var_builder(self.dtype(component), &self.device)?;
        let codec = Arc::new(SpeechTokenizer::load(&config, weights)?);
        self.speech = Some(codec.clone());
        Ok(codec)
    }

    fn music_codec(&mut self, component: &Component) -> Result<Arc<Encodec>, Failure> {
        if let Some((loaded, codec)) = &self.music
            && loaded.spec() == component.spec()
        {
            return Ok(codec.clone());
        }
        let config: encodec::Config = component.json("config.json")?;
        let books = config.num_quantizers();
        self.fits_vocabulary(component, Medium::Music, books, config.codebook_size)?;
        let weights = component.var_builder(self.dtype(component), &self.device)?;
        let codec = Arc::new(Encodec::load(&config, weights)?);
        self.music = Some((component.clone(), codec.clone()));
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
