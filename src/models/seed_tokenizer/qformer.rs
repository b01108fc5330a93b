//! The causal Q-Former: learned queries through a post-norm BERT (Devlin et al. 2018) that looks
//! at the image in every `cross_attention_freq`-th layer (`qformer_causual.py`).

use super::super::Result;
use super::super::bert::{Attention, Output};
use super::{Config, TanhMlp};
use crate::nn::attention::causal_mask;
use crate::nn::linear::Linear;
use candle_core::{Module, Tensor};
use candle_nn::{LayerNorm, VarBuilder};

/// BERT's epsilon.
const EPS: f64 = 1e-12;

#[derive(Debug)]
struct Layer {
    attention: Attention,
    crossattention: Option<Attention>,
    intermediate_query: Linear,
    output_query: Output,
}

impl Layer {
    fn load(cfg: &Config, index: usize, vb: VarBuilder) -> Result<Self> {
        let (hidden, inner) = (cfg.qformer_hidden_size, cfg.qformer_intermediate_size);
        let attention =
            |source, name| Attention::load(hidden, cfg.qformer_heads, source, EPS, vb.pp(name));
        let crossattention = index
            .is_multiple_of(cfg.cross_attention_freq)
            .then(|| attention(cfg.vit_width, "crossattention"))
            .transpose()?;
        Ok(Self {
            attention: attention(hidden, "attention")?,
            crossattention,
            intermediate_query: Linear::load(hidden, inner, vb.pp("intermediate_query.dense"))?,
            output_query: Output::load(inner, hidden, EPS, vb.pp("output_query"))?,
        })
    }

    fn forward(&self, x: &Tensor, image: &Tensor, mask: &Tensor) -> candle_core::Result<Tensor> {
        let mut x = self.attention.forward(x, x, Some(mask))?;
        if let Some(crossattention) = &self.crossattention {
            x = crossattention.forward(&x, image, None)?;
        }
        let inner = self.intermediate_query.forward(&x)?.gelu_erf()?;
        self.output_query.forward(&inner, &x)
    }
}

/// Queries, encoder and the projection to the codebook's space.
#[derive(Debug)]
pub struct QFormer {
    query_tokens: Tensor, // (1, queries, hidden)
    norm: LayerNorm,
    layers: Vec<Layer>,
    encode_task_layer: TanhMlp,
    mask: Tensor, // (queries, queries)
}

impl QFormer {
    /// `vb` is the root: `query_tokens`, `Qformer.bert`, `encode_task_layer`.
    pub fn load(cfg: &Config, vb: &VarBuilder) -> Result<Self> {
        let (hidden, queries) = (cfg.qformer_hidden_size, cfg.num_query_tokens);
        let bert = vb.pp("Qformer.bert");
        let layers = (0..cfg.qformer_layers)
            .map(|i| Layer::load(cfg, i, bert.pp("encoder.layer").pp(i)))
            .collect::<Result<_>>()?;
        let task = vb.pp("encode_task_layer");
        Ok(Self {
            query_tokens: vb.get((1, queries, hidden), "query_tokens")?,
            norm: candle_nn::layer_norm(hidden, EPS, bert.pp("embeddings.LayerNorm"))?,
            layers,
            encode_task_layer: TanhMlp::load(hidden, hidden, cfg.codebook_dim, task)?,
            // The reference masks only when there are exactly 32 queries, the count of every
            // published model; the order of the codes is causal by definition.
            mask: causal_mask(queries, 0, vb.device())?,
        })
    }

    /// Image tokens (batch, tokens, vit_width) → (batch, queries, codebook_dim).
    pub fn forward(&self, image: &Tensor) -> candle_core::Result<Tensor> {
        let (_, queries, hidden) = self.query_tokens.dims3()?;
        let x = self.query_tokens.expand((image.dim(0)?, queries, hidden))?;
        let mut x = self.norm.forward(&x.contiguous()?)?;
        for layer in &self.layers {
            x = layer.forward(&x, image, &self.mask)?;
        }
        self.encode_task_layer.forward(&x)
    }
}
