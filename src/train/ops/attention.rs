//! Causal attention inside of spans of tokens, block by block of queries, so that neither what
//! is masked nor more than one block of scores is ever computed or held. Backward computes the
//! weights again from the log-sum-exp of each query's scores (Dao et al. 2022).

use super::product::{Packed, Target, View, part};
use super::vector::{dot, exp, exp_all, wide};
use rayon::prelude::*;
use std::ops::Range;

/// Queries of a block.
const BLOCK: usize = 96;

/// What attends to what. Everything is laid out by heads: (heads, tokens, head_dim).
#[derive(Debug, Clone, Copy)]
pub struct Shape<'a> {
    pub heads: usize,
    /// Divides `heads`: the queries of a group share keys and values.
    pub key_value_heads: usize,
    pub tokens: usize,
    pub head_dim: usize,
    /// Ranges of tokens, in order, that cover all.
    pub spans: &'a [Range<usize>],
}

impl Shape<'_> {
    fn group(&self) -> usize {
        self.heads / self.key_value_heads
    }

    fn scale(&self) -> f32 {
        1. / (self.head_dim as f32).sqrt()
    }

    /// The rows of `span` in `head`.
    fn rows<'b>(&self, data: &'b [f32], head: usize, span: &Range<usize>) -> &'b [f32] {
        let start = (head * self.tokens + span.start) * self.head_dim;
        &data[start..][..span.len() * self.head_dim]
    }

    /// The same for writing, (tokens, `width`): for each key head and span the pieces of its
    /// query heads, `group` of them.
    fn pieces<'b>(
        &self,
        data: &'b mut [f32],
        group: usize,
        width: usize,
    ) -> Vec<Vec<&'b mut [f32]>> {
        let mut pieces: Vec<_> = (0..self.key_value_heads * self.spans.len())
            .map(|_| Vec::with_capacity(group))
            .collect();
        for (head, mut rest) in data.chunks_mut((self.tokens * width).max(1)).enumerate() {
            for (number, span) in self.spans.iter().enumerate() {
                let (piece, after) = rest.split_at_mut(span.len() * width);
                pieces[head / group * self.spans.len() + number].push(piece);
                rest = after;
            }
        }
        pieces
    }
}

/// Queries, keys and values, of which keys and values may have fewer heads.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    pub query: &'a [f32],
    pub key: &'a [f32],
    pub value: &'a [f32],
}

impl<'a> Inputs<'a> {
    /// From one list of heads: all queries, all keys, all values.
    pub fn split(heads: &'a [f32], shape: &Shape) -> Self {
        let size = shape.tokens * shape.head_dim;
        let (query, rest) = heads.split_at(shape.heads * size);
        let (key, value) = rest.split_at(shape.key_value_heads * size);
        Self { query, key, value }
    }
}

/// The context (heads, tokens, head_dim), and the log-sum-exp of the scaled scores of each query
/// (heads, tokens).
pub fn forward(inputs: Inputs, shape: Shape) -> (Vec<f32>, Vec<f32>) {
    let mut context = vec![0f32; inputs.query.len()];
    let mut normalisers = vec![0f32; shape.heads * shape.tokens];
    let contexts = shape.pieces(&mut context, shape.group(), shape.head_dim);
    let results = contexts.into_par_iter().zip(shape.pieces(&mut normalisers, shape.group(), 1));
    results.enumerate().for_each(|(task, (contexts, normalisers))| {
        let (head, span) = (task / shape.spans.len(), &shape.spans[task % shape.spans.len()]);
        let (dim, length) = (shape.head_dim, span.len());
        let keys = View::rows(shape.rows(inputs.key, head, span), dim);
        let keys = Packed::new(keys.transposed(), dim, length);
        let values =
            Packed::new(View::rows(shape.rows(inputs.value, head, span), dim), length, dim);
        let mut scores = vec![0f32; BLOCK.min(length) * length];
        for (member, (context, normalisers)) in contexts.into_iter().zip(normalisers).enumerate() {
            let queries = shape.rows(inputs.query, head * shape.group() + member, span);
            for block in blocks(length) {
                let (rows, seen) = (block.len(), block.end);
                let query = View::rows(&queries[block.start * dim..], dim);
                part(query, &keys, (rows, dim, seen), into(&mut scores, seen));
                wide(|| {
                    let rows = scores.chunks_exact_mut(seen).take(rows);
                    for ((row, query), normaliser) in
                        rows.zip(block.clone()).zip(&mut normalisers[block.clone()])
                    {
                        let (visible, hidden) = row.split_at_mut(query + 1);
                        let total;
                        (total, *normaliser) = exp_all(visible, shape.scale());
                        let share = 1. / total;
                        visible.iter_mut().for_each(|weight| *weight *= share);
                        hidden.fill(0.);
                    }
                });
                let target = into(&mut context[block.start * dim..block.end * dim], dim);
                part(View::rows(&scores, seen), &values, (rows, seen, dim), target);
            }
        }
    });
    (context, normalisers)
}

