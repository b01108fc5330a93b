//! The convolutional and attention blocks of diffusers' UNet and autoencoder.

use super::super::Result;
use crate::nn::attention::{attend, split_heads};
use crate::nn::conv::Conv2d;
use crate::nn::linear::Linear;
use crate::nn::norm::GroupNorm;
use candle_core::{DType, Module, Tensor};
use candle_nn::{LayerNorm, VarBuilder};

type Output = candle_core::Result<Tensor>;

/// What the normalisations of one network share.
#[derive(Debug, Clone, Copy)]
pub struct Norms {
    pub groups: usize,
    pub eps: f64,
}

impl Norms {
    pub fn load(self, channels: usize, vb: VarBuilder) -> Result<GroupNorm> {
        Ok(GroupNorm::load(self.groups, channels, self.eps, vb)?)
    }
}

/// diffusers `ResnetBlock2D`.
#[derive(Debug)]
pub struct Resnet {
    norm1: GroupNorm,
    conv1: Conv2d,
    time_emb_proj: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv2d,
    conv_shortcut: Option<Conv2d>,
}

impl Resnet {
    /// `embedding` is the width of the time embedding, if there is one.
    pub fn load(
        inputs: usize,
        outputs: usize,
        embedding: Option<usize>,
        norms: Norms,
        vb: VarBuilder,
    ) -> Result<Self> {
        let time_emb_proj = embedding
            .map(|width| Linear::load(width, outputs, vb.pp("time_emb_proj")))
            .transpose()?;
        let conv_shortcut = (inputs != outputs)
            .then(|| Conv2d::load(inputs, outputs, 1, 1, vb.pp("conv_shortcut")))
            .transpose()?;
        Ok(Self {
            norm1: norms.load(inputs, vb.pp("norm1"))?,
            conv1: Conv2d::load(inputs, outputs, 3, 1, vb.pp("conv1"))?,
            time_emb_proj,
            norm2: norms.load(outputs, vb.pp("norm2"))?,
            conv2: Conv2d::load(outputs, outputs, 3, 1, vb.pp("conv2"))?,
            conv_shortcut,
        })
    }

    /// `embedding` (1 or batch, width) has gone through SiLU already.
    pub fn forward(&self, x: &Tensor, embedding: Option<&Tensor>) -> Output {
        let mut hidden = self.conv1.forward(&self.norm1.forward_silu(x)?)?;
        if let (Some(proj), Some(embedding)) = (&self.time_emb_proj, embedding) {
            let shift = proj.forward(embedding)?.unsqueeze(2)?.unsqueeze(3)?;
            hidden = hidden.broadcast_add(&shift)?;
        }
        let hidden = self.conv2.forward(&self.norm2.forward_silu(&hidden)?)?;
        match &self.conv_shortcut {
            Some(shortcut) => shortcut.forward(x)? + hidden,
            None => x + hidden,
        }
    }
}

/// diffusers `Upsample2D`: nearest neighbour to a given size, then a convolution.
#[derive(Debug)]
pub struct Upsample(Conv2d);

impl Upsample {
    pub fn load(channels: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self(Conv2d::load(channels, channels, 3, 1, vb.pp("conv"))?))
    }

    pub fn forward(&self, x: &Tensor, height: usize, width: usize) -> Output {
        self.0.forward(&x.contiguous()?.upsample_nearest2d(height, width)?)
    }
}

/// diffusers `Attention` as the UNet uses it.
#[derive(Debug)]
struct Attention {
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
    heads: usize,
    scale: f64,
    upcast: bool,
}

impl Attention {
    fn load(width: usize, source: usize, shape: Heads, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            to_q: Linear::load_no_bias(width, width, vb.pp("to_q"))?,
            to_k: Linear::load_no_bias(source, width, vb.pp("to_k"))?,
            to_v: Linear::load_no_bias(source, width, vb.pp("to_v"))?,
            to_out: Linear::load(width, width, vb.pp("to_out.0"))?,
            heads: shape.heads,
            scale: 1. / ((width / shape.heads) as f64).sqrt(),
            upcast: shape.upcast,
        })
    }

    /// `source` may have one row for the whole batch.
    fn forward(&self, x: &Tensor, source: &Tensor) -> Output {
        let dtype = x.dtype();
        let query = split_heads(&self.to_q.forward(x)?, self.heads)?;
        let mut key = split_heads(&self.to_k.forward(source)?, self.heads)?;
        let mut value = split_heads(&self.to_v.forward(source)?, self.heads)?;
        let batch = query.dim(0)?;
        if key.dim(0)? != batch {
            let (_, heads, length, dim) = key.dims4()?;
            key = key.expand((batch, heads, length, dim))?.contiguous()?;
            value = value.expand((batch, heads, length, dim))?.contiguous()?;
        }
        let (query, key) = if self.upcast {
            (query.to_dtype(DType::F32)?, key.to_dtype(DType::F32)?)
        } else {
            (query, key)
        };
        let context = attend(&query, &key, &value, self.scale, None)?;
        self.to_out.forward(&context.to_dtype(dtype)?)
    }
}

