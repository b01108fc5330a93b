//! What transformers reads beside weights: a configuration with nothing left to defaults that changed
//! between its versions, and a tokenizer that is exactly the model's.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::TrainError;
use super::checkpoint::write_json;
use crate::bundle::{Bundle, BundleError};
use crate::models::llama::{Config, TokenIds};

pub const TOKENIZER: &str = "tokenizer.json";
pub const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// Keys of a `tokenizer_config.json` that would have transformers build the tokenizer anew from the
/// words alone, with another normalisation, or load a program.
const REBUILDING: [&str; 7] = [
    "legacy",
    "add_bos_token",
    "add_eos_token",
    "add_prefix_space",
    "sp_model_kwargs",
    "auto_map",
    "vocab_file",
];

/// Writes out what a `config.json` leaves to defaults. `dtype` is the weights' in PyTorch's name.
pub fn complete(config: &mut Map<String, Value>, dtype: Option<&str>) -> Result<(), TrainError> {
    let known: Config = serde_json::from_value(Value::Object(config.clone())).map_err(|error| {
        TrainError::Input {
            message: format!("the configuration of the network is not usable: {error}"),
            help: "its fields are those of HuggingFace's LlamaConfig",
        }
    })?;
    let mut fill = |key: &str, value: Value| {
        if config.get(key).is_none_or(Value::is_null) {
            config.insert(key.into(), value);
        }
    };
    fill("architectures", json!(["LlamaForCausalLM"]));
    fill("model_type", json!("llama"));
    fill("num_key_value_heads", json!(known.key_value_heads()));
    fill("head_dim", json!(known.head_dim()));
    fill("rms_norm_eps", json!(known.rms_norm_eps));
    fill("hidden_act", json!(known.hidden_act));
    fill("attention_bias", json!(known.attention_bias));
    fill("mlp_bias", json!(known.mlp_bias));
    fill("tie_word_embeddings", json!(known.tie_word_embeddings));
    // Version 5 has it in `rope_parameters` and reads both; older ones read this alone.
    fill("rope_theta", json!(known.rope_theta()));
    if let Some(dtype) = dtype {
        // The second is what versions before 4.56 read.
        config.insert("dtype".into(), json!(dtype));
        config.insert("torch_dtype".into(), json!(dtype));
    }
    Ok(())
}

/// Writes the tokenizer of a model: a `tokenizer.json` that is all of it, whatever files the model has
/// it in, and a `tokenizer_config.json` by which transformers takes it as it is. `config` is the
/// network's; ids of the begin and the end that it lacks are added to it.
pub fn write_tokenizer(
    bundle: &Bundle,
    config: &mut Map<String, Value>,
    out: &Path,
) -> Result<(), TrainError> {
    let tokenizer = bundle.tokenizer_json()?;
    write_json(&out.join(TOKENIZER), &tokenizer)?;
    let named = &bundle.manifest().vocabulary.tokenizer;
    let beside = match named.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{TOKENIZER_CONFIG}"),
        None => TOKENIZER_CONFIG.to_string(),
    };
    let present = match bundle.source().read(&beside)? {
        None => Map::new(),
        Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| BundleError::Tokenizer {
            path: bundle.source().display(&beside),
            reason: error.to_string(),
        })?,
    };
    let described = describe(present, &tokenizer, config, bundle.manifest().context);
    write_json(&out.join(TOKENIZER_CONFIG), &described)
}

/// A `tokenizer_config.json` for a `tokenizer.json`.
pub fn describe(
    mut described: Map<String, Value>,
    tokenizer: &Value,
    config: &mut Map<String, Value>,
    context: usize,
) -> Map<String, Value> {
    let added = tokenizer.get("added_tokens").and_then(Value::as_array);
    let added = added.map(Vec::as_slice).unwrap_or_default();
    let content = |id: u64| {
        let token = added.iter().find(|token| token["id"] == id)?;
        token["content"].as_str().map(str::to_string)
    };
    let id = |content: &str| {
        let token = added.iter().find(|token| token["content"] == content)?;
        token["id"].as_u64()
    };
    for key in REBUILDING {
        described.shift_remove(key);
    }
    described.insert("tokenizer_class".into(), json!("PreTrainedTokenizerFast"));
    let mut fill = |key: &str, value: Option<Value>| {
        if let Some(value) = value
            && described.get(key).is_none_or(Value::is_null)
        {
            described.insert(key.into(), value);
        }
    };
    for (role, key, usual) in
        [("bos_token", "bos_token_id", "<s>"), ("eos_token", "eos_token_id", "</s>")]
    {
        let said = config.get(key).cloned().unwrap_or_default();
        let said = match serde_json::from_value::<TokenIds>(said) {
            Ok(TokenIds::One(id)) => Some(u64::from(id)),
            Ok(TokenIds::Several(ids)) => ids.first().map(|id| u64::from(*id)),
            Err(_) => id(usual),
        };
        if let Some(said) = said {
            config.entry(key).or_insert_with(|| json!(said));
        }
        fill(role, said.and_then(content).map(Value::from));
    }
    let unknown = tokenizer.pointer("/model/unk_token").filter(|token| token.is_string());
    fill("unk_token", unknown.cloned());
    fill("clean_up_tokenization_spaces", Some(json!(false)));
    fill("model_max_length", Some(json!(context)));
    described
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_configuration_leaves_nothing_to_defaults() {
        let mut config = object(json!({
            "vocab_size": 8, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
            "num_attention_heads": 2, "rope_parameters": { "rope_theta": 5e5 }, "torch_dtype": "float16",
            "rope_theta": null, "custom": 1,
        }));
        complete(&mut config, Some("bfloat16")).unwrap();
        for (key, value) in [
            ("architectures", json!(["LlamaForCausalLM"])),
            ("model_type", json!("llama")),
            ("num_key_value_heads", json!(2)),
            ("head_dim", json!(4)),
            ("rms_norm_eps", json!(1e-6)),
            ("rope_theta", json!(5e5)),
            ("tie_word_embeddings", json!(false)),
            ("dtype", json!("bfloat16")),
            ("torch_dtype", json!("bfloat16")),
            ("custom", json!(1)),
        ] {
            assert_eq!(config[key], value, "{key}");
        }
        let error = complete(&mut object(json!({ "vocab_size": "many" })), None).unwrap_err();
        assert!(error.to_string().contains("not usable"), "{error}");
    }

    #[test]
    fn a_tokenizer_is_described_as_it_is() {
        let token = |id: u32, content: &str| json!({ "id": id, "content": content });
        let tokenizer = json!({
            "added_tokens": [token(0, "<unk>"), token(1, "<s>"), token(2, "</s>"), token(9, "<eos>")],
            "model": { "unk_token": "<unk>" },
        });
        let mut config = object(json!({ "eos_token_id": [9, 2] }));
        let old = object(json!({
            "tokenizer_class": "LlamaTokenizer", "legacy": true, "pad_token": "<unk>", "eos_token": null,
        }));
        let described = describe(old, &tokenizer, &mut config, 77);
        let expected = json!({
            "tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<unk>", "eos_token": "<eos>",
            "bos_token": "<s>", "unk_token": "<unk>", "clean_up_tokenization_spaces": false,
            "model_max_length": 77,
        });
        assert_eq!(Value::Object(described), expected);
        assert_eq!(config["bos_token_id"], 1);
        assert_eq!(config["eos_token_id"], json!([9, 2]));
    }
}