/// The gradients of queries, keys and values, one after the other, given that of the context.
pub fn backward(
    inputs: Inputs,
    shape: Shape,
    context: &[f32],
    normalisers: &[f32],
    dcontext: &[f32],
) -> Vec<f32> {
    let size = shape.tokens * shape.head_dim;
    let mut gradients = vec![0f32; (shape.heads + 2 * shape.key_value_heads) * size];
    let (dquery, rest) = gradients.split_at_mut(shape.heads * size);
    let (dkey, dvalue) = rest.split_at_mut(shape.key_value_heads * size);
    let dqueries = shape.pieces(dquery, shape.group(), shape.head_dim);
    let dkeys = shape.pieces(dkey, 1, shape.head_dim);
    let dvalues = shape.pieces(dvalue, 1, shape.head_dim);
    let tasks = dqueries.into_par_iter().zip(dkeys).zip(dvalues).enumerate();
    tasks.for_each(|(task, ((dqueries, dkey), dvalue))| {
        let (head, span) = (task / shape.spans.len(), &shape.spans[task % shape.spans.len()]);
        let (Some(dkey), Some(dvalue)) = (dkey.into_iter().next(), dvalue.into_iter().next())
        else {
            return;
        };
        let mut keys = Keys::new(&inputs, &shape, head, span, dkey, dvalue);
        for (member, dquery) in dqueries.into_iter().enumerate() {
            let head = head * shape.group() + member;
            let normalisers = &normalisers[head * shape.tokens + span.start..][..span.len()];
            let queries = Queries {
                query: shape.rows(inputs.query, head, span),
                context: shape.rows(context, head, span),
                dcontext: shape.rows(dcontext, head, span),
                normalisers,
            };
            for block in blocks(span.len()) {
                keys.block_backward(&queries, block, dquery);
            }
        }
    });
    gradients
}

/// One query head in one span.
struct Queries<'a> {
    query: &'a [f32],
    context: &'a [f32],
    dcontext: &'a [f32],
    normalisers: &'a [f32],
}

/// One key head in one span, with its gradients and room for two blocks of scores.
struct Keys<'a> {
    keys_across: Packed,
    values_across: Packed,
    keys: Packed,
    dkey: &'a mut [f32],
    dvalue: &'a mut [f32],
    weights: Vec<f32>,
    dscores: Vec<f32>,
    dim: usize,
    scale: f32,
}

impl<'a> Keys<'a> {
    fn new(
        inputs: &Inputs,
        shape: &Shape,
        head: usize,
        span: &Range<usize>,
        dkey: &'a mut [f32],
        dvalue: &'a mut [f32],
    ) -> Self {
        let (dim, length) = (shape.head_dim, span.len());
        let keys = View::rows(shape.rows(inputs.key, head, span), dim);
        let values = View::rows(shape.rows(inputs.value, head, span), dim);
        let room = BLOCK.min(length) * length;
        Self {
            keys_across: Packed::new(keys.transposed(), dim, length),
            values_across: Packed::new(values.transposed(), dim, length),
            keys: Packed::new(keys, length, dim),
            dkey,
            dvalue,
            weights: vec![0f32; room],
            dscores: vec![0f32; room],
            dim,
            scale: shape.scale(),
        }
    }

    fn block_backward(&mut self, queries: &Queries, block: Range<usize>, dquery: &mut [f32]) {
        let (rows, seen, dim) = (block.len(), block.end, self.dim);
        let lines = block.start * dim..block.end * dim;
        let query = View::rows(&queries.query[lines.clone()], dim);
        let dcontext = View::rows(&queries.dcontext[lines.clone()], dim);
        let scores = (rows, dim, seen);
        part(query, &self.keys_across, scores, into(&mut self.weights, seen));
        part(dcontext, &self.values_across, scores, into(&mut self.dscores, seen));
        self.softmax_backward(queries, &block);
        let (weights, dscores) = (View::rows(&self.weights, seen), View::rows(&self.dscores, seen));
        part(dscores, &self.keys, (rows, seen, dim), into(&mut dquery[lines], dim));
        let query = Packed::new(query, rows, dim);
        let target = Target { add: true, ..into(self.dkey, dim) };
        part(dscores.transposed(), &query, (seen, rows, dim), target);
        let dcontext = Packed::new(dcontext, rows, dim);
        let target = Target { add: true, ..into(self.dvalue, dim) };
        part(weights.transposed(), &dcontext, (seen, rows, dim), target);
    }

