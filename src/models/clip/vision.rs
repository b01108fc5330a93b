//! CLIP's image encoder by the names of HuggingFace's `CLIPVisionModel`: a vision transformer
//! (Dosovitskiy et al. 2021) with a norm in front of its blocks.

use super::super::{Check, Error, Result};
use super::encoder::{Encoder, Sizes};
use crate::nn::activation::Activation;
use candle_core::{DType, IndexOp, Module, Tensor};
use candle_nn::{Conv2d, Conv2dConfig, LayerNorm, VarBuilder};
use serde::{Deserialize, Serialize};

const MODEL: &str = "clip image encoder";

/// HuggingFace's `CLIPVisionConfig`, what of it has to do with inference, with its defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub num_channels: usize,
    pub image_size: usize,
    pub patch_size: usize,
    pub hidden_act: Activation,
    pub layer_norm_eps: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            num_channels: 3,
            image_size: 224,
            patch_size: 32,
            hidden_act: Activation::QuickGelu,
            layer_norm_eps: 1e-5,
        }
    }
}

impl Config {
    fn sizes(&self) -> Sizes {
        Sizes {
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: self.num_attention_heads,
            hidden_act: self.hidden_act,
            layer_norm_eps: self.layer_norm_eps,
        }
    }

    pub fn validate(&self) -> Result<()> {
        let check = Check(MODEL);
        if self.num_channels != 3 {
            return check.fail("num_channels", "must be 3: pictures are RGB");
        }
        check.divides("patch_size", self.patch_size, self.image_size)?;
        self.sizes().validate(&check)
    }
}

#[derive(Debug)]
pub struct ClipVision {
    patch_embedding: Conv2d,
    class_embedding: Tensor,    // (hidden)
    position_embedding: Tensor, // (1 + patches, hidden)
    pre_layrnorm: LayerNorm,    // spelt as the checkpoints have it
    encoder: Encoder,
    post_layernorm: LayerNorm,
    image_size: usize,
    dtype: DType,
}

impl ClipVision {
    /// Reads what is below `vision_model`.
    pub fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        cfg.validate()?;
        let vb = vb.pp("vision_model");
        let (sizes, hidden, patch) = (cfg.sizes(), cfg.hidden_size, cfg.patch_size);
        let patches = (cfg.image_size / patch).pow(2);
        let embeddings = vb.pp("embeddings");
        let kernel = embeddings.get((hidden, 3, patch, patch), "patch_embedding.weight")?;
        let stride = Conv2dConfig { stride: patch, ..Conv2dConfig::default() };
        Ok(Self {
            patch_embedding: Conv2d::new(kernel, None, stride),
            class_embedding: embeddings.get(hidden, "class_embedding")?,
            position_embedding: embeddings
                .get((1 + patches, hidden), "position_embedding.weight")?,
            pre_layrnorm: sizes.norm(vb.pp("pre_layrnorm"))?,
            encoder: Encoder::load(&sizes, vb.pp("encoder"))?,
            post_layernorm: sizes.norm(vb.pp("post_layernorm"))?,
            image_size: cfg.image_size,
            dtype: vb.dtype(),
        })
    }

    /// Normalised `pixels` (batch, 3, size, size) → `last_hidden_state` (batch, 1 + patches,
    /// hidden), not normalised.
    pub fn forward(&self, pixels: &Tensor) -> Result<Tensor> {
        let size = self.image_size;
        match pixels.dims() {
            &[batch, 3, height, width] if batch > 0 && height == size && width == size => {}
            got => {
                return Err(Error::Input {
                    model: MODEL,
                    input: "pixels",
                    got: got.to_vec(),
                    expected: format!("(batch, 3, {size}, {size})"),
                });
            }
        }
        let patches = self.patch_embedding.forward(&pixels.to_dtype(self.dtype)?)?;
        let patches = patches.flatten_from(2)?.transpose(1, 2)?;
        let (batch, _, hidden) = patches.dims3()?;
        let class = self.class_embedding.expand((batch, 1, hidden))?;
        let x = Tensor::cat(&[&class, &patches], 1)?.broadcast_add(&self.position_embedding)?;
        Ok(self.encoder.forward(&self.pre_layrnorm.forward(&x)?, None)?)
    }

    /// Normalised `pixels` → the class token's state, normalised, (batch, hidden).
    pub fn pooled(&self, pixels: &Tensor) -> Result<Tensor> {
        let class = self.forward(pixels)?.i((.., 0))?.contiguous()?;
        Ok(self.post_layernorm.forward(&class)?)
    }
}
