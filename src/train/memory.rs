//! How much memory a training needs, before it is taken: candle ends the process when there is none.

use super::TrainError;
use super::feed::Pass;
use super::recipe::{Precision, Recipe};
use super::start::shapes;
use crate::models::llama::Config;

/// What is needed, by what it is for, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Weights, their gradients (the present ones and the sum of the step's) and moments.
    pub parameters: u64,
    /// What a pass keeps for its gradient.
    pub activations: u64,
    /// The scores of a pass's targets, and their gradient.
    pub scores: u64,
}

impl Needs {
    pub fn total(&self) -> u64 {
        self.parameters.saturating_add(self.activations).saturating_add(self.scores)
    }

    /// The needs of passes of up to `tokens` tokens (none of them padding) in sequences of up to
    /// `length`, with up to `targets` targets.
    ///
    /// Kept for the gradient of a layer are, of each token, about 14 vectors of the hidden size, 5 of
    /// the inner size, and 4 rows of attention scores per head; as measured, rounded up.
    pub fn of(recipe: &Recipe, config: &Config, tokens: u64, length: u64, targets: u64) -> Self {
        let size = match recipe.dtype {
            Precision::F32 => 4,
            Precision::Bf16 => 2,
        };
        let of = |(name, shape): &(String, Vec<usize>)| {
            let elements: u64 = shape.iter().map(|side| *side as u64).product();
            let muon =
                recipe.optimizer.muon.is_some() && name.contains("layers.") && shape.len() == 2;
            // f32: weight, gradient, sum, moments; and a copy to compute with.
            elements * (4 * 3 + if muon { 4 } else { 8 } + if size == 2 { 2 } else { 0 })
        };
        let parameters = shapes(config).iter().map(of).sum();
        let (hidden, inner) = (config.hidden_size as u64, config.intermediate_size as u64);
        let row = 14 * hidden + 5 * inner + 4 * config.num_attention_heads as u64 * length;
        let activations = tokens * row * config.num_hidden_layers as u64 * size;
        let scores = targets * config.vocab_size as u64 * 4 * 4;
        Needs { parameters, activations, scores }
    }

    /// The needs of the largest of some passes.
    pub fn of_passes(recipe: &Recipe, config: &Config, passes: &[Pass]) -> Option<Self> {
        let of = |pass: &Pass| {
            let longest = pass.rows.iter().map(|row| row.item.length).max().unwrap_or(0);
            let targets = pass.targets().count() as u64;
            Needs::of(recipe, config, pass.tokens(), longest as u64, targets)
        };
        passes.iter().map(of).max_by_key(Needs::total)
    }

    /// Refuses what goes beyond `available`.
    pub fn within(&self, available: u64) -> Result<(), TrainError> {
        if self.total() <= available {
            return Ok(());
        }
        Err(TrainError::Memory {
            needed: size(self.total()),
            available: size(available),
            parts: format!(
                "{} for weights, gradients and moments, {} for a pass and {} for its scores",
                size(self.parameters),
                size(self.activations),
                size(self.scores)
            ),
        })
    }
}

fn size(bytes: u64) -> String {
    crate::runtime::engine::Bytes(bytes).to_string()
}

/// The memory that the system can give, where it says so.
pub fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
