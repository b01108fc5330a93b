//! Long short-term memory (Hochreiter and Schmidhuber 1997) with PyTorch's names and gate order.
//!
//! The inputs of all steps are projected in one matrix product; only the recurrence goes step by
//! step. It runs on the processor whatever the device, since one step is far too little work for
//! a GPU.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use rayon::prelude::*;

use super::linear::dot;

/// Fewer multiplications in a step than this are not worth waking other threads.
const PARALLEL_FROM: usize = 1 << 18;
/// Gate values that one task computes.
const BLOCK: usize = 64;

/// Stacked layers in one or both directions.
#[derive(Debug)]
pub struct Lstm {
    /// Per layer: forward, then backward where there is one.
    layers: Vec<Vec<Direction>>,
}

#[derive(Debug)]
struct Direction {
    input: Tensor,       // (4 · hidden, in), gates in the order i, f, g, o
    bias: Tensor,        // (4 · hidden), both of PyTorch's biases
    recurrent: Vec<f32>, // (4 · hidden, hidden)
    hidden: usize,
    backward: bool,
}

impl Lstm {
    /// Reads `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0` and so on, and the same
    /// with `_reverse`.
    pub fn load(
        inputs: usize,
        hidden: usize,
        layers: usize,
        bidirectional: bool,
        vb: VarBuilder,
    ) -> Result<Self> {
        let directions: &[bool] = if bidirectional { &[false, true] } else { &[false] };
        let layers = (0..layers).map(|layer| {
            let inputs = if layer == 0 { inputs } else { hidden * directions.len() };
            let direction = |backward: &bool| {
                let suffix =
                    if *backward { format!("l{layer}_reverse") } else { format!("l{layer}") };
                Direction::load(inputs, hidden, &suffix, *backward, &vb)
            };
            directions.iter().map(direction).collect()
        });
        Ok(Self { layers: layers.collect::<Result<_>>()? })
    }

    /// (steps, in) → (steps, hidden), or (steps, 2 · hidden): forward, then backward.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.layers.iter().try_fold(x.clone(), |x, directions| {
            let outputs: Result<Vec<Tensor>> =
                directions.iter().map(|direction| direction.forward(&x)).collect();
            Tensor::cat(&outputs?, 1)
        })
    }
}

impl Direction {
    fn load(
        inputs: usize,
        hidden: usize,
        suffix: &str,
        backward: bool,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let gates = 4 * hidden;
        let recurrent = vb.get((gates, hidden), &format!("weight_hh_{suffix}"))?;
        let bias = vb.get(gates, &format!("bias_ih_{suffix}"))?;
        Ok(Self {
            input: vb.get((gates, inputs), &format!("weight_ih_{suffix}"))?,
            bias: (bias + vb.get(gates, &format!("bias_hh_{suffix}"))?)?,
            recurrent: recurrent.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?,
            hidden,
            backward,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let steps = x.dim(0)?;
        let (dtype, device) = (x.dtype(), x.device());
        let projected = x.matmul(&self.input.t()?)?.broadcast_add(&self.bias)?;
        let projected: Vec<f32> =
            projected.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.flatten_all()?.to_vec1()?;
        let output = self.recur(&projected, steps);
        Tensor::from_vec(output, (steps, self.hidden), device)?.to_dtype(dtype)
    }

    fn recur(&self, projected: &[f32], steps: usize) -> Vec<f32> {
        let size = self.hidden;
        let mut output = vec![0f32; steps * size];
        let (mut hidden, mut cell) = (vec![0f32; size], vec![0f32; size]);
        let mut gates = vec![0f32; 4 * size];
        for step in 0..steps {
            let at = if self.backward { steps - 1 - step } else { step };
            gates.copy_from_slice(&projected[at * 4 * size..][..4 * size]);
            self.add_recurrent(&hidden, &mut gates);
            for unit in 0..size {
                let [input, forget, candidate, output] =
                    [0, 1, 2, 3].map(|gate| gates[gate * size + unit]);
                cell[unit] = sigmoid(forget) * cell[unit] + sigmoid(input) * candidate.tanh();
                hidden[unit] = sigmoid(output) * cell[unit].tanh();
            }
            output[at * size..][..size].copy_from_slice(&hidden);
        }
        output
    }

    fn add_recurrent(&self, hidden: &[f32], gates: &mut [f32]) {
        let size = self.hidden;
        let block = |(gates, weight): (&mut [f32], &[f32])| {
            for (gate, row) in gates.iter_mut().zip(weight.chunks_exact(size)) {
                *gate += dot(hidden, row);
            }
        };
        if self.recurrent.len() < PARALLEL_FROM {
            block((gates, &self.recurrent));
        } else {
            let weights = self.recurrent.par_chunks(BLOCK * size);
            gates.par_chunks_mut(BLOCK).zip(weights).for_each(block);
        }
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn backward_is_forward_on_the_reversed_sequence() -> Result<()> {
        let waves = |count: usize, shift: f32| -> Vec<f32> {
            (0..count).map(|i| (i as f32 * 0.7 + shift).sin() * 0.3).collect()
        };
        let device = Device::Cpu;
        let mut tensors = HashMap::new();
        for suffix in ["l0", "l0_reverse"] {
            for (name, rows, columns) in [("weight_ih", 12, 2), ("weight_hh", 12, 3)] {
                let values =
                    Tensor::from_vec(waves(rows * columns, 1.0), (rows, columns), &device)?;
                tensors.insert(format!("{name}_{suffix}"), values);
            }
            for name in ["bias_ih", "bias_hh"] {
                let values = Tensor::from_vec(waves(12, 2.0), 12, &device)?;
                tensors.insert(format!("{name}_{suffix}"), values);
            }
        }
        let vb = VarBuilder::from_tensors(tensors, DType::F32, &device);
        let lstm = Lstm::load(2, 3, 1, true, vb)?;
        let x = Tensor::from_vec(waves(10, 0.0), (5, 2), &device)?;
        let reversed = x.index_select(&Tensor::new(&[4u32, 3, 2, 1, 0], &device)?, 0)?;
        let (straight, turned) = (lstm.forward(&x)?, lstm.forward(&reversed)?);
        let (straight, turned) = (straight.to_vec2::<f32>()?, turned.to_vec2::<f32>()?);
        for step in 0..5 {
            assert_eq!(straight[step][3..], turned[4 - step][..3]);
        }
        Ok(())
    }
}
