//! CLAP (Wu et al. 2023, "Large-scale Contrastive Language-Audio Pretraining with Feature Fusion
//! and Keyword-to-Caption Augmentation"): sounds and texts as vectors of one space, by the names of
//! HuggingFace's `ClapModel`. Networks with feature fusion are refused.

pub mod audio;
pub mod features;
mod swin;
pub mod text;

use super::clip::{logit_scale, normalised};
use super::{Check, Result};
use crate::nn::activation::Activation;
use crate::nn::linear::Linear;
use audio::ClapAudio;
use candle_core::{Module, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};
use text::ClapText;

/// HuggingFace's `ClapConfig`, with its defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    pub text_config: text::Config,
    pub audio_config: audio::Config,
    /// Elements of an embedding.
    pub projection_dim: usize,
    pub projection_hidden_act: Activation,
}

impl Default for Config {
    /// `laion/clap-htsat-unfused`.
    fn default() -> Self {
        Self {
            text_config: text::Config::default(),
            audio_config: audio::Config::default(),
            projection_dim: 512,
            projection_hidden_act: Activation::Relu,
        }
    }
}

/// Two dense layers into the common space.
#[derive(Debug)]
struct Projection {
    linear1: Linear,
    act: Activation,
    linear2: Linear,
}

impl Projection {
    fn load(inputs: usize, cfg: &Config, vb: VarBuilder) -> Result<Self> {
        let dim = cfg.projection_dim;
        Ok(Self {
            linear1: Linear::load(inputs, dim, vb.pp("linear1"))?,
            act: cfg.projection_hidden_act,
            linear2: Linear::load(dim, dim, vb.pp("linear2"))?,
        })
    }

    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        self.linear2.forward(&self.act.forward(&self.linear1.forward(x)?)?)
    }
}

#[derive(Debug)]
pub struct Clap {
    pub text: ClapText,
    pub audio: ClapAudio,
    text_projection: Projection,
    audio_projection: Projection,
    logit_scale_a: f32,
    logit_scale_t: f32,
}

impl Clap {
    pub fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        Check("clap").positive("projection_dim", cfg.projection_dim)?;
        let (text, audio) = (&cfg.text_config, &cfg.audio_config);
        let project = |inputs, name| Projection::load(inputs, cfg, vb.pp(name));
        Ok(Self {
            text: ClapText::load(text, vb.clone())?,
            audio: ClapAudio::load(audio, vb.clone())?,
            text_projection: project(text.hidden_size, "text_projection")?,
            audio_projection: project(audio.hidden_size, "audio_projection")?,
            logit_scale_a: logit_scale(&vb, "logit_scale_a")?,
            logit_scale_t: logit_scale(&vb, "logit_scale_t")?,
        })
    }

    /// `ids` (batch, tokens) u32, without padding → embeddings (batch, dim) of length 1.
    pub fn text_embeds(&self, ids: &Tensor) -> Result<Tensor> {
        normalised(&self.text_projection.forward(&self.text.pooled(ids)?)?)
    }

    /// `features` (batch, 1, frames, mels) in dB → embeddings (batch, dim) of length 1.
    pub fn audio_embeds(&self, features: &Tensor) -> Result<Tensor> {
        normalised(&self.audio_projection.forward(&self.audio.pooled(features)?)?)
    }

    /// What cosines are multiplied with for the softmax over candidates: of texts for a sound,
    /// and of sounds for a text.
    pub fn logit_scales(&self) -> (f32, f32) {
        (self.logit_scale_a, self.logit_scale_t)
    }
}
