//! LLaMA (Touvron et al. 2023), by the names and the configuration of HuggingFace's
//! `LlamaForCausalLM`.

use super::{Check, Error, LanguageModel, Result, Session};
use crate::nn::attention::{attend, causal_mask, split_heads};
use crate::nn::kv_cache::{LayerCache, grown};
use crate::nn::linear::Linear;
use crate::nn::quantized::Quantization;
use crate::nn::rope::Rope;
use candle_core::{DType, Device, IndexOp, Module, Tensor};
use candle_nn::{Embedding, RmsNorm, VarBuilder};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A long prompt is read in pieces of this many ids, which bounds the memory of the scores.
const PREFILL: usize = 512;

/// HuggingFace's `LlamaConfig`, what of it has to do with inference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    #[serde(default)]
    pub num_key_value_heads: Option<usize>,
    #[serde(default)]
    pub head_dim: Option<usize>,
    #[serde(default = "default_rms_norm_eps")]
    pub rms_norm_eps: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rope_theta: Option<f64>,
    /// Where newer versions of transformers keep `rope_theta`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rope_parameters: Option<RopeParameters>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rope_scaling: Option<serde_json::Value>,
    #[serde(default = "default_hidden_act")]
    pub hidden_act: String,
    #[serde(default)]
    pub attention_bias: bool,
    #[serde(default)]
    pub mlp_bias: bool,
    #[serde(default)]
    pub tie_word_embeddings: bool,
    #[serde(default)]
    pub bos_token_id: Option<u32>,
    #[serde(default)]
    pub eos_token_id: Option<TokenIds>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RopeParameters {
    #[serde(default)]
    pub rope_type: Option<String>,
    #[serde(default)]
    pub rope_theta: Option<f64>,
}

/// One id or several, as HuggingFace writes `eos_token_id`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TokenIds {
    One(u32),
    Several(Vec<u32>),
}

fn default_rms_norm_eps() -> f64 {
    1e-6
}

fn default_hidden_act() -> String {
    "silu".into()
}

impl Config {
    /// The network of `fnlp/AnyGPT-base`.
    pub fn anygpt_base() -> Self {
        Self {
            vocab_size: 53_516,
            hidden_size: 4096,
            intermediate_size: 11_008,
            num_hidden_layers: 32,
            num_attention_heads: 32,
            num_key_value_heads: Some(32),
            head_dim: None,
            rms_norm_eps: 1e-5,
            rope_theta: Some(10_000.),
            rope_parameters: None,
            rope_scaling: None,
            hidden_act: default_hidden_act(),
            attention_bias: false,
            mlp_bias: false,
            tie_word_embeddings: false,
            bos_token_id: Some(1),
            eos_token_id: Some(TokenIds::One(2)),
        }
    }

    pub fn key_value_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    pub fn head_dim(&self) -> usize {
        let heads = self.num_attention_heads.max(1);
        self.head_dim.unwrap_or(self.hidden_size / heads)
    }

    pub fn rope_theta(&self) -> f64 {
        let nested = self.rope_parameters.as_ref().and_then(|p| p.rope_theta);
        self.rope_theta.or(nested).unwrap_or(10_000.)
    }

    /// The bytes of the keys and values of `positions`.
    pub fn sequence_bytes(&self, positions: usize, dtype: DType) -> u64 {
        let row = self.key_value_heads() * self.head_dim() * dtype.size_in_bytes();
        2 * (self.num_hidden_layers * row) as u64 * positions as u64
    }

