//! CLAP's audio encoder, HTSAT (Chen et al. 2022, "HTS-AT: A Hierarchical Token-Semantic Audio
//! Transformer"), by the names of HuggingFace's `ClapAudioModel`: a log-mel spectrogram is folded
//! into a square picture, which a Swin transformer reads.

use super::super::{Check, Error, Result};
use super::swin::{Block, PatchMerging, Stage};
use crate::nn::activation::Activation;
use candle_core::{DType, Device, Module, Tensor};
use candle_nn::{LayerNorm, VarBuilder};
use serde::{Deserialize, Serialize};

const MODEL: &str = "clap audio encoder";

/// PyTorch's default, which the norms without a setting have.
const EPS: f64 = 1e-5;

/// HuggingFace's `ClapAudioConfig`, what of it has to do with inference, with its defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    pub window_size: usize,
    pub num_mel_bins: usize,
    /// Side of the picture.
    pub spec_size: usize,
    pub hidden_act: Activation,
    pub patch_size: Side,
    pub patch_stride: Side,
    /// Elements of what the last stage gives.
    pub hidden_size: usize,
    pub depths: Vec<usize>,
    pub num_attention_heads: Vec<usize>,
    pub enable_fusion: bool,
    pub patch_embed_input_channels: usize,
    pub flatten_patch_embeds: bool,
    /// Elements of a patch in the first stage; each further stage doubles it.
    pub patch_embeds_hidden_size: usize,
    pub enable_patch_layer_norm: bool,
    pub qkv_bias: bool,
    pub mlp_ratio: f64,
    pub layer_norm_eps: f64,
}

/// A number, or one per axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Side {
    One(usize),
    PerAxis([usize; 2]),
}

impl Side {
    /// The number, where it is one.
    fn number(self) -> Option<usize> {
        match self {
            Side::One(side) => Some(side),
            Side::PerAxis([side, other]) => (side == other).then_some(side),
        }
    }
}

impl Default for Config {
    /// `laion/clap-htsat-unfused`.
    fn default() -> Self {
        Self {
            window_size: 8,
            num_mel_bins: 64,
            spec_size: 256,
            hidden_act: Activation::Gelu,
            patch_size: Side::One(4),
            patch_stride: Side::PerAxis([4, 4]),
            hidden_size: 768,
            depths: vec![2, 2, 6, 2],
            num_attention_heads: vec![4, 8, 16, 32],
            enable_fusion: false,
            patch_embed_input_channels: 1,
            flatten_patch_embeds: true,
            patch_embeds_hidden_size: 96,
            enable_patch_layer_norm: true,
            qkv_bias: true,
            mlp_ratio: 4.,
            layer_norm_eps: 1e-5,
        }
    }
}

/// The numbers that follow from a configuration that is in order.
#[derive(Debug, Clone, Copy)]
struct Patches {
    size: usize,
    stride: usize,
    /// Per side of the picture.
    grid: usize,
}

impl Config {
    fn patches(&self) -> Result<Patches> {
        let check = Check(MODEL);
        let side = |field, side: Side| match side.number() {
            Some(side) if side > 0 => Ok(side),
            _ => check.fail(field, "must be the same number for both axes, at least 1"),
        };
        let size = side("patch_size", self.patch_size)?;
        let stride = side("patch_stride", self.patch_stride)?;
        check.divides("patch_stride", stride, self.spec_size)?;
        let grid = self.spec_size / stride;
        // A kernel of a width that the padding does not even out makes another grid.
        let padded = self.spec_size + (size.saturating_sub(stride)) / 2 * 2;
        if size < stride || (padded - size) / stride + 1 != grid {
            let reason = format!("is {size}, which does not fit a stride of {stride}");
            return check.fail("patch_size", reason);
        }
        Ok(Patches { size, stride, grid })
    }

