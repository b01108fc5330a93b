//! Rotary position embedding (Su et al. 2021), half-split as in HuggingFace, together with the
//! change from rows of tokens to rows of heads.

use super::vector::wide;
use rayon::prelude::*;

/// The rotation of each token: cosines and sines, (tokens, head_dim / 2).
#[derive(Debug)]
pub struct Rotation {
    pub cos: Vec<f32>,
    pub sin: Vec<f32>,
    pub head_dim: usize,
}

/// (tokens, heads · head_dim) → (heads, tokens, head_dim), the first `rotated` heads turned.
pub fn split(x: &[f32], heads: usize, rotated: usize, rotation: &Rotation) -> Vec<f32> {
    let dim = rotation.head_dim;
    let tokens = x.len() / (heads * dim);
    let mut y = vec![0f32; x.len()];
    y.par_chunks_exact_mut((tokens * dim).max(1)).enumerate().for_each(|(head, y)| {
        wide(|| {
            for (token, y) in y.chunks_exact_mut(dim).enumerate() {
                let x = &x[(token * heads + head) * dim..][..dim];
                y.copy_from_slice(x);
                if head < rotated {
                    turn(y, rotation, token, 1.);
                }
            }
        });
    });
    y
}

/// The gradient of [`split`]: (heads, tokens, head_dim) → (tokens, heads · head_dim), the first
/// `rotated` heads turned back.
pub fn merge(y: &[f32], heads: usize, rotated: usize, rotation: &Rotation) -> Vec<f32> {
    let dim = rotation.head_dim;
    let tokens = y.len() / (heads * dim);
    let mut x = vec![0f32; y.len()];
    x.par_chunks_exact_mut(heads * dim).with_min_len(16).enumerate().for_each(|(token, x)| {
        wide(|| {
            for (head, x) in x.chunks_exact_mut(dim).enumerate() {
                x.copy_from_slice(&y[(head * tokens + token) * dim..][..dim]);
                if head < rotated {
                    turn(x, rotation, token, -1.);
                }
            }
        });
    });
    x
}

/// Turns one head by the angles of `token`, or back.
#[inline(always)]
fn turn(x: &mut [f32], rotation: &Rotation, token: usize, direction: f32) {
    let half = rotation.head_dim / 2;
    let cos = &rotation.cos[token * half..][..half];
    let sin = &rotation.sin[token * half..][..half];
    let (real, imaginary) = x.split_at_mut(half);
    for (((real, imaginary), cos), sin) in real.iter_mut().zip(imaginary).zip(cos).zip(sin) {
        let sin = direction * sin;
        (*real, *imaginary) = (*real * cos - *imaginary * sin, *imaginary * cos + *real * sin);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{close, finite_differences, noise, values, var, weighted};
    use super::*;
    use candle_core::Tensor;

    #[test]
    fn as_composed() -> candle_core::Result<()> {
        let (tokens, heads, rotated, dim) = (9, 5, 3, 6);
        let (cos, sin) = crate::nn::rope::tables(dim, 100., 0..tokens as u32);
        let x = noise(tokens * heads * dim, 1);
        let dy = noise(x.len(), 2);
        let xv = var(&x, &[tokens, heads, dim]);
        let table = |t: &[f32]| Tensor::from_slice(t, (tokens, 1, dim / 2), xv.device());
        let (c, s) = (table(&cos)?, table(&sin)?);
        let turned = xv.narrow(1, 0, rotated)?;
        let (a, b) = (turned.narrow(2, 0, dim / 2)?, turned.narrow(2, dim / 2, dim / 2)?);
        let real = (a.broadcast_mul(&c)? - b.broadcast_mul(&s)?)?;
        let imaginary = (b.broadcast_mul(&c)? + a.broadcast_mul(&s)?)?;
        let turned = Tensor::cat(&[real, imaginary], 2)?;
        let y = Tensor::cat(&[turned, xv.narrow(1, rotated, heads - rotated)?], 1)?;
        let y = y.transpose(0, 1)?.contiguous()?;
        let gradients = (&y * &*var(&dy, &[heads, tokens, dim]))?.sum_all()?.backward()?;

        let rotation = Rotation { cos, sin, head_dim: dim };
        close(&split(&x, heads, rotated, &rotation), &values(&y), 1e-6);
        let dx = merge(&dy, heads, rotated, &rotation);
        close(&dx, &values(gradients.get(&xv).expect("x has a gradient")), 1e-6);
        finite_differences(&x, &dx, |x| weighted(&split(x, heads, rotated, &rotation), &dy));
        Ok(())
    }
}