    /// Refuses what this network does not compute, naming the field.
    pub fn validate(&self) -> Result<()> {
        let check = Check("llama");
        check.positive("vocab_size", self.vocab_size)?;
        check.positive("hidden_size", self.hidden_size)?;
        check.positive("intermediate_size", self.intermediate_size)?;
        check.positive("num_hidden_layers", self.num_hidden_layers)?;
        check.positive("num_attention_heads", self.num_attention_heads)?;
        if self.head_dim.is_none() {
            check.divides("num_attention_heads", self.num_attention_heads, self.hidden_size)?;
        }
        check.divides("num_key_value_heads", self.key_value_heads(), self.num_attention_heads)?;
        if self.head_dim() == 0 || self.head_dim() % 2 == 1 {
            return check.fail("head_dim", format!("is {}, must be even", self.head_dim()));
        }
        check.finite("rms_norm_eps", self.rms_norm_eps)?;
        check.finite("rope_theta", self.rope_theta())?;
        if !matches!(self.hidden_act.as_str(), "silu" | "swish") {
            return check
                .fail("hidden_act", format!("is {:?}, only silu is known", self.hidden_act));
        }
        if self.rope_scaling.as_ref().is_some_and(|v| !v.is_null()) {
            return check.fail("rope_scaling", "is not supported");
        }
        let rope_type = self.rope_parameters.as_ref().and_then(|p| p.rope_type.as_deref());
        if !matches!(rope_type, None | Some("default")) {
            return check.fail("rope_parameters.rope_type", "is not supported");
        }
        Ok(())
    }
}

fn linear(inputs: usize, outputs: usize, bias: bool, vb: VarBuilder) -> Result<Linear> {
    Ok(if bias {
        Linear::load(inputs, outputs, vb)?
    } else {
        Linear::load_no_bias(inputs, outputs, vb)?
    })
}

fn rms_norm(cfg: &Config, vb: VarBuilder) -> Result<RmsNorm> {
    Ok(candle_nn::rms_norm(cfg.hidden_size, cfg.rms_norm_eps, vb)?)
}

#[derive(Debug)]
struct Attention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    o_proj: Linear,
    heads: usize,
    key_value_heads: usize,
    scale: f64,
}

impl Attention {
    fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        let (hidden, bias) = (cfg.hidden_size, cfg.attention_bias);
        let queries = cfg.num_attention_heads * cfg.head_dim();
        let keys = cfg.key_value_heads() * cfg.head_dim();
        Ok(Self {
            q_proj: linear(hidden, queries, bias, vb.pp("q_proj"))?,
            k_proj: linear(hidden, keys, bias, vb.pp("k_proj"))?,
            v_proj: linear(hidden, keys, bias, vb.pp("v_proj"))?,
            o_proj: linear(queries, hidden, bias, vb.pp("o_proj"))?,
            heads: cfg.num_attention_heads,
            key_value_heads: cfg.key_value_heads(),
            scale: 1. / (cfg.head_dim() as f64).sqrt(),
        })
    }

    /// `x` (batch, time, hidden) stands at position `start`.
    fn forward(
        &self,
        x: &Tensor,
        start: usize,
        step: &Step,
        cache: &mut LayerCache,
    ) -> Result<Tensor> {
        let query = split_heads(&self.q_proj.forward(x)?, self.heads)?;
        let key = split_heads(&self.k_proj.forward(x)?, self.key_value_heads)?;
        let value = split_heads(&self.v_proj.forward(x)?, self.key_value_heads)?;
        let query = step.rope.apply(&query, start)?;
        let key = step.rope.apply(&key, start)?;
        let (key, value) = cache.append(&key, &value, start, step.max_len)?;
        let context = attend(&query, &key, &value, self.scale, step.mask.as_ref())?;
        Ok(self.o_proj.forward(&context)?)
    }
}

/// What all layers share in one pass.
struct Step<'a> {
    rope: &'a Rope,
    mask: Option<Tensor>,
    max_len: usize,
}

#[derive(Debug)]
struct Mlp {
    gate_proj: Linear,
    up_proj: Linear,
    down_proj: Linear,
}