    pub fn validate(&self) -> Result<()> {
        let check = Check(MODEL);
        if self.enable_fusion {
            return check.fail(
                "enable_fusion",
                "is true: networks with feature fusion are not supported; use a checkpoint \
                 without, such as laion/clap-htsat-unfused",
            );
        }
        if self.patch_embed_input_channels != 1 || !self.flatten_patch_embeds {
            return check
                .fail("patch_embed_input_channels", "must be 1, and `flatten_patch_embeds` true");
        }
        check.positive("window_size", self.window_size)?;
        check.divides("num_mel_bins", self.num_mel_bins, self.spec_size)?;
        check.finite("mlp_ratio", self.mlp_ratio)?;
        check.finite("layer_norm_eps", self.layer_norm_eps)?;
        let stages = self.depths.len();
        if stages == 0 || stages > 8 || self.num_attention_heads.len() != stages {
            return check.fail("depths", "must be 1 to 8 numbers, as many as there are of heads");
        }
        for stage in self.stages(self.patches()?.grid)? {
            check.divides("num_attention_heads", stage.heads, stage.width)?;
            check.divides("window_size", self.window_size, stage.side)?;
            if (stage.width as f64 * self.mlp_ratio) < 1. {
                return check.fail("mlp_ratio", "is too small");
            }
        }
        let last = self.patch_embeds_hidden_size << (stages - 1);
        if self.hidden_size != last {
            let reason = format!("is {}, but the last stage has {last}", self.hidden_size);
            return check.fail("hidden_size", reason);
        }
        Ok(())
    }

    fn stages(&self, grid: usize) -> Result<Vec<Stage>> {
        let stages = self.depths.len();
        if !grid.is_multiple_of(1 << (stages - 1)) {
            return Check(MODEL).fail("depths", format!("has more stages than {grid} halves"));
        }
        let stage = |(index, &heads): (usize, &usize)| Stage {
            side: grid >> index,
            width: self.patch_embeds_hidden_size << index,
            heads,
            window: self.window_size,
            mlp_ratio: self.mlp_ratio,
            qkv_bias: self.qkv_bias,
            act: self.hidden_act,
            layer_norm_eps: self.layer_norm_eps,
        };
        Ok(self.num_attention_heads.iter().enumerate().map(stage).collect())
    }
}

/// Normalisation per mel bin with the statistics of the training (Ioffe and Szegedy 2015), as a
/// factor and a summand.
#[derive(Debug)]
struct BatchNorm {
    scale: Tensor, // (mels)
    shift: Tensor,
}

impl BatchNorm {
    fn load(mels: usize, vb: VarBuilder) -> Result<Self> {
        let get = |name| vb.get(mels, name);
        let deviation = (get("running_var")? + EPS)?.sqrt()?;
        let scale = (get("weight")? / deviation)?;
        let shift = (get("bias")? - (get("running_mean")? * &scale)?)?;
        Ok(Self { scale, shift })
    }
}

#[derive(Debug)]
pub struct ClapAudio {
    batch_norm: BatchNorm,
    proj: (Tensor, Tensor),
    patch_norm: Option<LayerNorm>,
    stages: Vec<(Vec<Block>, Option<PatchMerging>)>,
    norm: LayerNorm,
    patches: Patches,
    spec_size: usize,
    mels: usize,
    dtype: DType,
}

