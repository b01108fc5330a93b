//! The post-norm layers of BERT (Devlin et al. 2019) by HuggingFace's names.

use super::Result;
use crate::nn::attention::{attend, split_heads};
use crate::nn::linear::Linear;
use candle_core::{Module, Tensor};
use candle_nn::{LayerNorm, VarBuilder};

/// A residual dense layer and the norm after it.
#[derive(Debug)]
pub(super) struct Output {
    dense: Linear,
    norm: LayerNorm,
}

impl Output {
    pub fn load(inputs: usize, outputs: usize, eps: f64, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            dense: Linear::load(inputs, outputs, vb.pp("dense"))?,
            norm: candle_nn::layer_norm(outputs, eps, vb.pp("LayerNorm"))?,
        })
    }

    pub fn forward(&self, x: &Tensor, residual: &Tensor) -> candle_core::Result<Tensor> {
        self.norm.forward(&(self.dense.forward(x)? + residual)?)
    }
}

#[derive(Debug)]
pub(super) struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Output,
    heads: usize,
    scale: f64,
}

impl Attention {
    /// Of `hidden` elements in `heads` heads; `source` is the width of what is attended to.
    pub fn load(
        hidden: usize,
        heads: usize,
        source: usize,
        eps: f64,
        vb: VarBuilder,
    ) -> Result<Self> {
        let inner = vb.pp("self");
        Ok(Self {
            query: Linear::load(hidden, hidden, inner.pp("query"))?,
            key: Linear::load(source, hidden, inner.pp("key"))?,
            value: Linear::load(source, hidden, inner.pp("value"))?,
            output: Output::load(hidden, hidden, eps, vb.pp("output"))?,
            heads,
            scale: 1. / ((hidden / heads) as f64).sqrt(),
        })
    }

    pub fn forward(
        &self,
        x: &Tensor,
        source: &Tensor,
        mask: Option<&Tensor>,
    ) -> candle_core::Result<Tensor> {
        let context = attend(
            &split_heads(&self.query.forward(x)?, self.heads)?,
            &split_heads(&self.key.forward(source)?, self.heads)?,
            &split_heads(&self.value.forward(source)?, self.heads)?,
            self.scale,
            mask,
        )?;
        self.output.forward(&context, x)
    }
}
