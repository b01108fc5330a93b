//! Codes' vectors → the image embedding they stand for
//! (`qformer_quantizer.py`, get_codebook_entry with use_qformer_image off).

use super::super::Result;
use super::block::{Block, QkvBias};
use super::{Config, TanhMlp};
use crate::nn::linear::Linear;
use candle_core::{Module, Tensor};
use candle_nn::VarBuilder;

#[derive(Debug)]
pub struct Reverse {
    decode_task_layer: TanhMlp,
    pos_embed_image: Tensor, // (1, queries, hidden)
    blocks_image: Vec<Block>,
    image_down: [Linear; 3],
    distill_image_proj: Linear,
}

impl Reverse {
    pub fn load(cfg: &Config, vb: &VarBuilder) -> Result<Self> {
        let (hidden, queries) = (cfg.qformer_hidden_size, cfg.num_query_tokens);
        let [first, second, third] = cfg.image_down_dims;
        let down = vb.pp("image_down");
        let blocks_image = (0..cfg.reverse_depth)
            .map(|i| {
                let vb = vb.pp("blocks_image").pp(i);
                let (heads, ratio) = (cfg.reverse_heads, cfg.reverse_mlp_ratio);
                Block::load(hidden, heads, ratio, QkvBias::Fused, vb)
            })
            .collect::<Result<_>>()?;
        let task = vb.pp("decode_task_layer");
        let proj = vb.pp("distill_image_proj");
        Ok(Self {
            decode_task_layer: TanhMlp::load(cfg.codebook_dim, cfg.codebook_dim, hidden, task)?,
            pos_embed_image: vb.get((1, queries, hidden), "pos_embed_image")?,
            blocks_image,
            image_down: [
                Linear::load_no_bias(hidden, first, down.pp("0"))?,
                Linear::load_no_bias(first, second, down.pp("2"))?,
                Linear::load_no_bias(second, third, down.pp("4"))?,
            ],
            distill_image_proj: Linear::load(queries * third, cfg.image_embed_dim, proj)?,
        })
    }

    /// (batch, queries, codebook_dim) → (batch, image_embed_dim).
    pub fn forward(&self, vectors: &Tensor) -> candle_core::Result<Tensor> {
        let x = self.decode_task_layer.forward(vectors)?;
        let mut x = x.broadcast_add(&self.pos_embed_image)?;
        for block in &self.blocks_image {
            x = block.forward(&x)?;
        }
        let [first, second, third] = &self.image_down;
        let x = first.forward(&x)?.relu()?;
        let x = third.forward(&second.forward(&x)?.relu()?)?;
        self.distill_image_proj.forward(&x.flatten_from(1)?)
    }
}
