//! The snake activation, x + sin²(αx) / (α + 10⁻⁹) with a learned α per channel (Ziyin, Hartwig
//! and Ueda 2020; SpeechTokenizer's `modules/seanet.py`).

use candle_core::{CpuStorage, CustomOp2, DType, Layout, Result, Shape, Tensor};
use candle_nn::VarBuilder;
use rayon::prelude::*;

use super::linear::contiguous_f32;

#[derive(Debug)]
pub struct Snake {
    alpha: Tensor, // (1, channels, 1)
}

impl Snake {
    /// Reads `alpha`.
    pub fn load(channels: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self { alpha: vb.get((1, channels, 1), "alpha")? })
    }

    /// (1, channels, time) → the same shape
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if x.device().is_cpu() && x.dtype() == DType::F32 {
            return x.contiguous()?.apply_op2_no_bwd(&self.alpha, &OnePass);
        }
        let scale = (self.alpha.to_dtype(DType::F32)? + 1e-9)?.recip()?.to_dtype(x.dtype())?;
        x + x.broadcast_mul(&self.alpha)?.sin()?.sqr()?.broadcast_mul(&scale)?
    }
}

/// All of it in one pass over memory, each channel by one task.
struct OnePass;

impl CustomOp2 for OnePass {
    fn name(&self) -> &'static str {
        "snake"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        alpha: &CpuStorage,
        alpha_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (batch, channels, time) = x_layout.shape().dims3()?;
        let x = contiguous_f32(x, x_layout)?;
        let alpha = contiguous_f32(alpha, alpha_layout)?;
        if batch != 1 || alpha.len() != channels {
            candle_core::bail!("snake: input {:?} for {}", x_layout.shape(), alpha.len());
        }
        let mut y = vec![0f32; x.len()];
        y.par_chunks_mut(time.max(1)).zip(x.par_chunks(time.max(1))).zip(alpha).for_each(
            |((y, x), alpha)| {
                let scale = 1.0 / (alpha + 1e-9);
                for (y, x) in y.iter_mut().zip(x) {
                    let wave = (alpha * x).sin();
                    *y = x + wave * wave * scale;
                }
            },
        );
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }
}