impl Mlp {
    fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        let (hidden, inner, bias) = (cfg.hidden_size, cfg.intermediate_size, cfg.mlp_bias);
        Ok(Self {
            gate_proj: linear(hidden, inner, bias, vb.pp("gate_proj"))?,
            up_proj: linear(hidden, inner, bias, vb.pp("up_proj"))?,
            down_proj: linear(inner, hidden, bias, vb.pp("down_proj"))?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let gate = candle_nn::ops::silu(&self.gate_proj.forward(x)?)?;
        Ok(self.down_proj.forward(&(gate * self.up_proj.forward(x)?)?)?)
    }
}

#[derive(Debug)]
struct DecoderLayer {
    input_layernorm: RmsNorm,
    self_attn: Attention,
    post_attention_layernorm: RmsNorm,
    mlp: Mlp,
}

impl DecoderLayer {
    fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            input_layernorm: rms_norm(cfg, vb.pp("input_layernorm"))?,
            self_attn: Attention::load(cfg, vb.pp("self_attn"))?,
            post_attention_layernorm: rms_norm(cfg, vb.pp("post_attention_layernorm"))?,
            mlp: Mlp::load(cfg, vb.pp("mlp"))?,
        })
    }

    fn forward(
        &self,
        x: &Tensor,
        start: usize,
        step: &Step,
        cache: &mut LayerCache,
    ) -> Result<Tensor> {
        let hidden = self.input_layernorm.forward(x)?;
        let x = (x + self.self_attn.forward(&hidden, start, step, cache)?)?;
        let hidden = self.post_attention_layernorm.forward(&x)?;
        Ok((&x + self.mlp.forward(&hidden)?)?)
    }
}

/// Keys, values and rotation tables of one sequence (or one batch of equally long ones).
#[derive(Debug)]
pub struct KvCache {
    layers: Vec<LayerCache>,
    rope: Rope,
    head_dim: usize,
    theta: f64,
    dtype: DType,
    device: Device,
    len: usize,
    max_len: usize,
}

