//! WavLM's transformer, in both of its orders of norms.

use candle_core::{Module, Result, Tensor};
use candle_nn::{LayerNorm, VarBuilder};

use super::Config;
use super::attention::{Attention, DistanceBias};
use super::convolutions::Positions;
use crate::nn::linear::Linear;

#[derive(Debug)]
struct Layer {
    attention: Attention,
    norm: LayerNorm,
    intermediate: Linear,
    output: Linear,
    final_norm: LayerNorm,
    norm_first: bool,
}

impl Layer {
    fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        let (width, inner) = (cfg.hidden_size, cfg.intermediate_size);
        let norm = |name| candle_nn::layer_norm(width, cfg.layer_norm_eps, vb.pp(name));
        let feed_forward = vb.pp("feed_forward");
        Ok(Self {
            attention: Attention::load(cfg, vb.pp("attention"))?,
            norm: norm("layer_norm")?,
            intermediate: Linear::load(width, inner, feed_forward.pp("intermediate_dense"))?,
            output: Linear::load(inner, width, feed_forward.pp("output_dense"))?,
            final_norm: norm("final_layer_norm")?,
            norm_first: cfg.do_stable_layer_norm,
        })
    }

    fn feed_forward(&self, x: &Tensor) -> Result<Tensor> {
        self.output.forward(&self.intermediate.forward(x)?.gelu_erf()?)
    }

    /// (1, frames, hidden) → the same
    fn forward(&self, x: &Tensor, bias: &Tensor) -> Result<Tensor> {
        if self.norm_first {
            let x = (x + self.attention.forward(&self.norm.forward(x)?, bias)?)?;
            return &x + self.feed_forward(&self.final_norm.forward(&x)?)?;
        }
        let x = self.norm.forward(&(x + self.attention.forward(x, bias)?)?)?;
        self.final_norm.forward(&(&x + self.feed_forward(&x)?)?)
    }
}

#[derive(Debug)]
pub(super) struct Encoder {
    positions: Positions,
    norm: LayerNorm,
    bias: DistanceBias,
    layers: Vec<Layer>,
    norm_first: bool,
}

impl Encoder {
    pub fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        let layers = vb.pp("layers");
        let norm = vb.pp("layer_norm");
        Ok(Self {
            positions: Positions::load(cfg, vb.pp("pos_conv_embed.conv"))?,
            norm: candle_nn::layer_norm(cfg.hidden_size, cfg.layer_norm_eps, norm)?,
            bias: DistanceBias::load(cfg, &layers.pp(0).pp("attention"))?,
            layers: (0..cfg.num_hidden_layers)
                .map(|index| Layer::load(cfg, layers.pp(index)))
                .collect::<Result<_>>()?,
            norm_first: cfg.do_stable_layer_norm,
        })
    }

    /// (1, frames, hidden) → the same before the first layer and after each. The last is without
    /// the norm that [`Self::finish`] adds, as it counts in transformers' weighted sum.
    pub fn forward(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let x = (x + self.positions.forward(x)?)?;
        let mut states = vec![if self.norm_first { x } else { self.norm.forward(&x)? }];
        let bias = self.bias.by_distance(states[0].dim(1)?)?;
        for layer in &self.layers {
            states.push(layer.forward(&states[states.len() - 1], &bias)?);
        }
        Ok(states)
    }

    /// What the network as a whole gives, of the last layer's state: where norms come first, the
    /// last one is left.
    pub fn finish(&self, last: &Tensor) -> Result<Tensor> {
        if self.norm_first { self.norm.forward(last) } else { Ok(last.clone()) }
    }
}
