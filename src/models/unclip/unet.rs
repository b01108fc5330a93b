//! The denoising network: diffusers' `UNet2DConditionModel` (Rombach et al. 2022), whose time
//! embedding may carry a projected class vector, as stable unCLIP uses it.

use super::super::{Check, Error, Result};
use super::blocks::{Heads, Norms, Resnet, Transformer, TransformerSizes, Upsample};
use crate::nn::conv::Conv2d;
use crate::nn::embedding::sinusoidal;
use crate::nn::linear::Linear;
use crate::nn::norm::GroupNorm;
use candle_core::{DType, Module, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

const MODEL: &str = "unet";

/// One number for all levels, or one per level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PerLevel {
    One(usize),
    Each(Vec<usize>),
}

impl PerLevel {
    fn at(&self, level: usize) -> usize {
        match self {
            Self::One(value) => *value,
            Self::Each(values) => values.get(level).copied().unwrap_or(0),
        }
    }
}

/// diffusers' `unet/config.json`, what of it has to do with inference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    #[serde(default)]
    pub sample_size: Option<usize>,
    #[serde(default = "four")]
    pub in_channels: usize,
    #[serde(default = "four")]
    pub out_channels: usize,
    pub block_out_channels: Vec<usize>,
    #[serde(default = "two")]
    pub layers_per_block: usize,
    pub down_block_types: Vec<String>,
    #[serde(default = "mid_block_type")]
    pub mid_block_type: Option<String>,
    pub up_block_types: Vec<String>,
    /// In diffusers this is the number of heads in spite of its name, unless
    /// `num_attention_heads` is given too.
    #[serde(default = "eight")]
    pub attention_head_dim: PerLevel,
    #[serde(default)]
    pub num_attention_heads: Option<PerLevel>,
    #[serde(default = "one")]
    pub transformer_layers_per_block: PerLevel,
    pub cross_attention_dim: usize,
    #[serde(default = "thirty_two")]
    pub norm_num_groups: usize,
    #[serde(default = "norm_eps")]
    pub norm_eps: f64,
    #[serde(default)]
    pub use_linear_projection: bool,
    #[serde(default)]
    pub class_embed_type: Option<String>,
    #[serde(default)]
    pub projection_class_embeddings_input_dim: Option<usize>,
    #[serde(default = "yes")]
    pub flip_sin_to_cos: bool,
    #[serde(default)]
    pub freq_shift: f64,
    #[serde(default)]
    pub upcast_attention: Option<bool>,
    #[serde(default = "silu")]
    pub act_fn: String,
    #[serde(default)]
    pub center_input_sample: bool,
    #[serde(default)]
    pub addition_embed_type: Option<String>,
    #[serde(default)]
    pub time_cond_proj_dim: Option<usize>,
    #[serde(default = "default_shift")]
    pub resnet_time_scale_shift: String,
}

fn one() -> PerLevel {
    PerLevel::One(1)
}
fn two() -> usize {
    2
}
fn four() -> usize {
    4
}
fn eight() -> PerLevel {
    PerLevel::One(8)
}
fn thirty_two() -> usize {
    32
}
fn norm_eps() -> f64 {
    1e-5
}
fn yes() -> bool {
    true
}
fn silu() -> String {
    "silu".into()
}
fn default_shift() -> String {
    "default".into()
}
fn mid_block_type() -> Option<String> {
    Some(MID_CROSS.into())
}

const DOWN: &str = "DownBlock2D";
const DOWN_CROSS: &str = "CrossAttnDownBlock2D";
const MID_CROSS: &str = "UNetMidBlock2DCrossAttn";
const UP: &str = "UpBlock2D";
const UP_CROSS: &str = "CrossAttnUpBlock2D";

impl Config {
    /// The UNet of `stabilityai/stable-diffusion-2-1-unclip`.
    pub fn sd21_unclip() -> Self {
        let names = |list: [&str; 4]| list.map(String::from).to_vec();
        Self {
            sample_size: Some(96),
            in_channels: 4,
            out_channels: 4,
            block_out_channels: vec![320, 640, 1280, 1280],
            layers_per_block: 2,
            down_block_types: names([DOWN_CROSS, DOWN_CROSS, DOWN_CROSS, DOWN]),
            mid_block_type: mid_block_type(),
            up_block_types: names([UP, UP_CROSS, UP_CROSS, UP_CROSS]),
            attention_head_dim: PerLevel::Each(vec![5, 10, 20, 20]),
            num_attention_heads: None,
            transformer_layers_per_block: one(),
            cross_attention_dim: 1024,
            norm_num_groups: 32,
            norm_eps: 1e-5,
            use_linear_projection: true,
            class_embed_type: Some("projection".into()),
            projection_class_embeddings_input_dim: Some(2048),
            flip_sin_to_cos: true,
            freq_shift: 0.,
            upcast_attention: None,
            act_fn: silu(),
            center_input_sample: false,
            addition_embed_type: None,
            time_cond_proj_dim: None,
            resnet_time_scale_shift: default_shift(),
        }
    }

