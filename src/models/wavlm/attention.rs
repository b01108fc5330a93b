//! Attention with a gated relative position bias (Chen et al. 2022, section III-B): how far away a
//! frame is counts, and the asking frame says how much.

use candle_core::{DType, Module, Result, Tensor};
use candle_nn::VarBuilder;

use super::Config;
use crate::nn::attention::split_heads;
use crate::nn::linear::Linear;

/// Scores held at a time; more queries are taken in pieces.
const MAX_SCORES: usize = 1 << 26;
/// What the gates are projected to: two gates of four numbers, which are added up.
const GATE: (usize, usize) = (2, 4);

/// The bias between two frames by their distance, one per head; layers share it.
#[derive(Debug)]
pub(super) struct DistanceBias {
    table: Tensor, // (buckets, heads)
    buckets: usize,
    farthest: usize,
}

impl DistanceBias {
    /// `vb` is that of the first layer's attention.
    pub fn load(cfg: &Config, vb: &VarBuilder) -> Result<Self> {
        let shape = (cfg.num_buckets, cfg.num_attention_heads);
        Ok(Self {
            table: vb.get(shape, "rel_attn_embed.weight")?,
            buckets: cfg.num_buckets,
            farthest: cfg.max_bucket_distance,
        })
    }

    /// The bias at every distance among `frames` frames, -(frames - 1) first:
    /// (heads, 2 · frames - 1).
    pub fn by_distance(&self, frames: usize) -> Result<Tensor> {
        let last = frames as i64 - 1;
        let buckets: Vec<u32> =
            (-last..=last).map(|d| bucket(d, self.buckets, self.farthest)).collect();
        let index = Tensor::from_vec(buckets, 2 * frames - 1, self.table.device())?;
        self.table.index_select(&index, 0)?.to_dtype(DType::F32)?.t()?.contiguous()
    }
}

/// As in T5 (Raffel et al. 2020): half the buckets are for frames behind, half for those before;
/// of each, half are for one distance, and the others' distances grow as powers.
fn bucket(distance: i64, buckets: usize, farthest: usize) -> u32 {
    let half = buckets / 2;
    let exact = half / 2;
    let away = distance.unsigned_abs() as usize;
    let place = if away < exact {
        away
    } else {
        // In single precision, as the reference.
        let ratio = libm::logf(away as f32 / exact as f32);
        let ratio = ratio / libm::log(farthest as f64 / exact as f64) as f32;
        (exact + (ratio * (half - exact) as f32) as usize).min(half - 1)
    };
    (place + if distance > 0 { half } else { 0 }) as u32
}

#[derive(Debug)]
pub(super) struct Attention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    gates: Linear,
    gate_scale: Tensor, // (1, heads, 1, 1)
    heads: usize,
    scale: f64,
}

impl Attention {
    pub fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        let (width, heads) = (cfg.hidden_size, cfg.num_attention_heads);
        let proj = |name| Linear::load(width, width, vb.pp(name));
        let gates = vb.pp("gru_rel_pos_linear");
        Ok(Self {
            q_proj: proj("q_proj")?,
            k_proj: proj("k_proj")?,
            v_proj: proj("v_proj")?,
            out_proj: proj("out_proj")?,
            gates: Linear::load(width / heads, GATE.0 * GATE.1, gates)?,
            gate_scale: vb.get((1, heads, 1, 1), "gru_rel_pos_const")?,
            heads,
            scale: 1. / ((width / heads) as f64).sqrt(),
        })
    }

    /// (1, frames, hidden) → the same; `bias` is [`DistanceBias::by_distance`].
    pub fn forward(&self, x: &Tensor, bias: &Tensor) -> Result<Tensor> {
        let (_, frames, width) = x.dims3()?;
        let query = (split_heads(&self.q_proj.forward(x)?, self.heads)? * self.scale)?;
        let key = split_heads(&self.k_proj.forward(x)?, self.heads)?.t()?;
        let value = split_heads(&self.v_proj.forward(x)?, self.heads)?;
        let gate = self.gate(x)?;
        let rows = (MAX_SCORES / (self.heads * frames).max(1)).clamp(1, frames);
        let mut pieces = vec![];
        for start in (0..frames).step_by(rows) {
            let rows = rows.min(frames - start);
            let bias = self.bias_of(bias, start, rows, frames)?;
            let bias = gate.narrow(2, start, rows)?.broadcast_mul(&bias)?;
            let scores = query.narrow(2, start, rows)?.contiguous()?.matmul(&key)?;
            let scores = (scores.to_dtype(DType::F32)? + bias.to_dtype(DType::F32)?)?;
            let weights = candle_nn::ops::softmax_last_dim(&scores)?.to_dtype(value.dtype())?;
            pieces.push(weights.matmul(&value)?);
        }
        let context = Tensor::cat(&pieces, 2)?.transpose(1, 2)?.reshape((1, frames, width))?;
        self.out_proj.forward(&context)
    }

    /// How much the bias counts for each frame and head, (1, heads, frames, 1) in f32.
    fn gate(&self, x: &Tensor) -> Result<Tensor> {
        let (_, frames, _) = x.dims3()?;
        let gates = self.gates.forward(&split_heads(x, self.heads)?)?;
        let gates = gates.reshape((1, self.heads, frames, GATE.0, GATE.1))?.sum(4)?;
        let gates = candle_nn::ops::sigmoid(&gates)?;
        let (update, reset) = (gates.narrow(3, 0, 1)?, gates.narrow(3, 1, 1)?);
        let reset = (reset.broadcast_mul(&self.gate_scale)? - 1.)?;
        ((update * reset)? + 2.)?.to_dtype(DType::F32)
    }

    /// The biases of the queries from `start` on, (1, heads, rows, frames).
    fn bias_of(&self, bias: &Tensor, start: usize, rows: usize, frames: usize) -> Result<Tensor> {
        let index: Vec<u32> = (start..start + rows)
            .flat_map(|query| (0..frames).map(move |key| (key + frames - 1 - query) as u32))
            .collect();
        let index = Tensor::from_vec(index, rows * frames, bias.device())?;
        bias.index_select(&index, 1)?.reshape((1, self.heads, rows, frames))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `WavLMAttention._relative_positions_bucket` with the published 320 buckets up to 800.
    #[test]
    fn buckets_are_the_reference() {
        let distances = [0, 1, 79, 80, 81, 100, 200, 400, 799, 800, 5000];
        let behind: Vec<u32> = distances.iter().map(|d| bucket(-d, 320, 800)).collect();
        let before: Vec<u32> = distances.iter().map(|d| bucket(*d, 320, 800)).collect();
        assert_eq!(behind, BEHIND);
        assert_eq!(before, BEFORE);
    }

    const BEHIND: [u32; 11] = [0, 1, 79, 80, 80, 87, 111, 135, 159, 159, 159];
    const BEFORE: [u32; 11] = [0, 161, 239, 240, 240, 247, 271, 295, 319, 319, 319];
}
