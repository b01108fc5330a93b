//! WavLM's convolutions: from samples to frames, and the positions of frames.

use candle_core::{DType, Module, Result, Tensor};
use candle_nn::{Conv1d, Conv1dConfig, LayerNorm, VarBuilder};

use super::Config;
use crate::nn::linear::Linear;
use crate::nn::norm::GroupNorm;

/// PyTorch's default, which transformers' classes do not change here.
const EPS: f64 = 1e-5;

#[derive(Debug)]
enum Norm {
    None,
    /// Of each channel over all steps.
    Channel(GroupNorm),
    /// Of each step over all channels.
    Step(LayerNorm),
}

#[derive(Debug)]
struct Layer {
    conv: Conv1d,
    norm: Norm,
}

impl Layer {
    fn load(cfg: &Config, index: usize, vb: VarBuilder) -> Result<Self> {
        let inputs = if index == 0 { 1 } else { cfg.conv_dim[index - 1] };
        let (outputs, kernel) = (cfg.conv_dim[index], cfg.conv_kernel[index]);
        let shape = Conv1dConfig { stride: cfg.conv_stride[index], ..Default::default() };
        let conv = match cfg.conv_bias {
            true => candle_nn::conv1d(inputs, outputs, kernel, shape, vb.pp("conv"))?,
            false => candle_nn::conv1d_no_bias(inputs, outputs, kernel, shape, vb.pp("conv"))?,
        };
        let norm = vb.pp("layer_norm");
        let norm = match (cfg.feat_extract_norm.as_str(), index) {
            ("layer", _) => Norm::Step(candle_nn::layer_norm(outputs, EPS, norm)?),
            (_, 0) => Norm::Channel(GroupNorm::load(outputs, outputs, EPS, norm)?),
            _ => Norm::None,
        };
        Ok(Self { conv, norm })
    }

    /// (1, in, steps) → (1, out, fewer steps)
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.conv.forward(x)?;
        let x = match &self.norm {
            Norm::None => x,
            Norm::Channel(norm) => norm.forward(&x)?,
            Norm::Step(norm) => {
                norm.forward(&x.transpose(1, 2)?.contiguous()?)?.transpose(1, 2)?.contiguous()?
            }
        };
        x.gelu_erf()
    }
}

/// The convolutions of wav2vec 2.0 (Baevski et al. 2020, section 2), and the projection to the
/// width of the transformer.
#[derive(Debug)]
pub(super) struct FeatureEncoder {
    layers: Vec<Layer>,
    norm: LayerNorm,
    projection: Linear,
}

impl FeatureEncoder {
    pub fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        let width = cfg.conv_dim.last().copied().unwrap_or(0);
        let layers = vb.pp("feature_extractor.conv_layers");
        let projection = vb.pp("feature_projection");
        let norm = projection.pp("layer_norm");
        Ok(Self {
            layers: (0..cfg.conv_dim.len())
                .map(|index| Layer::load(cfg, index, layers.pp(index)))
                .collect::<Result<_>>()?,
            norm: candle_nn::layer_norm(width, cfg.layer_norm_eps, norm)?,
            projection: Linear::load(width, cfg.hidden_size, projection.pp("projection"))?,
        })
    }

    /// (1, 1, samples) → (1, frames, hidden_size)
    pub fn forward(&self, samples: &Tensor) -> Result<Tensor> {
        let mut x = samples.clone();
        for layer in &self.layers {
            x = layer.forward(&x)?;
        }
        let x = x.transpose(1, 2)?.contiguous()?;
        self.projection.forward(&self.norm.forward(&x)?)
    }
}

/// A convolution over neighbouring frames in place of absolute positions.
#[derive(Debug)]
pub(super) struct Positions {
    weight: Tensor, // (hidden, hidden / groups, kernel)
    bias: Tensor,   // (1, hidden, 1)
    kernel: usize,
    groups: usize,
}

impl Positions {
    pub fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        let (width, kernel) = (cfg.hidden_size, cfg.num_conv_pos_embeddings);
        let groups = cfg.num_conv_pos_embedding_groups;
        Ok(Self {
            weight: normed_weight((width, width / groups, kernel), &vb)?,
            bias: vb.get(width, "bias")?.reshape((1, width, 1))?,
            kernel,
            groups,
        })
    }

    /// (1, frames, hidden) → the same
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let frames = x.dim(1)?;
        let x = x.transpose(1, 2)?.contiguous()?;
        let x = x.conv1d(&self.weight, self.kernel / 2, 1, 1, self.groups)?;
        // An even kernel makes one frame too many.
        let x = x.broadcast_add(&self.bias)?.narrow(2, 0, frames)?.gelu_erf()?;
        x.transpose(1, 2)?.contiguous()
    }
}

/// `weight_g · weight_v / ‖weight_v‖`, the norm of each place of the kernel (Salimans and Kingma
/// 2016, along the last axis), in the spelling of either of PyTorch's two implementations; or a
/// plain `weight`.
fn normed_weight(shape: (usize, usize, usize), vb: &VarBuilder) -> Result<Tensor> {
    if vb.contains_tensor("weight") {
        return vb.get(shape, "weight");
    }
    let (size, direction) = match vb.contains_tensor("parametrizations.weight.original0") {
        true => ("parametrizations.weight.original0", "parametrizations.weight.original1"),
        false => ("weight_g", "weight_v"),
    };
    let size = vb.get((1, 1, shape.2), size)?;
    let direction = vb.get(shape, direction)?;
    let dtype = direction.dtype();
    let (size, direction) = (size.to_dtype(DType::F32)?, direction.to_dtype(DType::F32)?);
    let norm = direction.sqr()?.sum_keepdim((0, 1))?.sqrt()?;
    direction.broadcast_mul(&(size / norm)?)?.to_dtype(dtype)
}
