//! A small training: its data and its recipe.

use std::fs;
use std::path::Path;

use agpt::base::hash::Digest;
use agpt::bundle::Bundle;
use agpt::data::packed::{Index, PackedSequence, ShardWriter, TokenCounts};

/// Packs sequences of nano's vocabulary: words, and codes of pictures and melodies.
pub fn pack(folder: &Path, sequences: usize) {
    let bundle = Bundle::find("nano").unwrap();
    let tokenizer = bundle.source().read("llm/tokenizer.json").unwrap().unwrap();
    let vocabulary = bundle.vocabulary().unwrap();
    let text = bundle.text_tokenizer().unwrap().encode_text("a red apple and a blue boat").unwrap();
    let size = vocabulary.size() as u32;
    let mut index = Index::new(size, Digest::of(&tokenizer).hex(), 64);
    let mut writer = ShardWriter::new();
    for number in 0..sequences {
        let mut sequence = PackedSequence::default();
        for (_, tokens) in vocabulary.media().take(1 + number % 3) {
            let codes = (0..4 + number as u32 % 5).map(|at| tokens.first + (at * 7 + 3) % 20);
            let ids: Vec<u32> =
                [1].into_iter().chain(text.clone()).chain([tokens.start]).chain(codes).collect();
            sequence.counted.extend((0..ids.len()).map(|at| at > 3));
            sequence.samples.push(ids.len());
            sequence.ids.extend(ids);
        }
        writer.push(&sequence, &TokenCounts::default());
    }
    fs::create_dir_all(folder).unwrap();
    index.shards.push(writer.finish(folder, "0.safetensors").unwrap());
    index.write(folder).unwrap();
}

/// Its data lie in `data` and `valid` beside it.
pub const RECIPE: &str = "
model: nano
init:
  seed: 1
  config: { hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 2 }
data: [{ path: data }]
validation: [valid]
length: 64
batch: { tokens_per_step: 160, tokens_per_pass: 96 }
steps: 6
optimizer:
  adamw: { rate: 0.01, weight_decay: 0.01, no_decay: [norms, embeddings] }
  muon: { rate: 0.01 }
schedule: { warmup_ratio: 0.2, min_rate: 0.1 }
clip: 1.0
seed: 3
shares: { image: 0.5 }
checkpoint_every: 2
evaluate_every: 3
";
