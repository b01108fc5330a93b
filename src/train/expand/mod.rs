//! A LLaMA checkpoint gets the tokens of media: rows in its embedding and its head, and entries in its
//! tokenizer, in the order in which AnyGPT adds them (its stage1_pretrain.py).

mod layout;
mod rows;
mod tokenizer;

use std::path::Path;

use serde_json::{Map, Value, json};

pub use layout::{Layout, Medium};
pub use rows::Rows;

use super::TrainError;
use super::checkpoint::write_json;
use super::export::{Sharded, empty_folder};
use super::hub_files::{self, TOKENIZER, TOKENIZER_CONFIG};
use super::tensors::Described;
use crate::base::atomic::write_atomic;
use crate::bundle::{Bundle, MANIFEST, Source, Weights};

/// What is to be added, and how.
pub struct Wanted {
    pub layout: Layout,
    pub rows: Rows,
    pub seed: u64,
    /// The rows become a multiple of this.
    pub pad_to: usize,
    pub shard_bytes: u64,
}

/// What was added.
pub struct Done {
    pub added: u32,
    pub first: u32,
    pub rows: usize,
    /// Of each medium: its name, its first code, its start and its end.
    pub media: Vec<(&'static str, u32, u32, u32)>,
}

const EMBEDDING: &str = "model.embed_tokens.weight";
const HEAD: &str = "lm_head.weight";
/// Files of a checkpoint that stay as they are.
const COPIED: [&str; 2] = ["generation_config.json", "special_tokens_map.json"];

/// Reads the checkpoint in the folder `model`, and writes one with more tokens to `out`.
pub fn expand(model: &Path, out: &Path, wanted: &Wanted) -> Result<Done, TrainError> {
    let source = Source::Folder(model.to_path_buf());
    let mut tokenizer = tokenizer::read(&source, TOKENIZER)?;
    let tokens = wanted.layout.tokens();
    let first = tokenizer::size(&tokenizer, &source.display(TOKENIZER))?;
    tokenizer::add(&mut tokenizer, first, &tokens, &source.display(TOKENIZER))?;
    let checkpoint = wanted.layout.bundle_of(source.clone())?;
    let mut config: Map<String, Value> = checkpoint.llm().json("config.json")?;
    let old = rows::check(&config, &source.display("config.json"), first)?;
    let rows = old.max(first as usize + tokens.len()).next_multiple_of(wanted.pad_to);
    config.insert("vocab_size".into(), json!(rows));
    hub_files::complete(&mut config, None)?;
    let described: Map<String, Value> = match source.read(TOKENIZER_CONFIG)? {
        None => Map::new(),
        Some(_) => checkpoint.llm().json(TOKENIZER_CONFIG)?,
    };
    let context = checkpoint.manifest().context;
    let described = hub_files::describe(described, &tokenizer, &mut config, context);
    let weights = checkpoint.llm().weights()?;
    empty_folder(out)?;
    write_weights(&weights, out, first as usize, rows, wanted)?;
    for file in COPIED {
        if let Some(bytes) = source.read(file)? {
            write_atomic(out.join(file), &bytes).map_err(TrainError::Write)?;
        }
    }
    write_json(&out.join(TOKENIZER), &tokenizer)?;
    write_json(&out.join(TOKENIZER_CONFIG), &described)?;
    write_json(&out.join("config.json"), &config)?;
    let manifest = wanted.layout.manifest(out)?;
    write_atomic(out.join(MANIFEST), manifest.as_bytes()).map_err(TrainError::Write)?;
    // What was written must be what others read.
    let written = Bundle::open(Source::Folder(out.to_path_buf()))?;
    let media = written.vocabulary()?.media();
    let media = media.map(|(medium, t)| (medium.name(), t.first, t.start, t.end)).collect();
    Ok(Done { added: tokens.len() as u32, first, rows, media })
}

fn write_weights(
    weights: &Weights,
    out: &Path,
    first: usize,
    rows: usize,
    wanted: &Wanted,
) -> Result<(), TrainError> {
    let mut tensors = Vec::new();
    for name in weights.names().filter(|name| !name.ends_with("rotary_emb.inv_freq")) {
        let mut described = Described::stored(weights, name)?;
        if [EMBEDDING, HEAD].contains(&name) {
            rows::describe(&mut described, first, rows)?;
        }
        tensors.push(described);
    }
    if !tensors.iter().any(|tensor| tensor.name == EMBEDDING) {
        return Err(TrainError::Input {
            message: format!("the checkpoint has no tensor `{EMBEDDING}`"),
            help: "give the folder of a LLaMA checkpoint in HuggingFace's layout",
        });
    }
    Sharded { folder: out, bytes: wanted.shard_bytes }.write(&tensors, &mut |described| {
        let tensor = weights.tensor(&described.name, &candle_core::Device::Cpu)?;
        match [EMBEDDING, HEAD].contains(&described.name.as_str()) {
            true => rows::grown(&tensor, &described.name, first, rows, wanted.rows, wanted.seed),
            false => Ok(tensor),
        }
    })
}

#[cfg(test)]
mod tests;
