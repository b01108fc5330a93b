//! RMSNorm (Zhang and Sennrich 2019): `y = w · x / √(mean(x²) + ε)` for each row.

use super::vector::{dot, wide};
use rayon::prelude::*;

/// Rows whose part of the weight's gradient is summed at a time.
const CHUNK: usize = 64;

/// The reciprocal root mean square of each row of `x` (rows, width).
pub fn inverses(x: &[f32], width: usize, eps: f64) -> Vec<f32> {
    let inverse = |x: &[f32]| {
        let square = wide(|| dot(x, x)) / width as f32;
        1. / (square + eps as f32).sqrt()
    };
    x.par_chunks_exact(width).with_min_len(CHUNK).map(inverse).collect()
}

/// The normalised rows, given their [`inverses`].
pub fn forward(x: &[f32], weight: &[f32], inverses: &[f32]) -> Vec<f32> {
    let width = weight.len();
    let mut y = vec![0f32; x.len()];
    let rows = y.par_chunks_exact_mut(width).zip(x.par_chunks_exact(width)).zip(inverses);
    rows.with_min_len(CHUNK).for_each(|((y, x), &inverse)| {
        wide(|| {
            for ((y, x), weight) in y.iter_mut().zip(x).zip(weight) {
                *y = x * inverse * weight;
            }
        });
    });
    y
}

/// Adds the gradient of `x` to `dx`; the gradient of the weight. `dy` is that of the result.
pub fn backward(
    x: &[f32],
    weight: &[f32],
    inverses: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) -> Vec<f32> {
    let width = weight.len();
    let chunk = CHUNK * width;
    let chunks = dx.par_chunks_mut(chunk).zip(x.par_chunks(chunk)).zip(dy.par_chunks(chunk));
    let partial: Vec<Vec<f32>> = chunks
        .zip(inverses.par_chunks(CHUNK))
        .map(|(((dx, x), dy), inverses)| {
            let mut dweight = vec![0f32; width];
            wide(|| {
                let rows = x.chunks_exact(width).zip(dy.chunks_exact(width)).zip(inverses);
                for (dx, ((x, dy), &inverse)) in dx.chunks_exact_mut(width).zip(rows) {
                    row_backward(x, weight, inverse, dy, dx, &mut dweight);
                }
            });
            dweight
        })
        .collect();
    let mut dweight = vec![0f32; width];
    for partial in partial {
        for (sum, value) in dweight.iter_mut().zip(partial) {
            *sum += value;
        }
    }
    dweight
}

/// With `r` the inverse: `dx = r·w·dy − x·r³·mean(x·w·dy)`.
#[inline(always)]
fn row_backward(
    x: &[f32],
    weight: &[f32],
    inverse: f32,
    dy: &[f32],
    dx: &mut [f32],
    dweight: &mut [f32],
) {
    let mut products = [0f32; 16];
    let (x_chunks, x_rest) = x.as_chunks::<16>();
    let (w_chunks, w_rest) = weight.as_chunks::<16>();
    let (dy_chunks, dy_rest) = dy.as_chunks::<16>();
    for ((x, weight), dy) in x_chunks.iter().zip(w_chunks).zip(dy_chunks) {
        for i in 0..16 {
            products[i] += x[i] * weight[i] * dy[i];
        }
    }
    let rest: f32 = x_rest.iter().zip(w_rest).zip(dy_rest).map(|((x, w), dy)| x * w * dy).sum();
    let mean = (products.iter().sum::<f32>() + rest) / x.len() as f32;
    let pull = inverse * inverse * inverse * mean;
    let columns = x.iter().zip(weight).zip(dy).zip(dx).zip(dweight);
    for ((((x, weight), dy), dx), dweight) in columns {
        *dx += inverse * weight * dy - x * pull;
        *dweight += x * inverse * dy;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{close, finite_differences, noise, values, var, weighted};
    use super::*;
    use candle_core::D;

    #[test]
    fn as_composed() -> candle_core::Result<()> {
        let (rows, width, eps) = (131, 37, 1e-5);
        let (x, weight, dy) = (noise(rows * width, 1), noise(width, 2), noise(rows * width, 3));
        let (xv, wv) = (var(&x, &[rows, width]), var(&weight, &[width]));
        let square = (xv.sqr()?.mean_keepdim(D::Minus1)? + eps)?;
        let y = xv.broadcast_div(&square.sqrt()?)?.broadcast_mul(&wv)?;
        let gradients = (&y * &*var(&dy, &[rows, width]))?.sum_all()?.backward()?;

        let inverse = inverses(&x, width, eps);
        close(&forward(&x, &weight, &inverse), &values(&y), 1e-5);
        let mut dx = vec![1f32; x.len()];
        let dweight = backward(&x, &weight, &inverse, &dy, &mut dx);
        dx.iter_mut().for_each(|dx| *dx -= 1.);
        close(&dx, &values(gradients.get(&xv).expect("x has a gradient")), 1e-5);
        close(&dweight, &values(gradients.get(&wv).expect("w has a gradient")), 1e-5);
        let loss = |x: &[f32]| weighted(&forward(x, &weight, &inverses(x, width, eps)), &dy);
        finite_differences(&x, &dx, loss);
        Ok(())
    }
}
