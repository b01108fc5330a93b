//! EVA-CLIP's plain vision transformer (Fang et al. 2022), all tokens of the last block, without
//! a final norm: `eva_vit.py`, VisionTransformer.forward_features.

use super::super::Result;
use super::Config;
use super::block::{Block, QkvBias};
use candle_core::{Module, Tensor};
use candle_nn::{Conv2d, Conv2dConfig, VarBuilder};

#[derive(Debug)]
pub struct VisionTransformer {
    patch_embed: Conv2d,
    cls_token: Tensor, // (1, 1, width)
    pos_embed: Tensor, // (1, 1 + patches, width)
    blocks: Vec<Block>,
}

impl VisionTransformer {
    pub fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        let (width, patch) = (cfg.vit_width, cfg.patch_size);
        let patches = (cfg.image_size / patch).pow(2);
        let proj = vb.pp("patch_embed.proj");
        let stride = Conv2dConfig { stride: patch, ..Conv2dConfig::default() };
        let blocks = (0..cfg.vit_depth)
            .map(|i| {
                let vb = vb.pp("blocks").pp(i);
                let (heads, ratio) = (cfg.vit_heads, cfg.vit_mlp_ratio);
                Block::load(width, heads, ratio, QkvBias::QueryAndValue, vb)
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            patch_embed: Conv2d::new(
                proj.get((width, 3, patch, patch), "weight")?,
                Some(proj.get(width, "bias")?),
                stride,
            ),
            cls_token: vb.get((1, 1, width), "cls_token")?,
            pos_embed: vb.get((1, 1 + patches, width), "pos_embed")?,
            blocks,
        })
    }

    /// (batch, 3, size, size) → (batch, 1 + patches, width).
    pub fn forward(&self, pixels: &Tensor) -> candle_core::Result<Tensor> {
        let patches = self.patch_embed.forward(pixels)?;
        let patches = patches.flatten_from(2)?.transpose(1, 2)?;
        let (batch, _, width) = patches.dims3()?;
        let cls_token = self.cls_token.expand((batch, 1, width))?;
        let x = Tensor::cat(&[&cls_token, &patches], 1)?;
        let mut x = x.broadcast_add(&self.pos_embed)?;
        for block in &self.blocks {
            x = block.forward(&x)?;
        }
        Ok(x)
    }
}
