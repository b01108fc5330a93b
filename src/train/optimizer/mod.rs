//! Optimizers: AdamW for all parameters, or Muon for the matrices of the layers and AdamW for the rest.
//!
//! Parameters, gradients and what is kept of them are f32, whatever the network computes in.

mod adamw;
mod gradients;
mod muon;

use candle_core::{DType, Result, Tensor, Var};

use super::recipe::{self, Part};

pub use gradients::Gradients;

/// One parameter and what is kept of its gradients.
struct Slot {
    name: String,
    var: Var,
    decays: bool,
    state: State,
}

enum State {
    /// Running means of the gradient and of its square.
    AdamW {
        mean: Tensor,
        square: Tensor,
    },
    Muon {
        momentum: Tensor,
    },
}

pub struct Optimizer {
    recipe: recipe::Optimizer,
    slots: Vec<Slot>,
    steps: u64,
}

/// What a checkpoint calls the tensors of a parameter.
const MEAN: &str = "mean";
const SQUARE: &str = "square";
const MOMENTUM: &str = "momentum";

impl Optimizer {
    /// `parameters` in f32, with names as in HuggingFace's LLaMA.
    pub fn new(recipe: &recipe::Optimizer, parameters: &[(String, Var)]) -> Result<Self> {
        let slots = parameters.iter().map(|(name, var)| slot(recipe, name, var));
        Ok(Optimizer { recipe: recipe.clone(), slots: slots.collect::<Result<_>>()?, steps: 0 })
    }

    /// Updates all parameters; `gradients` in their order, in f32. `factor` is the schedule's.
    pub fn step(&mut self, gradients: &[Tensor], factor: f64) -> Result<()> {
        self.steps += 1;
        for (slot, gradient) in self.slots.iter_mut().zip(gradients) {
            let value = slot.var.as_detached_tensor();
            let updated = match &mut slot.state {
                State::AdamW { mean, square } => {
                    let recipe = &self.recipe.adamw;
                    let decay = if slot.decays { recipe.weight_decay } else { 0.0 };
                    let rate = recipe.rate * factor;
                    adamw::step(recipe, rate, decay, self.steps, &value, gradient, mean, square)?
                }
                State::Muon { momentum } => {
                    // Slots of this kind are only made where the recipe has it.
                    let Some(recipe) = &self.recipe.muon else { continue };
                    muon::step(recipe, recipe.rate * factor, &value, gradient, momentum)?
                }
            };
            slot.var.set(&updated)?;
        }
        Ok(())
    }

    /// What is kept of the gradients: `{mean,square,momentum}.{parameter}`.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let mut state = Vec::new();
        for slot in &self.slots {
            let mut keep = |kind: &str, tensor: &Tensor| {
                state.push((format!("{kind}.{}", slot.name), tensor.clone()));
            };
            match &slot.state {
                State::AdamW { mean, square } => {
                    keep(MEAN, mean);
                    keep(SQUARE, square);
                }
                State::Muon { momentum } => keep(MOMENTUM, momentum),
            }
        }
        state
    }

    /// Takes back what [`Self::state`] gave after `steps` steps. `load` gives the tensor of a name with
    /// the shape of another one.
    pub fn restore<E>(
        &mut self,
        steps: u64,
        mut load: impl FnMut(&str, &Tensor) -> std::result::Result<Tensor, E>,
    ) -> std::result::Result<(), E> {
        self.steps = steps;
        for slot in &mut self.slots {
            let mut take = |kind: &str, tensor: &mut Tensor| {
                *tensor = load(&format!("{kind}.{}", slot.name), tensor)?;
                Ok::<_, E>(())
            };
            match &mut slot.state {
                State::AdamW { mean, square } => {
                    take(MEAN, mean)?;
                    take(SQUARE, square)?;
                }
                State::Muon { momentum } => take(MOMENTUM, momentum)?,
            }
        }
        Ok(())
    }
}

fn slot(recipe: &recipe::Optimizer, name: &str, var: &Var) -> Result<Slot> {
    let zeros = || Tensor::zeros(var.shape(), DType::F32, var.device());
    let is_matrix = var.rank() == 2;
    let state = if recipe.muon.is_some() && is_matrix && name.contains("layers.") {
        State::Muon { momentum: zeros()? }
    } else {
        State::AdamW { mean: zeros()?, square: zeros()? }
    };
    let left_out = &recipe.adamw.no_decay;
    let decays = !(left_out.contains(&Part::Norms) && !is_matrix
        || left_out.contains(&Part::Embeddings) && name.ends_with("embed_tokens.weight"));
    Ok(Slot { name: name.to_string(), var: var.clone(), decays, state })
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn recipe(muon: bool) -> recipe::Optimizer {
        let muon = if muon { ", \"muon\": {\"rate\": 0.1}" } else { "" };
        let json = format!(
            r#"{{"adamw": {{"rate": 0.1, "weight_decay": 0.5, "no_decay": ["norms", "embeddings"]}}{muon}}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    fn var(name: &str, shape: &[usize]) -> (String, Var) {
        let ones = Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap();
        (name.into(), Var::from_tensor(&ones).unwrap())
    }

    #[test]
    fn muon_takes_the_matrices_of_the_layers_and_decay_leaves_parts_out() {
        let parameters = [
            var("model.embed_tokens.weight", &[3, 2]),
            var("model.layers.0.mlp.up_proj.weight", &[2, 2]),
            var("model.norm.weight", &[2]),
            var("lm_head.weight", &[3, 2]),
        ];
        let kinds = |muon| {
            let optimizer = Optimizer::new(&recipe(muon), &parameters).unwrap();
            let kind = |slot: &Slot| (matches!(slot.state, State::Muon { .. }), slot.decays);
            optimizer.slots.iter().map(kind).collect::<Vec<_>>()
        };
        assert_eq!(kinds(true), [(false, false), (true, true), (false, false), (false, true)]);
        assert!(kinds(false).iter().all(|(muon, _)| !muon));
    }
}
