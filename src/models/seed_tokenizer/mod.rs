//! SEED-2 (Ge et al. 2023, "Making LLaMA SEE and Draw with SEED Tokenizer"): an image becomes a
//! short causal sequence of codes, and codes become the embedding that an unCLIP decoder draws.
//!
//! The names are those of the published `seed_quantizer.pt`, with the ViT of `eva_vit_g.pth`
//! under `visual_encoder.`. The two halves load independently.

mod block;
mod qformer;
mod quantizer;
mod reverse;
mod vit;

use super::{Check, Error, Result};
use candle_core::{DType, IndexOp, Module, Tensor};
use candle_nn::{LayerNorm, VarBuilder};
use qformer::QFormer;
use quantizer::Codebook;
use reverse::Reverse;
use serde::{Deserialize, Serialize};
use vit::VisionTransformer;

const MODEL: &str = "seed-tokenizer";

/// Every size of the tokenizer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    pub image_size: usize,
    pub patch_size: usize,
    pub vit_width: usize,
    pub vit_depth: usize,
    pub vit_heads: usize,
    pub vit_mlp_ratio: f64,
    pub qformer_hidden_size: usize,
    pub qformer_layers: usize,
    pub qformer_heads: usize,
    pub qformer_intermediate_size: usize,
    pub cross_attention_freq: usize,
    pub num_query_tokens: usize,
    pub codebook_size: usize,
    pub codebook_dim: usize,
    pub reverse_depth: usize,
    pub reverse_heads: usize,
    pub reverse_mlp_ratio: f64,
    pub image_down_dims: [usize; 3],
    pub image_embed_dim: usize,
    pub image_mean: [f64; 3],
    pub image_std: [f64; 3],
}

impl Config {
    /// `AILab-CVC/seed-tokenizer-2` with the EVA-CLIP-g of BLIP-2.
    pub fn seed_2() -> Self {
        Self {
            image_size: 224,
            patch_size: 14,
            vit_width: 1408,
            vit_depth: 39,
            vit_heads: 16,
            vit_mlp_ratio: 4.3637,
            qformer_hidden_size: 768,
            qformer_layers: 12,
            qformer_heads: 12,
            qformer_intermediate_size: 3072,
            cross_attention_freq: 2,
            num_query_tokens: 32,
            codebook_size: 8192,
            codebook_dim: 32,
            reverse_depth: 4,
            reverse_heads: 12,
            reverse_mlp_ratio: 4.,
            image_down_dims: [256, 128, 32],
            image_embed_dim: 1024,
            image_mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
            image_std: [0.268_629_54, 0.261_302_58, 0.275_777_11],
        }
    }

    /// Refuses sizes that do not fit each other, naming the field.
    pub fn validate(&self) -> Result<()> {
        let check = Check(MODEL);
        check.divides("patch_size", self.patch_size, self.image_size)?;
        check.divides("vit_heads", self.vit_heads, self.vit_width)?;
        check.positive("vit_depth", self.vit_depth)?;
        check.finite("vit_mlp_ratio", self.vit_mlp_ratio)?;
        check.divides("qformer_heads", self.qformer_heads, self.qformer_hidden_size)?;
        check.positive("qformer_layers", self.qformer_layers)?;
        check.positive("qformer_intermediate_size", self.qformer_intermediate_size)?;
        check.positive("cross_attention_freq", self.cross_attention_freq)?;
        check.positive("num_query_tokens", self.num_query_tokens)?;
        check.positive("codebook_size", self.codebook_size)?;
        if u32::try_from(self.codebook_size).is_err() {
            return check.fail("codebook_size", "does not fit 32 bits");
        }
        check.positive("codebook_dim", self.codebook_dim)?;
        check.divides("reverse_heads", self.reverse_heads, self.qformer_hidden_size)?;
        check.finite("reverse_mlp_ratio", self.reverse_mlp_ratio)?;
        for dim in self.image_down_dims {
            check.positive("image_down_dims", dim)?;
        }
        check.positive("image_embed_dim", self.image_embed_dim)?;
        for std in self.image_std {
            check.finite("image_std", std)?;
        }
        Ok(())
    }
}

/// Image → codes.
#[derive(Debug)]
pub struct Encoder {
    visual_encoder: VisionTransformer,
    ln_vision: LayerNorm,
    qformer: QFormer,
    codebook: Codebook,
    image_size: usize,
    dtype: DType,
}

impl Encoder {
    pub fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        cfg.validate()?;
        Ok(Self {
            visual_encoder: VisionTransformer::load(cfg, vb.pp("visual_encoder"))?,
            ln_vision: candle_nn::layer_norm(cfg.vit_width, 1e-5, vb.pp("ln_vision"))?,
            qformer: QFormer::load(cfg, &vb)?,
            codebook: Codebook::load(cfg, vb.pp("quantize"))?,
            image_size: cfg.image_size,
            dtype: vb.dtype(),
        })
    }

    /// Normalised `pixels` (batch, 3, size, size) → codes (batch, queries), u32.
    pub fn encode(&self, pixels: &Tensor) -> Result<Tensor> {
        self.codebook.nearest(&self.features(pixels)?)
    }

    /// The vectors before quantization, (batch, queries, codebook_dim).
    pub fn features(&self, pixels: &Tensor) -> Result<Tensor> {
        let patches = self.patches(pixels)?;
        Ok(self.qformer.forward(&self.ln_vision.forward(&patches)?)?)
    }

    /// What the image transformer makes of `pixels`, (batch, 1 + patches, vit_width). For
    /// comparison with the reference.
    pub fn patches(&self, pixels: &Tensor) -> Result<Tensor> {
        let size = self.image_size;
        match pixels.dims() {
            &[batch, 3, height, width] if batch > 0 && height == size && width == size => {}
            got => {
                return Err(Error::Input {
                    model: MODEL,
                    input: "pixels",
                    got: got.to_vec(),
                    expected: format!("(batch, 3, {size}, {size})"),
                });
            }
        }
        Ok(self.visual_encoder.forward(&pixels.to_dtype(self.dtype)?)?)
    }
}

