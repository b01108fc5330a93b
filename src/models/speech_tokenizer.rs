//! SpeechTokenizer (Zhang et al. 2023, "SpeechTokenizer: Unified Speech Tokenizer for Speech
//! Language Models"): speech ↔ eight layers of codes, of which the first says what is said.
//!
//! Names and shapes are those of PyPI `speechtokenizer` 0.1.2, whose checkpoints are the public
//! ones: `encoder.model.…`, `quantizer.vq.layers.…._codebook.embed`, `decoder.model.…`.

use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use super::audio_codec::codec::{Books, Codec};
use super::audio_codec::seanet::{Activation, Names, Shape};
use super::{Check, Result};

const MODEL: &str = "speech-tokenizer";

/// The published `config.json`. Its `codebook_dim` has no effect in the reference and none here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    pub n_filters: usize,
    pub strides: Vec<usize>,
    pub dimension: usize,
    pub semantic_dimension: usize,
    pub bidirectional: bool,
    pub dilation_base: usize,
    pub residual_kernel_size: usize,
    pub n_residual_layers: usize,
    pub lstm_layers: usize,
    /// `Snake` or `ELU`.
    pub activation: String,
    pub codebook_size: usize,
    pub n_q: usize,
    /// In Hz.
    pub sample_rate: u32,
}

impl Config {
    /// `speechtokenizer/config.json` of fnlp/AnyGPT-speech-modules.
    pub fn anygpt() -> Self {
        Self {
            n_filters: 64,
            strides: vec![8, 5, 4, 2],
            dimension: 1024,
            semantic_dimension: 768,
            bidirectional: true,
            dilation_base: 2,
            residual_kernel_size: 3,
            n_residual_layers: 1,
            lstm_layers: 2,
            activation: "Snake".into(),
            codebook_size: 1024,
            n_q: 8,
            sample_rate: 16_000,
        }
    }

    /// Samples per frame.
    pub fn hop_length(&self) -> usize {
        self.strides.iter().product()
    }

    fn shape(&self) -> Result<Shape> {
        let check = Check(MODEL);
        check_sizes(&check, "strides", &self.strides)?;
        for (field, value) in [
            ("n_filters", self.n_filters),
            ("dimension", self.dimension),
            ("dilation_base", self.dilation_base),
            ("residual_kernel_size", self.residual_kernel_size),
            ("codebook_size", self.codebook_size),
            ("n_q", self.n_q),
            ("sample_rate", self.sample_rate as usize),
        ] {
            check.positive(field, value)?;
        }
        check.divides("n_filters", 2, self.n_filters)?;
        Ok(Shape {
            filters: self.n_filters,
            ratios: self.strides.clone(),
            dimension: self.dimension,
            kernel: 7,
            last_kernel: 7,
            residual_kernel: self.residual_kernel_size,
            residual_layers: self.n_residual_layers,
            dilation_base: self.dilation_base,
            compress: 2,
            lstm_layers: self.lstm_layers,
            bidirectional: self.bidirectional,
            activation: match self.activation.as_str() {
                "Snake" => Activation::Snake,
                "ELU" => Activation::Elu,
                other => {
                    let reason = format!("is `{other}`, expected `Snake` or `ELU`");
                    return check.fail("activation", reason);
                }
            },
            conv_shortcut: true,
            names: Names { layers: "model", conv: "conv.conv", transposed: "convtr.convtr" },
        })
    }
}

/// Strides whose product and powers stay within reason.
pub(super) fn check_sizes(check: &Check, field: &'static str, strides: &[usize]) -> Result<()> {
    let hop = strides.iter().try_fold(1usize, |hop, stride| hop.checked_mul(*stride));
    if strides.is_empty()
        || strides.len() > 16
        || !hop.is_some_and(|hop| (1..=1 << 20).contains(&hop))
    {
        return check.fail(field, "must be 1 to 16 strides of at least 1");
    }
    Ok(())
}

#[derive(Debug)]
pub struct SpeechTokenizer {
    codec: Codec,
    config: Config,
}

impl SpeechTokenizer {
    pub fn load(config: &Config, vb: VarBuilder) -> Result<Self> {
        let books = Books {
            count: config.n_q,
            size: config.codebook_size,
            place: &|index| format!("quantizer.vq.layers.{index}._codebook.embed"),
        };
        let codec = Codec::load(MODEL, &config.shape()?, &books, &vb)?;
        Ok(Self { codec, config: config.clone() })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Samples at `sample_rate` → the first `layers` layers of codes, ⌈samples / hop⌉ each.
    pub fn encode(&self, samples: &[f32], layers: usize) -> Result<Vec<Vec<u32>>> {
        self.codec.encode(samples, layers)
    }

    /// Some first layers of codes, equally long → frames · hop samples.
    pub fn decode(&self, codes: &[Vec<u32>]) -> Result<Vec<f32>> {
        self.codec.decode(codes)
    }
}
