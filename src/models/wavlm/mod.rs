//! WavLM (Chen et al. 2022, "WavLM: Large-Scale Self-Supervised Pre-Training for Full Stack Speech
//! Processing") with an x-vector head (Snyder et al. 2018): who speaks, as a vector. Names are
//! those of transformers' `WavLMForXVector`.

mod attention;
mod convolutions;
mod encoder;
mod xvector;

use candle_core::{Device, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use self::convolutions::FeatureEncoder;
use self::encoder::Encoder;
use self::xvector::Head;
use super::{Check, Error, Result};

const MODEL: &str = "wavlm";
/// No published network is near these; damage must not ask for all memory.
const MAX_SIZE: usize = 1 << 20;

/// The published `config.json`, what of it has to do with inference; fields that are left out have
/// the defaults of transformers' `WavLMConfig`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub hidden_act: String,
    pub layer_norm_eps: f64,
    /// `group`: a norm per channel after the first convolution; `layer`: norms after all.
    pub feat_extract_norm: String,
    pub feat_extract_activation: String,
    pub conv_dim: Vec<usize>,
    pub conv_stride: Vec<usize>,
    pub conv_kernel: Vec<usize>,
    pub conv_bias: bool,
    pub num_conv_pos_embeddings: usize,
    pub num_conv_pos_embedding_groups: usize,
    pub num_buckets: usize,
    pub max_bucket_distance: usize,
    /// Whether norms come before what they feed.
    pub do_stable_layer_norm: bool,
    pub use_weighted_layer_sum: bool,
    pub tdnn_dim: Vec<usize>,
    pub tdnn_kernel: Vec<usize>,
    pub tdnn_dilation: Vec<usize>,
    pub xvector_output_dim: usize,
    pub add_adapter: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: "gelu".into(),
            layer_norm_eps: 1e-5,
            feat_extract_norm: "group".into(),
            feat_extract_activation: "gelu".into(),
            conv_dim: vec![512; 7],
            conv_stride: vec![5, 2, 2, 2, 2, 2, 2],
            conv_kernel: vec![10, 3, 3, 3, 3, 2, 2],
            conv_bias: false,
            num_conv_pos_embeddings: 128,
            num_conv_pos_embedding_groups: 16,
            num_buckets: 320,
            max_bucket_distance: 800,
            do_stable_layer_norm: false,
            use_weighted_layer_sum: false,
            tdnn_dim: vec![512, 512, 512, 512, 1500],
            tdnn_kernel: vec![5, 3, 3, 1, 1],
            tdnn_dilation: vec![1, 2, 3, 1, 1],
            xvector_output_dim: 512,
            add_adapter: false,
        }
    }
}

impl Config {
    pub fn validate(&self) -> Result<()> {
        let check = Check(MODEL);
        let size = |field, value: usize| match (1..=MAX_SIZE).contains(&value) {
            true => Ok(()),
            false => check.fail(field, format!("is {value}, expected 1 to {MAX_SIZE}")),
        };
        size("hidden_size", self.hidden_size)?;
        size("intermediate_size", self.intermediate_size)?;
        size("xvector_output_dim", self.xvector_output_dim)?;
        size("num_conv_pos_embeddings", self.num_conv_pos_embeddings)?;
        size("num_hidden_layers", self.num_hidden_layers)?;
        check.divides("num_attention_heads", self.num_attention_heads, self.hidden_size)?;
        let groups = self.num_conv_pos_embedding_groups;
        check.divides("num_conv_pos_embedding_groups", groups, self.hidden_size)?;
        check.finite("layer_norm_eps", self.layer_norm_eps)?;
        for (field, values, others) in [
            ("conv_dim", &self.conv_dim, &self.conv_dim),
            ("conv_stride", &self.conv_stride, &self.conv_dim),
            ("conv_kernel", &self.conv_kernel, &self.conv_dim),
            ("tdnn_dim", &self.tdnn_dim, &self.tdnn_dim),
            ("tdnn_kernel", &self.tdnn_kernel, &self.tdnn_dim),
            ("tdnn_dilation", &self.tdnn_dilation, &self.tdnn_dim),
        ] {
            if values.is_empty() || values.len() != others.len() {
                let want = others.len().max(1);
                return check.fail(field, format!("has {} numbers, not {want}", values.len()));
            }
            values.iter().try_for_each(|&value| size(field, value))?;
        }
        // Half the buckets are for each direction, and half of those for single distances.
        if self.num_buckets < 4 || self.num_buckets > MAX_SIZE {
            return check.fail("num_buckets", format!("must be 4 to {MAX_SIZE}"));
        }
        if self.max_bucket_distance <= self.num_buckets / 4 {
            let least = self.num_buckets / 4 + 1;
            return check.fail("max_bucket_distance", format!("must be at least {least}"));
        }
        for (field, found, known) in [
            ("hidden_act", &self.hidden_act, &["gelu"][..]),
            ("feat_extract_activation", &self.feat_extract_activation, &["gelu"]),
            ("feat_extract_norm", &self.feat_extract_norm, &["group", "layer"]),
        ] {
            if !known.contains(&found.as_str()) {
                let known = known.join("` or `");
                return check.fail(field, format!("is `{found}`; only `{known}` is supported"));
            }
        }
        if self.add_adapter {
            return check.fail("add_adapter", "must be false; adapters are not supported");
        }
        Ok(())
    }

