//! Scaled dot-product attention (Vaswani et al. 2017, eq. 1).

use super::linear::dot;
use candle_core::{CpuStorage, CustomOp3, DType, Device, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

/// Scores held at a time; more queries are taken in pieces (a 768-pixel picture would need 3 GB).
const MAX_SCORES: usize = 1 << 26;

/// Attention of `query` (batch, heads, time, head_dim) to `key` and `value`
/// (batch, key_heads, length, head_dim), where `key_heads` divides `heads` (grouped queries).
///
/// `mask` (time, length), of −∞ and 0, is added to the scores. The softmax is taken in f32.
/// The result is (batch, time, heads · head_dim).
pub fn attend(
    query: &Tensor,
    key: &Tensor,
    value: &Tensor,
    scale: f64,
    mask: Option<&Tensor>,
) -> Result<Tensor> {
    let (batch, heads, time, head_dim) = query.dims4()?;
    let length = key.dim(2)?;
    let context = if time == 1 && mask.is_none() && single_query_on_cpu(query, key, value) {
        let scale = scale as f32;
        query.contiguous()?.apply_op3_no_bwd(key, value, &SingleQuery { scale })?
    } else {
        let rows = (MAX_SCORES / (batch * heads * length).max(1)).max(1);
        let mut pieces = vec![];
        for start in (0..time).step_by(rows) {
            let rows = rows.min(time - start);
            let query = query.narrow(2, start, rows)?;
            let mask = mask.map(|mask| mask.narrow(0, start, rows)).transpose()?;
            pieces.push(attend_to_all(&query, key, value, scale, mask.as_ref())?);
        }
        Tensor::cat(&pieces, 2)?
    };
    context.transpose(1, 2)?.reshape((batch, time, heads * head_dim))
}

/// The matrix form of [`attend`], (batch, heads, time, head_dim).
fn attend_to_all(
    query: &Tensor,
    key: &Tensor,
    value: &Tensor,
    scale: f64,
    mask: Option<&Tensor>,
) -> Result<Tensor> {
    let (batch, heads, time, head_dim) = query.dims4()?;
    let (_, key_heads, length, _) = key.dims4()?;
    // The queries that share a key head become rows of one product.
    let rows = heads / key_heads * time;
    let query = query.contiguous()?.reshape((batch, key_heads, rows, head_dim))?;
    let scores = (query * scale)?.matmul(&key.t()?)?.to_dtype(DType::F32)?;
    let scores = scores.reshape((batch, heads, time, length))?;
    let scores = match mask {
        Some(mask) => scores.broadcast_add(mask)?,
        None => scores,
    };
    let weights = candle_nn::ops::softmax_last_dim(&scores)?.to_dtype(value.dtype())?;
    weights
        .reshape((batch, key_heads, rows, length))?
        .matmul(value)?
        .reshape((batch, heads, time, head_dim))
}

/// (batch, time, heads · head_dim) → (batch, heads, time, head_dim), contiguous.
pub fn split_heads(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (batch, time, _) = x.dims3()?;
    x.reshape((batch, time, heads, ()))?.transpose(1, 2)?.contiguous()
}

/// A (time, start + time) mask: the query at `start + i` sees the keys up to itself.
pub fn causal_mask(time: usize, start: usize, device: &Device) -> Result<Tensor> {
    let length = start + time;
    let mut mask = vec![0f32; time * length];
    for (i, row) in mask.chunks_exact_mut(length).enumerate() {
        row[start + i + 1..].fill(f32::NEG_INFINITY);
    }
    Tensor::from_vec(mask, (time, length), device)
}

/// The `dim` of the last axis must be dense; the axes before may be views of a cache.
fn single_query_on_cpu(query: &Tensor, key: &Tensor, value: &Tensor) -> bool {
    query.device().is_cpu()
        && [query, key, value].iter().all(|t| t.dtype() == DType::F32)
        && [key, value].iter().all(|t| t.stride().last() == Some(&1))
}

/// One query per head against a cache, one head per task.
struct SingleQuery {
    scale: f32,
}

impl CustomOp3 for SingleQuery {
    fn name(&self) -> &'static str {
        "single-query-attention"
    }

    fn cpu_fwd(
        &self,
        query: &CpuStorage,
        query_layout: &Layout,
        key: &CpuStorage,
        key_layout: &Layout,
        value: &CpuStorage,
        value_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (batch, heads, _, head_dim) = query_layout.shape().dims4()?;
        let (_, key_heads, length, _) = key_layout.shape().dims4()?;
        let query = super::linear::contiguous_f32(query, query_layout)?;
        let (CpuStorage::F32(key), CpuStorage::F32(value)) = (key, value) else {
            candle_core::bail!("single-query attention takes f32");
        };
        let group = heads / key_heads;
        let mut context = vec![0f32; batch * heads * head_dim];
        let one_head = |(index, context): (usize, &mut [f32])| {
            let (batch, head) = (index / heads, index % heads / group);
            let query = &query[index * head_dim..][..head_dim];
            let start = |layout: &Layout| {
                let stride = layout.stride();
                layout.start_offset() + batch * stride[0] + head * stride[1]
            };
            let (key, key_step) = (&key[start(key_layout)..], key_layout.stride()[2]);
            let (value, value_step) = (&value[start(value_layout)..], value_layout.stride()[2]);
            let mut weights: Vec<f32> = (0..length)
                .map(|i| dot(query, &key[i * key_step..][..head_dim]) * self.scale)
                .collect();
            let highest = weights.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let mut total = 0f32;
            for weight in &mut weights {
                *weight = (*weight - highest).exp();
                total += *weight;
            }
            for (i, weight) in weights.iter().enumerate() {
                let row = &value[i * value_step..][..head_dim];
                for (context, value) in context.iter_mut().zip(row) {
                    *context += weight * value;
                }
            }
            context.iter_mut().for_each(|c| *c /= total);
        };
        if heads * length * head_dim < 1 << 15 {
            context.chunks_exact_mut(head_dim).enumerate().for_each(one_head);
        } else {
            context.par_chunks_exact_mut(head_dim).enumerate().for_each(one_head);
        }
        Ok((CpuStorage::F32(context), query_layout.shape().clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waves(shape: (usize, usize, usize, usize), seed: usize) -> Result<Tensor> {
        let count = shape.0 * shape.1 * shape.2 * shape.3;
        let values: Vec<f32> = (0..count).map(|i| ((i + seed) as f32 * 0.7).sin()).collect();
        Tensor::from_vec(values, shape, &Device::Cpu)
    }

    #[test]
    fn one_query_gives_what_the_last_of_many_gives() -> Result<()> {
        let (heads, key_heads, length, dim) = (4, 2, 9, 20);
        let query = waves((1, heads, length, dim), 1)?;
        // Views into a longer cache.
        let key = waves((1, key_heads, 16, dim), 2)?.narrow(2, 0, length)?;
        let value = waves((1, key_heads, 16, dim), 3)?.narrow(2, 0, length)?;
        let mask = causal_mask(length, 0, &Device::Cpu)?;
        let all = attend(&query, &key, &value, 0.3, Some(&mask))?;
        let last = query.narrow(2, length - 1, 1)?;
        let one = attend(&last, &key, &value, 0.3, None)?;
        let error = (all.narrow(1, length - 1, 1)? - one)?.abs()?.max_all()?;
        assert!(error.to_scalar::<f32>()? < 1e-6);
        Ok(())
    }
}
