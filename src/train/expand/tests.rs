use std::fs;

use candle_core::{DType, Device, Tensor};
use tokenizers::Tokenizer;

use super::*;
use crate::bundle::embedded;
use crate::train::tensors;

const HIDDEN: usize = 4;

/// A checkpoint with the words of nano and 5 rows more than its tokenizer has ids.
fn checkpoint(tied: bool) -> (tempfile::TempDir, usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut tokenizer: Value =
        serde_json::from_slice(embedded::file("models/nano/llm/tokenizer.json").unwrap()).unwrap();
    let added = tokenizer["added_tokens"].as_array_mut().unwrap();
    added.retain(|token| token["id"].as_u64().unwrap() < 3);
    let ids = size(&tokenizer) as usize;
    fs::write(folder.path().join(TOKENIZER), tokenizer.to_string()).unwrap();
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "vocab_size": ids + 5, "hidden_size": HIDDEN,
        "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
        "tie_word_embeddings": tied,
    });
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let values: Vec<f32> = (0..(ids + 5) * HIDDEN).map(|at| (at % 7) as f32).collect();
    let table = Tensor::from_vec(values, (ids + 5, HIDDEN), &Device::Cpu).unwrap();
    let table = table.to_dtype(DType::BF16).unwrap();
    let mut weights = vec![
        (EMBEDDING.to_string(), table.clone()),
        ("model.norm.weight".to_string(), Tensor::new(&[1f32; HIDDEN], &Device::Cpu).unwrap()),
    ];
    if !tied {
        weights.push((HEAD.to_string(), table));
    }
    tensors::write(&folder.path().join("model.safetensors"), &weights).unwrap();
    (folder, ids)
}

fn size(tokenizer: &Value) -> u32 {
    tokenizer::size(tokenizer, "t").unwrap()
}

fn wanted(media: &[&str], rows: Rows) -> Wanted {
    let media: Vec<Medium> = media.iter().map(|text| text.parse().unwrap()).collect();
    let roles = ["[Human]", "[MMGPT]", "<eoh>", "<eos>"].map(String::from);
    let layout = Layout::of("anygpt-base", &media, &roles).unwrap();
    Wanted { layout, rows, seed: 1, pad_to: 64, shard_bytes: 5_000_000_000 }
}

fn rows(folder: &Path, name: &str) -> Vec<Vec<f32>> {
    let weights = tensors::open(folder, "model.safetensors").unwrap();
    let tensor = weights.tensor(name, &Device::Cpu).unwrap();
    assert_eq!(tensor.dtype(), DType::BF16);
    tensor.to_dtype(DType::F32).unwrap().to_vec2().unwrap()
}

#[test]
fn the_layout_is_anygpts() {
    let tokens = wanted(&[], Rows::Normal).layout.tokens();
    // models.md, section 1.2, without the block of sound effects.
    assert_eq!(tokens.len(), 4 + 8194 + 1026 + 8194);
    let at = |id: usize| tokens[id - 32_000].as_str();
    assert_eq!([at(32_000), at(32_003)], ["[Human]", "<eos>"]);
    assert_eq!([at(32_004), at(40_195), at(40_197)], ["<👀0>", "<👀8191>", "<eoim>"]);
    assert_eq!([at(40_198), at(41_222)], ["<🗣️0>", "<sosp>"]);
    assert_eq!([at(41_224), at(49_415), at(49_417)], ["<🎶0>", "<🎶8191>", "<eomu>"]);
}

#[test]
fn old_texts_keep_their_ids_and_new_tokens_are_single_ones() {
    let (folder, ids) = checkpoint(false);
    let out = tempfile::tempdir().unwrap();
    let done = expand(folder.path(), out.path(), &wanted(&["image=16", "speech=8"], Rows::Normal))
        .unwrap();
    let added = 4 + 16 + 2 + 8 + 2;
    assert_eq!((done.first as usize, done.added), (ids, added));
    assert_eq!(done.rows, (ids + added as usize).next_multiple_of(64));
    assert_eq!(done.media[0], ("image", ids as u32 + 4, ids as u32 + 20, ids as u32 + 21));
    let load = |folder: &Path| Tokenizer::from_file(folder.join(TOKENIZER)).unwrap();
    let (old, new) = (load(folder.path()), load(out.path()));
    for text in ["a red apple", "  two  spaces", "<soim", "Ünïcode ☃ 42\n", "[Human"] {
        let encode =
            |tokenizer: &Tokenizer| tokenizer.encode(text, true).unwrap().get_ids().to_vec();
        assert_eq!(encode(&old), encode(&new), "{text:?}");
    }
    for (at, token) in
        wanted(&["image=16", "speech=8"], Rows::Normal).layout.tokens().iter().enumerate()
    {
        assert_eq!(new.token_to_id(token), Some((ids + at) as u32));
        let encoded = new.encode(format!("{token}{token}"), false).unwrap();
        assert_eq!(encoded.get_ids(), [(ids + at) as u32; 2], "{token}");
    }
    let config: Value =
        serde_json::from_slice(&fs::read(out.path().join("config.json")).unwrap()).unwrap();
    assert_eq!(config["vocab_size"], done.rows);
}

