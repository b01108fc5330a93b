//! The pre-norm transformer block of the ViT and of the reverse blocks.

use super::super::Result;
use super::thirds;
use crate::nn::attention::{attend, split_heads};
use crate::nn::linear::Linear;
use candle_core::{Module, Tensor};
use candle_nn::{LayerNorm, VarBuilder};

/// Where the bias of the fused query/key/value projection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QkvBias {
    /// `qkv.bias`.
    Fused,
    /// `q_bias` and `v_bias`; keys have none (EVA, `eva_vit.py` Attention.forward).
    QueryAndValue,
}

#[derive(Debug)]
pub struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    proj: Linear,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    heads: usize,
    scale: f64,
}

impl Block {
    pub fn load(
        width: usize,
        heads: usize,
        mlp_ratio: f64,
        bias: QkvBias,
        vb: VarBuilder,
    ) -> Result<Self> {
        let (attn, mlp) = (vb.pp("attn"), vb.pp("mlp"));
        let inner = (width as f64 * mlp_ratio) as usize; // rounded down, as Python's int()
        let qkv_bias = match bias {
            QkvBias::Fused => attn.get(3 * width, "qkv.bias")?,
            QkvBias::QueryAndValue => {
                let q_bias = attn.get(width, "q_bias")?;
                let v_bias = attn.get(width, "v_bias")?;
                Tensor::cat(&[&q_bias, &q_bias.zeros_like()?, &v_bias], 0)?
            }
        };
        let qkv = attn.get((3 * width, width), "qkv.weight")?;
        Ok(Self {
            norm1: candle_nn::layer_norm(width, 1e-6, vb.pp("norm1"))?,
            qkv: Linear::new(qkv, Some(qkv_bias)),
            proj: Linear::load(width, width, attn.pp("proj"))?,
            norm2: candle_nn::layer_norm(width, 1e-6, vb.pp("norm2"))?,
            fc1: Linear::load(width, inner, mlp.pp("fc1"))?,
            fc2: Linear::load(inner, width, mlp.pp("fc2"))?,
            heads,
            scale: 1. / ((width / heads) as f64).sqrt(),
        })
    }

    /// (batch, tokens, width) → the same shape.
    pub fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let [query, key, value] = thirds(&self.qkv.forward(&self.norm1.forward(x)?)?)?;
        let context = attend(
            &split_heads(&query, self.heads)?,
            &split_heads(&key, self.heads)?,
            &split_heads(&value, self.heads)?,
            self.scale,
            None,
        )?;
        let x = (x + self.proj.forward(&context)?)?;
        let hidden = self.fc1.forward(&self.norm2.forward(&x)?)?.gelu_erf()?;
        x + self.fc2.forward(&hidden)?
    }
}
