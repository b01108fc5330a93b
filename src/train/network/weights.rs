//! The weights of a LLaMA as trainable variables.

use super::{Error, Result};
use crate::models::llama::Config;
use candle_core::{DType, Device, Tensor, Var};
use std::collections::HashMap;

/// The norm before attention, q, k, v, o, the norm before the MLP, gate, up, down.
pub(super) const PER_LAYER: usize = 9;

/// All weights in one list of fixed order; the parts are found by their place in it.
#[derive(Debug, Clone)]
pub(super) struct Weights {
    named: Vec<(String, Var)>,
    layers: usize,
    tied: bool,
}

/// The weights of one decoder layer, each (out, in) or (hidden).
#[derive(Debug)]
pub(super) struct Layer<'a> {
    pub attention_norm: &'a Tensor,
    pub query: &'a Tensor,
    pub key: &'a Tensor,
    pub value: &'a Tensor,
    pub output: &'a Tensor,
    pub mlp_norm: &'a Tensor,
    pub gate: &'a Tensor,
    pub up: &'a Tensor,
    pub down: &'a Tensor,
}

impl<'a> Layer<'a> {
    /// In the order of the list.
    pub fn all(&self) -> [&'a Tensor; PER_LAYER] {
        [
            self.attention_norm,
            self.query,
            self.key,
            self.value,
            self.output,
            self.mlp_norm,
            self.gate,
            self.up,
            self.down,
        ]
    }
}

impl Weights {
    pub fn new(
        config: &Config,
        mut tensors: HashMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        let mut named = vec![];
        for (name, expected) in shapes(config) {
            let Some(tensor) = tensors.remove(&name) else {
                return Err(Error::Missing { name });
            };
            if tensor.dims() != expected {
                return Err(Error::Shape { name, got: tensor.dims().to_vec(), expected });
            }
            let tensor = tensor.to_device(device)?.to_dtype(DType::F32)?;
            named.push((name, Var::from_tensor(&tensor.contiguous()?)?));
        }
        let tied = config.tie_word_embeddings;
        let ignored =
            |name: &str| name.ends_with("rotary_emb.inv_freq") || tied && name == "lm_head.weight";
        if let Some(name) = tensors.into_keys().filter(|name| !ignored(name)).min() {
            return Err(Error::Unknown { name });
        }
        Ok(Self { named, layers: config.num_hidden_layers, tied })
    }

    pub fn named(&self) -> &[(String, Var)] {
        &self.named
    }

    fn at(&self, index: usize) -> &Tensor {
        self.named[index].1.as_tensor()
    }

    pub fn embedding(&self) -> &Tensor {
        self.at(0)
    }

    pub fn layers(&self) -> impl Iterator<Item = Layer<'_>> {
        (0..self.layers).map(|layer| {
            let at = |part| self.at(1 + layer * PER_LAYER + part);
            Layer {
                attention_norm: at(0),
                query: at(1),
                key: at(2),
                value: at(3),
                output: at(4),
                mlp_norm: at(5),
                gate: at(6),
                up: at(7),
                down: at(8),
            }
        })
    }

    pub fn is_tied(&self) -> bool {
        self.tied
    }

    pub fn norm(&self) -> &Tensor {
        self.at(1 + self.layers * PER_LAYER)
    }

    pub fn head(&self) -> &Tensor {
        if self.tied { self.embedding() } else { self.at(2 + self.layers * PER_LAYER) }
    }
}

/// The names and shapes of a checkpoint, in the order of [`Weights`].
pub(super) fn shapes(config: &Config) -> Vec<(String, Vec<usize>)> {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let queries = config.num_attention_heads * config.head_dim();
    let keys = config.key_value_heads() * config.head_dim();
    let table = vec![config.vocab_size, hidden];
    let mut shapes = vec![("model.embed_tokens.weight".to_string(), table.clone())];
    for layer in 0..config.num_hidden_layers {
        let parts: [(&str, Vec<usize>); PER_LAYER] = [
            ("input_layernorm", vec![hidden]),
            ("self_attn.q_proj", vec![queries, hidden]),
            ("self_attn.k_proj", vec![keys, hidden]),
            ("self_attn.v_proj", vec![keys, hidden]),
            ("self_attn.o_proj", vec![hidden, queries]),
            ("post_attention_layernorm", vec![hidden]),
            ("mlp.gate_proj", vec![inner, hidden]),
            ("mlp.up_proj", vec![inner, hidden]),
            ("mlp.down_proj", vec![hidden, inner]),
        ];
        let full = |(part, shape)| (format!("model.layers.{layer}.{part}.weight"), shape);
        shapes.extend(parts.map(full));
    }
    shapes.push(("model.norm.weight".into(), vec![hidden]));
    if !config.tie_word_embeddings {
        shapes.push(("lm_head.weight".into(), table));
    }
    shapes
}
