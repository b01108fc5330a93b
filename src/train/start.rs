//! Where a training starts: configuration, vocabulary and weights.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use serde_json::{Map, Value};

use super::TrainError;
use super::recipe::Init;
use crate::base::rng::Stream;
use crate::bundle::Bundle;
use crate::models::llama::Config;

/// HuggingFace's `initializer_range`.
const DEVIATION: f64 = 0.02;

/// A model as far as training needs it.
pub struct Start {
    pub bundle: Bundle,
    /// `config.json` with all its fields.
    pub config_json: Map<String, Value>,
    pub config: Config,
    pub vocabulary_size: u32,
    pub vocabulary_blake3: String,
}

impl Start {
    pub fn open(model: &str, init: Option<&Init>) -> Result<Self, TrainError> {
        // Descriptions of models in the binary have a vocabulary only once it was fetched.
        let bundle = Bundle::find(model)?;
        let llm = bundle.llm();
        let mut config_json: Map<String, Value> = llm.json("config.json")?;
        if let Some(init) = init {
            config_json.extend(init.config.clone());
        }
        let config: Config = serde_json::from_value(Value::Object(config_json.clone())).map_err(
            |error| TrainError::Input {
                message: format!("the configuration of the network is not usable: {error}"),
                help: "its fields are those of HuggingFace's LlamaConfig; look at `init.config`",
            },
        )?;
        config.validate()?;
        let size = bundle.vocabulary()?.size();
        if size > config.vocab_size {
            return Err(TrainError::Input {
                message: format!(
                    "the vocabulary of `{model}` has {size} ids; its network has rows for {}",
                    config.vocab_size
                ),
                help: "give the network rows for the new tokens: agpt train expand",
            });
        }
        let vocabulary_blake3 = bundle.vocabulary_digest()?;
        Ok(Start { bundle, config_json, config, vocabulary_size: size as u32, vocabulary_blake3 })
    }

    /// The weights to start with, in f32: the model's, or random ones.
    pub fn tensors(
        &self,
        init: Option<&Init>,
        device: &Device,
    ) -> Result<HashMap<String, Tensor>, TrainError> {
        if let Some(init) = init {
            return random(&self.config, init.seed, device);
        }
        let weights = self.bundle.llm().weights()?;
        let mut tensors = HashMap::new();
        for (name, _) in shapes(&self.config) {
            let tensor = weights.tensor(&name, device)?.to_dtype(DType::F32)?;
            tensors.insert(name, tensor);
        }
        Ok(tensors)
    }
}

/// The names and shapes of HuggingFace's `LlamaForCausalLM`.
pub fn shapes(config: &Config) -> Vec<(String, Vec<usize>)> {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let queries = config.num_attention_heads * config.head_dim();
    let keys = config.key_value_heads() * config.head_dim();
    let mut shapes =
        vec![("model.embed_tokens.weight".to_string(), vec![config.vocab_size, hidden])];
    for layer in 0..config.num_hidden_layers {
        let parts = [
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
        let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
        shapes.extend(parts.into_iter().map(|(part, shape)| (name(part), shape)));
    }
    shapes.push(("model.norm.weight".into(), vec![hidden]));
    if !config.tie_word_embeddings {
        shapes.push(("lm_head.weight".into(), vec![config.vocab_size, hidden]));
    }
    shapes
}

/// Weights as HuggingFace's LLaMA begins: matrices from N(0, 0.02), norms of 1.
fn random(
    config: &Config,
    seed: u64,
    device: &Device,
) -> Result<HashMap<String, Tensor>, TrainError> {
    let draw = |(name, shape): (String, Vec<usize>)| {
        let tensor = match shape.len() {
            1 => Tensor::ones(shape, DType::F32, device)?,
            _ => {
                let count = shape.iter().product();
                let mut values = Stream::new(seed, &format!("train/init/{name}")).normal(count);
                values.iter_mut().for_each(|value| *value *= DEVIATION as f32);
                Tensor::from_vec(values, shape, device)?
            }
        };
        Ok((name, tensor))
    };
    shapes(config).into_iter().map(draw).collect()
}