    fn heads(&self, level: usize) -> usize {
        let heads = self.num_attention_heads.as_ref();
        heads.unwrap_or(&self.attention_head_dim).at(level)
    }

    /// The width of the class vector, if the network takes one.
    pub fn class_dim(&self) -> Option<usize> {
        self.class_embed_type.as_ref()?;
        self.projection_class_embeddings_input_dim
    }

    /// Refuses what this network does not compute, naming the field.
    pub fn validate(&self) -> Result<()> {
        let check = Check(MODEL);
        let levels = self.block_out_channels.len();
        check.positive("block_out_channels", levels)?;
        check.positive("layers_per_block", self.layers_per_block)?;
        check.positive("in_channels", self.in_channels)?;
        check.positive("out_channels", self.out_channels)?;
        check.positive("cross_attention_dim", self.cross_attention_dim)?;
        check.finite("norm_eps", self.norm_eps)?;
        for (level, &channels) in self.block_out_channels.iter().enumerate() {
            check.divides("norm_num_groups", self.norm_num_groups, channels)?;
            check.divides("attention_head_dim", self.heads(level), channels)?;
            let depth = self.transformer_layers_per_block.at(level);
            check.positive("transformer_layers_per_block", depth)?;
        }
        known(&check, "down_block_types", &self.down_block_types, levels, [DOWN, DOWN_CROSS])?;
        known(&check, "up_block_types", &self.up_block_types, levels, [UP, UP_CROSS])?;
        if self.mid_block_type.as_deref() != Some(MID_CROSS) {
            return check.fail("mid_block_type", format!("must be {MID_CROSS:?}"));
        }
        match self.class_embed_type.as_deref() {
            None => {}
            Some("projection") => check.positive(
                "projection_class_embeddings_input_dim",
                self.projection_class_embeddings_input_dim.unwrap_or(0),
            )?,
            Some(other) => {
                return check.fail("class_embed_type", format!("is {other:?}, not \"projection\""));
            }
        }
        if !matches!(self.act_fn.as_str(), "silu" | "swish") {
            return check.fail("act_fn", format!("is {:?}, only silu is known", self.act_fn));
        }
        if self.center_input_sample {
            return check.fail("center_input_sample", "is not supported");
        }
        if self.addition_embed_type.is_some() {
            return check.fail("addition_embed_type", "is not supported");
        }
        if self.time_cond_proj_dim.is_some() {
            return check.fail("time_cond_proj_dim", "is not supported");
        }
        if self.resnet_time_scale_shift != "default" {
            return check.fail("resnet_time_scale_shift", "must be \"default\"");
        }
        Ok(())
    }

    fn transformer(&self, level: usize) -> TransformerSizes {
        TransformerSizes {
            width: self.block_out_channels[level],
            depth: self.transformer_layers_per_block.at(level),
            context: self.cross_attention_dim,
            groups: self.norm_num_groups,
            linear_projection: self.use_linear_projection,
            heads: Heads {
                heads: self.heads(level),
                upcast: self.upcast_attention.unwrap_or(false),
            },
        }
    }
}

fn known(
    check: &Check,
    field: &'static str,
    types: &[String],
    levels: usize,
    names: [&str; 2],
) -> Result<()> {
    if types.len() != levels {
        let reason = format!("has {} entries, block_out_channels {levels}", types.len());
        return check.fail(field, reason);
    }
    match types.iter().find(|t| !names.contains(&t.as_str())) {
        Some(other) => check.fail(field, format!("has {other:?}; known are {names:?}")),
        None => Ok(()),
    }
}

/// diffusers `TimestepEmbedding`.
#[derive(Debug)]
struct EmbeddingMlp {
    linear_1: Linear,
    linear_2: Linear,
}

impl EmbeddingMlp {
    fn load(inputs: usize, width: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            linear_1: Linear::load(inputs, width, vb.pp("linear_1"))?,
            linear_2: Linear::load(width, width, vb.pp("linear_2"))?,
        })
    }

    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let hidden = candle_nn::ops::silu(&self.linear_1.forward(x)?)?;
        self.linear_2.forward(&hidden)
    }
}

