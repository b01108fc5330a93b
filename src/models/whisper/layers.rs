//! The layers of Whisper's two halves; norms come before what they feed (section 2.2).

use candle_core::{Module, Result, Tensor};
use candle_nn::{LayerNorm, VarBuilder};

use super::{Config, LAYER_NORM_EPS};
use crate::nn::attention::{attend, split_heads};
use crate::nn::kv_cache::LayerCache;
use crate::nn::linear::Linear;

/// Keys have no bias.
#[derive(Debug)]
struct Attention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    heads: usize,
    scale: f64,
}

impl Attention {
    fn load(width: usize, heads: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            q_proj: Linear::load(width, width, vb.pp("q_proj"))?,
            k_proj: Linear::load_no_bias(width, width, vb.pp("k_proj"))?,
            v_proj: Linear::load(width, width, vb.pp("v_proj"))?,
            out_proj: Linear::load(width, width, vb.pp("out_proj"))?,
            heads,
            scale: 1. / ((width / heads) as f64).sqrt(),
        })
    }

    /// The keys and values of `x` (1, time, width), each (1, heads, time, head_dim).
    fn keys_and_values(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let key = split_heads(&self.k_proj.forward(x)?, self.heads)?;
        Ok((key, split_heads(&self.v_proj.forward(x)?, self.heads)?))
    }

    fn attend(
        &self,
        x: &Tensor,
        key: &Tensor,
        value: &Tensor,
        mask: Option<&Tensor>,
    ) -> Result<Tensor> {
        let query = split_heads(&self.q_proj.forward(x)?, self.heads)?;
        self.out_proj.forward(&attend(&query, key, value, self.scale, mask)?)
    }
}

#[derive(Debug)]
struct FeedForward {
    norm: LayerNorm,
    fc1: Linear,
    fc2: Linear,
}

impl FeedForward {
    /// `vb` is that of the layer.
    fn load(width: usize, inner: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            norm: candle_nn::layer_norm(width, LAYER_NORM_EPS, vb.pp("final_layer_norm"))?,
            fc1: Linear::load(width, inner, vb.pp("fc1"))?,
            fc2: Linear::load(inner, width, vb.pp("fc2"))?,
        })
    }

    /// With the residual.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let inner = self.fc1.forward(&self.norm.forward(x)?)?.gelu_erf()?;
        x + self.fc2.forward(&inner)?
    }
}

#[derive(Debug)]
pub(super) struct EncoderLayer {
    norm: LayerNorm,
    attention: Attention,
    feed_forward: FeedForward,
}

impl EncoderLayer {
    pub fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        let (width, heads) = (cfg.d_model, cfg.encoder_attention_heads);
        Ok(Self {
            norm: candle_nn::layer_norm(width, LAYER_NORM_EPS, vb.pp("self_attn_layer_norm"))?,
            attention: Attention::load(width, heads, vb.pp("self_attn"))?,
            feed_forward: FeedForward::load(width, cfg.encoder_ffn_dim, vb)?,
        })
    }

    /// (1, frames, width) → the same
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let hidden = self.norm.forward(x)?;
        let (key, value) = self.attention.keys_and_values(&hidden)?;
        let x = (x + self.attention.attend(&hidden, &key, &value, None)?)?;
        self.feed_forward.forward(&x)
    }
}

/// What a layer of the decoder remembers of one text.
pub(super) struct LayerState {
    cache: LayerCache,
    /// Of the window's states.
    key: Tensor,
    value: Tensor,
}

#[derive(Debug)]
pub(super) struct DecoderLayer {
    norm: LayerNorm,
    attention: Attention,
    cross_norm: LayerNorm,
    cross_attention: Attention,
    feed_forward: FeedForward,
}

impl DecoderLayer {
    pub fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        let (width, heads) = (cfg.d_model, cfg.decoder_attention_heads);
        let norm = |name| candle_nn::layer_norm(width, LAYER_NORM_EPS, vb.pp(name));
        Ok(Self {
            norm: norm("self_attn_layer_norm")?,
            attention: Attention::load(width, heads, vb.pp("self_attn"))?,
            cross_norm: norm("encoder_attn_layer_norm")?,
            cross_attention: Attention::load(width, heads, vb.pp("encoder_attn"))?,
            feed_forward: FeedForward::load(width, cfg.decoder_ffn_dim, vb.clone())?,
        })
    }

    pub fn start(&self, states: &Tensor) -> Result<LayerState> {
        let (key, value) = self.cross_attention.keys_and_values(states)?;
        Ok(LayerState { cache: LayerCache::default(), key, value })
    }

    /// (1, ids, width) → the same; `start` ids were read before, and at most `max_len` will be.
    pub fn forward(
        &self,
        x: &Tensor,
        state: &mut LayerState,
        start: usize,
        max_len: usize,
        mask: Option<&Tensor>,
    ) -> Result<Tensor> {
        let hidden = self.norm.forward(x)?;
        let (key, value) = self.attention.keys_and_values(&hidden)?;
        let (key, value) = state.cache.append(&key, &value, start, max_len)?;
        let x = (x + self.attention.attend(&hidden, &key, &value, mask)?)?;
        let hidden = self.cross_norm.forward(&x)?;
        let crossed = self.cross_attention.attend(&hidden, &state.key, &state.value, None)?;
        self.feed_forward.forward(&(x + crossed)?)
    }
}
