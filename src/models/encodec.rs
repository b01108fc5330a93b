//! EnCodec (Défossez et al. 2022, "High Fidelity Neural Audio Compression"), the non-causal
//! variant that MusicGen and AnyGPT use: music ↔ a few layers of codes.
//!
//! Names and configuration are those of transformers' `EncodecModel`. What that class can do
//! besides (causal convolutions, stereo, loudness normalisation, chunks) is refused by name.

use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use super::audio_codec::codec::{Books, Codec};
use super::audio_codec::seanet::{Activation, Names, Shape};
use super::speech_tokenizer::check_sizes;
use super::{Check, Result};

const MODEL: &str = "encodec";

/// The published `config.json`; fields that are left out have transformers' defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// In Hz.
    pub sampling_rate: u32,
    pub audio_channels: usize,
    pub normalize: bool,
    pub chunk_length_s: Option<f64>,
    pub num_filters: usize,
    pub upsampling_ratios: Vec<usize>,
    pub hidden_size: usize,
    pub codebook_size: usize,
    pub codebook_dim: Option<usize>,
    /// In kbit/s; the highest says how many codebooks there are.
    pub target_bandwidths: Vec<f64>,
    pub kernel_size: usize,
    pub last_kernel_size: usize,
    pub residual_kernel_size: usize,
    pub dilation_growth_rate: usize,
    pub num_residual_layers: usize,
    pub num_lstm_layers: usize,
    pub compress: usize,
    pub use_causal_conv: bool,
    pub use_conv_shortcut: bool,
    pub pad_mode: String,
    pub norm_type: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sampling_rate: 24_000,
            audio_channels: 1,
            normalize: false,
            chunk_length_s: None,
            num_filters: 32,
            upsampling_ratios: vec![8, 5, 4, 2],
            hidden_size: 128,
            codebook_size: 1024,
            codebook_dim: None,
            target_bandwidths: vec![1.5, 3.0, 6.0, 12.0, 24.0],
            kernel_size: 7,
            last_kernel_size: 7,
            residual_kernel_size: 3,
            dilation_growth_rate: 2,
            num_residual_layers: 1,
            num_lstm_layers: 2,
            compress: 2,
            use_causal_conv: true,
            use_conv_shortcut: true,
            pad_mode: "reflect".into(),
            norm_type: "weight_norm".into(),
        }
    }
}

impl Config {
    /// facebook/encodec_32khz, the codec of MusicGen.
    pub fn encodec_32khz() -> Self {
        Self {
            sampling_rate: 32_000,
            num_filters: 64,
            upsampling_ratios: vec![8, 5, 4, 4],
            codebook_size: 2048,
            codebook_dim: Some(128),
            target_bandwidths: vec![2.2],
            use_causal_conv: false,
            use_conv_shortcut: false,
            ..Self::default()
        }
    }

    /// Samples per frame.
    pub fn hop_length(&self) -> usize {
        self.upsampling_ratios.iter().product()
    }

    /// ⌊bits per second / bits per second of one codebook⌋, as `EncodecConfig.num_quantizers`.
    pub fn num_quantizers(&self) -> usize {
        let frame_rate = (self.sampling_rate as usize).div_ceil(self.hop_length().max(1));
        let per_book = frame_rate as f64 * (self.codebook_size.max(2) as f64).log2().ceil();
        let most = self.target_bandwidths.iter().copied().fold(0.0, f64::max);
        (most * 1000.0 / per_book + 1e-9).floor().clamp(0.0, 1024.0) as usize
    }

    fn shape(&self) -> Result<Shape> {
        let check = Check(MODEL);
        check_sizes(&check, "upsampling_ratios", &self.upsampling_ratios)?;
        for (field, value) in [
            ("sampling_rate", self.sampling_rate as usize),
            ("num_filters", self.num_filters),
            ("hidden_size", self.hidden_size),
            ("codebook_size", self.codebook_size),
            ("kernel_size", self.kernel_size),
            ("last_kernel_size", self.last_kernel_size),
            ("residual_kernel_size", self.residual_kernel_size),
            ("dilation_growth_rate", self.dilation_growth_rate),
        ] {
            check.positive(field, value)?;
        }
        check.divides("compress", self.compress, self.num_filters)?;
        if self.num_quantizers() == 0 {
            return check.fail("target_bandwidths", "is too low for one codebook");
        }
        if self.codebook_dim.is_some_and(|dim| dim != self.hidden_size) {
            return check.fail("codebook_dim", "must be equal to hidden_size");
        }
        let only = |field: &'static str, right: bool, what: &str| match right {
            true => Ok(()),
            false => check.fail(field, format!("must be {what}; others are not supported")),
        };
        only("audio_channels", self.audio_channels == 1, "1")?;
        only("use_causal_conv", !self.use_causal_conv, "false")?;
        only("normalize", !self.normalize, "false")?;
        only("chunk_length_s", self.chunk_length_s.is_none(), "null")?;
        only("pad_mode", self.pad_mode == "reflect", "`reflect`")?;
        only("norm_type", self.norm_type == "weight_norm", "`weight_norm`")?;
        Ok(Shape {
            filters: self.num_filters,
            ratios: self.upsampling_ratios.clone(),
            dimension: self.hidden_size,
            kernel: self.kernel_size,
            last_kernel: self.last_kernel_size,
            residual_kernel: self.residual_kernel_size,
            residual_layers: self.num_residual_layers,
            dilation_base: self.dilation_growth_rate,
            compress: self.compress,
            lstm_layers: self.num_lstm_layers,
            bidirectional: false,
            activation: Activation::Elu,
            conv_shortcut: self.use_conv_shortcut,
            names: Names { layers: "layers", conv: "conv", transposed: "conv" },
        })
    }
}

#[derive(Debug)]
pub struct Encodec {
    codec: Codec,
    config: Config,
}

impl Encodec {
    pub fn load(config: &Config, vb: VarBuilder) -> Result<Self> {
        let books = Books {
            count: config.num_quantizers(),
            size: config.codebook_size,
            place: &|index| format!("quantizer.layers.{index}.codebook.embed"),
        };
        let codec = Codec::load(MODEL, &config.shape()?, &books, &vb)?;
        Ok(Self { codec, config: config.clone() })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Samples at `sampling_rate` → every codebook's codes, ⌈samples / hop⌉ each.
    pub fn encode(&self, samples: &[f32]) -> Result<Vec<Vec<u32>>> {
        self.codec.encode(samples, self.config.num_quantizers())
    }

    /// Codes of some first codebooks, equally many each → frames · hop samples.
    pub fn decode(&self, codes: &[Vec<u32>]) -> Result<Vec<f32>> {
        self.codec.decode(codes)
    }
}
