//! Depthwise convolution over time, each channel by itself.

use candle_core::{CpuStorage, CustomOp2, DType, Layout, Result, Shape, Tensor};
use candle_nn::VarBuilder;
use rayon::prelude::*;

use super::linear::contiguous_f32;

/// Zero padding keeps the length.
#[derive(Debug)]
pub struct Depthwise {
    weight: Tensor, // (kernel, channels)
    bias: Tensor,   // (channels)
}

impl Depthwise {
    /// Reads `weight` (channels, 1, kernel) and `bias`.
    pub fn load(channels: usize, kernel: usize, vb: VarBuilder) -> Result<Self> {
        let weight = vb.get((channels, 1, kernel), "weight")?;
        let weight = weight.reshape((channels, kernel))?.t()?.contiguous()?;
        Ok(Self { weight, bias: vb.get(channels, "bias")? })
    }

    /// (time, channels) → (time, channels)
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (time, channels) = x.dims2()?;
        let kernel = self.weight.dim(0)?;
        let y = if x.device().is_cpu() && x.dtype() == DType::F32 {
            x.contiguous()?.apply_op2_no_bwd(&self.weight, &OnCpu)?
        } else {
            let weight = self.weight.t()?.reshape((channels, 1, kernel))?;
            let x = x.t()?.unsqueeze(0)?;
            // An even kernel has one step more on its left.
            let (left, right) = (kernel / 2, (kernel - 1) / 2);
            let x = x.pad_with_zeros(2, left, right)?.contiguous()?;
            x.conv1d(&weight, 0, 1, 1, channels)?.reshape((channels, time))?.t()?.contiguous()?
        };
        y.broadcast_add(&self.bias)
    }
}

struct OnCpu;

impl CustomOp2 for OnCpu {
    fn name(&self) -> &'static str {
        "depthwise"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (time, channels) = x_layout.shape().dims2()?;
        let (kernel, expected) = weight_layout.shape().dims2()?;
        if channels != expected || channels == 0 {
            candle_core::bail!("depthwise convolution: {channels} channels for {expected}");
        }
        let x = contiguous_f32(x, x_layout)?;
        let weight = contiguous_f32(weight, weight_layout)?;
        let left = kernel / 2;
        let mut y = vec![0f32; time * channels];
        y.par_chunks_exact_mut(channels).enumerate().for_each(|(step, y)| {
            let first = left.saturating_sub(step);
            let last = kernel.min(time + left - step);
            for tap in first..last {
                let x = &x[(step + tap - left) * channels..][..channels];
                let weight = &weight[tap * channels..][..channels];
                for ((y, x), weight) in y.iter_mut().zip(x).zip(weight) {
                    *y += x * weight;
                }
            }
        });
        Ok((CpuStorage::F32(y), Shape::from((time, channels))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn it_agrees_with_the_plain_convolution() -> Result<()> {
        for (time, kernel) in [(9, 5), (2, 5), (1, 1), (7, 4)] {
            let waves = |count: usize| (0..count).map(|i| (i as f32 * 0.7).sin()).collect();
            let x = Tensor::from_vec(waves(time * 3), (time, 3), &Device::Cpu)?;
            let weight = Tensor::from_vec(waves(3 * kernel), (kernel, 3), &Device::Cpu)?;
            let bias = Tensor::new(&[0.5f32, 0., -1.], &Device::Cpu)?;
            let layer = Depthwise { weight: weight.clone(), bias: bias.clone() };
            let padded = x.t()?.unsqueeze(0)?.pad_with_zeros(2, kernel / 2, (kernel - 1) / 2)?;
            let plain = weight.t()?.reshape((3, 1, kernel))?.contiguous()?;
            let want = padded.contiguous()?.conv1d(&plain, 0, 1, 1, 3)?.squeeze(0)?.t()?;
            let want = want.broadcast_add(&bias)?;
            let error = (layer.forward(&x)? - want)?.abs()?.max_all()?.to_scalar::<f32>()?;
            assert!(error < 1e-5, "{time} {kernel}: {error}");
        }
        Ok(())
    }
}
