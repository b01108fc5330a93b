//! Rotary position embedding, half-split form (Su et al. 2021; HuggingFace `rotate_half`).

use candle_core::{DType, Device, Result, Tensor};

/// Cosines and sines of `positions` positions for heads of `head_dim` elements, in f32.
#[derive(Debug, Clone)]
pub struct Rope {
    cos: Tensor, // (positions, head_dim / 2)
    sin: Tensor,
}

impl Rope {
    pub fn new(head_dim: usize, theta: f64, positions: usize, device: &Device) -> Result<Self> {
        let half = head_dim / 2;
        let (cos, sin) = tables(head_dim, theta, 0..positions as u32);
        Ok(Self {
            cos: Tensor::from_vec(cos, (positions, half), device)?,
            sin: Tensor::from_vec(sin, (positions, half), device)?,
        })
    }

    pub fn positions(&self) -> usize {
        self.cos.dims().first().copied().unwrap_or(0)
    }

    /// Rotates `x` (batch, heads, time, head_dim), whose first element stands at `position`.
    pub fn apply(&self, x: &Tensor, position: usize) -> Result<Tensor> {
        let time = x.dim(2)?;
        let cos = self.cos.narrow(0, position, time)?;
        let sin = self.sin.narrow(0, position, time)?;
        let rotated = candle_nn::rotary_emb::rope(
            &x.to_dtype(DType::F32)?.contiguous()?,
            &cos.contiguous()?,
            &sin.contiguous()?,
        )?;
        rotated.to_dtype(x.dtype())
    }
}

/// The cosines and the sines of `positions`, (positions, head_dim / 2) each.
pub fn tables(
    head_dim: usize,
    theta: f64,
    positions: impl IntoIterator<Item = u32>,
) -> (Vec<f32>, Vec<f32>) {
    // The reference multiplies in f32: round as it does, then take cos and sin exactly.
    let inverse_frequency: Vec<f32> = (0..head_dim / 2)
        .map(|i| 1. / libm::pow(theta, (2 * i) as f64 / head_dim as f64) as f32)
        .collect();
    let (mut cos, mut sin) = (vec![], vec![]);
    for position in positions {
        for frequency in &inverse_frequency {
            let angle = f64::from(position as f32 * frequency);
            cos.push(libm::cos(angle) as f32);
            sin.push(libm::sin(angle) as f32);
        }
    }
    (cos, sin)
}