impl KvCache {
    /// An empty cache for at most `max_len` positions; memory is taken as they come. `dtype` and
    /// `device` must be the network's.
    ///
    /// `max_position_embeddings` is no bound: the public configuration says 2048 although the
    /// network was trained on 4500 positions.
    pub fn new(cfg: &Config, max_len: usize, dtype: DType, device: &Device) -> Result<Self> {
        cfg.validate()?;
        Ok(Self {
            layers: (0..cfg.num_hidden_layers).map(|_| LayerCache::default()).collect(),
            rope: Rope::new(cfg.head_dim(), cfg.rope_theta(), 0, device)?,
            head_dim: cfg.head_dim(),
            theta: cfg.rope_theta(),
            dtype,
            device: device.clone(),
            len: 0,
            max_len,
        })
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets the positions from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Room and rotation tables for `more` positions.
    fn reserve(&mut self, more: usize) -> Result<()> {
        let (len, max_len) = (self.len, self.max_len);
        let full = Error::ContextFull { len, more, max_len };
        let end = len.checked_add(more).filter(|&end| end <= max_len).ok_or(full)?;
        if end > self.rope.positions() {
            let capacity = grown(self.rope.positions(), end, max_len);
            self.rope = Rope::new(self.head_dim, self.theta, capacity, &self.device)?;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Network {
    embed_tokens: Embedding,
    layers: Vec<DecoderLayer>,
    norm: RmsNorm,
    lm_head: Linear,
    cfg: Config,
    dtype: DType,
    device: Device,
}

/// The network. A clone shares the weights.
#[derive(Debug, Clone)]
pub struct Llama(Arc<Network>);

impl Llama {
    pub fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        cfg.validate()?;
        let model = vb.pp("model");
        // Beside quantized layers the embedding stays in half precision; its rows are widened.
        let head = vb.pp("lm_head");
        let quantized = |kind: Quantization| head.contains_tensor(&kind.renamed("weight"));
        let narrow = Quantization::ALL.into_iter().any(quantized) && !cfg.tie_word_embeddings;
        let table = model.pp("embed_tokens").get_with_hints_dtype(
            (cfg.vocab_size, cfg.hidden_size),
            "weight",
            Default::default(),
            if narrow { DType::F16 } else { vb.dtype() },
        )?;
        let lm_head = if cfg.tie_word_embeddings {
            Linear::new(table.clone(), None)
        } else {
            Linear::load_no_bias(cfg.hidden_size, cfg.vocab_size, head)?
        };
        let layers = (0..cfg.num_hidden_layers)
            .map(|i| DecoderLayer::load(cfg, model.pp("layers").pp(i)))
            .collect::<Result<_>>()?;
        Ok(Self(Arc::new(Network {
            embed_tokens: Embedding::new(table, cfg.hidden_size),
            layers,
            norm: rms_norm(cfg, model.pp("norm"))?,
            lm_head,
            cfg: cfg.clone(),
            dtype: vb.dtype(),
            device: vb.device().clone(),
        })))
    }

    pub fn config(&self) -> &Config {
        &self.0.cfg
    }

    /// A cache of the network's own type and device.
    pub fn new_cache(&self, max_len: usize) -> Result<KvCache> {
        KvCache::new(&self.0.cfg, max_len, self.0.dtype, &self.0.device)
    }

    /// Reads `ids` (batch, time) after what `cache` holds; logits (batch, vocab) in f32 of the
    /// last position.
    pub fn forward(&self, ids: &Tensor, cache: &mut KvCache) -> Result<Tensor> {
        let (_, time) = self.admit(ids, cache)?;
        let mut start = 0;
        loop {
            let piece = PREFILL.min(time - start);
            let hidden = self.hidden(&ids.narrow(1, start, piece)?, cache)?;
            start += piece;
            if start == time {
                return self.logits(&hidden.i((.., piece - 1, ..))?.contiguous()?);
            }
        }
    }

    /// As [`Self::forward`], with the logits of every position: (batch, time, vocab).
    pub fn forward_all(&self, ids: &Tensor, cache: &mut KvCache) -> Result<Tensor> {
        self.admit(ids, cache)?;
        self.logits(&self.hidden(ids, cache)?)
    }

    fn admit(&self, ids: &Tensor, cache: &mut KvCache) -> Result<(usize, usize)> {
        let &[batch, time] = ids.dims() else {
            return Err(Error::Input {
                model: "llama",
                input: "ids",
                got: ids.dims().to_vec(),
                expected: "(batch, time)".into(),
            });
        };
        if batch == 0 || time == 0 {
            return Err(Error::NoTokens);
        }
        let layers = cache.layers.len();
        if (layers, cache.dtype) != (self.0.layers.len(), self.0.dtype)
            || (cache.head_dim, cache.theta) != (self.0.cfg.head_dim(), self.0.cfg.rope_theta())
        {
            return Err(Error::ForeignCache);
        }
        cache.reserve(time)?;
        Ok((batch, time))
    }

    /// The normalised output of the last layer, (batch, time, hidden).
    fn hidden(&self, ids: &Tensor, cache: &mut KvCache) -> Result<Tensor> {
        let (_, time) = ids.dims2()?;
        let start = cache.len;
        let step = Step {
            rope: &cache.rope,
            mask: (time > 1).then(|| causal_mask(time, start, &self.0.device)).transpose()?,
            max_len: cache.max_len,
        };
        let mut x = self.0.embed_tokens.forward(ids)?.to_dtype(self.0.dtype)?;
        for (layer, layer_cache) in self.0.layers.iter().zip(&mut cache.layers) {
            x = layer.forward(&x, start, &step, layer_cache)?;
        }
        cache.len += time;
        Ok(self.0.norm.forward(&x)?)
    }

    fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        Ok(self.0.lm_head.forward(hidden)?.to_dtype(DType::F32)?)
    }
}

impl LanguageModel for Llama {
    fn vocab_size(&self) -> usize {
        self.0.cfg.vocab_size
    }

    fn start(&self, max_len: usize) -> Result<Box<dyn Session>> {
        Ok(Box::new(LlamaSession { model: self.clone(), cache: self.new_cache(max_len)? }))
    }
}

struct LlamaSession {
    model: Llama,
    cache: KvCache,
}

impl Session for LlamaSession {
    fn append(&mut self, ids: &[u32]) -> Result<Vec<f32>> {
        let vocab_size = self.model.vocab_size();
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocab_size) {
            return Err(Error::TokenId { id, vocab_size });
        }
        let ids = Tensor::new(ids, &self.model.0.device)?.unsqueeze(0)?;
        let logits = self.model.forward(&ids, &mut self.cache)?;
        Ok(logits.i(0)?.to_vec1()?)
    }

    fn len(&self) -> usize {
        self.cache.len()
    }

    fn truncate(&mut self, len: usize) {
        self.cache.truncate(len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_nn::VarMap;

    fn small() -> Config {
        Config {
            vocab_size: 40,
            hidden_size: 16,
            intermediate_size: 24,
            num_hidden_layers: 2,
            num_attention_heads: 4,
            num_key_value_heads: Some(2),
            ..Config::anygpt_base()
        }
    }

    fn random(cfg: &Config) -> Result<Llama> {
        let vars = VarMap::new();
        Llama::load(cfg, VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu))
    }

    fn field(cfg: Config) -> String {
        cfg.validate().map_or_else(|e| e.to_string(), |()| "valid".into())
    }

    #[test]
    fn a_bad_configuration_is_refused_by_field() {
        assert_eq!(field(small()), "valid");
        let heads = Config { num_attention_heads: 0, ..small() };
        assert!(field(heads).contains("`num_attention_heads`"));
        let heads = Config { num_attention_heads: 5, ..small() };
        assert!(field(heads).contains("`num_attention_heads` is 5, which does not divide 16"));
        let groups = Config { num_key_value_heads: Some(3), ..small() };
        assert!(field(groups).contains("`num_key_value_heads`"));
        let act = Config { hidden_act: "gelu".into(), ..small() };
        assert!(field(act).contains("`hidden_act`"));
    }

    #[test]
    fn a_misshapen_tensor_is_named() -> Result<()> {
        let name = "model.embed_tokens.weight";
        let tensors = [(name.to_string(), Tensor::zeros((40, 8), DType::F32, &Device::Cpu)?)];
        let vb = VarBuilder::from_tensors(tensors.into(), DType::F32, &Device::Cpu);
        let error = Llama::load(&small(), vb).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        Ok(())
    }

    #[test]
    fn reading_in_pieces_and_going_back_change_nothing() -> Result<()> {
        let model = random(&small())?;
        let mut session = model.start(600)?;
        let ids: Vec<u32> = (0..530).map(|i| i * 7 % 40).collect();
        let whole = session.append(&ids)?;
        session.truncate(500);
        session.append(&ids[500..529])?;
        let pieces = session.append(&ids[529..])?;
        assert_eq!(session.len(), 530);
        let error = whole.iter().zip(&pieces).map(|(a, b)| (a - b).abs());
        assert!(error.fold(0., f32::max) < 1e-5);
        Ok(())
    }

    #[test]
    fn limits_are_errors() -> Result<()> {
        let model = random(&small())?;
        let mut foreign = KvCache::new(&small(), 9, DType::F16, &Device::Cpu)?;
        let ids = Tensor::zeros((1, 2), DType::U32, &Device::Cpu)?;
        assert!(matches!(model.forward(&ids, &mut foreign), Err(Error::ForeignCache)));
        let mut session = model.start(3)?;
        assert!(matches!(session.append(&[]), Err(Error::NoTokens)));
        assert!(matches!(session.append(&[40]), Err(Error::TokenId { id: 40, .. })));
        assert!(matches!(session.append(&[1; 4]), Err(Error::ContextFull { max_len: 3, .. })));
        session.append(&[1, 2, 3])?;
        assert!(matches!(session.append(&[1]), Err(Error::ContextFull { len: 3, .. })));
        Ok(())
    }

    #[test]
    fn both_spellings_of_the_rotation_base_are_read() -> serde_json::Result<()> {
        let old = r#"{"vocab_size":9,"hidden_size":8,"intermediate_size":8,
            "num_hidden_layers":1,"num_attention_heads":2,"rope_theta":5000.0,"unknown":1}"#;
        let new =
            old.replace(r#""rope_theta":5000.0"#, r#""rope_parameters":{"rope_theta":5000.0}"#);
        assert_eq!(serde_json::from_str::<Config>(old)?.rope_theta(), 5000.);
        assert_eq!(serde_json::from_str::<Config>(&new)?.rope_theta(), 5000.);
        Ok(())
    }
}
