//! The network on the CPU in f32, forward and backward by hand over the kernels of
//! [`crate::train::ops`].
//!
//! Of each layer only what backward cannot cheaply compute again is held between the passes, and
//! it goes as soon as backward is through with it. candle's own passes write zeros and sums for
//! every edge of the graph, on one thread.

use super::batch::Tokens;
use super::weights::{Layer, PER_LAYER};
use super::{Network, Result};
use crate::nn::rope::tables;
use crate::train::ops::attention::{self, Inputs};
use crate::train::ops::cross_entropy::{self, Head};
use crate::train::ops::product::{Packed, Target, View, product};
use crate::train::ops::rope::{self, Rotation};
use crate::train::ops::{rms_norm, swiglu};
use candle_core::{CpuStorage, Storage, Tensor};
use std::ops::Range;

/// The sizes of all layers, and the tokens.
#[derive(Debug)]
pub(super) struct Pass {
    hidden: usize,
    inner: usize,
    heads: usize,
    key_value_heads: usize,
    eps: f64,
    rotation: Rotation,
    ids: Vec<u32>,
    spans: Vec<Range<usize>>,
    predictors: Vec<u32>,
    targets: Vec<u32>,
}

/// What forward leaves for backward.
#[derive(Debug)]
pub(super) struct Trace {
    layers: Vec<LayerTrace>,
    /// The rows before the last norm, of predictors only.
    x: Vec<f32>,
    inverses: Vec<f32>,
    normalisers: Vec<f32>,
}

#[derive(Debug)]
struct LayerTrace {
    x: Vec<f32>,
    inverses: Vec<f32>,
    /// Queries, keys and values, rotated, (heads, tokens, head_dim).
    heads: Vec<f32>,
    context: Vec<f32>,
    normalisers: Vec<f32>,
    /// After attention.
    middle: Vec<f32>,
    middle_inverses: Vec<f32>,
    gate_up: Vec<f32>,
}

impl Pass {
    pub fn new(network: &Network, tokens: &Tokens) -> Self {
        let config = &network.config;
        let head_dim = config.head_dim();
        let positions = tokens.positions.iter().copied();
        let (cos, sin) = tables(head_dim, config.rope_theta(), positions);
        Self {
            hidden: config.hidden_size,
            inner: config.intermediate_size,
            heads: config.num_attention_heads,
            key_value_heads: config.key_value_heads(),
            eps: config.rms_norm_eps,
            rotation: Rotation { cos, sin, head_dim },
            ids: tokens.ids.clone(),
            spans: tokens.spans.clone(),
            predictors: tokens.predictors.clone(),
            targets: tokens.targets.clone(),
        }
    }

    fn tokens(&self) -> usize {
        self.ids.len()
    }

    fn queries(&self) -> usize {
        self.heads * self.rotation.head_dim
    }

    fn keys(&self) -> usize {
        self.key_value_heads * self.rotation.head_dim
    }

    fn all_heads(&self) -> usize {
        self.heads + 2 * self.key_value_heads
    }

