//! Networks that judge what was generated: a folder as HuggingFace's repositories are laid out
//! (`config.json`, weights, `tokenizer.json`, `preprocessor_config.json`), without a manifest.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokenizers::{PostProcessor, Tokenizer, TruncationParams};

use super::source::{Blob, Source};
use super::weights_file::WeightsFile;
use super::weights_shards::Shards;
use super::{BundleError, Weights};

/// The names of weights as transformers looks for them; indexes list the files of large ones.
const WEIGHTS: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// An opened folder; nothing but its `config.json` is read.
#[derive(Debug, Clone)]
pub struct Evaluator {
    source: Source,
    model_type: String,
}

impl Evaluator {
    /// Opens a folder that holds a network of the kind `model_type`, as its `config.json` says.
    pub fn open(folder: &Path, model_type: &str) -> Result<Self, BundleError> {
        #[derive(Deserialize)]
        struct Kind {
            model_type: Option<String>,
        }
        let source = Source::Folder(folder.to_path_buf());
        let evaluator = Evaluator { source, model_type: model_type.to_string() };
        if !folder.is_dir() {
            return Err(evaluator.refused("there is no such folder".to_string()));
        }
        let Kind { model_type: found } = evaluator.json("config.json")?;
        match found.as_deref() {
            Some(found) if found == model_type => Ok(evaluator),
            found => Err(evaluator.refused(format!(
                "its config.json has the `model_type` {}, where {model_type} is needed",
                found.unwrap_or("of none")
            ))),
        }
    }

    fn refused(&self, reason: String) -> BundleError {
        BundleError::Evaluator { path: self.source.display(""), reason }
    }

    fn missing(&self, name: &str) -> BundleError {
        let advice = match name {
            "tokenizer.json" => {
                "; transformers writes it: \
                 AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
            }
            _ => "; fetch the repository's files again",
        };
        self.refused(format!("a {} model needs the file {name}{advice}", self.model_type))
    }

    /// A JSON file of the folder, such as `config.json`.
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, BundleError> {
        let bytes = self.source.read(name)?.ok_or_else(|| self.missing(name))?;
        self.parsed(name, &bytes)
    }

    fn parsed<T: DeserializeOwned>(&self, name: &str, bytes: &Blob) -> Result<T, BundleError> {
        serde_json::from_slice(bytes).map_err(|error| BundleError::Json {
            path: self.source.display(name),
            reason: error.to_string(),
        })
    }

    /// The weights: safetensors if there are any, else PyTorch's, which are read without running
    /// anything.
    pub fn weights(&self) -> Result<Weights, BundleError> {
        for name in WEIGHTS {
            if self.source.size(name)?.is_none() {
                continue;
            }
            if !name.ends_with(".json") {
                return Weights::of(vec![self.weights_file(name)?]);
            }
            let shards: Shards = self.json(name)?;
            return shards.open(&self.source.display(name), |file| self.weights_file(file));
        }
        Err(self.missing("model.safetensors or pytorch_model.bin"))
    }

    fn weights_file(&self, name: &str) -> Result<WeightsFile, BundleError> {
        let blob = self.source.open(name)?.ok_or_else(|| self.missing(name))?;
        WeightsFile::open(self.source.display(name), blob)
    }

    /// The tokenizer of the folder's `tokenizer.json`, which cuts texts to `most` tokens.
    pub fn text_ids(&self, most: usize) -> Result<TextIds, BundleError> {
        const FILE: &str = "tokenizer.json";
        let bytes = self.source.read(FILE)?.ok_or_else(|| self.missing(FILE))?;
        let path = self.source.display(FILE);
        TextIds::parse(&bytes, most)
            .map_err(|reason| BundleError::Tokenizer { path: path.clone(), reason })
            .map(|tokenizer| TextIds { path, tokenizer })
    }
}

/// Texts as a network's ids, with what the tokenizer puts at their beginning and end; and back.
pub struct TextIds {
    path: String,
    tokenizer: Tokenizer,
}

impl TextIds {
    fn parse(bytes: &[u8], most: usize) -> Result<Tokenizer, String> {
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(|error| error.to_string())?;
        let added = tokenizer.get_post_processor().map_or(0, |after| after.added_tokens(false));
        if most <= added {
            return Err(format!("it adds {added} tokens to a text, which may have {most}"));
        }
        let truncation = TruncationParams { max_length: most, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(|error| error.to_string())?;
        tokenizer.with_padding(None);
        // A caption that has `<|endoftext|>` in it must not end there.
        tokenizer.set_encode_special_tokens(true);
        Ok(tokenizer)
    }

    /// The ids of a text, cut if it is too long; no padding.
    pub fn ids(&self, text: &str) -> Result<Vec<u32>, BundleError> {
        let encoding = self.tokenizer.encode_fast(text, true);
        let encoding = encoding.map_err(|error| BundleError::Tokenizer {
            path: self.path.clone(),
            reason: error.to_string(),
        })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of ids, without special tokens. Bytes that are no text become U+FFFD.
    pub fn text(&self, ids: &[u32]) -> Result<String, BundleError> {
        self.tokenizer.decode(ids, true).map_err(|error| BundleError::Tokenizer {
            path: self.path.clone(),
            reason: error.to_string(),
        })
    }
}
