//! AdamW, Loshchilov & Hutter 2019 (Decoupled Weight Decay Regularization), in the order of
//! operations of `torch.optim.AdamW`: the decay first, `eps` beside the corrected root.

use candle_core::{Result, Tensor};

use crate::train::recipe::AdamW;

/// The parameter after step number `steps`, which counts from 1.
#[allow(clippy::too_many_arguments)] // what the formula has
pub(super) fn step(
    recipe: &AdamW,
    rate: f64,
    decay: f64,
    steps: u64,
    value: &Tensor,
    gradient: &Tensor,
    mean: &mut Tensor,
    square: &mut Tensor,
) -> Result<Tensor> {
    let [beta1, beta2] = recipe.betas;
    *mean = ((&*mean * beta1)? + (gradient * (1.0 - beta1))?)?;
    *square = ((&*square * beta2)? + (gradient.sqr()? * (1.0 - beta2))?)?;
    let correction = |beta: f64| 1.0 - libm::pow(beta, steps as f64);
    let root = (square.sqrt()? / libm::sqrt(correction(beta2)))?;
    let direction = (&*mean / (root + recipe.eps)?)?;
    let decayed = (value * (1.0 - rate * decay))?;
    decayed - (direction * (rate / correction(beta1)))?
}
