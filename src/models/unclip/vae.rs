//! The decoder of diffusers' `AutoencoderKL` (Rombach et al. 2022): latents → pixels.

use super::super::{Check, Error, Result};
use super::blocks::{Norms, Resnet, Upsample, to_image, to_tokens};
use crate::nn::attention::attend;
use crate::nn::conv::Conv2d;
use crate::nn::linear::Linear;
use crate::nn::norm::GroupNorm;
use candle_core::{DType, Module, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

const MODEL: &str = "vae";
const EPS: f64 = 1e-6;
const UP: &str = "UpDecoderBlock2D";

/// diffusers' `vae/config.json`, what of it has to do with decoding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    #[serde(default = "three")]
    pub out_channels: usize,
    #[serde(default = "four")]
    pub latent_channels: usize,
    pub block_out_channels: Vec<usize>,
    #[serde(default = "one")]
    pub layers_per_block: usize,
    #[serde(default = "thirty_two")]
    pub norm_num_groups: usize,
    #[serde(default = "scaling_factor")]
    pub scaling_factor: f64,
    #[serde(default)]
    pub up_block_types: Option<Vec<String>>,
    #[serde(default = "yes")]
    pub use_post_quant_conv: bool,
    #[serde(default = "yes")]
    pub mid_block_add_attention: bool,
    #[serde(default = "silu")]
    pub act_fn: String,
}

fn one() -> usize {
    1
}
fn three() -> usize {
    3
}
fn four() -> usize {
    4
}
fn thirty_two() -> usize {
    32
}
fn scaling_factor() -> f64 {
    0.18215
}
fn yes() -> bool {
    true
}
fn silu() -> String {
    "silu".into()
}

impl Config {
    /// The autoencoder of `stabilityai/stable-diffusion-2-1-unclip`.
    pub fn sd21() -> Self {
        Self {
            out_channels: 3,
            latent_channels: 4,
            block_out_channels: vec![128, 256, 512, 512],
            layers_per_block: 2,
            norm_num_groups: 32,
            scaling_factor: scaling_factor(),
            up_block_types: Some(vec![UP.into(); 4]),
            use_post_quant_conv: true,
            mid_block_add_attention: true,
            act_fn: silu(),
        }
    }

    /// How many pixels one latent spans in each direction.
    pub fn spatial_factor(&self) -> usize {
        1 << self.block_out_channels.len().saturating_sub(1).min(30)
    }

    /// Refuses what this network does not compute, naming the field.
    pub fn validate(&self) -> Result<()> {
        let check = Check(MODEL);
        check.positive("block_out_channels", self.block_out_channels.len())?;
        for &channels in &self.block_out_channels {
            check.divides("norm_num_groups", self.norm_num_groups, channels)?;
        }
        check.positive("out_channels", self.out_channels)?;
        check.positive("latent_channels", self.latent_channels)?;
        check.finite("scaling_factor", self.scaling_factor)?;
        let types = self.up_block_types.iter().flatten();
        if let Some(other) = types.clone().find(|t| *t != UP) {
            return check.fail("up_block_types", format!("has {other:?}; known is {UP:?}"));
        }
        if self.up_block_types.is_some() && types.count() != self.block_out_channels.len() {
            return check.fail("up_block_types", "and block_out_channels differ in length");
        }
        if !matches!(self.act_fn.as_str(), "silu" | "swish") {
            return check.fail("act_fn", format!("is {:?}, only silu is known", self.act_fn));
        }
        Ok(())
    }
}

/// Single-head attention over the pixels. Its tensors have new names (`to_q`, …) and old ones
/// (`query`, …); both are read.
#[derive(Debug)]
struct Attention {
    group_norm: GroupNorm,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
    scale: f64,
}

impl Attention {
    fn load(width: usize, norms: Norms, vb: VarBuilder) -> Result<Self> {
        let names = if vb.contains_tensor("query.weight") {
            ["query", "key", "value", "proj_attn"]
        } else {
            ["to_q", "to_k", "to_v", "to_out.0"]
        };
        let [to_q, to_k, to_v, to_out] = names.map(|name| Linear::load(width, width, vb.pp(name)));
        Ok(Self {
            group_norm: norms.load(width, vb.pp("group_norm"))?,
            to_q: to_q?,
            to_k: to_k?,
            to_v: to_v?,
            to_out: to_out?,
            scale: 1. / (width as f64).sqrt(),
        })
    }

    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let tokens = to_tokens(&self.group_norm.forward(x)?)?;
        let context = attend(
            &self.to_q.forward(&tokens)?.unsqueeze(1)?,
            &self.to_k.forward(&tokens)?.unsqueeze(1)?,
            &self.to_v.forward(&tokens)?.unsqueeze(1)?,
            self.scale,
            None,
        )?;
        x + to_image(&self.to_out.forward(&context)?, x)?
    }
}