#[test]
fn old_rows_stay_and_new_ones_begin_as_asked() {
    let (folder, ids) = checkpoint(false);
    let before = rows(folder.path(), EMBEDDING);
    for how in [Rows::Normal, Rows::Mean] {
        let out = tempfile::tempdir().unwrap();
        let done = expand(folder.path(), out.path(), &wanted(&["image=256"], how)).unwrap();
        for name in [EMBEDDING, HEAD] {
            let after = rows(out.path(), name);
            assert_eq!(after.len(), done.rows);
            assert_eq!(after[..ids], before[..ids]);
            let new: Vec<f32> = after[ids..].iter().flatten().copied().collect();
            let mean = new.iter().sum::<f32>() / new.len() as f32;
            let square = new.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / new.len() as f32;
            let (expected, deviation) = match how {
                Rows::Normal => (0.0, 0.02),
                // Of 0 to 6: mean 3, deviation 2.
                Rows::Mean => (3.0, 0.2),
            };
            assert!((mean - expected).abs() < deviation / 10.0, "{name}: mean {mean}");
            assert!((square.sqrt() / deviation - 1.0).abs() < 0.1, "{name}: {}", square.sqrt());
        }
        assert_ne!(rows(out.path(), EMBEDDING)[ids], rows(out.path(), HEAD)[ids]);
    }
}

#[test]
fn many_bytes_are_several_files_with_an_index() {
    let (folder, _) = checkpoint(false);
    let out = tempfile::tempdir().unwrap();
    let mut wanted = wanted(&["image=16"], Rows::Normal);
    wanted.shard_bytes = 10_000;
    expand(folder.path(), out.path(), &wanted).unwrap();
    let index: Value =
        serde_json::from_slice(&fs::read(out.path().join("model.safetensors.index.json")).unwrap())
            .unwrap();
    assert_eq!(index["weight_map"][HEAD], "model-00001-of-00002.safetensors");
    let weights = Bundle::open(Source::Folder(out.path().into())).unwrap().llm().weights().unwrap();
    assert_eq!(weights.names().count(), 3);
}

#[test]
fn a_tied_head_is_not_made() {
    let (folder, _) = checkpoint(true);
    let out = tempfile::tempdir().unwrap();
    expand(folder.path(), out.path(), &wanted(&["speech=8"], Rows::Normal)).unwrap();
    let weights = tensors::open(out.path(), "model.safetensors").unwrap();
    assert!(weights.info(HEAD).is_none());
}

#[test]
fn what_cannot_be_is_said() {
    let (folder, _) = checkpoint(false);
    let out = tempfile::tempdir().unwrap();
    let mut twice = wanted(&["image=16"], Rows::Normal);
    twice.layout =
        Layout::of("anygpt-base", &["image=16".parse().unwrap()], &["<s>".into()]).unwrap();
    let error = |model: &Path, wanted: &Wanted, out: &Path| {
        expand(model, out, wanted).err().unwrap().to_string()
    };
    assert!(error(folder.path(), &twice, out.path()).contains("`<s>` already"));
    fs::write(out.path().join("x"), "").unwrap();
    let fine = wanted(&["image=16"], Rows::Normal);
    assert!(error(folder.path(), &fine, out.path()).contains("not empty"));
    fs::remove_file(folder.path().join(TOKENIZER)).unwrap();
    let elsewhere = out.path().join("new");
    assert!(error(folder.path(), &fine, &elsewhere).contains("there is no"));
    assert!(!elsewhere.exists());
    for text in ["text", "image=0", "image=x", "video"] {
        assert!(text.parse::<Medium>().is_err(), "{text}");
    }
}
