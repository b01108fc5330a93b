//! Swin transformer blocks (Liu et al. 2021): attention in windows, which every second block
//! shifts by half a window, and the merging of patches between the stages.

use super::super::Result;
use crate::nn::activation::Activation;
use crate::nn::attention::split_heads;
use crate::nn::linear::Linear;
use candle_core::{DType, Device, Module, Tensor};
use candle_nn::{LayerNorm, VarBuilder};

/// The score of a pair that a shifted window joins although it is not adjacent (the reference
/// takes a finite number too).
const APART: f32 = -100.;

/// What all blocks of a stage have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stage {
    /// Patches per side.
    pub side: usize,
    pub width: usize,
    pub heads: usize,
    /// Patches per side of a window; divides `side`.
    pub window: usize,
    pub mlp_ratio: f64,
    pub qkv_bias: bool,
    pub act: Activation,
    pub layer_norm_eps: f64,
}

/// Attention within the windows.
#[derive(Debug)]
struct WindowAttention {
    query: Linear,
    key: Linear,
    value: Linear,
    dense: Linear,
    /// Added to the scores: (windows or 1, heads, patches, patches).
    bias: Tensor,
    heads: usize,
}

impl WindowAttention {
    fn load(stage: &Stage, shift: usize, vb: VarBuilder) -> Result<Self> {
        let (width, inner) = (stage.width, vb.pp("self"));
        let project = |name| match stage.qkv_bias {
            true => Linear::load(width, width, inner.pp(name)),
            false => Linear::load_no_bias(width, width, inner.pp(name)),
        };
        let offsets = (2 * stage.window - 1).pow(2);
        let table = inner.get((offsets, stage.heads), "relative_position_bias_table")?;
        Ok(Self {
            query: project("query")?,
            key: project("key")?,
            value: project("value")?,
            dense: Linear::load(width, width, vb.pp("output.dense"))?,
            bias: bias(stage, shift, &table)?,
            heads: stage.heads,
        })
    }

    /// (batch · windows, patches, width) → the same shape.
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let (count, patches, width) = x.dims3()?;
        let head_dim = width / self.heads;
        let query = split_heads(&self.query.forward(x)?, self.heads)?;
        let key = split_heads(&self.key.forward(x)?, self.heads)?;
        let value = split_heads(&self.value.forward(x)?, self.heads)?;
        let scores = (query * (1. / (head_dim as f64).sqrt()))?.matmul(&key.t()?)?;
        let scores = scores.to_dtype(DType::F32)?;
        let windows = self.bias.dim(0)?;
        let scores = scores
            .reshape((count / windows, windows, self.heads, patches, patches))?
            .broadcast_add(&self.bias)?;
        let weights = candle_nn::ops::softmax_last_dim(&scores)?.to_dtype(value.dtype())?;
        let weights = weights.reshape((count, self.heads, patches, patches))?;
        let context = weights.matmul(&value)?.transpose(1, 2)?.reshape((count, patches, width))?;
        self.dense.forward(&context)
    }
}

/// The bias of each pair's relative position, and in shifted windows what keeps apart the parts
/// that are not adjacent in the picture.
fn bias(stage: &Stage, shift: usize, table: &Tensor) -> Result<Tensor> {
    let (window, heads) = (stage.window, stage.heads);
    let patches = window * window;
    let mut index = Vec::with_capacity(patches * patches);
    for query in 0..patches {
        for key in 0..patches {
            let rows = query / window + window - 1 - key / window;
            let columns = query % window + window - 1 - key % window;
            index.push((rows * (2 * window - 1) + columns) as u32);
        }
    }
    let index = Tensor::from_vec(index, patches * patches, table.device())?;
    let bias = table.to_dtype(DType::F32)?.contiguous()?.index_select(&index, 0)?;
    let bias = bias.t()?.contiguous()?.reshape((1, heads, patches, patches))?;
    if shift == 0 {
        return Ok(bias);
    }
    let mask = shifted_mask(stage.side, window, shift, table.device())?;
    Ok(bias.broadcast_add(&mask)?)
}

