//! Whisper (Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision"):
//! speech → text, by the names of transformers' `WhisperForConditionalGeneration`.
//!
//! [`features`] turns samples into a log-mel spectrogram, [`Whisper::encode`] into states, and
//! [`decode`] writes the likeliest ids one by one. Sounds longer than one window are cut by
//! [`windows`].

pub mod decode;
pub mod features;
mod layers;
pub mod windows;

use candle_core::{Module, Tensor};
use candle_nn::{Conv1d, Conv1dConfig, LayerNorm, VarBuilder};
use serde::{Deserialize, Serialize};

use self::layers::{DecoderLayer, EncoderLayer, LayerState};
use super::{Check, Error, Result};
use crate::nn::attention::causal_mask;
use crate::nn::linear::Linear;

const MODEL: &str = "whisper";
/// PyTorch's default, which transformers' class does not change.
const LAYER_NORM_EPS: f64 = 1e-5;
/// What the second convolution shortens the spectrogram by.
const STRIDE: usize = 2;

/// The published `config.json`, what of it has to do with inference; fields that are left out have
/// the defaults of transformers' `WhisperConfig`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    pub vocab_size: usize,
    pub num_mel_bins: usize,
    pub d_model: usize,
    pub encoder_layers: usize,
    pub encoder_attention_heads: usize,
    pub encoder_ffn_dim: usize,
    pub decoder_layers: usize,
    pub decoder_attention_heads: usize,
    pub decoder_ffn_dim: usize,
    /// States of a window: half as many as the spectrogram has frames.
    pub max_source_positions: usize,
    pub max_target_positions: usize,
    pub activation_function: String,
    /// Whether the head is the embedding of tokens.
    pub tie_word_embeddings: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vocab_size: 51_865,
            num_mel_bins: 80,
            d_model: 384,
            encoder_layers: 4,
            encoder_attention_heads: 6,
            encoder_ffn_dim: 1536,
            decoder_layers: 4,
            decoder_attention_heads: 6,
            decoder_ffn_dim: 1536,
            max_source_positions: 1500,
            max_target_positions: 448,
            activation_function: "gelu".into(),
            tie_word_embeddings: true,
        }
    }
}

impl Config {
    pub fn validate(&self) -> Result<()> {
        let check = Check(MODEL);
        for (field, value) in [
            ("vocab_size", self.vocab_size),
            ("num_mel_bins", self.num_mel_bins),
            ("encoder_ffn_dim", self.encoder_ffn_dim),
            ("decoder_ffn_dim", self.decoder_ffn_dim),
            ("max_source_positions", self.max_source_positions),
            ("max_target_positions", self.max_target_positions),
        ] {
            check.positive(field, value)?;
        }
        check.divides("encoder_attention_heads", self.encoder_attention_heads, self.d_model)?;
        check.divides("decoder_attention_heads", self.decoder_attention_heads, self.d_model)?;
        if self.activation_function != "gelu" {
            let found = &self.activation_function;
            return check
                .fail("activation_function", format!("is `{found}`; only `gelu` is supported"));
        }
        Ok(())
    }

    /// Frames of the spectrogram of one window.
    pub fn frames(&self) -> usize {
        self.max_source_positions.saturating_mul(STRIDE)
    }
}

#[derive(Debug)]
struct Encoder {
    conv1: Conv1d,
    conv2: Conv1d,
    positions: Tensor, // (max_source_positions, d_model)
    layers: Vec<EncoderLayer>,
    layer_norm: LayerNorm,
}

impl Encoder {
    fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        let (width, bins) = (cfg.d_model, cfg.num_mel_bins);
        let conv = |stride| Conv1dConfig { padding: 1, stride, ..Default::default() };
        let positions = (cfg.max_source_positions, width);
        Ok(Self {
            conv1: candle_nn::conv1d(bins, width, 3, conv(1), vb.pp("conv1"))?,
            conv2: candle_nn::conv1d(width, width, 3, conv(STRIDE), vb.pp("conv2"))?,
            positions: vb.get(positions, "embed_positions.weight")?,
            layers: (0..cfg.encoder_layers)
                .map(|i| EncoderLayer::load(cfg, vb.pp("layers").pp(i)))
                .collect::<candle_core::Result<_>>()?,
            layer_norm: candle_nn::layer_norm(width, LAYER_NORM_EPS, vb.pp("layer_norm"))?,
        })
    }

    /// (1, mel bins, frames) → (1, frames / 2, d_model)
    fn forward(&self, features: &Tensor) -> candle_core::Result<Tensor> {
        let x = self.conv1.forward(features)?.gelu_erf()?;
        let x = self.conv2.forward(&x)?.gelu_erf()?;
        let mut x = x.transpose(1, 2)?.contiguous()?.broadcast_add(&self.positions)?;
        for layer in &self.layers {
            x = layer.forward(&x)?;
        }
        self.layer_norm.forward(&x)
    }
}

