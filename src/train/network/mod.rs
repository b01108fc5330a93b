//! The language model as training sees it: LLaMA (Touvron et al. 2023) with the tensor names of
//! HuggingFace's `LlamaForCausalLM`, from batches of token ids to a loss per target.
//!
//! Weights are kept in f32 whatever the products are computed in, so that small updates are not
//! rounded away (mixed-precision training, Micikevicius et al. 2018).
//!
//! There are two ways through the network, of the same results. On the CPU in f32 it is kernels
//! with a hand-written backward (`fused`), which are several times faster than candle's passes.
//! On GPUs and in half precision it is candle's operations (`composed`). The device and the type
//! of numbers decide, nothing else.

mod batch;
mod composed;
mod fused;
mod gradients;
mod weights;

pub use batch::{Attention, Batch};

use crate::models::llama::Config;
use batch::Tokens;
use candle_core::{DType, Device, Tensor, Var};
use std::collections::HashMap;
use weights::Weights;

/// What can go wrong in building or running the network that is trained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(transparent)]
    Config(#[from] crate::models::Error),
    #[error("training does not support `{field}: true` of the configuration")]
    Unsupported { field: &'static str },
    #[error("the checkpoint lacks the tensor {name}; the configuration asks for it")]
    Missing { name: String },
    #[error("the checkpoint holds the tensor {name}, which the configuration does not know")]
    Unknown { name: String },
    #[error("the tensor {name} has the shape {got:?}, the configuration asks for {expected:?}")]
    Shape { name: String, got: Vec<usize>, expected: Vec<usize> },
    #[error("the network cannot compute in {dtype:?}; choose f32, bf16 or f16")]
    Compute { dtype: DType },
    #[error("batch of {rows} rows of {length} tokens: {reason}")]
    Batch { rows: usize, length: usize, reason: String },
    /// Nothing to learn from; the caller may pass the batch over.
    #[error("no token of the batch counts for the loss")]
    NothingCounted,
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

pub type Result<T> = std::result::Result<T, Error>;

/// A LLaMA whose weights can be trained. A clone shares them.
#[derive(Debug, Clone)]
pub struct Network {
    config: Config,
    weights: Weights,
    compute: DType,
    device: Device,
}

impl Network {
    /// Takes the weights by HuggingFace's names. `compute` is the type of activations and
    /// products: bf16 on a GPU, f32 on a CPU. Weights and gradients are f32.
    ///
    /// Of `tensors`, rotary tables of old checkpoints (`rotary_emb.inv_freq`) are left out, and
    /// `lm_head.weight` where the configuration ties it to the embedding, as HuggingFace does.
    pub fn new(
        config: &Config,
        tensors: HashMap<String, Tensor>,
        compute: DType,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        for (field, set) in
            [("attention_bias", config.attention_bias), ("mlp_bias", config.mlp_bias)]
        {
            if set {
                return Err(Error::Unsupported { field });
            }
        }
        if !matches!(compute, DType::F32 | DType::BF16 | DType::F16) {
            return Err(Error::Compute { dtype: compute });
        }
        let weights = Weights::new(config, tensors, device)?;
        Ok(Self { config: config.clone(), weights, compute, device: device.clone() })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Every weight under its name: the embedding, the layers in order, the last norm, the head.
    pub fn parameters(&self) -> &[(String, Var)] {
        self.weights.named()
    }

    /// The negative log likelihood in nats of each counted target of `batch`, (targets) in f32,
    /// and the targets' ids in the same order, row by row. The target of a position is the token
    /// after it in the same row, so the first token of a row never is one.
    ///
    /// On the CPU the result goes backward once; what it holds for that is freed on the way.
    pub fn losses(&self, batch: &Batch, attention: Attention) -> Result<(Tensor, Vec<u32>)> {
        let tokens = Tokens::new(batch, attention, self.config.vocab_size)?;
        let losses = if self.device.is_cpu() && self.compute == DType::F32 {
            self.fused(&tokens)?
        } else {
            self.composed(&tokens)?
        };
        Ok((losses, tokens.targets))
    }
}

#[cfg(test)]
mod tests;
