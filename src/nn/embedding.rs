//! Sinusoidal embeddings of a number (diffusers `get_timestep_embedding`).

use candle_core::{Device, Result, Tensor};

/// The embedding of one `position` in `dim` elements, shape (1, dim), f32.
///
/// `cos_first` is diffusers' `flip_sin_to_cos`, `shift` its `downscale_freq_shift`.
pub fn sinusoidal(
    position: f64,
    dim: usize,
    cos_first: bool,
    shift: f64,
    device: &Device,
) -> Result<Tensor> {
    let half = dim / 2;
    let mut values = vec![0f32; dim];
    for i in 0..half {
        // The reference works in f32 up to the angle.
        let exponent = (-(10_000f64.ln()) as f32 * i as f32) / (half as f64 - shift) as f32;
        let angle = f64::from(position as f32 * libm::exp(f64::from(exponent)) as f32);
        let (sin, cos) = (libm::sin(angle) as f32, libm::cos(angle) as f32);
        let (first, second) = if cos_first { (cos, sin) } else { (sin, cos) };
        values[i] = first;
        values[half + i] = second;
    }
    Tensor::from_vec(values, (1, dim), device)
}
