//! SwiGLU (Shazeer 2020): `silu(gate) · up`, with gate and up beside each other in a row.

use super::vector::{exp, wide};
use rayon::prelude::*;

/// (rows, 2 · width) → (rows, width)
pub fn forward(gate_up: &[f32], width: usize) -> Vec<f32> {
    let mut y = vec![0f32; gate_up.len() / 2];
    let rows = y.par_chunks_exact_mut(width).zip(gate_up.par_chunks_exact(2 * width));
    rows.with_min_len(16).for_each(|(y, gate_up)| {
        let (gate, up) = gate_up.split_at(width);
        wide(|| {
            for ((y, &gate), &up) in y.iter_mut().zip(gate).zip(up) {
                *y = gate * sigmoid(gate) * up;
            }
        });
    });
    y
}

/// Replaces gate and up by their gradients, given that of the result.
pub fn backward(gate_up: &mut [f32], dy: &[f32], width: usize) {
    let rows = gate_up.par_chunks_exact_mut(2 * width).zip(dy.par_chunks_exact(width));
    rows.with_min_len(16).for_each(|(gate_up, dy)| {
        let (gate, up) = gate_up.split_at_mut(width);
        wide(|| {
            for ((gate, up), &dy) in gate.iter_mut().zip(up).zip(dy) {
                let sigmoid = sigmoid(*gate);
                let silu = *gate * sigmoid;
                *gate = dy * *up * (sigmoid + silu * (1. - sigmoid));
                *up = dy * silu;
            }
        });
    });
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1. / (1. + exp(-x))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{close, finite_differences, noise, values, var, weighted};
    use super::*;

    #[test]
    fn as_composed() -> candle_core::Result<()> {
        let (rows, width) = (23, 19);
        let x: Vec<f32> = noise(rows * 2 * width, 1).iter().map(|x| 6. * x).collect();
        let dy = noise(rows * width, 2);
        let xv = var(&x, &[rows, 2 * width]);
        let y = (xv.narrow(1, 0, width)?.silu()? * xv.narrow(1, width, width)?)?;
        let gradients = (&y * &*var(&dy, &[rows, width]))?.sum_all()?.backward()?;
        close(&forward(&x, width), &values(&y), 1e-5);
        let mut dx = x.clone();
        backward(&mut dx, &dy, width);
        close(&dx, &values(gradients.get(&xv).expect("x has a gradient")), 1e-5);
        finite_differences(&x, &dx, |x| weighted(&forward(x, width), &dy));
        Ok(())
    }
}
