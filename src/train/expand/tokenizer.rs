//! `tokenizer.json` with more added tokens; nothing else of it changes.

use serde_json::{Value, json};

use crate::bundle::{BundleError, Source};
use crate::train::TrainError;

fn failed(path: &str, reason: impl Into<String>) -> TrainError {
    BundleError::Tokenizer { path: path.to_string(), reason: reason.into() }.into()
}

pub fn read(source: &Source, file: &str) -> Result<Value, TrainError> {
    let path = source.display(file);
    let Some(bytes) = source.read(file)? else {
        return Err(TrainError::Input {
            message: format!("there is no `{path}`"),
            help: "transformers writes it: AutoTokenizer.from_pretrained(MODEL, use_fast=True)\
                   .save_pretrained(FOLDER)",
        });
    };
    serde_json::from_slice(&bytes).map_err(|error| failed(&path, error.to_string()))
}

/// One more than the largest id.
pub fn size(tokenizer: &Value, path: &str) -> Result<u32, TrainError> {
    let model = tokenizer.pointer("/model/vocab").and_then(Value::as_object);
    let Some(model) = model else {
        return Err(failed(path, "it has no `model.vocab` of token → id"));
    };
    let added = tokenizer.get("added_tokens").and_then(Value::as_array).into_iter().flatten();
    let ids = model.values().chain(added.filter_map(|token| token.get("id")));
    let largest = ids.filter_map(Value::as_u64).max().unwrap_or(0);
    u32::try_from(largest + 1).map_err(|_| failed(path, format!("it has the id {largest}")))
}

/// Adds tokens with ids from `first` on. As in AnyGPT they are no special tokens, so that decoded text
/// keeps them; they are looked for in the text before it is normalised.
pub fn add(
    tokenizer: &mut Value,
    first: u32,
    tokens: &[String],
    path: &str,
) -> Result<(), TrainError> {
    let known = tokenizer.pointer("/model/vocab").and_then(Value::as_object);
    if let Some(token) = tokens.iter().find(|token| known.is_some_and(|k| k.contains_key(*token))) {
        return Err(failed(path, format!("it has the token `{token}` already")));
    }
    let object = tokenizer.as_object_mut().ok_or_else(|| failed(path, "it is no object"))?;
    let added = object.entry("added_tokens").or_insert_with(|| json!([]));
    let added = added.as_array_mut().ok_or_else(|| failed(path, "`added_tokens` is no list"))?;
    let has = |token: &String| added.iter().any(|old| old["content"] == **token);
    if let Some(token) = tokens.iter().find(|token| has(token)) {
        return Err(failed(path, format!("it has the token `{token}` already")));
    }
    for (id, token) in (first..).zip(tokens) {
        added.push(json!({
            "id": id,
            "content": token,
            "single_word": false,
            "lstrip": false,
            "rstrip": false,
            "normalized": false,
            "special": false,
        }));
    }
    Ok(())
}
