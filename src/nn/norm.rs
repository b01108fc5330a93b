//! Group normalisation (Wu and He 2018), optionally with SiLU after it.

use super::linear::contiguous_f32;
use candle_core::{CpuStorage, CustomOp3, DType, Layout, Module, Result, Shape, Tensor};
use candle_nn::VarBuilder;
use rayon::prelude::*;

#[derive(Debug, Clone)]
pub struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: usize,
    eps: f64,
}

impl GroupNorm {
    /// Reads `weight` and `bias`; `groups` must divide `channels`.
    pub fn load(groups: usize, channels: usize, eps: f64, vb: VarBuilder) -> Result<Self> {
        if groups == 0 || !channels.is_multiple_of(groups) {
            candle_core::bail!("group norm: {groups} groups do not divide {channels} channels");
        }
        Ok(Self {
            weight: vb.get(channels, "weight")?,
            bias: vb.get(channels, "bias")?,
            groups,
            eps,
        })
    }

    /// SiLU of the normalised `x`.
    pub fn forward_silu(&self, x: &Tensor) -> Result<Tensor> {
        self.apply(x, true)
    }

    fn apply(&self, x: &Tensor, silu: bool) -> Result<Tensor> {
        if x.device().is_cpu() && x.dtype() == DType::F32 {
            let op = Fused { groups: self.groups, eps: self.eps, silu };
            return x.contiguous()?.apply_op3_no_bwd(&self.weight, &self.bias, &op);
        }
        let channels = self.weight.dim(0)?;
        let (weight, bias) = (self.weight.clone(), self.bias.clone());
        let y = candle_nn::GroupNorm::new(weight, bias, channels, self.groups, self.eps)?;
        let y = y.forward(x)?;
        if silu { candle_nn::ops::silu(&y) } else { Ok(y) }
    }
}

impl Module for GroupNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.apply(x, false)
    }
}

/// One task per group of one batch element.
struct Fused {
    groups: usize,
    eps: f64,
    silu: bool,
}

impl CustomOp3 for Fused {
    fn name(&self) -> &'static str {
        "group-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let shape = x_layout.shape();
        let weight = contiguous_f32(weight, weight_layout)?;
        let bias = contiguous_f32(bias, bias_layout)?;
        let x = contiguous_f32(x, x_layout)?;
        let &[batch, channels, ..] = shape.dims() else {
            candle_core::bail!("group norm: input {shape:?}, expected (batch, channels, …)");
        };
        if channels != weight.len() || x.is_empty() {
            candle_core::bail!("group norm: input {shape:?} for {} channels", weight.len());
        }
        let pixels = x.len() / (batch * channels);
        let per_group = channels / self.groups;
        let mut y = vec![0f32; x.len()];
        y.par_chunks_exact_mut(per_group * pixels)
            .zip(x.par_chunks_exact(per_group * pixels))
            .enumerate()
            .for_each(|(i, (y, x))| {
                let count = x.len() as f64;
                let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
                let variance = x.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>();
                let scale = 1. / (variance / count + self.eps).sqrt();
                let first = i % self.groups * per_group;
                for (c, (y, x)) in
                    y.chunks_exact_mut(pixels).zip(x.chunks_exact(pixels)).enumerate()
                {
                    let (weight, bias) = (weight[first + c], bias[first + c]);
                    let factor = (scale * f64::from(weight)) as f32;
                    let shift = (f64::from(bias) - mean * scale * f64::from(weight)) as f32;
                    for (y, x) in y.iter_mut().zip(x) {
                        *y = x * factor + shift;
                    }
                    if self.silu {
                        y.iter_mut().for_each(|v| *v /= 1. + (-*v).exp());
                    }
                }
            });
        Ok((CpuStorage::F32(y), shape.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn it_agrees_with_the_plain_form() -> Result<()> {
        let cpu = Device::Cpu;
        let values: Vec<f32> = (0..2 * 6 * 15).map(|i| (i as f32 * 0.7).sin() + 2.).collect();
        let x = Tensor::from_vec(values, (2, 6, 3, 5), &cpu)?;
        let weight = Tensor::new(&[1f32, 2., 3., -1., 0.5, 1.], &cpu)?;
        let bias = Tensor::new(&[0f32, 1., -1., 2., 0., 3.], &cpu)?;
        let plain = candle_nn::GroupNorm::new(weight.clone(), bias.clone(), 6, 3, 1e-5)?;
        let want = candle_nn::ops::silu(&plain.forward(&x)?)?;
        let norm = GroupNorm { weight, bias, groups: 3, eps: 1e-5 };
        let error = (norm.forward_silu(&x)? - want)?.abs()?.max_all()?;
        assert!(error.to_scalar::<f32>()? < 1e-5);
        Ok(())
    }
}