/// Codes → image embedding.
#[derive(Debug)]
pub struct Decoder {
    codebook: Codebook,
    reverse: Reverse,
    num_query_tokens: usize,
    codebook_size: usize,
}

impl Decoder {
    pub fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        cfg.validate()?;
        Ok(Self {
            codebook: Codebook::load(cfg, vb.pp("quantize"))?,
            reverse: Reverse::load(cfg, &vb)?,
            num_query_tokens: cfg.num_query_tokens,
            codebook_size: cfg.codebook_size,
        })
    }

    /// `codes` (batch, queries) u32 → embeddings (batch, image_embed_dim).
    pub fn image_embeds(&self, codes: &Tensor) -> Result<Tensor> {
        match codes.dims() {
            &[batch, count] if batch > 0 && count == self.num_query_tokens => {}
            got => {
                return Err(Error::Input {
                    model: MODEL,
                    input: "codes",
                    got: got.to_vec(),
                    expected: format!("(batch, {})", self.num_query_tokens),
                });
            }
        }
        let codes = codes.to_dtype(DType::U32)?;
        let code = codes.flatten_all()?.max(0)?.to_scalar::<u32>()?;
        if code as usize >= self.codebook_size {
            return Err(Error::Code { code, codebook_size: self.codebook_size });
        }
        Ok(self.reverse.forward(&self.codebook.lookup(&codes)?)?)
    }
}

/// tanh between two dense layers, `0` and `2` of a PyTorch `Sequential`.
#[derive(Debug)]
struct TanhMlp(crate::nn::linear::Linear, crate::nn::linear::Linear);

impl TanhMlp {
    fn load(inputs: usize, inner: usize, outputs: usize, vb: VarBuilder) -> Result<Self> {
        use crate::nn::linear::Linear;
        Ok(Self(
            Linear::load(inputs, inner, vb.pp("0"))?,
            Linear::load(inner, outputs, vb.pp("2"))?,
        ))
    }

    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        self.1.forward(&self.0.forward(x)?.tanh()?)
    }
}

/// The thirds of the last axis: queries, keys and values of a fused projection.
fn thirds(x: &Tensor) -> candle_core::Result<[Tensor; 3]> {
    let width = x.dim(2)? / 3;
    let third = |i: usize| x.i((.., .., i * width..(i + 1) * width))?.contiguous();
    Ok([third(0)?, third(1)?, third(2)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use candle_nn::VarMap;

    fn small() -> Config {
        Config {
            image_size: 8,
            patch_size: 4,
            vit_width: 8,
            vit_depth: 1,
            vit_heads: 2,
            qformer_hidden_size: 8,
            qformer_layers: 1,
            qformer_heads: 2,
            qformer_intermediate_size: 8,
            codebook_size: 5,
            codebook_dim: 4,
            reverse_depth: 1,
            reverse_heads: 2,
            image_down_dims: [4, 4, 2],
            image_embed_dim: 6,
            ..Config::seed_2()
        }
    }

    #[test]
    fn a_bad_configuration_is_refused_by_field() {
        assert!(small().validate().is_ok() && Config::seed_2().validate().is_ok());
        let odd = Config { patch_size: 3, ..small() };
        let message = odd.validate().unwrap_err().to_string();
        assert!(message.contains("`patch_size` is 3, which does not divide 8"), "{message}");
    }

    #[test]
    fn wrong_inputs_and_tensors_are_errors() -> Result<()> {
        let cpu = Device::Cpu;
        let vars = VarMap::new();
        let vb = VarBuilder::from_varmap(&vars, DType::F32, &cpu);
        let encoder = Encoder::load(&small(), vb.clone())?;
        let decoder = Decoder::load(&small(), vb)?;
        let pixels = |size| Tensor::zeros((1, 3, size, size), DType::F32, &cpu);
        assert_eq!(encoder.encode(&pixels(8)?)?.dims(), [1, 32]);
        assert!(matches!(encoder.encode(&pixels(4)?), Err(Error::Input { .. })));
        let codes = |code: u32| Tensor::full(code, (2, 32), &cpu);
        assert_eq!(decoder.image_embeds(&codes(4)?)?.dims(), [2, 6]);
        let beyond = decoder.image_embeds(&codes(5)?);
        assert!(matches!(beyond, Err(Error::Code { code: 5, codebook_size: 5 })));
        // The tensors of another size do not load, and the message says which.
        let other = Config { codebook_dim: 3, ..small() };
        let vb = VarBuilder::from_varmap(&vars, DType::F32, &cpu);
        let message = Decoder::load(&other, vb).map(|_| ()).unwrap_err().to_string();
        assert!(message.contains("quantize.embedding.weight"), "{message}");
        Ok(())
    }
}