    /// Scores to weights, and the gradients of weights to those of scores: with `p` a weight
    /// and `dp` its gradient, `p · (dp − Σ p·dp) · scale`; the sum is context · dcontext.
    fn softmax_backward(&mut self, queries: &Queries, block: &Range<usize>) {
        let (seen, dim, scale) = (block.end, self.dim, self.scale);
        let rows = self.weights.chunks_exact_mut(seen).zip(self.dscores.chunks_exact_mut(seen));
        wide(|| {
            for (query, (weights, dscores)) in block.clone().zip(rows) {
                let line = query * dim..(query + 1) * dim;
                let common = dot(&queries.context[line.clone()], &queries.dcontext[line]);
                let normaliser = queries.normalisers[query];
                let (weights, hidden) = weights.split_at_mut(query + 1);
                let (dscores, dhidden) = dscores.split_at_mut(query + 1);
                for (weight, dscore) in weights.iter_mut().zip(dscores) {
                    *weight = exp(*weight * scale - normaliser);
                    *dscore = *weight * (*dscore - common) * scale;
                }
                hidden.fill(0.);
                dhidden.fill(0.);
            }
        });
    }
}

fn blocks(length: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length).step_by(BLOCK).map(move |start| start..(start + BLOCK).min(length))
}

fn into(data: &mut [f32], stride: usize) -> Target<'_> {
    Target { data, stride, offset: 0, add: false }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{close, finite_differences, noise, values, var, weighted};
    use super::*;
    use candle_core::{D, Tensor};

    /// The same with whole matrices of masked scores.
    fn composed(q: &Tensor, k: &Tensor, v: &Tensor, shape: &Shape) -> candle_core::Result<Tensor> {
        let mut mask = vec![f32::NEG_INFINITY; shape.tokens * shape.tokens];
        for span in shape.spans {
            for query in span.clone() {
                mask[query * shape.tokens..][span.start..=query].fill(0.);
            }
        }
        let mask = Tensor::from_vec(mask, (shape.tokens, shape.tokens), q.device())?;
        let repeated = |x: &Tensor| {
            let heads = (0..shape.heads).map(|head| x.narrow(0, head / shape.group(), 1));
            Tensor::cat(&heads.collect::<Result<Vec<_>, _>>()?, 0)
        };
        let scores = (q.matmul(&repeated(k)?.t()?)? * f64::from(shape.scale()))?;
        let weights = candle_nn::ops::softmax(&scores.broadcast_add(&mask)?, D::Minus1)?;
        weights.matmul(&repeated(v)?)
    }

    #[test]
    fn as_composed() -> candle_core::Result<()> {
        for (heads, key_value_heads, spans) in [
            (2, 2, vec![0..1, 1..3]),
            (4, 2, vec![0..130, 130..133, 133..240]),
            (3, 1, vec![0..97, 97..99]),
        ] {
            let (tokens, head_dim) = (spans.last().map_or(0, |s: &Range<usize>| s.end), 10);
            let shape = Shape { heads, key_value_heads, tokens, head_dim, spans: &spans };
            let size = tokens * head_dim;
            let qkv = noise((heads + 2 * key_value_heads) * size, 5);
            let qkv: Vec<f32> = qkv.iter().map(|x| 3. * x).collect();
            let dy = noise(heads * size, 6);
            let inputs = Inputs::split(&qkv, &shape);
            let qv = var(inputs.query, &[heads, tokens, head_dim]);
            let kv = var(inputs.key, &[key_value_heads, tokens, head_dim]);
            let vv = var(inputs.value, &[key_value_heads, tokens, head_dim]);
            let want = composed(&qv, &kv, &vv, &shape)?;
            let loss = (&want * &*var(&dy, &[heads, tokens, head_dim]))?.sum_all()?;
            let gradients = loss.backward()?;

            let (context, normalisers) = forward(inputs, shape);
            close(&context, &values(&want), 1e-5);
            let got = backward(inputs, shape, &context, &normalisers, &dy);
            let got_parts = Inputs::split(&got, &shape);
            for (got, var) in [(got_parts.query, &qv), (got_parts.key, &kv), (got_parts.value, &vv)]
            {
                close(got, &values(gradients.get(var).expect("a gradient")), 1e-4);
            }
            let loss = |x: &[f32]| weighted(&forward(Inputs::split(x, &shape), shape).0, &dy);
            finite_differences(&qkv, &got, loss);
        }
        Ok(())
    }
}
