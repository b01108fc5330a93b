//! One-dimensional convolutions of neural audio codecs: weight-normalised, with reflected edges
//! and lengths that divide evenly (EnCodec, Défossez et al. 2022; `modules/conv.py`).

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor};
use candle_nn::VarBuilder;
use rayon::prelude::*;

use super::linear::contiguous_f32;

/// A convolution of one sequence, not causal.
#[derive(Debug)]
pub struct Conv1d {
    weight: Tensor, // (out, in, kernel)
    bias: Tensor,   // (1, out, 1)
    stride: usize,
    dilation: usize,
}

impl Conv1d {
    pub fn load(
        inputs: usize,
        outputs: usize,
        kernel: usize,
        stride: usize,
        dilation: usize,
        vb: VarBuilder,
    ) -> Result<Self> {
        Ok(Self {
            weight: normed_weight((outputs, inputs, kernel), &vb)?,
            bias: vb.get(outputs, "bias")?.reshape((1, outputs, 1))?,
            stride,
            dilation,
        })
    }

    /// (1, in, steps) → (1, out, ⌈steps / stride⌉). Edges are reflected; the end is padded so
    /// that the last window is full.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let kernel = (self.weight.dim(2)? - 1) * self.dilation + 1;
        let (left, right) = paddings(x.dim(2)?, kernel, self.stride);
        let x = reflect(x, left, right)?;
        x.conv1d(&self.weight, 0, self.stride, self.dilation, 1)?.broadcast_add(&self.bias)
    }
}

/// How many steps the edges get so that `steps` inputs make ⌈steps / stride⌉ outputs.
fn paddings(steps: usize, kernel: usize, stride: usize) -> (usize, usize) {
    let total = kernel.saturating_sub(stride);
    let right = total / 2;
    let windows = (steps + total).saturating_sub(kernel).div_ceil(stride) + 1;
    let extra = ((windows - 1) * stride + kernel).saturating_sub(steps + total);
    (total - right, right + extra)
}

/// Mirrors the edges without repeating the outermost step. A sequence that is too short for that
/// is first lengthened with zeros, which are cut off again.
fn reflect(x: &Tensor, left: usize, right: usize) -> Result<Tensor> {
    let steps = x.dim(2)?;
    let longest = left.max(right);
    let extra = if longest > 0 && steps <= longest { longest - steps + 1 } else { 0 };
    let x = if extra > 0 { x.pad_with_zeros(2, 0, extra)? } else { x.clone() };
    let whole = steps + extra;
    let mirrored = |from: &mut dyn Iterator<Item = usize>| -> Result<Tensor> {
        let indices: Vec<u32> = from.map(|index| index as u32).collect();
        let count = indices.len();
        x.contiguous()?.index_select(&Tensor::from_vec(indices, count, x.device())?, 2)
    };
    let mut parts = vec![];
    if left > 0 {
        parts.push(mirrored(&mut (1..=left).rev())?);
    }
    parts.push(x.clone());
    if right > 0 {
        parts.push(mirrored(&mut (1..=right).map(|index| whole - 1 - index))?);
    }
    let padded = if parts.len() == 1 { parts.remove(0) } else { Tensor::cat(&parts, 2)? };
    padded.narrow(2, 0, left + steps + right)?.contiguous()
}

/// A transposed convolution that lengthens a sequence by exactly its stride.
#[derive(Debug)]
pub struct ConvTranspose1d {
    weight: Tensor, // (out · kernel, in)
    bias: Tensor,   // (1, out, 1)
    kernel: usize,
    stride: usize,
}

impl ConvTranspose1d {
    pub fn load(
        inputs: usize,
        outputs: usize,
        kernel: usize,
        stride: usize,
        vb: VarBuilder,
    ) -> Result<Self> {
        let weight = normed_weight((inputs, outputs, kernel), &vb)?;
        Ok(Self {
            weight: weight.reshape((inputs, outputs * kernel))?.t()?.contiguous()?,
            bias: vb.get(outputs, "bias")?.reshape((1, outputs, 1))?,
            kernel,
            stride,
        })
    }