#[derive(Debug)]
struct Decoder {
    tokens: Tensor,    // (vocabulary, d_model)
    positions: Tensor, // (max_target_positions, d_model)
    layers: Vec<DecoderLayer>,
    layer_norm: LayerNorm,
    head: Linear,
}

impl Decoder {
    fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        let width = cfg.d_model;
        let decoder = vb.pp("model.decoder");
        let tokens = decoder.get((cfg.vocab_size, width), "embed_tokens.weight")?;
        let head = match cfg.tie_word_embeddings {
            true => Linear::new(tokens.clone(), None),
            false => Linear::load_no_bias(width, cfg.vocab_size, vb.pp("proj_out"))?,
        };
        let positions = (cfg.max_target_positions, width);
        Ok(Self {
            tokens,
            positions: decoder.get(positions, "embed_positions.weight")?,
            layers: (0..cfg.decoder_layers)
                .map(|i| DecoderLayer::load(cfg, decoder.pp("layers").pp(i)))
                .collect::<candle_core::Result<_>>()?,
            layer_norm: candle_nn::layer_norm(width, LAYER_NORM_EPS, decoder.pp("layer_norm"))?,
            head,
        })
    }
}

#[derive(Debug)]
pub struct Whisper {
    encoder: Encoder,
    decoder: Decoder,
    config: Config,
}

impl Whisper {
    pub fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        cfg.validate()?;
        Ok(Self {
            encoder: Encoder::load(cfg, vb.pp("model.encoder"))?,
            decoder: Decoder::load(cfg, vb)?,
            config: cfg.clone(),
        })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The spectrogram of one window, (1, num_mel_bins, 2 · max_source_positions) → its states,
    /// (1, max_source_positions, d_model).
    pub fn encode(&self, features: &Tensor) -> Result<Tensor> {
        let wanted = [1, self.config.num_mel_bins, self.config.frames()];
        if features.dims() != wanted {
            return Err(Error::Input {
                model: MODEL,
                input: "spectrogram",
                got: features.dims().to_vec(),
                expected: format!("{wanted:?}"),
            });
        }
        Ok(self.encoder.forward(features)?)
    }

    /// Begins a text about a window whose states [`Self::encode`] gave.
    pub fn start(&self, states: &Tensor) -> Result<Text<'_>> {
        let layers = self.decoder.layers.iter();
        let layers =
            layers.map(|layer| layer.start(states)).collect::<candle_core::Result<Vec<_>>>()?;
        Ok(Text {
            decoder: &self.decoder,
            layers,
            len: 0,
            max_len: self.config.max_target_positions,
        })
    }
}

/// A text that is being written about one window.
pub struct Text<'a> {
    decoder: &'a Decoder,
    layers: Vec<LayerState>,
    len: usize,
    max_len: usize,
}

impl Text<'_> {
    /// Reads `ids` after those read before; the scores of what follows each of them,
    /// (ids, vocabulary) in f32.
    pub fn append(&mut self, ids: &[u32]) -> Result<Tensor> {
        if ids.is_empty() {
            return Err(Error::NoTokens);
        }
        let (len, more, max_len) = (self.len, ids.len(), self.max_len);
        if more > max_len - len {
            return Err(Error::ContextFull { len, more, max_len });
        }
        let vocab_size = self.decoder.tokens.dim(0)?;
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocab_size) {
            return Err(Error::TokenId { id, vocab_size });
        }
        let device = self.decoder.tokens.device();
        let index = Tensor::from_slice(ids, more, device)?;
        let positions = self.decoder.positions.narrow(0, len, more)?;
        let x = self.decoder.tokens.index_select(&index, 0)?;
        let mut x = (x + positions)?.unsqueeze(0)?;
        let mask = if more > 1 { Some(causal_mask(more, len, device)?) } else { None };
        for (layer, state) in self.decoder.layers.iter().zip(&mut self.layers) {
            x = layer.forward(&x, state, len, max_len, mask.as_ref())?;
        }
        self.len += more;
        let x = self.decoder.layer_norm.forward(&x)?;
        Ok(self.decoder.head.forward(&x)?.squeeze(0)?.to_dtype(candle_core::DType::F32)?)
    }
}