    fn shape(&self) -> attention::Shape<'_> {
        attention::Shape {
            heads: self.heads,
            key_value_heads: self.key_value_heads,
            tokens: self.tokens(),
            head_dim: self.rotation.head_dim,
            spans: &self.spans,
        }
    }

    /// `x Wᵀ` of each weight (outputs, inputs), beside each other.
    fn linear(&self, x: &[f32], inputs: usize, weights: &[(&[f32], usize)]) -> Vec<f32> {
        let stride = weights.iter().map(|(_, outputs)| outputs).sum();
        let mut y = vec![0f32; self.tokens() * stride];
        let mut offset = 0;
        for &(weight, outputs) in weights {
            let packed = Packed::new(View::rows(weight, inputs).transposed(), inputs, outputs);
            let target = Target { data: &mut y, stride, offset, add: false };
            product(View::rows(x, inputs), &packed, self.tokens(), target);
            offset += outputs;
        }
        y
    }

    /// Adds `x Wᵀ` to `sum` (tokens, hidden).
    fn add_linear(&self, x: &[f32], inputs: usize, weight: &[f32], sum: &mut [f32]) {
        let packed = Packed::new(View::rows(weight, inputs).transposed(), inputs, self.hidden);
        let target = Target { data: sum, stride: self.hidden, offset: 0, add: true };
        product(View::rows(x, inputs), &packed, self.tokens(), target);
    }

    /// The gradients of [`Self::linear`]: of `x`, and of each weight.
    fn linear_backward(
        &self,
        x: &[f32],
        inputs: usize,
        weights: &[(&[f32], usize)],
        dy: &[f32],
    ) -> (Vec<f32>, Vec<Vec<f32>>) {
        let tokens = self.tokens();
        let stride = weights.iter().map(|(_, outputs)| outputs).sum();
        let mut dx = vec![0f32; tokens * inputs];
        let mut dweights = vec![];
        let packed_x = Packed::new(View::rows(x, inputs), tokens, inputs);
        let mut offset = 0;
        for &(weight, outputs) in weights {
            let dy = View::rows(dy, stride).from_column(offset);
            let packed = Packed::new(View::rows(weight, inputs), outputs, inputs);
            let target = Target { data: &mut dx, stride: inputs, offset: 0, add: offset > 0 };
            product(dy, &packed, tokens, target);
            let mut dweight = vec![0f32; outputs * inputs];
            let target = Target { data: &mut dweight, stride: inputs, offset: 0, add: false };
            product(dy.transposed(), &packed_x, outputs, target);
            dweights.push(dweight);
            offset += outputs;
        }
        (dx, dweights)
    }

    /// The losses of the targets, and what backward needs.
    pub fn forward(&self, network: &Network) -> Result<(Vec<f32>, Trace)> {
        let mut x = vec![];
        with([network.weights.embedding()], |weights| {
            for &id in &self.ids {
                x.extend_from_slice(&weights[0][id as usize * self.hidden..][..self.hidden]);
            }
        })?;
        let mut layers = vec![];
        for layer in network.weights.layers() {
            let (next, trace) = with(layer.all(), |weights| self.layer(weights, x))?;
            x = next;
            layers.push(trace);
        }
        let x = self.predicting(&x);
        let inverses = rms_norm::inverses(&x, self.hidden, self.eps);
        let (losses, normalisers) = with([network.weights.norm(), network.weights.head()], |w| {
            let normed = rms_norm::forward(&x, w[0], &inverses);
            cross_entropy::forward(self.head(&normed, w[1]))
        })?;
        Ok((losses, Trace { layers, x, inverses, normalisers }))
    }

    fn head<'a>(&'a self, x: &'a [f32], weight: &'a [f32]) -> Head<'a> {
        Head { x, weight, width: self.hidden, targets: &self.targets }
    }

    fn predicting(&self, x: &[f32]) -> Vec<f32> {
        let mut rows = Vec::with_capacity(self.predictors.len() * self.hidden);
        for &token in &self.predictors {
            rows.extend_from_slice(&x[token as usize * self.hidden..][..self.hidden]);
        }
        rows
    }

    fn layer(&self, weights: [&[f32]; PER_LAYER], x: Vec<f32>) -> (Vec<f32>, LayerTrace) {
        let [norm, query, key, value, output, mlp_norm, gate, up, down] = weights;
        let inverses = rms_norm::inverses(&x, self.hidden, self.eps);
        let normed = rms_norm::forward(&x, norm, &inverses);
        let (queries, keys) = (self.queries(), self.keys());
        let projections = [(query, queries), (key, keys), (value, keys)];
        let heads = self.linear(&normed, self.hidden, &projections);
        let rotated = self.heads + self.key_value_heads;
        let heads = rope::split(&heads, self.all_heads(), rotated, &self.rotation);
        let shape = self.shape();
        let (context, normalisers) = attention::forward(Inputs::split(&heads, &shape), shape);
        let merged = rope::merge(&context, self.heads, 0, &self.rotation);
        let mut middle = x.clone();
        self.add_linear(&merged, queries, output, &mut middle);

        let middle_inverses = rms_norm::inverses(&middle, self.hidden, self.eps);
        let normed = rms_norm::forward(&middle, mlp_norm, &middle_inverses);
        let gate_up = self.linear(&normed, self.hidden, &[(gate, self.inner), (up, self.inner)]);
        let inner = swiglu::forward(&gate_up, self.inner);
        let mut next = middle.clone();
        self.add_linear(&inner, self.inner, down, &mut next);
        let trace = LayerTrace {
            x,
            inverses,
            heads,
            context,
            normalisers,
            middle,
            middle_inverses,
            gate_up,
        };
        (next, trace)
    }

    /// The gradients of all weights in the order of [`Network::parameters`], given those of the
    /// losses.
    pub fn backward(
        &self,
        network: &Network,
        trace: Trace,
        dlosses: &[f32],
    ) -> Result<Vec<Vec<f32>>> {
        let weights = &network.weights;
        let (dx, dnorm, dhead) = with([weights.norm(), weights.head()], |w| {
            let normed = rms_norm::forward(&trace.x, w[0], &trace.inverses);
            let head = self.head(&normed, w[1]);
            let (dnormed, dhead) = cross_entropy::backward(head, &trace.normalisers, dlosses);
            let mut dx = vec![0f32; trace.x.len()];
            let dnorm = rms_norm::backward(&trace.x, w[0], &trace.inverses, &dnormed, &mut dx);
            (dx, dnorm, dhead)
        })?;
        let mut gradient = vec![0f32; self.tokens() * self.hidden];
        for (dx, &token) in dx.chunks_exact(self.hidden).zip(&self.predictors) {
            gradient[token as usize * self.hidden..][..self.hidden].copy_from_slice(dx);
        }
        let layers: Vec<Layer> = weights.layers().collect();
        let mut of_layers = vec![];
        // Each trace goes when its layer is done.
        for (layer, trace) in layers.into_iter().zip(trace.layers).rev() {
            let gradients =
                with(layer.all(), |weights| self.layer_backward(weights, trace, &mut gradient))?;
            of_layers.push(gradients);
        }
        let mut dembedding = if weights.is_tied() {
            dhead.clone()
        } else {
            vec![0f32; weights.embedding().elem_count()]
        };
        for (gradient, &id) in gradient.chunks_exact(self.hidden).zip(&self.ids) {
            let row = &mut dembedding[id as usize * self.hidden..][..self.hidden];
            for (sum, value) in row.iter_mut().zip(gradient) {
                *sum += value;
            }
        }
        let mut gradients = vec![dembedding];
        gradients.extend(of_layers.into_iter().rev().flatten());
        gradients.push(dnorm);
        if !weights.is_tied() {
            gradients.push(dhead);
        }
        Ok(gradients)
    }

    /// Turns `gradient` from that of the layer's result to that of its input.
    fn layer_backward(
        &self,
        weights: [&[f32]; PER_LAYER],
        trace: LayerTrace,
        gradient: &mut [f32],
    ) -> Vec<Vec<f32>> {
        let [norm, query, key, value, output, mlp_norm, gate, up, down] = weights;
        let (hidden, queries, keys) = (self.hidden, self.queries(), self.keys());
        let LayerTrace { mut gate_up, middle, middle_inverses, .. } = trace;
        let inner = swiglu::forward(&gate_up, self.inner);
        let (dinner, ddown) = self.linear_backward(&inner, self.inner, &[(down, hidden)], gradient);
        drop(inner);
        swiglu::backward(&mut gate_up, &dinner, self.inner);
        drop(dinner);
        let normed = rms_norm::forward(&middle, mlp_norm, &middle_inverses);
        let projections = [(gate, self.inner), (up, self.inner)];
        let (dnormed, dgate_up) = self.linear_backward(&normed, hidden, &projections, &gate_up);
        drop(gate_up);
        let dmlp_norm = rms_norm::backward(&middle, mlp_norm, &middle_inverses, &dnormed, gradient);

        let LayerTrace { x, inverses, heads, context, normalisers, .. } = trace;
        let merged = rope::merge(&context, self.heads, 0, &self.rotation);
        let (dmerged, doutput) =
            self.linear_backward(&merged, queries, &[(output, hidden)], gradient);
        let dcontext = rope::split(&dmerged, self.heads, 0, &self.rotation);
        let (shape, inputs) = (self.shape(), Inputs::split(&heads, &self.shape()));
        let dheads = attention::backward(inputs, shape, &context, &normalisers, &dcontext);
        let rotated = self.heads + self.key_value_heads;
        let dheads = rope::merge(&dheads, self.all_heads(), rotated, &self.rotation);
        let normed = rms_norm::forward(&x, norm, &inverses);
        let projections = [(query, queries), (key, keys), (value, keys)];
        let (dnormed, dprojections) = self.linear_backward(&normed, hidden, &projections, &dheads);
        let dnorm = rms_norm::backward(&x, norm, &inverses, &dnormed, gradient);

        let mut gradients = vec![dnorm];
        gradients.extend(dprojections);
        gradients.extend(doutput);
        gradients.push(dmlp_norm);
        gradients.extend(dgate_up);
        gradients.extend(ddown);
        gradients
    }
}

/// Runs `work` with the elements of `tensors`, which lie dense on the CPU in f32.
fn with<T, const N: usize>(
    tensors: [&Tensor; N],
    work: impl FnOnce([&[f32]; N]) -> T,
) -> candle_core::Result<T> {
    let guards = tensors.map(|tensor| tensor.storage_and_layout());
    let mut slices: [&[f32]; N] = [&[]; N];
    for (slice, (storage, layout)) in slices.iter_mut().zip(&guards) {
        let Storage::Cpu(CpuStorage::F32(data)) = &**storage else {
            candle_core::bail!("a weight is not in f32 on the CPU");
        };
        let Some((start, end)) = layout.contiguous_offsets() else {
            candle_core::bail!("a weight is not contiguous");
        };
        *slice = &data[start..end];
    }
    Ok(work(slices))
}