#[derive(Debug)]
struct UpBlock {
    resnets: Vec<Resnet>,
    upsampler: Option<Upsample>,
}

#[derive(Debug)]
pub struct Decoder {
    post_quant_conv: Option<Conv2d>,
    conv_in: Conv2d,
    mid_first: Resnet,
    mid_attention: Option<Attention>,
    mid_second: Resnet,
    up_blocks: Vec<UpBlock>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    cfg: Config,
    dtype: DType,
}

impl Decoder {
    /// `vb` is the root of the autoencoder's file, which need not have the encoder's tensors.
    pub fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        cfg.validate()?;
        let norms = Norms { groups: cfg.norm_num_groups, eps: EPS };
        let latent = cfg.latent_channels;
        let post_quant_conv = cfg
            .use_post_quant_conv
            .then(|| Conv2d::load(latent, latent, 1, 1, vb.pp("post_quant_conv")))
            .transpose()?;
        let dtype = vb.dtype();
        let vb = vb.pp("decoder");
        let channels: Vec<usize> = cfg.block_out_channels.iter().rev().copied().collect();
        let (top, bottom) = (channels[0], channels[channels.len() - 1]);
        let mid = vb.pp("mid_block");
        let mid_attention = cfg
            .mid_block_add_attention
            .then(|| Attention::load(top, norms, mid.pp("attentions.0")))
            .transpose()?;
        let up_blocks = (0..channels.len())
            .map(|i| {
                let vb = vb.pp("up_blocks").pp(i);
                let resnets = (0..=cfg.layers_per_block)
                    .map(|j| {
                        let inputs = channels[if j == 0 { i.saturating_sub(1) } else { i }];
                        Resnet::load(inputs, channels[i], None, norms, vb.pp("resnets").pp(j))
                    })
                    .collect::<Result<_>>()?;
                let upsampler = (i + 1 < channels.len())
                    .then(|| Upsample::load(channels[i], vb.pp("upsamplers.0")))
                    .transpose()?;
                Ok(UpBlock { resnets, upsampler })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            post_quant_conv,
            conv_in: Conv2d::load(latent, top, 3, 1, vb.pp("conv_in"))?,
            mid_first: Resnet::load(top, top, None, norms, mid.pp("resnets.0"))?,
            mid_attention,
            mid_second: Resnet::load(top, top, None, norms, mid.pp("resnets.1"))?,
            up_blocks,
            conv_norm_out: norms.load(bottom, vb.pp("conv_norm_out"))?,
            conv_out: Conv2d::load(bottom, cfg.out_channels, 3, 1, vb.pp("conv_out"))?,
            cfg: cfg.clone(),
            dtype,
        })
    }

    pub fn config(&self) -> &Config {
        &self.cfg
    }

    /// Unscaled `latents` (batch, latent_channels, h, w) → (batch, out_channels, H, W) in about
    /// −1..1; the caller has divided by `scaling_factor`.
    pub fn decode(&self, latents: &Tensor) -> Result<Tensor> {
        match latents.dims() {
            &[_, channels, _, _] if channels == self.cfg.latent_channels => {}
            got => {
                return Err(Error::Input {
                    model: MODEL,
                    input: "latents",
                    got: got.to_vec(),
                    expected: format!("(batch, {}, h, w)", self.cfg.latent_channels),
                });
            }
        }
        let mut x = latents.to_dtype(self.dtype)?;
        if let Some(post_quant_conv) = &self.post_quant_conv {
            x = post_quant_conv.forward(&x)?;
        }
        x = self.mid_first.forward(&self.conv_in.forward(&x)?, None)?;
        if let Some(attention) = &self.mid_attention {
            x = attention.forward(&x)?;
        }
        x = self.mid_second.forward(&x, None)?;
        for block in &self.up_blocks {
            for resnet in &block.resnets {
                x = resnet.forward(&x, None)?;
            }
            if let Some(upsampler) = &block.upsampler {
                x = upsampler.forward(&x, 2 * x.dim(2)?, 2 * x.dim(3)?)?;
            }
        }
        let x = self.conv_norm_out.forward_silu(&x)?;
        Ok(self.conv_out.forward(&x)?)
    }
}