    /// Frames that the convolutions make of samples; 0 of too few.
    pub fn frames(&self, samples: usize) -> usize {
        let sizes = self.conv_kernel.iter().zip(&self.conv_stride);
        sizes.fold(samples, |steps, (&kernel, &stride)| match steps.checked_sub(kernel) {
            Some(rest) => rest / stride.max(1) + 1,
            None => 0,
        })
    }

    /// The fewest samples of which there is a vector: two frames must be left to have a deviation.
    pub fn least_samples(&self) -> usize {
        let sizes = self.tdnn_kernel.iter().zip(&self.tdnn_dilation);
        let frames = sizes.fold(2usize, |frames, (&kernel, &dilation)| {
            frames.saturating_add((kernel.max(1) - 1).saturating_mul(dilation))
        });
        let sizes = self.conv_kernel.iter().zip(&self.conv_stride).rev();
        sizes.fold(frames, |steps, (&kernel, &stride)| {
            (steps - 1).saturating_mul(stride).saturating_add(kernel)
        })
    }
}

/// The published `preprocessor_config.json`; fields that are left out have the defaults of
/// transformers' `Wav2Vec2FeatureExtractor`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Preprocessing {
    /// In Hz.
    pub sampling_rate: u32,
    /// Whether samples are brought to mean 0 and variance 1.
    pub do_normalize: bool,
}

impl Default for Preprocessing {
    fn default() -> Self {
        Self { sampling_rate: 16_000, do_normalize: true }
    }
}

impl Preprocessing {
    /// What the network is given for `samples` (`zero_mean_unit_var_norm`).
    pub fn apply(&self, samples: &[f32]) -> Vec<f32> {
        if !self.do_normalize {
            return samples.to_vec();
        }
        let count = samples.len().max(1) as f64;
        let mean = samples.iter().map(|&s| f64::from(s)).sum::<f64>() / count;
        let variance = samples.iter().map(|&s| (f64::from(s) - mean).powi(2)).sum::<f64>() / count;
        let scale = 1. / (variance + 1e-7).sqrt();
        samples.iter().map(|&s| ((f64::from(s) - mean) * scale) as f32).collect()
    }
}

#[derive(Debug)]
pub struct WavLm {
    features: FeatureEncoder,
    encoder: Encoder,
    head: Head,
    config: Config,
    device: Device,
}

impl WavLm {
    pub fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        cfg.validate()?;
        let wavlm = vb.pp("wavlm");
        Ok(Self {
            features: FeatureEncoder::load(cfg, wavlm.clone())?,
            encoder: Encoder::load(cfg, wavlm.pp("encoder"))?,
            head: Head::load(cfg, vb.clone())?,
            config: cfg.clone(),
            device: vb.device().clone(),
        })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Samples that [`Preprocessing`] has prepared, at least [`Config::least_samples`] → what the
    /// first layer is given and what each layer makes of it, each (1, frames, hidden_size). The
    /// sound is taken as a whole, in time that grows with the square of its length.
    pub fn states(&self, samples: &[f32]) -> Result<Vec<Tensor>> {
        let least = self.config.least_samples();
        if samples.len() < least || samples.iter().any(|sample| !sample.is_finite()) {
            return Err(Error::Input {
                model: MODEL,
                input: "samples",
                got: vec![samples.len()],
                expected: format!("at least {least} finite numbers"),
            });
        }
        let x = Tensor::from_slice(samples, (1, 1, samples.len()), &self.device)?;
        Ok(self.encoder.forward(&self.features.forward(&x)?)?)
    }

    /// The vector of the voice in samples as for [`Self::states`], `xvector_output_dim` numbers.
    pub fn x_vector(&self, samples: &[f32]) -> Result<Vec<f32>> {
        let states = self.states(samples)?;
        let x = match self.head.weighs_layers() {
            true => self.head.weighted(&states)?,
            false => self.encoder.finish(&states[states.len() - 1])?,
        };
        Ok(self.head.forward(&x)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_the_published_network() {
        let cfg = Config::default();
        assert_eq!(cfg.frames(16_000), 49);
        assert_eq!(cfg.frames(399), 0);
        // 16 frames of 320 samples, the last of 400.
        assert_eq!(cfg.least_samples(), 15 * 320 + 400);
        assert_eq!(cfg.frames(cfg.least_samples()), 16);
        assert_eq!(cfg.frames(cfg.least_samples() - 1), 15);
    }
}
