//! A dense layer that keeps every core busy when there is only one row.

use candle_core::quantized::QMatMul;
use candle_core::{CpuStorage, CustomOp2, DType, Device, Layout, Module, Result, Shape, Tensor};
use candle_nn::VarBuilder;
use rayon::prelude::*;

use super::quantized::Quantization;

/// Up to this many rows the CPU kernel below beats candle's matrix product, which reads the
/// weight with one thread when there is a single row.
const MAX_ROWS: usize = 2;
/// Output elements that one task computes.
const BLOCK: usize = 64;
/// Fewer multiplications than this are not worth waking other threads.
const PARALLEL_FROM: usize = 1 << 17;

/// `y = x Wᵀ + b` with the weight in PyTorch's order (out, in).
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Weight,
    bias: Option<Tensor>,
}

#[derive(Debug, Clone)]
enum Weight {
    Plain(Tensor),
    Quantized { product: QMatMul, outputs: usize, inputs: usize },
}

impl Weight {
    /// The tensor `weight`, or what it was quantized to.
    fn load(inputs: usize, outputs: usize, vb: &VarBuilder) -> Result<Self> {
        for kind in Quantization::ALL {
            let name = kind.renamed("weight");
            let Some(row) = kind.row_bytes(inputs).filter(|_| vb.contains_tensor(&name)) else {
                continue;
            };
            let device = vb.device().clone();
            let bytes = vb.clone().set_device(Device::Cpu);
            let shape = (outputs, row);
            let packed = bytes.get_with_hints_dtype(shape, &name, Default::default(), DType::U8)?;
            let product = kind.unpack(&packed, inputs, &device)?;
            return Ok(Weight::Quantized { product, outputs, inputs });
        }
        Ok(Weight::Plain(vb.get((outputs, inputs), "weight")?))
    }

    fn dims(&self) -> Result<(usize, usize)> {
        match self {
            Weight::Plain(weight) => weight.dims2(),
            Weight::Quantized { outputs, inputs, .. } => Ok((*outputs, *inputs)),
        }
    }

    /// (rows, in) → (rows, out)
    fn product(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Weight::Plain(weight) => {
                let on_cpu = x.device().is_cpu() && x.dtype() == DType::F32;
                if on_cpu && x.dim(0)? <= MAX_ROWS && weight.is_contiguous() {
                    return x.contiguous()?.apply_op2_no_bwd(weight, &RowProduct);
                }
                x.matmul(&weight.t()?)
            }
            // GGML's kernels take f32 on every device.
            Weight::Quantized { product, .. } => {
                let y = product.forward(&x.to_dtype(DType::F32)?.contiguous()?)?;
                y.to_dtype(x.dtype())
            }
        }
    }
}

impl Linear {
    pub fn new(weight: Tensor, bias: Option<Tensor>) -> Self {
        Self { weight: Weight::Plain(weight), bias }
    }

    /// Reads `weight`, quantized or not, and `bias`.
    pub fn load(inputs: usize, outputs: usize, vb: VarBuilder) -> Result<Self> {
        let weight = Weight::load(inputs, outputs, &vb)?;
        Ok(Self { weight, bias: Some(vb.get(outputs, "bias")?) })
    }

    /// Reads `weight` only.
    pub fn load_no_bias(inputs: usize, outputs: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self { weight: Weight::load(inputs, outputs, &vb)?, bias: None })
    }
}

impl Module for Linear {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (outputs, inputs) = self.weight.dims()?;
        let mut shape = x.dims().to_vec();
        if shape.pop() != Some(inputs) {
            candle_core::bail!(
                "linear layer: input {:?} for a weight of ({outputs}, {inputs})",
                x.shape(),
            );
        }
        let rows = shape.iter().product::<usize>();
        shape.push(outputs);
        let y = self.weight.product(&x.reshape((rows, inputs))?)?;
        let y = match &self.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        };
        y.reshape(shape)
    }
}

/// (rows, in) × (out, in)ᵀ → (rows, out) for a few rows in f32.
struct RowProduct;

