//! CLIP's text encoder (Radford et al. 2021) by the names of HuggingFace's `CLIPTextModel`.

use super::super::{Check, Error, Result};
use crate::nn::attention::{attend, causal_mask, split_heads};
use crate::nn::linear::Linear;
use candle_core::{DType, Module, Tensor};
use candle_nn::{Embedding, LayerNorm, VarBuilder};
use serde::{Deserialize, Serialize};

const MODEL: &str = "clip text encoder";

/// HuggingFace's `CLIPTextConfig`, what of it has to do with inference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    #[serde(default = "max_position_embeddings")]
    pub max_position_embeddings: usize,
    #[serde(default = "hidden_act")]
    pub hidden_act: Activation,
    #[serde(default = "layer_norm_eps")]
    pub layer_norm_eps: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// The exact GELU.
    Gelu,
    /// `x · σ(1.702 x)`.
    QuickGelu,
}

fn max_position_embeddings() -> usize {
    77
}
fn hidden_act() -> Activation {
    Activation::QuickGelu
}
fn layer_norm_eps() -> f64 {
    1e-5
}

impl Config {
    /// The text encoder of Stable Diffusion 2.1 (OpenCLIP ViT-H, its last layer cut).
    pub fn sd21() -> Self {
        Self {
            vocab_size: 49_408,
            hidden_size: 1024,
            intermediate_size: 4096,
            num_hidden_layers: 23,
            num_attention_heads: 16,
            max_position_embeddings: 77,
            hidden_act: Activation::Gelu,
            layer_norm_eps: 1e-5,
        }
    }

    pub fn validate(&self) -> Result<()> {
        let check = Check(MODEL);
        check.positive("vocab_size", self.vocab_size)?;
        check.positive("intermediate_size", self.intermediate_size)?;
        check.positive("max_position_embeddings", self.max_position_embeddings)?;
        check.divides("num_attention_heads", self.num_attention_heads, self.hidden_size)?;
        check.finite("layer_norm_eps", self.layer_norm_eps)
    }
}

#[derive(Debug)]
struct Layer {
    layer_norm1: LayerNorm,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    layer_norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    act: Activation,
    heads: usize,
    scale: f64,
}

impl Layer {
    fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        let (hidden, inner) = (cfg.hidden_size, cfg.intermediate_size);
        let norm = |name| candle_nn::layer_norm(hidden, cfg.layer_norm_eps, vb.pp(name));
        let proj = |name| Linear::load(hidden, hidden, vb.pp("self_attn").pp(name));
        Ok(Self {
            layer_norm1: norm("layer_norm1")?,
            q_proj: proj("q_proj")?,
            k_proj: proj("k_proj")?,
            v_proj: proj("v_proj")?,
            out_proj: proj("out_proj")?,
            layer_norm2: norm("layer_norm2")?,
            fc1: Linear::load(hidden, inner, vb.pp("mlp.fc1"))?,
            fc2: Linear::load(inner, hidden, vb.pp("mlp.fc2"))?,
            act: cfg.hidden_act,
            heads: cfg.num_attention_heads,
            scale: 1. / ((hidden / cfg.num_attention_heads) as f64).sqrt(),
        })
    }

    fn forward(&self, x: &Tensor, mask: &Tensor) -> candle_core::Result<Tensor> {
        let hidden = self.layer_norm1.forward(x)?;
        let context = attend(
            &split_heads(&self.q_proj.forward(&hidden)?, self.heads)?,
            &split_heads(&self.k_proj.forward(&hidden)?, self.heads)?,
            &split_heads(&self.v_proj.forward(&hidden)?, self.heads)?,
            self.scale,
            Some(mask),
        )?;
        let x = (x + self.out_proj.forward(&context)?)?;
        let hidden = self.fc1.forward(&self.layer_norm2.forward(&x)?)?;
        let hidden = match self.act {
            Activation::Gelu => hidden.gelu_erf()?,
            Activation::QuickGelu => (&hidden * candle_nn::ops::sigmoid(&(&hidden * 1.702)?)?)?,
        };
        &x + self.fc2.forward(&hidden)?
    }
}

#[derive(Debug)]
pub struct ClipText {
    token_embedding: Embedding,
    position_embedding: Tensor, // (positions, hidden)
    layers: Vec<Layer>,
    final_layer_norm: LayerNorm,
    vocab_size: usize,
}

impl ClipText {
    pub fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        cfg.validate()?;
        let vb = vb.pp("text_model");
        let hidden = cfg.hidden_size;
        let embeddings = vb.pp("embeddings");
        let tokens = embeddings.get((cfg.vocab_size, hidden), "token_embedding.weight")?;
        let positions = (cfg.max_position_embeddings, hidden);
        let layers = (0..cfg.num_hidden_layers)
            .map(|i| Layer::load(cfg, vb.pp("encoder.layers").pp(i)))
            .collect::<Result<_>>()?;
        let norm = vb.pp("final_layer_norm");
        Ok(Self {
            token_embedding: Embedding::new(tokens, hidden),
            position_embedding: embeddings.get(positions, "position_embedding.weight")?,
            layers,
            final_layer_norm: candle_nn::layer_norm(hidden, cfg.layer_norm_eps, norm)?,
            vocab_size: cfg.vocab_size,
        })
    }

    /// `ids` (batch, tokens) u32 → `last_hidden_state` (batch, tokens, hidden), normalised.
    pub fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        let positions = self.position_embedding.dim(0)?;
        let tokens = match ids.dims() {
            &[batch, tokens] if batch > 0 && (1..=positions).contains(&tokens) => tokens,
            got => {
                return Err(Error::Input {
                    model: MODEL,
                    input: "ids",
                    got: got.to_vec(),
                    expected: format!("(batch, 1 to {positions})"),
                });
            }
        };
        let ids = ids.to_dtype(DType::U32)?;
        let id = ids.flatten_all()?.max(0)?.to_scalar::<u32>()?;
        if id as usize >= self.vocab_size {
            let vocab_size = self.vocab_size;
            return Err(Error::TokenId { id, vocab_size });
        }
        let positions = self.position_embedding.narrow(0, 0, tokens)?;
        let mut x = self.token_embedding.forward(&ids)?.broadcast_add(&positions)?;
        let mask = causal_mask(tokens, 0, ids.device())?;
        for layer in &self.layers {
            x = layer.forward(&x, &mask)?;
        }
        Ok(self.final_layer_norm.forward(&x)?)
    }
}
