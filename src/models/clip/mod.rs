//! CLIP (Radford et al. 2021, "Learning Transferable Visual Models From Natural Language
//! Supervision"): pictures and texts as vectors of one space, by the names of HuggingFace's
//! `CLIPModel`.

mod encoder;
pub mod picture;
pub mod text;
pub mod vision;

use super::{Check, Result};
use crate::nn::linear::Linear;
use candle_core::{Module, Tensor};
use candle_nn::VarBuilder;
use serde::Deserialize;
use text::ClipText;
use vision::ClipVision;

/// HuggingFace's `CLIPConfig`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "Written")]
pub struct Config {
    pub text: text::Config,
    pub vision: vision::Config,
    /// Elements of an embedding.
    pub projection_dim: usize,
}

/// The file. Where it has a `…_config_dict`, that and the defaults are what counts
/// (transformers, CLIPConfig).
#[derive(Deserialize)]
struct Written {
    text_config: Option<text::Config>,
    text_config_dict: Option<text::Config>,
    vision_config: Option<vision::Config>,
    vision_config_dict: Option<vision::Config>,
    projection_dim: Option<usize>,
}

impl From<Written> for Config {
    fn from(written: Written) -> Self {
        Config {
            text: written.text_config_dict.or(written.text_config).unwrap_or_default(),
            vision: written.vision_config_dict.or(written.vision_config).unwrap_or_default(),
            projection_dim: written.projection_dim.unwrap_or(512),
        }
    }
}

impl Config {
    /// `openai/clip-vit-large-patch14`.
    pub fn vit_large_patch14() -> Self {
        Config {
            text: text::Config {
                hidden_size: 768,
                intermediate_size: 3072,
                num_attention_heads: 12,
                ..text::Config::default()
            },
            vision: vision::Config {
                hidden_size: 1024,
                intermediate_size: 4096,
                num_hidden_layers: 24,
                num_attention_heads: 16,
                patch_size: 14,
                ..vision::Config::default()
            },
            projection_dim: 768,
        }
    }
}

#[derive(Debug)]
pub struct Clip {
    pub text: ClipText,
    pub vision: ClipVision,
    text_projection: Linear,
    visual_projection: Linear,
    logit_scale: f32,
}

impl Clip {
    pub fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        Check("clip").positive("projection_dim", cfg.projection_dim)?;
        let project = |width, name| Linear::load_no_bias(width, cfg.projection_dim, vb.pp(name));
        Ok(Self {
            text: ClipText::load(&cfg.text, vb.clone())?,
            vision: ClipVision::load(&cfg.vision, vb.clone())?,
            text_projection: project(cfg.text.hidden_size, "text_projection")?,
            visual_projection: project(cfg.vision.hidden_size, "visual_projection")?,
            logit_scale: logit_scale(&vb, "logit_scale")?,
        })
    }

    /// `ids` (batch, tokens) u32, each text with its end token → embeddings (batch, dim) of
    /// length 1.
    pub fn text_embeds(&self, ids: &Tensor) -> Result<Tensor> {
        normalised(&self.text_projection.forward(&self.text.pooled(ids)?)?)
    }

    /// Normalised `pixels` (batch, 3, size, size) → embeddings (batch, dim) of length 1.
    pub fn image_embeds(&self, pixels: &Tensor) -> Result<Tensor> {
        normalised(&self.visual_projection.forward(&self.vision.pooled(pixels)?)?)
    }

    /// What cosines are multiplied with for the softmax over candidates: the exponential of the
    /// checkpoint's `logit_scale`.
    pub fn logit_scale(&self) -> f32 {
        self.logit_scale
    }
}

/// The exponential of a single stored number.
pub(super) fn logit_scale(vb: &VarBuilder, name: &str) -> Result<f32> {
    let stored = vb.get((), name)?.to_dtype(candle_core::DType::F32)?;
    Ok(libm::expf(stored.to_scalar::<f32>()?))
}

/// Rows divided by their Euclidean length, in f32.
pub(super) fn normalised(x: &Tensor) -> Result<Tensor> {
    let x = x.to_dtype(candle_core::DType::F32)?;
    Ok(x.broadcast_div(&x.sqr()?.sum_keepdim(candle_core::D::Minus1)?.sqrt()?)?)
}
