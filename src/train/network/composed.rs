//! The network in candle's own differentiable operations: every device, every type of numbers.
//!
//! None of candle's fused operations is used: they give no gradients.

use super::batch::Tokens;
use super::weights::Layer;
use super::{Network, Result};
use crate::nn::rope::tables;
use candle_core::{D, DType, Device, Tensor};

/// What all layers share.
struct Pass<'a> {
    heads: usize,
    key_value_heads: usize,
    head_dim: usize,
    eps: f64,
    compute: DType,
    grid: Grid,
    /// (tokens, 1, head_dim / 2), f32
    cos: Tensor,
    sin: Tensor,
    tokens: &'a Tokens,
}

impl Network {
    /// The losses of `tokens`, (targets) in f32.
    pub(super) fn composed(&self, tokens: &Tokens) -> Result<Tensor> {
        let (config, device) = (&self.config, &self.device);
        let half = config.head_dim() / 2;
        let (cos, sin) =
            tables(config.head_dim(), config.rope_theta(), tokens.positions.iter().copied());
        let pass = Pass {
            heads: config.num_attention_heads,
            key_value_heads: config.key_value_heads(),
            head_dim: config.head_dim(),
            eps: config.rms_norm_eps,
            compute: self.compute,
            grid: Grid::new(tokens, device)?,
            cos: Tensor::from_vec(cos, (tokens.len(), 1, half), device)?,
            sin: Tensor::from_vec(sin, (tokens.len(), 1, half), device)?,
            tokens,
        };
        let ids = Tensor::new(tokens.ids.as_slice(), device)?;
        let mut x = self.weights.embedding().index_select(&ids, 0)?.to_dtype(self.compute)?;
        for layer in self.weights.layers() {
            x = pass.layer(&layer, &x)?;
        }
        // Only what predicts a counted target needs the vocabulary.
        let predictors = Tensor::new(tokens.predictors.as_slice(), device)?;
        let x = x.index_select(&predictors, 0)?;
        let x = pass.rms_norm(&x, self.weights.norm())?;
        let logits = pass.linear(&x, self.weights.head())?.to_dtype(DType::F32)?;
        let targets = Tensor::new(tokens.targets.as_slice(), device)?.unsqueeze(1)?;
        let of_target = logits.gather(&targets, 1)?.squeeze(1)?;
        Ok((logits.log_sum_exp(D::Minus1)? - of_target)?)
    }
}