/// A resnet and, in the cross-attention blocks, the transformer after it.
#[derive(Debug)]
struct Layer {
    resnet: Resnet,
    attention: Option<Transformer>,
}

impl Layer {
    fn forward(&self, x: &Tensor, step: &Step) -> candle_core::Result<Tensor> {
        let x = self.resnet.forward(x, Some(&step.embedding))?;
        match &self.attention {
            Some(attention) => attention.forward(&x, step.context),
            None => Ok(x),
        }
    }
}

/// What all blocks share in one pass.
struct Step<'a> {
    /// (1 or batch, 4 · first channels), after SiLU.
    embedding: Tensor,
    /// (1 or batch, tokens, cross_attention_dim)
    context: &'a Tensor,
}

#[derive(Debug)]
struct DownBlock {
    layers: Vec<Layer>,
    downsampler: Option<Conv2d>,
}

#[derive(Debug)]
struct UpBlock {
    layers: Vec<Layer>,
    upsampler: Option<Upsample>,
}

#[derive(Debug)]
struct MidBlock {
    first: Resnet,
    attention: Transformer,
    second: Resnet,
}

/// Reads the parts of a UNet by a configuration.
struct Loader<'a> {
    cfg: &'a Config,
    embedding: usize,
    norms: Norms,
}

impl Loader<'_> {
    fn layer(
        &self,
        level: usize,
        index: usize,
        inputs: usize,
        cross: bool,
        vb: &VarBuilder,
    ) -> Result<Layer> {
        let outputs = self.cfg.block_out_channels[level];
        let attention = cross
            .then(|| Transformer::load(self.cfg.transformer(level), vb.pp("attentions").pp(index)))
            .transpose()?;
        Ok(Layer { resnet: self.resnet(inputs, outputs, vb.pp("resnets").pp(index))?, attention })
    }

    fn resnet(&self, inputs: usize, outputs: usize, vb: VarBuilder) -> Result<Resnet> {
        Resnet::load(inputs, outputs, Some(self.embedding), self.norms, vb)
    }

    fn down_block(&self, level: usize, vb: &VarBuilder) -> Result<DownBlock> {
        let channels = &self.cfg.block_out_channels;
        let cross = self.cfg.down_block_types[level] == DOWN_CROSS;
        let layers = (0..self.cfg.layers_per_block)
            .map(|i| {
                let inputs = channels[if i == 0 { level.saturating_sub(1) } else { level }];
                self.layer(level, i, inputs, cross, vb)
            })
            .collect::<Result<_>>()?;
        let width = channels[level];
        let downsampler = (level + 1 < channels.len())
            .then(|| Conv2d::load(width, width, 3, 2, vb.pp("downsamplers.0.conv")))
            .transpose()?;
        Ok(DownBlock { layers, downsampler })
    }

    fn mid_block(&self, vb: &VarBuilder) -> Result<MidBlock> {
        let level = self.cfg.block_out_channels.len() - 1;
        let width = self.cfg.block_out_channels[level];
        Ok(MidBlock {
            first: self.resnet(width, width, vb.pp("resnets.0"))?,
            attention: Transformer::load(self.cfg.transformer(level), vb.pp("attentions.0"))?,
            second: self.resnet(width, width, vb.pp("resnets.1"))?,
        })
    }

    /// `index` counts from the mid block outwards.
    fn up_block(&self, index: usize, vb: &VarBuilder) -> Result<UpBlock> {
        let channels = &self.cfg.block_out_channels;
        let last = channels.len() - 1;
        let level = last - index;
        let cross = self.cfg.up_block_types[index] == UP_CROSS;
        let layers = (0..=self.cfg.layers_per_block)
            .map(|i| {
                let below = channels[if i == 0 { (level + 1).min(last) } else { level }];
                let skip = if i == self.cfg.layers_per_block {
                    channels[level.saturating_sub(1)]
                } else {
                    channels[level]
                };
                self.layer(level, i, below + skip, cross, vb)
            })
            .collect::<Result<_>>()?;
        let upsampler = (level > 0)
            .then(|| Upsample::load(channels[level], vb.pp("upsamplers.0")))
            .transpose()?;
        Ok(UpBlock { layers, upsampler })
    }
}

#[derive(Debug)]
pub struct UNet {
    conv_in: Conv2d,
    time_embedding: EmbeddingMlp,
    class_embedding: Option<EmbeddingMlp>,
    down_blocks: Vec<DownBlock>,
    mid_block: MidBlock,
    up_blocks: Vec<UpBlock>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    cfg: Config,
    dtype: DType,
}