/// (windows, 1, patches, patches): after the shift, the last window of each axis holds the end of
/// the axis and its beginning.
fn shifted_mask(side: usize, window: usize, shift: usize, device: &Device) -> Result<Tensor> {
    let region = |at: usize| usize::from(at >= side - window) + usize::from(at >= side - shift);
    let (across, patches) = (side / window, window * window);
    let mut mask = Vec::with_capacity(across * across * patches * patches);
    for place in 0..across * across {
        let regions: Vec<usize> = (0..patches)
            .map(|patch| {
                let row = place / across * window + patch / window;
                let column = place % across * window + patch % window;
                region(row) * 3 + region(column)
            })
            .collect();
        for query in &regions {
            mask.extend(regions.iter().map(|key| if query == key { 0. } else { APART }));
        }
    }
    Ok(Tensor::from_vec(mask, (across * across, 1, patches, patches), device)?)
}

#[derive(Debug)]
pub(super) struct Block {
    layernorm_before: LayerNorm,
    attention: WindowAttention,
    layernorm_after: LayerNorm,
    intermediate: Linear,
    act: Activation,
    output: Linear,
    side: usize,
    window: usize,
    shift: usize,
}

impl Block {
    pub fn load(stage: &Stage, index: usize, vb: VarBuilder) -> Result<Self> {
        let (width, eps) = (stage.width, stage.layer_norm_eps);
        let inner = (stage.mlp_ratio * width as f64) as usize; // rounded down, as Python's int()
        // A single window has nothing to shift into.
        let shifts = index % 2 == 1 && stage.side > stage.window;
        let shift = if shifts { stage.window / 2 } else { 0 };
        Ok(Self {
            layernorm_before: candle_nn::layer_norm(width, eps, vb.pp("layernorm_before"))?,
            attention: WindowAttention::load(stage, shift, vb.pp("attention"))?,
            layernorm_after: candle_nn::layer_norm(width, eps, vb.pp("layernorm_after"))?,
            intermediate: Linear::load(width, inner, vb.pp("intermediate.dense"))?,
            act: stage.act,
            output: Linear::load(inner, width, vb.pp("output.dense"))?,
            side: stage.side,
            window: stage.window,
            shift,
        })
    }

    /// (batch, side · side, width) → the same shape.
    pub fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let (batch, patches, width) = x.dims3()?;
        let (side, window, across) = (self.side, self.window, self.side / self.window);
        let shift = self.shift as i32;
        let mut hidden = self.layernorm_before.forward(x)?.reshape((batch, side, side, width))?;
        if shift > 0 {
            hidden = hidden.roll(-shift, 1)?.roll(-shift, 2)?;
        }
        let windows = hidden
            .reshape(&[batch, across, window, across, window, width][..])?
            .permute([0, 1, 3, 2, 4, 5])?
            .contiguous()?
            .reshape((batch * across * across, window * window, width))?;
        let mut hidden = self
            .attention
            .forward(&windows)?
            .reshape(&[batch, across, across, window, window, width][..])?
            .permute([0, 1, 3, 2, 4, 5])?
            .contiguous()?
            .reshape((batch, side, side, width))?;
        if shift > 0 {
            hidden = hidden.roll(shift, 1)?.roll(shift, 2)?;
        }
        let x = (x + hidden.reshape((batch, patches, width))?)?;
        let hidden = self.intermediate.forward(&self.layernorm_after.forward(&x)?)?;
        &x + self.output.forward(&self.act.forward(&hidden)?)?
    }
}

/// Four neighbours become one patch of twice the width.
#[derive(Debug)]
pub(super) struct PatchMerging {
    norm: LayerNorm,
    reduction: Linear,
    side: usize,
}

impl PatchMerging {
    pub fn load(side: usize, width: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            norm: candle_nn::layer_norm(4 * width, 1e-5, vb.pp("norm"))?,
            reduction: Linear::load_no_bias(4 * width, 2 * width, vb.pp("reduction"))?,
            side,
        })
    }

    /// (batch, side · side, width) → (batch, side · side / 4, 2 · width).
    pub fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let (batch, _, width) = x.dims3()?;
        let half = self.side / 2;
        // The neighbours are in the order of columns, rows within a column.
        let x = x
            .reshape(&[batch, half, 2, half, 2, width][..])?
            .permute([0, 1, 3, 4, 2, 5])?
            .contiguous()?
            .reshape((batch, half * half, 4 * width))?;
        self.reduction.forward(&self.norm.forward(&x)?)
    }
}
