//! A tokenizer's file, taken apart: the model for plain text, and the added tokens.
//!
//! Hugging Face's tokenizer recognises added tokens inside any text. Here that would let a
//! user's text speak for the assistant or open an image, so the added tokens are taken out of
//! the file before the tokenizer is built, and only the bundle's own strings can name them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use tokenizers::Tokenizer;

use super::{BundleError, sentencepiece};

/// An id beyond this is damage, not a vocabulary.
const MAX_ID: u32 = 1 << 24;

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct AddedToken {
    pub id: u32,
    pub content: String,
    #[serde(default)]
    pub special: bool,
}

/// The parts of the file that count here.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    decoder: Value,
    model: Value,
}

/// A tokenizer file without its added tokens, and these.
pub(super) struct TokenizerFile {
    pub path: String,
    pub added: Vec<AddedToken>,
    /// Encodes plain text only.
    pub plain: Tokenizer,
}

impl TokenizerFile {
    /// `legacy`: see [`VocabularyLayout::legacy`](super::manifest::VocabularyLayout).
    pub fn parse(bytes: &[u8], path: &str, legacy: bool) -> Result<Self, BundleError> {
        let read = || serde_json::from_slice(bytes).map_err(|error| error.to_string());
        Self::of(read(), path, legacy)
    }

    /// A SentencePiece model, and the `added_tokens.json` beside it: an object of token → id.
    pub fn parse_sentencepiece(
        bytes: &[u8],
        added: Option<&[u8]>,
        path: &str,
        legacy: bool,
    ) -> Result<Self, BundleError> {
        Self::of(of_sentencepiece(bytes, added), path, legacy)
    }

    fn of(file: Result<File, String>, path: &str, legacy: bool) -> Result<Self, BundleError> {
        let parts = || -> Result<_, String> {
            let file = file?;
            check(&file.added_tokens)?;
            let adapt = |part: Value| if legacy { part } else { without_prefix(part) };
            // Without what would add tokens to a piece of a prompt or cut it.
            let json = serde_json::to_vec(&json!({
                "version": "1.0",
                "truncation": null,
                "padding": null,
                "added_tokens": [],
                "normalizer": adapt(file.normalizer),
                "pre_tokenizer": adapt(file.pre_tokenizer),
                "post_processor": null,
                "decoder": file.decoder,
                "model": file.model,
            }))
            .map_err(|error| error.to_string())?;
            let added = file.added_tokens;
            let plain = Tokenizer::from_bytes(json).map_err(|error| error.to_string())?;
            if plain.get_vocab(false).values().any(|id| *id > MAX_ID) {
                return Err(format!("it has an id above {MAX_ID}"));
            }
            Ok((added, plain))
        };
        match parts() {
            Ok((added, plain)) => Ok(TokenizerFile { path: path.to_string(), added, plain }),
            Err(reason) => Err(BundleError::Tokenizer { path: path.to_string(), reason }),
        }
    }

    /// The ids of the text model.
    pub fn model_ids(&self) -> Vec<u32> {
        self.plain.get_vocab(false).into_values().collect()
    }

    /// One more than the largest id.
    pub fn size(&self) -> usize {
        let added = self.added.iter().map(|token| token.id);
        added.chain(self.model_ids()).max().map_or(0, |id| id as usize + 1)
    }
}

fn of_sentencepiece(bytes: &[u8], added: Option<&[u8]>) -> Result<File, String> {
    let sentencepiece::Parts { normalizer, decoder, model, added: mut tokens } =
        sentencepiece::parts(bytes)?;
    let more: BTreeMap<String, u32> = match added {
        Some(bytes) => serde_json::from_slice(bytes)
            .map_err(|error| format!("its added tokens are not readable: {error}"))?,
        None => BTreeMap::new(),
    };
    let known = tokens.clone();
    let more = more.into_iter().filter(|(content, id)| {
        !known.iter().any(|token| token.content == *content && token.id == *id)
    });
    tokens.extend(more.map(|(content, id)| AddedToken { id, content, special: false }));
    let pre_tokenizer = Value::Null;
    Ok(File { added_tokens: tokens, normalizer, pre_tokenizer, decoder, model })
}

/// A SentencePiece model and its added tokens as a `tokenizer.json`, as transformers converts a LLaMA
/// tokenizer (its convert_slow_tokenizer.py, LlamaConverter), which puts `<s>` in front of a text.
pub(super) fn json_of_sentencepiece(
    bytes: &[u8],
    added: Option<&[u8]>,
    legacy: bool,
) -> Result<Value, String> {
    let file = of_sentencepiece(bytes, added)?;
    check(&file.added_tokens)?;
    let mut tokens = file.added_tokens;
    tokens.sort_by_key(|token| token.id);
    let begin = tokens.iter().find(|token| token.content == "<s>").map(|token| token.id);
    let post_processor = begin.map(|id| {
        let text = |name: &str, kind: u8| json!({ "Sequence": { "id": name, "type_id": kind } });
        let begin = |kind: u8| json!({ "SpecialToken": { "id": "<s>", "type_id": kind } });
        json!({
            "type": "TemplateProcessing",
            "single": [begin(0), text("A", 0)],
            "pair": [begin(0), text("A", 0), begin(1), text("B", 1)],
            "special_tokens": { "<s>": { "id": "<s>", "ids": [id], "tokens": ["<s>"] } },
        })
    });
    // Without `legacy` the dummy prefix stands before the whole text only.
    let (normalizer, pre_tokenizer) = match legacy {
        true => (file.normalizer, Value::Null),
        false => {
            let first = json!({
                "type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false,
            });
            (Value::Null, first)
        }
    };
    let added: Vec<Value> = tokens
        .into_iter()
        .map(|AddedToken { id, content, special }| {
            json!({
                "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": special,
            })
        })
        .collect();
    Ok(json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": post_processor,
        "decoder": file.decoder, "model": file.model,
    }))
}

fn check(added: &[AddedToken]) -> Result<(), String> {
    let mut seen = std::collections::HashSet::new();
    for token in added {
        if token.content.is_empty() || token.id > MAX_ID {
            return Err(format!("the added token {} is empty or out of range", token.id));
        }
        if !seen.insert(&token.content) {
            return Err(format!("the added token `{}` is there twice", token.content));
        }
    }
    Ok(())
}

/// A normalizer or pre-tokenizer that no longer puts a `▁` in front of the text.
fn without_prefix(part: Value) -> Value {
    let Value::Object(mut object) = part else { return part };
    match object.get("type").and_then(Value::as_str) {
        Some("Prepend") => return Value::Null,
        Some("Metaspace") => {
            object.insert("prepend_scheme".into(), "never".into());
        }
        Some("Sequence") => {
            for key in ["normalizers", "pretokenizers"] {
                if let Some(Value::Array(parts)) = object.get_mut(key) {
                    let kept = parts.drain(..).map(without_prefix).filter(|part| !part.is_null());
                    *parts = kept.collect::<Vec<_>>();
                }
            }
        }
        _ => {}
    }
    Value::Object(object)
}
