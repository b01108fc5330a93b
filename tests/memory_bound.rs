//! A checkpoint is loaded into fewer bits without ever being in memory as it is stored.
//!
//! One test in a process of its own: it reads the peak of the whole process.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use agpt::bundle::{Bundle, Source};
use agpt::models::llama::{Config, Llama};
use agpt::nn::quantized::Quantization;
use candle_core::{DType, Device};

/// The largest resident size so far, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// 24 layers of 1024: 325 million numbers of zero in f32, a file of holes.
fn bundle(folder: &Path) -> Config {
    let config = Config {
        vocab_size: 4096,
        hidden_size: 1024,
        intermediate_size: 2816,
        num_hidden_layers: 24,
        num_attention_heads: 8,
        num_key_value_heads: Some(8),
        ..Config::anygpt_base()
    };
    let (hidden, inner, vocab) = (config.hidden_size, config.intermediate_size, config.vocab_size);
    let mut shapes = vec![
        ("model.embed_tokens.weight".to_string(), vec![vocab, hidden]),
        ("lm_head.weight".to_string(), vec![vocab, hidden]),
        ("model.norm.weight".to_string(), vec![hidden]),
    ];
    for layer in 0..config.num_hidden_layers {
        let mut add = |name: &str, shape: Vec<usize>| {
            shapes.push((format!("model.layers.{layer}.{name}.weight"), shape));
        };
        for name in ["q_proj", "k_proj", "v_proj", "o_proj"] {
            add(&format!("self_attn.{name}"), vec![hidden, hidden]);
        }
        add("mlp.gate_proj", vec![inner, hidden]);
        add("mlp.up_proj", vec![inner, hidden]);
        add("mlp.down_proj", vec![hidden, inner]);
        add("input_layernorm", vec![hidden]);
        add("post_attention_layernorm", vec![hidden]);
    }
    let (mut header, mut at) = (serde_json::Map::new(), 0);
    for (name, shape) in shapes {
        let end = at + 4 * shape.iter().product::<usize>();
        let entry =
            serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [at, end] });
        header.insert(name, entry);
        at = end;
    }
    let mut header = serde_json::Value::Object(header).to_string();
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    fs::create_dir(folder.join("llm")).unwrap();
    let mut file = File::create(folder.join("llm/model.safetensors")).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len((8 + header.len() + at) as u64).unwrap();
    let described = serde_json::to_vec(&config).unwrap();
    fs::write(folder.join("llm/config.json"), described).unwrap();
    fs::write(folder.join("bundle.yaml"), MANIFEST).unwrap();
    config
}

const MANIFEST: &str = r#"
format: 1
name: zeros
description: Nothing at all
license: Apache-2.0
components:
  llm: { architecture: llama, path: llm }
vocabulary: { tokenizer: llm/tokenizer.json }
prompt: { user: { before: "", after: "" }, assistant: { before: "", after: "" }, stop: ["</s>"] }
context: 64
"#;

#[test]
fn loading_in_fewer_bits_stays_near_the_target_s_size() {
    let folder = tempfile::tempdir().unwrap();
    let config = bundle(folder.path());
    let bundle = Bundle::open(Source::Folder(folder.path().to_path_buf())).unwrap();
    let llm = bundle.llm();
    let stored = llm.size("model.safetensors").unwrap();
    // A fifth more than the target, as of the public model, and what is in work: two tensors,
    // which here are a tenth of the whole, and there a hundredth.
    let largest = 4 * (config.vocab_size * config.hidden_size) as u64;
    let most = |target: u64| target + target / 5 + 2 * largest;
    let before = peak();
    // Written tensor by tensor: hardly anything is in memory.
    llm.quantize(Quantization::Q4K, &mut |_| {}).unwrap();
    let written = peak();
    assert!(written - before < 64 << 20, "{before} {written}");
    fs::remove_file(folder.path().join("llm/model.q4_k.safetensors")).unwrap();
    // The smaller first: a peak only grows.
    for kind in [Quantization::Q4K, Quantization::Q8_0] {
        let target = llm.weights().unwrap().memory(DType::F32, Some(kind));
        assert!(stored > 3 * target, "{stored} {target}");
        // Quantized while it is loaded.
        let weights = llm.quantized_var_builder(kind, DType::F32, &Device::Cpu).unwrap();
        let model = Llama::load(&config, weights).unwrap();
        let loaded = peak();
        assert!(loaded - before < most(target), "{target} {before} {loaded}");
        drop(model);
    }
    // And in half precision, as for a GPU; 600 MB, the largest, so last.
    let target = llm.weights().unwrap().memory(DType::F16, None);
    assert!(stored >= 2 * target, "{stored} {target}");
    let weights = llm.var_builder(DType::F16, &Device::Cpu).unwrap();
    let model = Llama::load(&config, weights).unwrap();
    let loaded = peak();
    assert!(loaded - before < most(target), "{target} {before} {loaded}");
    drop(model);
}