impl ClapAudio {
    /// Reads what is below `audio_model.audio_encoder`.
    pub fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        cfg.validate()?;
        let vb = vb.pp("audio_model.audio_encoder");
        let (width, embed) = (cfg.patch_embeds_hidden_size, vb.pp("patch_embed"));
        let patches = cfg.patches()?;
        let kernel = (width, 1, patches.size, patches.size);
        let patch_norm = cfg
            .enable_patch_layer_norm
            .then(|| candle_nn::layer_norm(width, EPS, embed.pp("norm")))
            .transpose()?;
        let mut stages = vec![];
        for (index, (stage, depth)) in cfg.stages(patches.grid)?.iter().zip(&cfg.depths).enumerate()
        {
            let vb = vb.pp("layers").pp(index);
            let blocks = (0..*depth).map(|i| Block::load(stage, i, vb.pp("blocks").pp(i)));
            let merging = (index + 1 < cfg.depths.len())
                .then(|| PatchMerging::load(stage.side, stage.width, vb.pp("downsample")))
                .transpose()?;
            stages.push((blocks.collect::<Result<_>>()?, merging));
        }
        Ok(Self {
            batch_norm: BatchNorm::load(cfg.num_mel_bins, vb.pp("batch_norm"))?,
            proj: (embed.get(kernel, "proj.weight")?, embed.get(width, "proj.bias")?),
            patch_norm,
            stages,
            norm: candle_nn::layer_norm(cfg.hidden_size, EPS, vb.pp("norm"))?,
            patches,
            spec_size: cfg.spec_size,
            mels: cfg.num_mel_bins,
            dtype: vb.dtype(),
        })
    }

    /// `features` (batch, 1, frames, mels) in dB → (batch, hidden), the mean of all patches of
    /// the last stage.
    pub fn pooled(&self, features: &Tensor) -> Result<Tensor> {
        let (_, last) = self.states(features)?;
        Ok(last.mean(1)?)
    }

    /// What each stage gives, (batch, patches, width), and the normalised states of the last.
    pub fn states(&self, features: &Tensor) -> Result<(Vec<Tensor>, Tensor)> {
        let mut x = self.embed(&self.picture(features)?)?;
        let mut states = vec![];
        for (blocks, merging) in &self.stages {
            for block in blocks {
                x = block.forward(&x)?;
            }
            if let Some(merging) = merging {
                x = merging.forward(&x)?;
            }
            states.push(x.clone());
        }
        Ok((states, self.norm.forward(&x)?))
    }

    /// Patches, (batch, grid · grid, width).
    fn embed(&self, picture: &Tensor) -> Result<Tensor> {
        let Patches { size, stride, .. } = self.patches;
        let (weight, bias) = &self.proj;
        let x = picture.conv2d(weight, (size - stride) / 2, stride, 1, 1)?;
        let x = x.broadcast_add(&bias.reshape((1, (), 1, 1))?)?;
        let x = x.flatten_from(2)?.transpose(1, 2)?.contiguous()?;
        Ok(match &self.patch_norm {
            Some(norm) => norm.forward(&x)?,
            None => x,
        })
    }

    /// The spectrogram, normalised, stretched in time and cut into as many pieces as make a
    /// square when they lie on top of each other: (batch, 1, spec_size, spec_size).
    fn picture(&self, features: &Tensor) -> Result<Tensor> {
        let ratio = self.spec_size / self.mels;
        let frames = self.spec_size * ratio;
        let (batch, time) = match features.dims() {
            &[batch, 1, time, mels]
                if batch > 0 && (1..=frames).contains(&time) && mels == self.mels =>
            {
                (batch, time)
            }
            got => {
                return Err(Error::Input {
                    model: MODEL,
                    input: "features",
                    got: got.to_vec(),
                    expected: format!("(batch, 1, 1 to {frames}, {})", self.mels),
                });
            }
        };
        let x = features.to_dtype(self.dtype)?.broadcast_mul(&self.batch_norm.scale)?;
        let mut x = x.broadcast_add(&self.batch_norm.shift)?.reshape((batch, time, self.mels))?;
        if time < frames {
            let stretch = stretching(time, frames, x.device())?.to_dtype(self.dtype)?;
            x = stretch.broadcast_matmul(&x)?;
        }
        let x = x.reshape((batch, ratio, frames / ratio, self.mels))?.transpose(2, 3)?;
        Ok(x.contiguous()?.reshape((batch, 1, ratio * self.mels, frames / ratio))?)
    }
}

/// Cubic convolution (Keys 1981) with a = −0.75, both ends held and their values in place, as
/// PyTorch's bicubic `interpolate` with `align_corners`: the matrix (to, from).
fn stretching(from: usize, to: usize, device: &Device) -> Result<Tensor> {
    const A: f64 = -0.75;
    let near = |x: f64| ((A + 2.) * x - (A + 3.)) * x * x + 1.;
    let far = |x: f64| ((A * x - 5. * A) * x + 8. * A) * x - 4. * A;
    let scale = from.saturating_sub(1) as f64 / to.saturating_sub(1).max(1) as f64;
    let mut matrix = vec![0f32; to * from];
    for (row, line) in matrix.chunks_exact_mut(from).enumerate() {
        // The reference computes the place in single precision.
        let place = f64::from(scale as f32 * row as f32);
        let (whole, part) = (place.floor(), place - place.floor());
        let taps = [far(part + 1.), near(part), near(1. - part), far(2. - part)];
        for (tap, weight) in (-1i64..).zip(taps) {
            let at = (whole as i64 + tap).clamp(0, from as i64 - 1);
            line[at as usize] += weight as f32;
        }
    }
    Ok(Tensor::from_vec(matrix, (to, from), device)?)
}
