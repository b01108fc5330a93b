//! From states to one vector (Snyder et al. 2018, "X-Vectors"): layers that see ever more frames,
//! then mean and deviation over time.

use candle_core::{D, DType, Module, Result, Tensor};
use candle_nn::VarBuilder;

use super::Config;
use crate::nn::linear::Linear;

/// A dilated convolution, whose weights are written as those of a dense layer over
/// (kernel, in).
#[derive(Debug)]
struct Tdnn {
    weight: Tensor, // (out, in, kernel)
    bias: Tensor,   // (1, out, 1)
    dilation: usize,
}

impl Tdnn {
    fn load(cfg: &Config, index: usize, vb: VarBuilder) -> Result<Self> {
        let inputs = cfg.tdnn_dim[index.saturating_sub(1)];
        let (outputs, kernel) = (cfg.tdnn_dim[index], cfg.tdnn_kernel[index]);
        let weight = vb.get((outputs, kernel * inputs), "kernel.weight")?;
        let weight = weight.reshape((outputs, kernel, inputs))?.transpose(1, 2)?.contiguous()?;
        Ok(Self {
            weight,
            bias: vb.get(outputs, "kernel.bias")?.reshape((1, outputs, 1))?,
            dilation: cfg.tdnn_dilation[index],
        })
    }

    /// (1, in, frames) → (1, out, fewer frames)
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.conv1d(&self.weight, 0, 1, self.dilation, 1)?.broadcast_add(&self.bias)?.relu()
    }
}

#[derive(Debug)]
pub(super) struct Head {
    /// How much each layer's state counts; without it the network's own output does.
    layer_weights: Option<Tensor>, // (layers + 1,)
    projector: Linear,
    layers: Vec<Tdnn>,
    embedding: Linear,
}

impl Head {
    pub fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        let weights = cfg.use_weighted_layer_sum;
        let count = cfg.num_hidden_layers + 1;
        let first = cfg.tdnn_dim.first().copied().unwrap_or(0);
        let last = cfg.tdnn_dim.last().copied().unwrap_or(0);
        let embedding = vb.pp("feature_extractor");
        Ok(Self {
            layer_weights: weights.then(|| vb.get(count, "layer_weights")).transpose()?,
            projector: Linear::load(cfg.hidden_size, first, vb.pp("projector"))?,
            layers: (0..cfg.tdnn_dim.len())
                .map(|index| Tdnn::load(cfg, index, vb.pp("tdnn").pp(index)))
                .collect::<Result<_>>()?,
            embedding: Linear::load(2 * last, cfg.xvector_output_dim, embedding)?,
        })
    }

    /// Whether the states of all layers are needed.
    pub fn weighs_layers(&self) -> bool {
        self.layer_weights.is_some()
    }

    /// The weighted sum of the layers' states, each (1, frames, hidden).
    pub fn weighted(&self, states: &[Tensor]) -> Result<Tensor> {
        let Some(weights) = &self.layer_weights else {
            candle_core::bail!("wavlm: the layers have no weights");
        };
        let weights = candle_nn::ops::softmax(&weights.to_dtype(DType::F32)?, D::Minus1)?;
        let weights = weights.to_vec1::<f32>()?;
        let mut sum: Option<Tensor> = None;
        for (state, weight) in states.iter().zip(weights) {
            let part = (state * f64::from(weight))?;
            sum = Some(match sum {
                Some(sum) => (sum + part)?,
                None => part,
            });
        }
        sum.ok_or_else(|| candle_core::Error::Msg("wavlm: there are no states".into()))
    }

    /// (1, frames, hidden) → `xvector_output_dim` numbers
    pub fn forward(&self, x: &Tensor) -> Result<Vec<f32>> {
        let mut x = self.projector.forward(x)?.transpose(1, 2)?.contiguous()?;
        for layer in &self.layers {
            x = layer.forward(&x)?;
        }
        let mean = x.mean_keepdim(2)?;
        // Of a sample: divided by one less than the frames.
        let count = x.dim(2)? as f64;
        let squares = x.broadcast_sub(&mean)?.sqr()?.sum(2)?;
        let deviation = (squares / (count - 1.))?.sqrt()?;
        let pooled = Tensor::cat(&[&mean.squeeze(2)?, &deviation], 1)?;
        self.embedding.forward(&pooled)?.squeeze(0)?.to_dtype(DType::F32)?.to_vec1()
    }
}
