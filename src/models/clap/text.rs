//! CLAP's text encoder, a RoBERTa (Liu et al. 2019), by the names of HuggingFace's
//! `ClapTextModel`.

use super::super::bert::{Attention, Output};
use super::super::{Check, Error, Result};
use crate::nn::activation::Activation;
use crate::nn::linear::Linear;
use candle_core::{DType, IndexOp, Module, Tensor};
use candle_nn::{Embedding, LayerNorm, VarBuilder};
use serde::{Deserialize, Serialize};

const MODEL: &str = "clap text encoder";

/// HuggingFace's `ClapTextConfig`, what of it has to do with inference, with its defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub hidden_act: Activation,
    /// The first `pad_token_id + 1` of them are not used.
    pub max_position_embeddings: usize,
    pub type_vocab_size: usize,
    pub layer_norm_eps: f64,
    pub pad_token_id: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vocab_size: 50_265,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: Activation::Gelu,
            max_position_embeddings: 514,
            type_vocab_size: 1,
            layer_norm_eps: 1e-12,
            pad_token_id: 1,
        }
    }
}

impl Config {
    /// Tokens of the longest text.
    pub fn max_tokens(&self) -> usize {
        self.max_position_embeddings.saturating_sub(self.pad_token_id + 1)
    }

    pub fn validate(&self) -> Result<()> {
        let check = Check(MODEL);
        check.positive("vocab_size", self.vocab_size)?;
        check.positive("type_vocab_size", self.type_vocab_size)?;
        check.positive("intermediate_size", self.intermediate_size)?;
        check.divides("num_attention_heads", self.num_attention_heads, self.hidden_size)?;
        if self.pad_token_id > self.max_position_embeddings || self.max_tokens() == 0 {
            return check.fail("max_position_embeddings", "must be above `pad_token_id` + 1");
        }
        check.finite("layer_norm_eps", self.layer_norm_eps)
    }
}

#[derive(Debug)]
struct Layer {
    attention: Attention,
    intermediate: Linear,
    act: Activation,
    output: Output,
}

impl Layer {
    fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        let (hidden, inner, eps) = (cfg.hidden_size, cfg.intermediate_size, cfg.layer_norm_eps);
        let (heads, attention) = (cfg.num_attention_heads, vb.pp("attention"));
        Ok(Self {
            attention: Attention::load(hidden, heads, hidden, eps, attention)?,
            intermediate: Linear::load(hidden, inner, vb.pp("intermediate.dense"))?,
            act: cfg.hidden_act,
            output: Output::load(inner, hidden, eps, vb.pp("output"))?,
        })
    }

    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let x = self.attention.forward(x, x, None)?;
        let inner = self.act.forward(&self.intermediate.forward(&x)?)?;
        self.output.forward(&inner, &x)
    }
}

#[derive(Debug)]
pub struct ClapText {
    word_embeddings: Embedding,
    position_embeddings: Tensor,  // (positions, hidden)
    token_type_embedding: Tensor, // (1, hidden), of the only type that texts have
    norm: LayerNorm,
    layers: Vec<Layer>,
    pooler: Linear,
    vocab_size: usize,
    first_position: usize,
}

impl ClapText {
    /// Reads what is below `text_model`.
    pub fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        cfg.validate()?;
        let vb = vb.pp("text_model");
        let (hidden, embeddings) = (cfg.hidden_size, vb.pp("embeddings"));
        let table = |rows, name| embeddings.get((rows, hidden), name);
        let layers = 0..cfg.num_hidden_layers;
        let layers = layers.map(|i| Layer::load(cfg, vb.pp("encoder.layer").pp(i)));
        let words = table(cfg.vocab_size, "word_embeddings.weight")?;
        let types = table(cfg.type_vocab_size, "token_type_embeddings.weight")?;
        Ok(Self {
            word_embeddings: Embedding::new(words, hidden),
            position_embeddings: table(cfg.max_position_embeddings, "position_embeddings.weight")?,
            token_type_embedding: types.narrow(0, 0, 1)?,
            norm: candle_nn::layer_norm(hidden, cfg.layer_norm_eps, embeddings.pp("LayerNorm"))?,
            layers: layers.collect::<Result<_>>()?,
            pooler: Linear::load(hidden, hidden, vb.pp("pooler.dense"))?,
            vocab_size: cfg.vocab_size,
            first_position: cfg.pad_token_id + 1,
        })
    }

    /// `ids` (batch, tokens) u32, without padding → `last_hidden_state` (batch, tokens, hidden).
    pub fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        let most = self.position_embeddings.dim(0)? - self.first_position;
        let tokens = match ids.dims() {
            &[batch, tokens] if batch > 0 && (1..=most).contains(&tokens) => tokens,
            got => {
                return Err(Error::Input {
                    model: MODEL,
                    input: "ids",
                    got: got.to_vec(),
                    expected: format!("(batch, 1 to {most})"),
                });
            }
        };
        let ids = ids.to_dtype(DType::U32)?;
        let id = ids.flatten_all()?.max(0)?.to_scalar::<u32>()?;
        if id as usize >= self.vocab_size {
            let vocab_size = self.vocab_size;
            return Err(Error::TokenId { id, vocab_size });
        }
        let positions = self.position_embeddings.narrow(0, self.first_position, tokens)?;
        let x = self.word_embeddings.forward(&ids)?.broadcast_add(&self.token_type_embedding)?;
        let mut x = self.norm.forward(&x.broadcast_add(&positions)?)?;
        for layer in &self.layers {
            x = layer.forward(&x)?;
        }
        Ok(x)
    }

    /// `ids` → what BERT's pooler makes of the first token, (batch, hidden).
    pub fn pooled(&self, ids: &Tensor) -> Result<Tensor> {
        let first = self.forward(ids)?.i((.., 0))?.contiguous()?;
        Ok(self.pooler.forward(&first)?.tanh()?)
    }
}