impl CustomOp2 for RowProduct {
    fn name(&self) -> &'static str {
        "row-product"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, inputs) = x_layout.shape().dims2()?;
        let (outputs, _) = weight_layout.shape().dims2()?;
        let x = contiguous_f32(x, x_layout)?;
        let weight = contiguous_f32(weight, weight_layout)?;
        let mut y = vec![0f32; rows * outputs];
        for (x, y) in x.chunks_exact(inputs).zip(y.chunks_exact_mut(outputs)) {
            let block = |(y, weight): (&mut [f32], &[f32])| {
                for (y, row) in y.iter_mut().zip(weight.chunks_exact(inputs)) {
                    *y = dot(x, row);
                }
            };
            if inputs * outputs < PARALLEL_FROM {
                block((y, weight));
            } else {
                y.par_chunks_mut(BLOCK).zip(weight.par_chunks(BLOCK * inputs)).for_each(block);
            }
        }
        Ok((CpuStorage::F32(y), Shape::from((rows, outputs))))
    }
}

/// The elements of a contiguous f32 tensor.
pub(crate) fn contiguous_f32<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (layout.contiguous_offsets(), storage) {
        (Some((start, end)), CpuStorage::F32(data)) => Ok(&data[start..end]),
        _ => candle_core::bail!("expected a contiguous f32 tensor"),
    }
}

/// Sum of products in a fixed order: sixteen running sums, which the compiler keeps in vector
/// registers, then their total.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_chunks, a_rest) = a.as_chunks::<16>();
    let (b_chunks, b_rest) = b.as_chunks::<16>();
    let mut sums = [0f32; 16];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for i in 0..16 {
            sums[i] += a[i] * b[i];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn ramp(rows: usize, columns: usize) -> Result<Tensor> {
        let values: Vec<f32> =
            (0..rows * columns).map(|i| ((i * 37 % 101) as f32 - 50.) / 50.).collect();
        Tensor::from_vec(values, (rows, columns), &Device::Cpu)
    }

    #[test]
    fn the_row_kernel_agrees_with_the_matrix_product() -> Result<()> {
        let weight = ramp(700, 203)?;
        let x = ramp(1, 203)?;
        let layer = Linear::new(weight.clone(), Some(ramp(1, 700)?.squeeze(0)?));
        let expected = x.matmul(&weight.t()?)?.broadcast_add(&ramp(1, 700)?)?;
        let error = (layer.forward(&x)? - expected)?.abs()?.max_all()?;
        assert!(error.to_scalar::<f32>()? < 1e-4);
        Ok(())
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() -> Result<()> {
        let layer = Linear::new(ramp(1000, 333)?, None);
        let x = ramp(1, 333)?;
        let run = |threads| -> Result<Vec<f32>> {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .map_err(candle_core::Error::wrap)?;
            pool.install(|| layer.forward(&x)?.flatten_all()?.to_vec1())
        };
        assert_eq!(run(1)?, run(3)?);
        Ok(())
    }

    /// Each way of storing is as near as its bits allow, and the same for any number of rows.
    #[test]
    fn quantized_weights_are_near_the_plain_ones() -> Result<()> {
        let (outputs, inputs) = (96, 512);
        let weight = ramp(outputs, inputs)?;
        for (kind, most) in [(Quantization::Q8_0, 0.01), (Quantization::Q4K, 0.1)] {
            let name = kind.renamed("weight");
            let tensors = [(name, kind.pack(&weight)?)].into();
            let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
            let layer = Linear::load_no_bias(inputs, outputs, vb)?;
            for rows in [1, 5] {
                let x = ramp(rows, inputs)?;
                let plain = Linear::new(weight.clone(), None).forward(&x)?;
                let error = (layer.forward(&x)? - &plain)?.sqr()?.mean_all()?.to_scalar::<f32>()?;
                let size = plain.sqr()?.mean_all()?.to_scalar::<f32>()?;
                let relative = (error / size).sqrt();
                assert!(relative > 0. && relative < most, "{kind} {rows}: {relative}");
            }
        }
        assert!(Quantization::Q4K.pack(&ramp(4, 96)?).is_err());
        assert_eq!(Quantization::Q4K.or_smaller_blocks(96), Some(Quantization::Q8_0));
        assert_eq!(Quantization::Q4K.or_smaller_blocks(20), None);
        Ok(())
    }

    #[test]
    fn a_wrong_input_width_is_an_error() -> Result<()> {
        let layer = Linear::new(ramp(4, 3)?, None);
        assert!(layer.forward(&ramp(1, 5)?).is_err());
        Ok(())
    }
}