/// How a block's attention is divided.
#[derive(Debug, Clone, Copy)]
pub struct Heads {
    pub heads: usize,
    /// Take the scores in f32 also when the network runs in half precision.
    pub upcast: bool,
}

/// diffusers `BasicTransformerBlock` with a GEGLU feed-forward (Shazeer 2020; exact GELU).
#[derive(Debug)]
struct TransformerBlock {
    norm1: LayerNorm,
    attn1: Attention,
    norm2: LayerNorm,
    attn2: Attention,
    norm3: LayerNorm,
    ff_in: Linear,
    ff_out: Linear,
}

impl TransformerBlock {
    fn load(width: usize, context: usize, heads: Heads, vb: VarBuilder) -> Result<Self> {
        let norm = |name| candle_nn::layer_norm(width, 1e-5, vb.pp(name));
        Ok(Self {
            norm1: norm("norm1")?,
            attn1: Attention::load(width, width, heads, vb.pp("attn1"))?,
            norm2: norm("norm2")?,
            attn2: Attention::load(width, context, heads, vb.pp("attn2"))?,
            norm3: norm("norm3")?,
            ff_in: Linear::load(width, 8 * width, vb.pp("ff.net.0.proj"))?,
            ff_out: Linear::load(4 * width, width, vb.pp("ff.net.2"))?,
        })
    }

    fn forward(&self, x: &Tensor, context: &Tensor) -> Output {
        let hidden = self.norm1.forward(x)?;
        let x = (x + self.attn1.forward(&hidden, &hidden)?)?;
        let x = (&x + self.attn2.forward(&self.norm2.forward(&x)?, context)?)?;
        let hidden = self.ff_in.forward(&self.norm3.forward(&x)?)?;
        let inner = hidden.dim(2)? / 2;
        let gate = hidden.narrow(2, inner, inner)?.gelu_erf()?;
        let hidden = (hidden.narrow(2, 0, inner)? * gate)?;
        &x + self.ff_out.forward(&hidden)?
    }
}

#[derive(Debug)]
enum Projection {
    Linear(Linear),
    Conv(Conv2d),
}

impl Projection {
    fn load(width: usize, linear: bool, vb: VarBuilder) -> Result<Self> {
        Ok(if linear {
            Self::Linear(Linear::load(width, width, vb)?)
        } else {
            Self::Conv(Conv2d::load(width, width, 1, 1, vb)?)
        })
    }
}

/// diffusers `Transformer2DModel`.
#[derive(Debug)]
pub struct Transformer {
    norm: GroupNorm,
    proj_in: Projection,
    blocks: Vec<TransformerBlock>,
    proj_out: Projection,
}

/// The sizes of a [`Transformer`].
#[derive(Debug, Clone, Copy)]
pub struct TransformerSizes {
    pub width: usize,
    pub depth: usize,
    pub context: usize,
    pub groups: usize,
    pub linear_projection: bool,
    pub heads: Heads,
}

impl Transformer {
    pub fn load(sizes: TransformerSizes, vb: VarBuilder) -> Result<Self> {
        let TransformerSizes { width, context, .. } = sizes;
        let norms = Norms { groups: sizes.groups, eps: 1e-6 };
        let blocks = (0..sizes.depth)
            .map(|i| {
                let vb = vb.pp("transformer_blocks").pp(i);
                TransformerBlock::load(width, context, sizes.heads, vb)
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            norm: norms.load(width, vb.pp("norm"))?,
            proj_in: Projection::load(width, sizes.linear_projection, vb.pp("proj_in"))?,
            blocks,
            proj_out: Projection::load(width, sizes.linear_projection, vb.pp("proj_out"))?,
        })
    }

    /// `x` (batch, channels, height, width), `context` (1 or batch, tokens, context).
    pub fn forward(&self, x: &Tensor, context: &Tensor) -> Output {
        let hidden = self.norm.forward(x)?;
        let mut hidden = match &self.proj_in {
            Projection::Linear(proj) => proj.forward(&to_tokens(&hidden)?)?,
            Projection::Conv(proj) => to_tokens(&proj.forward(&hidden)?)?,
        };
        for block in &self.blocks {
            hidden = block.forward(&hidden, context)?;
        }
        let hidden = match &self.proj_out {
            Projection::Linear(proj) => to_image(&proj.forward(&hidden)?, x)?,
            Projection::Conv(proj) => proj.forward(&to_image(&hidden, x)?)?,
        };
        x + hidden
    }
}

/// (batch, channels, height, width) → (batch, height · width, channels).
pub fn to_tokens(x: &Tensor) -> Output {
    x.flatten_from(2)?.transpose(1, 2)?.contiguous()
}

/// The inverse of [`to_tokens`], in the shape of `like`.
pub fn to_image(x: &Tensor, like: &Tensor) -> Output {
    x.transpose(1, 2)?.contiguous()?.reshape(like.shape())
}