    /// (1, in, steps) → (1, out, steps · stride)
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (_, _, steps) = x.dims3()?;
        // What each step adds to its `kernel` outputs, and then their sums where they overlap.
        let spread = self.weight.matmul(&x.squeeze(0)?)?;
        let (device, dtype) = (spread.device().clone(), spread.dtype());
        let spread = spread.to_device(&candle_core::Device::Cpu)?.to_dtype(DType::F32)?;
        let trimmed = self.kernel - self.stride;
        let fold = Fold {
            kernel: self.kernel,
            stride: self.stride,
            skip: trimmed - trimmed / 2,
            length: steps * self.stride,
        };
        let y = spread.contiguous()?.apply_op1_no_bwd(&fold)?;
        y.to_dtype(dtype)?.to_device(&device)?.broadcast_add(&self.bias)
    }
}

/// Overlap and add: (out · kernel, steps) → (1, out, length), of which `skip` leading steps of
/// the sum are left out.
struct Fold {
    kernel: usize,
    stride: usize,
    skip: usize,
    length: usize,
}

impl CustomOp1 for Fold {
    fn name(&self) -> &'static str {
        "fold"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, steps) = layout.shape().dims2()?;
        let x = contiguous_f32(x, layout)?;
        let outputs = rows / self.kernel;
        let mut y = vec![0f32; outputs * self.length];
        let channel = |(y, taps): (&mut [f32], &[f32])| {
            for (tap, values) in taps.chunks_exact(steps).enumerate() {
                for (step, value) in values.iter().enumerate() {
                    let at = (step * self.stride + tap).wrapping_sub(self.skip);
                    if let Some(sum) = y.get_mut(at) {
                        *sum += value;
                    }
                }
            }
        };
        y.par_chunks_exact_mut(self.length.max(1))
            .zip(x.par_chunks_exact((self.kernel * steps).max(1)))
            .for_each(channel);
        Ok((CpuStorage::F32(y), Shape::from((1, outputs, self.length))))
    }
}

/// `weight_g · weight_v / ‖weight_v‖`, the norm over all but the first axis (Salimans and Kingma
/// 2016), in the spelling of either of PyTorch's two implementations; or a plain `weight`.
fn normed_weight(shape: (usize, usize, usize), vb: &VarBuilder) -> Result<Tensor> {
    if vb.contains_tensor("weight") {
        return vb.get(shape, "weight");
    }
    let (size, direction) = if vb.contains_tensor("parametrizations.weight.original0") {
        ("parametrizations.weight.original0", "parametrizations.weight.original1")
    } else {
        ("weight_g", "weight_v")
    };
    let size = vb.get((shape.0, 1, 1), size)?;
    let direction = vb.get(shape, direction)?;
    let dtype = direction.dtype();
    let (size, direction) = (size.to_dtype(DType::F32)?, direction.to_dtype(DType::F32)?);
    let norm = direction.sqr()?.sum_keepdim((1, 2))?.sqrt()?;
    direction.broadcast_mul(&(size / norm)?)?.to_dtype(dtype)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn lengths_divide_evenly() {
        for (kernel, stride) in [(7, 1), (3, 1), (1, 1), (4, 2), (8, 4), (10, 5), (16, 8)] {
            for steps in 1..70usize {
                let (left, right) = paddings(steps, kernel, stride);
                let outputs = (left + steps + right - kernel) / stride + 1;
                assert_eq!(outputs, steps.div_ceil(stride), "{kernel} {stride} {steps}");
            }
        }
    }

    #[test]
    fn edges_are_mirrored() -> Result<()> {
        let x = Tensor::new(&[[[1f32, 2., 3., 4.]]], &Device::Cpu)?;
        let padded = reflect(&x, 2, 3)?.flatten_all()?.to_vec1::<f32>()?;
        assert_eq!(padded, [3., 2., 1., 2., 3., 4., 3., 2., 1.]);
        // Two steps become 1 2 0 0 first, whose mirror image is cut to what was asked for.
        let x = Tensor::new(&[[[1f32, 2.]]], &Device::Cpu)?;
        let padded = reflect(&x, 3, 1)?.flatten_all()?.to_vec1::<f32>()?;
        assert_eq!(padded, [0., 0., 2., 1., 2., 0.]);
        Ok(())
    }
}
