//! Codes in, scores of codes out.

use std::ops::Range;

use candle_core::{DType, Module, Tensor};
use candle_nn::{LayerNorm, VarBuilder, layer_norm};

use super::Config;
use super::conformer::Block;
use crate::models::Result;
use crate::nn::rope::Rope;

#[derive(Debug)]
pub struct Network {
    semantic: Tensor, // (codebook_size, dim)
    acoustic: Tensor, // (levels · (codebook_size + 1), dim)
    blocks: Vec<Block>,
    head_weight: Tensor, // (levels · dim, dim)
    head_bias: Tensor,   // (levels · dim)
    logit_norm: LayerNorm,
    logit_weight: Tensor, // (levels, dim, codebook_size)
    logit_bias: Tensor,   // (levels, 1, codebook_size)
    config: Config,
}

impl Network {
    pub fn load(config: &Config, vb: VarBuilder) -> Result<Self> {
        let Config { dim, codebook_size: size, num_quantizers: levels, .. } = *config;
        let net = vb.pp("net");
        let blocks = net.pp("conformer").pp("layers");
        let mix = net.pp("to_logits").pp("2");
        // einops writes the bias with or without axes of one.
        let bias = [(levels, size).into(), (1, 1, levels, size).into(), (levels * size).into()]
            .into_iter()
            .map(|shape: candle_core::Shape| mix.get(shape, "bias"))
            .reduce(|first, other| first.or(other))
            .ok_or(crate::models::Error::NoTokens)??;
        Ok(Self {
            semantic: vb.pp("semantic_token_emb").get((size, dim), "weight")?,
            acoustic: net.pp("code_embeds").get((levels * (size + 1), dim), "weight")?,
            blocks: (0..config.depth)
                .map(|index| Block::load(config, blocks.pp(index)))
                .collect::<candle_core::Result<_>>()?,
            head_weight: net.pp("heads").pp("0").get((levels * dim, dim), "weight")?,
            head_bias: net.pp("heads").pp("0").get(levels * dim, "bias")?,
            logit_norm: layer_norm(dim, 1e-5, net.pp("to_logits").pp("0"))?,
            logit_weight: mix.get((levels, dim, size), "weight")?,
            logit_bias: bias.reshape((levels, 1, size))?,
            config: config.clone(),
        })
    }

    /// The scores of every code at some levels: (levels, frames, codebook_size) as one list.
    ///
    /// `semantic` has a code per frame, `acoustic` one per frame and level, level inside frame,
    /// where `codebook_size` stands for a masked one. The caller has checked both.
    pub fn logits(
        &self,
        semantic: &[u32],
        acoustic: &[u32],
        levels: Range<usize>,
    ) -> Result<Vec<f32>> {
        let Config { dim, dim_head, codebook_size: size, num_quantizers, .. } = self.config;
        let (frames, device) = (semantic.len(), self.semantic.device());
        let offset =
            |(cell, code): (usize, &u32)| (cell % num_quantizers * (size + 1)) as u32 + code;
        let rows: Vec<u32> = acoustic.iter().enumerate().map(offset).collect();
        let rows = Tensor::from_vec(rows, frames * num_quantizers, device)?;
        let sum = self.acoustic.index_select(&rows, 0)?;
        let sum = sum.reshape((frames, num_quantizers, dim))?.sum(1)?;
        let semantic = Tensor::from_slice(semantic, frames, device)?;
        let mut x = (sum + self.semantic.index_select(&semantic, 0)?)?;
        let rope = Rope::new(dim_head, 10_000.0, frames, device)?;
        for block in &self.blocks {
            x = block.forward(&x, &rope)?;
        }
        let mut scores = Vec::with_capacity(levels.len() * frames * size);
        for level in levels {
            let weight = self.head_weight.narrow(0, level * dim, dim)?;
            let bias = self.head_bias.narrow(0, level * dim, dim)?;
            let head = x.matmul(&weight.t()?)?.broadcast_add(&bias)?;
            let head = self.logit_norm.forward(&head)?;
            let logits = head.matmul(&self.logit_weight.get(level)?)?;
            let logits = logits.broadcast_add(&self.logit_bias.get(level)?)?;
            scores.extend(logits.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?);
        }
        Ok(scores)
    }
}
