//! What the UNet is told of the picture: an image embedding, noised to a level, and the level.
//! diffusers `StableUnCLIPPipeline.noise_image_embeddings`.

use super::super::{Check, Error, Result};
use super::scheduler::{BetaSchedule, alphas_cumprod};
use crate::nn::embedding::sinusoidal;
use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

const MODEL: &str = "image conditioning";

/// diffusers' `image_noising_scheduler/scheduler_config.json` (a `DDPMScheduler`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NoisingConfig {
    #[serde(default = "thousand")]
    pub num_train_timesteps: usize,
    #[serde(default = "beta_start")]
    pub beta_start: f64,
    #[serde(default = "beta_end")]
    pub beta_end: f64,
    #[serde(default = "schedule")]
    pub beta_schedule: BetaSchedule,
}

fn thousand() -> usize {
    1000
}
fn beta_start() -> f64 {
    0.0001
}
fn beta_end() -> f64 {
    0.02
}
fn schedule() -> BetaSchedule {
    BetaSchedule::SquaredCosine
}

impl NoisingConfig {
    /// The noise schedule of `stabilityai/stable-diffusion-2-1-unclip`.
    pub fn sd21_unclip() -> Self {
        Self {
            num_train_timesteps: thousand(),
            beta_start: beta_start(),
            beta_end: beta_end(),
            beta_schedule: schedule(),
        }
    }
}

/// Normaliser and noise schedule for embeddings of one width.
#[derive(Debug)]
pub struct Conditioner {
    mean: Tensor, // (1, dim), f32
    std: Tensor,
    alphas: Vec<f32>,
}

impl Conditioner {
    /// `vb` is the root of `image_normalizer/`: `mean` and `std` (1, dim).
    pub fn load(dim: usize, noising: &NoisingConfig, vb: VarBuilder) -> Result<Self> {
        let mean = vb.get((1, dim), "mean")?;
        Self::new(mean, vb.get((1, dim), "std")?, noising)
    }

    /// `mean` and `std` are (1, dim).
    pub fn new(mean: Tensor, std: Tensor, noising: &NoisingConfig) -> Result<Self> {
        let steps = noising.num_train_timesteps;
        Check(MODEL).positive("num_train_timesteps", steps)?;
        for (input, tensor) in [("mean", &mean), ("std", &std)] {
            if tensor.dims() != mean.dims() || tensor.dims().len() != 2 || tensor.dim(0)? != 1 {
                return Err(wrong(input, tensor, "(1, dim)"));
            }
        }
        let NoisingConfig { beta_start, beta_end, .. } = *noising;
        Ok(Self {
            mean: mean.to_dtype(DType::F32)?,
            std: std.to_dtype(DType::F32)?,
            alphas: alphas_cumprod(noising.beta_schedule, steps, beta_start, beta_end),
        })
    }

    /// The width of the embeddings.
    pub fn dim(&self) -> usize {
        self.mean.dims().last().copied().unwrap_or(0)
    }

    /// `embeds` (batch, dim) → class vectors (batch, 2 · dim), f32: the embedding with `noise`
    /// of `level` and the level itself. Without `noise` the embedding is only scaled, which is
    /// the mean over all noises.
    pub fn class_vector(
        &self,
        embeds: &Tensor,
        level: usize,
        noise: Option<&Tensor>,
    ) -> Result<Tensor> {
        let batch = match embeds.dims() {
            &[batch, dim] if batch > 0 && dim == self.dim() => batch,
            _ => return Err(wrong("embeds", embeds, &format!("(batch, {})", self.dim()))),
        };
        let Some(&alpha) = self.alphas.get(level) else {
            let reason = format!("is {}, but noise level {level} was asked", self.alphas.len());
            return Check(MODEL).fail("num_train_timesteps", reason);
        };
        let alpha = f64::from(alpha);
        let embeds = embeds.to_dtype(DType::F32)?;
        let mut x = embeds.broadcast_sub(&self.mean)?.broadcast_div(&self.std)?;
        x = (x * alpha.sqrt())?;
        if let Some(noise) = noise {
            if noise.dims() != embeds.dims() {
                return Err(wrong("noise", noise, &format!("{:?}", embeds.dims())));
            }
            x = (x + (noise.to_dtype(DType::F32)? * (1. - alpha).sqrt())?)?;
        }
        let x = x.broadcast_mul(&self.std)?.broadcast_add(&self.mean)?;
        let level = sinusoidal(level as f64, self.dim(), true, 0., x.device())?;
        Ok(Tensor::cat(&[&x, &level.expand((batch, self.dim()))?], 1)?)
    }
}

fn wrong(input: &'static str, tensor: &Tensor, expected: &str) -> Error {
    Error::Input { model: MODEL, input, got: tensor.dims().to_vec(), expected: expected.into() }
}
