//! Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon): momentum whose matrix is made nearly
//! orthogonal, with the rate of `torch.optim.Muon(adjust_lr_fn="match_rms_adamw")`.
//!
//! torch runs the iteration in bf16; here it is f32, which is nearer to what the formula says and, on
//! processors, faster.

use candle_core::{D, DType, Result, Tensor};

use crate::train::recipe::Muon;

/// Of the quintic: chosen by the authors to lift small singular values fast, not to converge to 1.
const COEFFICIENTS: (f64, f64, f64) = (3.4445, -4.7750, 2.0315);
const ITERATIONS: usize = 5;
const EPS: f64 = 1e-7;

/// The parameter, a matrix, after one more step.
pub(super) fn step(
    recipe: &Muon,
    rate: f64,
    value: &Tensor,
    gradient: &Tensor,
    momentum: &mut Tensor,
) -> Result<Tensor> {
    let mix = |from: &Tensor, to: &Tensor, weight: f64| (from * (1.0 - weight))? + (to * weight)?;
    *momentum = mix(momentum, gradient, 1.0 - recipe.momentum)?;
    let direction = match recipe.nesterov {
        true => mix(gradient, momentum, recipe.momentum)?,
        false => momentum.clone(),
    };
    let (rows, columns) = value.dims2()?;
    // The root mean square of an update is then about that of AdamW's (Liu et al. 2025, section 2.2).
    let adjusted = rate * 0.2 * (rows.max(columns) as f64).sqrt();
    let decayed = (value * (1.0 - rate * recipe.weight_decay))?;
    decayed - (orthogonal(&direction)? * adjusted)?
}

/// A matrix with the singular vectors of `matrix` and singular values near 1.
fn orthogonal(matrix: &Tensor) -> Result<Tensor> {
    let (rows, columns) = matrix.dims2()?;
    // The Gram matrix is made of the shorter side.
    let flipped = rows > columns;
    let matrix = if flipped { matrix.t()?.contiguous()? } else { matrix.clone() };
    let norm = matrix.sqr()?.sum_all()?.sqrt()?.to_dtype(DType::F64)?.to_scalar::<f64>()?;
    let mut x = (matrix / norm.max(EPS))?;
    let (a, b, c) = COEFFICIENTS;
    for _ in 0..ITERATIONS {
        let gram = x.matmul(&x.transpose(D::Minus2, D::Minus1)?.contiguous()?)?;
        let update = ((&gram * b)? + (gram.matmul(&gram)? * c)?)?;
        x = ((&x * a)? + update.matmul(&x)?)?;
    }
    if flipped { x.t()?.contiguous() } else { Ok(x) }
}
