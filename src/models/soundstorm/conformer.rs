//! The conformer (Gulati et al. 2020) that SoundStorm predicts with, frame by frame in parallel.

use candle_core::{DType, Module, Result, Tensor};
use candle_nn::{LayerNorm, VarBuilder, layer_norm};

use super::Config;
use crate::nn::attention::{attend, split_heads};
use crate::nn::depthwise::Depthwise;
use crate::nn::linear::Linear;
use crate::nn::rope::Rope;

const LAYER_NORM_EPS: f64 = 1e-5;

#[derive(Debug)]
pub struct Block {
    first: FeedForward,
    attention: Attention,
    convolution: Convolution,
    second: FeedForward,
    norm: LayerNorm,
}

impl Block {
    pub fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            first: FeedForward::load(cfg, vb.pp("ff1").pp("fn"))?,
            attention: Attention::load(cfg, vb.pp("attn"))?,
            convolution: Convolution::load(cfg, vb.pp("conv"))?,
            second: FeedForward::load(cfg, vb.pp("ff2").pp("fn"))?,
            norm: layer_norm(cfg.dim, LAYER_NORM_EPS, vb.pp("post_norm"))?,
        })
    }

    /// (frames, dim) → (frames, dim)
    pub fn forward(&self, x: &Tensor, rope: &Rope) -> Result<Tensor> {
        let x = (x + (self.first.forward(x)? * 0.5)?)?;
        let x = (&x + self.attention.forward(&x, rope)?)?;
        let x = (&x + self.convolution.forward(&x)?)?;
        let x = (&x + (self.second.forward(&x)? * 0.5)?)?;
        self.norm.forward(&x)
    }
}

#[derive(Debug)]
struct FeedForward {
    norm: LayerNorm,
    widen: Linear,
    narrow: Linear,
}

impl FeedForward {
    fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        let inner = cfg.dim * cfg.ff_mult;
        let net = vb.pp("fn").pp("net");
        Ok(Self {
            norm: layer_norm(cfg.dim, LAYER_NORM_EPS, vb.pp("norm"))?,
            widen: Linear::load(cfg.dim, inner, net.pp("0"))?,
            narrow: Linear::load(inner, cfg.dim, net.pp("3"))?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.narrow.forward(&self.widen.forward(&self.norm.forward(x)?)?.silu()?)
    }
}

#[derive(Debug)]
struct Attention {
    norm: LayerNorm,
    query: Linear,
    key_value: Linear,
    output: Linear,
    heads: usize,
    scale: f64,
}

impl Attention {
    fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        let inner = cfg.heads * cfg.dim_head;
        let layers = vb.pp("fn");
        Ok(Self {
            norm: layer_norm(cfg.dim, LAYER_NORM_EPS, vb.pp("norm"))?,
            query: Linear::load_no_bias(cfg.dim, inner, layers.pp("to_q"))?,
            key_value: Linear::load_no_bias(cfg.dim, 2 * inner, layers.pp("to_kv"))?,
            output: Linear::load(inner, cfg.dim, layers.pp("to_out"))?,
            heads: cfg.heads,
            scale: 1.0 / (cfg.dim_head as f64).sqrt(),
        })
    }

    fn forward(&self, x: &Tensor, rope: &Rope) -> Result<Tensor> {
        let x = self.norm.forward(x)?.unsqueeze(0)?;
        let query = rope.apply(&split_heads(&self.query.forward(&x)?, self.heads)?, 0)?;
        let both = self.key_value.forward(&x)?.chunk(2, 2)?;
        let key = rope.apply(&split_heads(&both[0].contiguous()?, self.heads)?, 0)?;
        let value = split_heads(&both[1].contiguous()?, self.heads)?;
        let context = attend(&query, &key, &value, self.scale, None)?;
        self.output.forward(&context)?.squeeze(0)
    }
}

#[derive(Debug)]
struct Convolution {
    norm: LayerNorm,
    widen: Linear,
    depthwise: Depthwise,
    gamma: Tensor, // (channels)
    narrow: Linear,
}

impl Convolution {
    /// AnyGPT's fork splits the list of layers in three; the upstream repository has one list.
    fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        let inner = cfg.dim * cfg.conv_expansion_factor;
        let [norm, widen, depthwise, scale, narrow] = if vb.contains_tensor("net.0.weight") {
            ["net.0", "net.2", "net.4.conv", "net.6", "net.7"]
        } else {
            ["net1.0", "net1.2", "ds_conv.conv", "net2.1", "net2.2"]
        }
        .map(|path| vb.pp(path));
        let pointwise = |inputs: usize, outputs: usize, vb: VarBuilder| -> Result<Linear> {
            let weight = vb.get((outputs, inputs, 1), "weight")?.squeeze(2)?;
            Ok(Linear::new(weight, Some(vb.get(outputs, "bias")?)))
        };
        Ok(Self {
            norm: layer_norm(cfg.dim, LAYER_NORM_EPS, norm)?,
            widen: pointwise(cfg.dim, 2 * inner, widen)?,
            depthwise: Depthwise::load(inner, cfg.conv_kernel_size, depthwise)?,
            gamma: scale.get((1, inner, 1), "gamma")?.flatten_all()?,
            narrow: pointwise(inner, cfg.dim, narrow)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let both = self.widen.forward(&self.norm.forward(x)?)?.chunk(2, 1)?;
        let x = (&both[0] * candle_nn::ops::sigmoid(&both[1])?)?;
        let x = self.depthwise.forward(&x)?.silu()?;
        self.narrow.forward(&self.channel_norm(&x)?)
    }

    /// (x − mean) / √max(variance, ε) · γ over the channels of a frame. The variance is clamped
    /// from below where a usual norm would add ε.
    fn channel_norm(&self, x: &Tensor) -> Result<Tensor> {
        let eps = if x.dtype() == DType::F32 { 1e-6 } else { 1e-4 };
        let centred = x.broadcast_sub(&x.mean_keepdim(1)?)?;
        let variance = centred.sqr()?.mean_keepdim(1)?.maximum(eps)?;
        centred.broadcast_div(&variance.sqrt()?)?.broadcast_mul(&self.gamma)
    }
}
