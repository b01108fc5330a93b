//! The pre-norm transformer that both halves of CLIP are.

use super::super::{Check, Result};
use crate::nn::activation::Activation;
use crate::nn::attention::{attend, split_heads};
use crate::nn::linear::Linear;
use candle_core::{Module, Tensor};
use candle_nn::{LayerNorm, VarBuilder};

/// What a half's configuration says of its layers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub hidden_act: Activation,
    pub layer_norm_eps: f64,
}

impl Sizes {
    pub fn validate(&self, check: &Check) -> Result<()> {
        check.positive("intermediate_size", self.intermediate_size)?;
        check.divides("num_attention_heads", self.num_attention_heads, self.hidden_size)?;
        check.finite("layer_norm_eps", self.layer_norm_eps)
    }

    pub fn norm(&self, vb: VarBuilder) -> Result<LayerNorm> {
        Ok(candle_nn::layer_norm(self.hidden_size, self.layer_norm_eps, vb)?)
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
    fn load(sizes: &Sizes, vb: VarBuilder) -> Result<Self> {
        let (hidden, inner) = (sizes.hidden_size, sizes.intermediate_size);
        let proj = |name| Linear::load(hidden, hidden, vb.pp("self_attn").pp(name));
        Ok(Self {
            layer_norm1: sizes.norm(vb.pp("layer_norm1"))?,
            q_proj: proj("q_proj")?,
            k_proj: proj("k_proj")?,
            v_proj: proj("v_proj")?,
            out_proj: proj("out_proj")?,
            layer_norm2: sizes.norm(vb.pp("layer_norm2"))?,
            fc1: Linear::load(hidden, inner, vb.pp("mlp.fc1"))?,
            fc2: Linear::load(inner, hidden, vb.pp("mlp.fc2"))?,
            act: sizes.hidden_act,
            heads: sizes.num_attention_heads,
            scale: 1. / ((hidden / sizes.num_attention_heads) as f64).sqrt(),
        })
    }

    fn forward(&self, x: &Tensor, mask: Option<&Tensor>) -> candle_core::Result<Tensor> {
        let hidden = self.layer_norm1.forward(x)?;
        let context = attend(
            &split_heads(&self.q_proj.forward(&hidden)?, self.heads)?,
            &split_heads(&self.k_proj.forward(&hidden)?, self.heads)?,
            &split_heads(&self.v_proj.forward(&hidden)?, self.heads)?,
            self.scale,
            mask,
        )?;
        let x = (x + self.out_proj.forward(&context)?)?;
        let hidden = self.fc1.forward(&self.layer_norm2.forward(&x)?)?;
        &x + self.fc2.forward(&self.act.forward(&hidden)?)?
    }
}

#[derive(Debug)]
pub(super) struct Encoder(Vec<Layer>);

impl Encoder {
    /// Reads `layers.0`, `layers.1`, ….
    pub fn load(sizes: &Sizes, vb: VarBuilder) -> Result<Self> {
        let layers = 0..sizes.num_hidden_layers;
        let layers = layers.map(|i| Layer::load(sizes, vb.pp("layers").pp(i)));
        Ok(Self(layers.collect::<Result<_>>()?))
    }

    /// (batch, tokens, hidden) → the same shape; `mask` as of [`attend`].
    pub fn forward(&self, x: &Tensor, mask: Option<&Tensor>) -> candle_core::Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.0 {
            x = layer.forward(&x, mask)?;
        }
        Ok(x)
    }
}