impl UNet {
    pub fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        cfg.validate()?;
        let first = cfg.block_out_channels[0];
        let embedding = 4 * first;
        let norms = Norms { groups: cfg.norm_num_groups, eps: cfg.norm_eps };
        let loader = Loader { cfg, embedding, norms };
        let levels = 0..cfg.block_out_channels.len();
        let (down, up) = (vb.pp("down_blocks"), vb.pp("up_blocks"));
        let class_embedding = cfg
            .class_dim()
            .map(|dim| EmbeddingMlp::load(dim, embedding, vb.pp("class_embedding")))
            .transpose()?;
        Ok(Self {
            conv_in: Conv2d::load(cfg.in_channels, first, 3, 1, vb.pp("conv_in"))?,
            time_embedding: EmbeddingMlp::load(first, embedding, vb.pp("time_embedding"))?,
            class_embedding,
            down_blocks: levels
                .clone()
                .map(|i| loader.down_block(i, &down.pp(i)))
                .collect::<Result<_>>()?,
            mid_block: loader.mid_block(&vb.pp("mid_block"))?,
            up_blocks: levels.map(|i| loader.up_block(i, &up.pp(i))).collect::<Result<_>>()?,
            conv_norm_out: norms.load(first, vb.pp("conv_norm_out"))?,
            conv_out: Conv2d::load(first, cfg.out_channels, 3, 1, vb.pp("conv_out"))?,
            cfg: cfg.clone(),
            dtype: vb.dtype(),
        })
    }

    pub fn config(&self) -> &Config {
        &self.cfg
    }

    /// One evaluation. `sample` (batch, in_channels, height, width), `context`
    /// (1 or batch, tokens, cross_attention_dim), `class` (batch, class_dim) exactly when the
    /// configuration has a class embedding. The result has the sample's shape and type.
    pub fn forward(
        &self,
        sample: &Tensor,
        timestep: f64,
        context: &Tensor,
        class: Option<&Tensor>,
    ) -> Result<Tensor> {
        let embedding = self.embedding(sample, timestep, class)?;
        let context = context.to_dtype(self.dtype)?;
        let step = Step { embedding: candle_nn::ops::silu(&embedding)?, context: &context };
        let mut x = self.conv_in.forward(&sample.to_dtype(self.dtype)?)?;
        let mut skips = vec![x.clone()];
        for block in &self.down_blocks {
            for layer in &block.layers {
                x = layer.forward(&x, &step)?;
                skips.push(x.clone());
            }
            if let Some(downsampler) = &block.downsampler {
                x = downsampler.forward(&x)?;
                skips.push(x.clone());
            }
        }
        x = self.mid_block.first.forward(&x, Some(&step.embedding))?;
        x = self.mid_block.attention.forward(&x, &context)?;
        x = self.mid_block.second.forward(&x, Some(&step.embedding))?;
        for block in &self.up_blocks {
            for layer in &block.layers {
                // As many skips were pushed as the up blocks have layers.
                if let Some(skip) = skips.pop() {
                    x = layer.forward(&Tensor::cat(&[&x, &skip], 1)?, &step)?;
                }
            }
            if let (Some(upsampler), Some(skip)) = (&block.upsampler, skips.last()) {
                // Twice the size, but one less where an odd size was halved.
                x = upsampler.forward(&x, skip.dim(2)?, skip.dim(3)?)?;
            }
        }
        let x = self.conv_norm_out.forward_silu(&x)?;
        Ok(self.conv_out.forward(&x)?.to_dtype(sample.dtype())?)
    }

    /// (1 or batch, 4 · first channels)
    fn embedding(&self, sample: &Tensor, timestep: f64, class: Option<&Tensor>) -> Result<Tensor> {
        let batch = sample.dim(0)?;
        let (first, cfg) = (self.cfg.block_out_channels[0], &self.cfg);
        let (cos_first, shift) = (cfg.flip_sin_to_cos, cfg.freq_shift);
        let time = sinusoidal(timestep, first, cos_first, shift, sample.device())?;
        let time = self.time_embedding.forward(&time.to_dtype(self.dtype)?)?;
        let expected = cfg.class_dim();
        match (&self.class_embedding, class) {
            (None, None) => Ok(time),
            (Some(class_embedding), Some(class))
                if class.dims() == [batch, expected.unwrap_or(0)] =>
            {
                let class = class_embedding.forward(&class.to_dtype(self.dtype)?)?;
                Ok(class.broadcast_add(&time)?)
            }
            (_, class) => Err(Error::Input {
                model: MODEL,
                input: "class vector",
                got: class.map_or(vec![], |class| class.dims().to_vec()),
                expected: expected.map_or("none".into(), |dim| format!("({batch}, {dim})")),
            }),
        }
    }
}
