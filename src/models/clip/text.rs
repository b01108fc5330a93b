//! CLIP's text encoder by the names of HuggingFace's `CLIPTextModel`.

use super::super::{Check, Error, Result};
use super::encoder::{Encoder, Sizes};
use crate::nn::activation::Activation;
use crate::nn::attention::causal_mask;
use candle_core::{DType, IndexOp, Module, Tensor};
use candle_nn::{Embedding, LayerNorm, VarBuilder};
use serde::{Deserialize, Serialize};

const MODEL: &str = "clip text encoder";

/// The id that configurations written before transformers 4.31 have instead of the real one.
const LEGACY_EOS: u32 = 2;

/// HuggingFace's `CLIPTextConfig`, what of it has to do with inference, with its defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub max_position_embeddings: usize,
    pub hidden_act: Activation,
    pub layer_norm_eps: f64,
    /// Where a text is pooled: at the first of these. 2 means the highest id instead, which is
    /// what the configurations say in which this field was wrong (transformers#24773).
    pub eos_token_id: Option<u32>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vocab_size: 49_408,
            hidden_size: 512,
            intermediate_size: 2048,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 77,
            hidden_act: Activation::QuickGelu,
            layer_norm_eps: 1e-5,
            eos_token_id: Some(49_407),
        }
    }
}

impl Config {
    /// The text encoder of Stable Diffusion 2.1 (OpenCLIP ViT-H, its last layer cut).
    pub fn sd21() -> Self {
        Self {
            hidden_size: 1024,
            intermediate_size: 4096,
            num_hidden_layers: 23,
            num_attention_heads: 16,
            hidden_act: Activation::Gelu,
            ..Self::default()
        }
    }

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
        check.positive("vocab_size", self.vocab_size)?;
        check.positive("max_position_embeddings", self.max_position_embeddings)?;
        self.sizes().validate(&check)
    }
}

#[derive(Debug)]
pub struct ClipText {
    token_embedding: Embedding,
    position_embedding: Tensor, // (positions, hidden)
    encoder: Encoder,
    final_layer_norm: LayerNorm,
    vocab_size: usize,
    eos_token_id: Option<u32>,
}

impl ClipText {
    /// Reads what is below `text_model`.
    pub fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        cfg.validate()?;
        let vb = vb.pp("text_model");
        let (sizes, hidden) = (cfg.sizes(), cfg.hidden_size);
        let embeddings = vb.pp("embeddings");
        let tokens = embeddings.get((cfg.vocab_size, hidden), "token_embedding.weight")?;
        let positions = (cfg.max_position_embeddings, hidden);
        Ok(Self {
            token_embedding: Embedding::new(tokens, hidden),
            position_embedding: embeddings.get(positions, "position_embedding.weight")?,
            encoder: Encoder::load(&sizes, vb.pp("encoder"))?,
            final_layer_norm: sizes.norm(vb.pp("final_layer_norm"))?,
            vocab_size: cfg.vocab_size,
            eos_token_id: cfg.eos_token_id,
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
        let x = self.token_embedding.forward(&ids)?.broadcast_add(&positions)?;
        let mask = causal_mask(tokens, 0, ids.device())?;
        Ok(self.final_layer_norm.forward(&self.encoder.forward(&x, Some(&mask))?)?)
    }

    /// `ids` (batch, tokens) u32 → the state at the end of each text, (batch, hidden). The mask
    /// is causal, so what follows a text's end, such as padding, changes nothing.
    pub fn pooled(&self, ids: &Tensor) -> Result<Tensor> {
        let states = self.forward(ids)?;
        let mut pooled = vec![];
        for (row, ids) in ids.to_dtype(DType::U32)?.to_vec2::<u32>()?.iter().enumerate() {
            pooled.push(states.i((row, self.end(ids)?))?);
        }
        Ok(Tensor::stack(&pooled, 0)?)
    }

    /// Where a text ends (transformers, CLIPTextModel.forward).
    fn end(&self, ids: &[u32]) -> Result<usize> {
        let eos = match self.eos_token_id {
            Some(LEGACY_EOS) => ids.iter().max(),
            _ => self.eos_token_id.as_ref(),
        };
        let end = eos.and_then(|eos| ids.iter().position(|id| id == eos));
        end.ok_or(Error::NoEnd { model: MODEL, eos_token_id: eos.copied() })
    }
}