impl Pass<'_> {
    fn layer(&self, layer: &Layer, x: &Tensor) -> Result<Tensor> {
        let hidden = self.rms_norm(x, layer.attention_norm)?;
        let split = |x: Tensor, heads| x.reshape((self.tokens.len(), heads, self.head_dim));
        let query = split(self.linear(&hidden, layer.query)?, self.heads)?;
        let key = split(self.linear(&hidden, layer.key)?, self.key_value_heads)?;
        let value = split(self.linear(&hidden, layer.value)?, self.key_value_heads)?;
        let context = self.attend(&self.rotate(&query)?, &self.rotate(&key)?, &value)?;
        let x = (x + self.linear(&context, layer.output)?)?;
        let hidden = self.rms_norm(&x, layer.mlp_norm)?;
        let inner =
            (self.linear(&hidden, layer.gate)?.silu()? * self.linear(&hidden, layer.up)?)?;
        Ok((&x + self.linear(&inner, layer.down)?)?)
    }

    /// `x Wᵀ`
    fn linear(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        Ok(x.matmul(&weight.to_dtype(self.compute)?.t()?)?)
    }

    /// Zhang and Sennrich 2019, in f32 as HuggingFace computes it.
    fn rms_norm(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let wide = x.to_dtype(DType::F32)?;
        let mean_square = wide.sqr()?.mean_keepdim(D::Minus1)?;
        let normed = wide.broadcast_div(&(mean_square + self.eps)?.sqrt()?)?;
        Ok(normed.broadcast_mul(weight)?.to_dtype(self.compute)?)
    }

    /// Su et al. 2021, the two halves of a head being the real and imaginary parts.
    fn rotate(&self, x: &Tensor) -> Result<Tensor> {
        let half = self.head_dim / 2;
        let wide = x.to_dtype(DType::F32)?;
        let (real, imaginary) = (wide.narrow(2, 0, half)?, wide.narrow(2, half, half)?);
        let turned = Tensor::cat(
            &[
                (real.broadcast_mul(&self.cos)? - imaginary.broadcast_mul(&self.sin)?)?,
                (imaginary.broadcast_mul(&self.cos)? + real.broadcast_mul(&self.sin)?)?,
            ],
            2,
        )?;
        Ok(turned.to_dtype(self.compute)?)
    }

    /// Causal attention inside of each span: (tokens, heads, head_dim) → (tokens, heads · head_dim).
    fn attend(&self, query: &Tensor, key: &Tensor, value: &Tensor) -> Result<Tensor> {
        let (rows, length) = (self.grid.rows, self.grid.length);
        let group = self.heads / self.key_value_heads;
        let (width, dim) = (self.heads * self.head_dim, self.head_dim);
        let laid = |x: &Tensor, heads| {
            let x = self.grid.spread(x)?.reshape((rows, length, heads, dim))?;
            x.transpose(1, 2)?.contiguous()
        };
        // The queries that share a key head become rows of one product.
        let shape = (rows, self.key_value_heads, group * length, dim);
        let query = laid(query, self.heads)?.reshape(shape)?;
        let (key, value) = (laid(key, self.key_value_heads)?, laid(value, self.key_value_heads)?);
        let scale = 1. / (self.head_dim as f64).sqrt();
        let scores = (query.matmul(&key.t()?)?.to_dtype(DType::F32)? * scale)?;
        let scores = scores.reshape((rows, self.heads, length, length))?;
        let scores = scores.broadcast_add(&self.grid.mask)?;
        let weights = candle_nn::ops::softmax(&scores, D::Minus1)?.to_dtype(self.compute)?;
        let weights = weights.reshape((rows, self.key_value_heads, group * length, length))?;
        let context = weights.matmul(&value)?.reshape((rows, self.heads, length, dim))?;
        let context = context.transpose(1, 2)?.reshape((rows * length, width))?;
        Ok(self.grid.gather(&context)?)
    }
}

/// Spans as rows of one length, for products of whole batches.
struct Grid {
    rows: usize,
    length: usize,
    /// (rows, 1, length, length): 0 where a query sees a key, −∞ elsewhere.
    mask: Tensor,
    /// Where the spans differ in length: the token of each place, and the place of each token.
    places: Option<(Tensor, Tensor)>,
}

impl Grid {
    fn new(tokens: &Tokens, device: &Device) -> Result<Self> {
        let rows = tokens.spans.len();
        let length = tokens.spans.iter().map(|span| span.len()).max().unwrap_or(0);
        // A place without a token sees itself, lest its softmax be 0 / 0; nobody sees it, so
        // that no gradient reaches the token that stands there.
        let mut triangle = vec![f32::NEG_INFINITY; length * length];
        for query in 0..length {
            triangle[query * length..][..=query].fill(0.);
        }
        let mask = Tensor::from_vec(triangle, (1, 1, length, length), device)?;
        let mut token_of = vec![0u32; rows * length];
        let mut place_of = vec![];
        for (row, span) in tokens.spans.iter().enumerate() {
            for (column, token) in span.clone().enumerate() {
                token_of[row * length + column] = token as u32;
                place_of.push((row * length + column) as u32);
            }
        }
        let places = if place_of.len() == token_of.len() {
            None
        } else {
            Some((Tensor::new(token_of, device)?, Tensor::new(place_of, device)?))
        };
        Ok(Self { rows, length, mask, places })
    }

    fn spread(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        match &self.places {
            Some((token_of, _)) => x.index_select(token_of, 0),
            None => Ok(x.clone()),
        }
    }

    fn gather(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        match &self.places {
            Some((_, place_of)) => x.index_select(place_of, 0),
            None => Ok(x.clone()),
        }
    }
}
