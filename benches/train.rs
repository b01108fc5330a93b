//! One step of training, forward and backward, of the shipped model's network with random
//! weights; benches/train_torch.py is the same in PyTorch.

use agpt::models::llama::Config;
use agpt::train::network::{Attention, Batch, Network};
use candle_core::{DType, Device, Tensor};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::collections::HashMap;
use std::error::Error;

fn config() -> Config {
    Config {
        vocab_size: 3596,
        hidden_size: 256,
        intermediate_size: 704,
        num_hidden_layers: 6,
        num_attention_heads: 4,
        num_key_value_heads: Some(4),
        ..Config::anygpt_base()
    }
}

/// Small random weights; norms of one.
fn weights(config: &Config) -> candle_core::Result<HashMap<String, Tensor>> {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let mut shapes = vec![
        ("model.embed_tokens".to_string(), config.vocab_size, hidden),
        ("lm_head".to_string(), config.vocab_size, hidden),
    ];
    for layer in 0..config.num_hidden_layers {
        for part in ["q", "k", "v", "o"] {
            let name = format!("model.layers.{layer}.self_attn.{part}_proj");
            shapes.push((name, hidden, hidden));
        }
        for (part, outputs, inputs) in
            [("gate", inner, hidden), ("up", inner, hidden), ("down", hidden, inner)]
        {
            shapes.push((format!("model.layers.{layer}.mlp.{part}_proj"), outputs, inputs));
        }
    }
    let mut tensors = HashMap::new();
    for (name, outputs, inputs) in shapes {
        let tensor = Tensor::randn(0f32, 0.02, (outputs, inputs), &Device::Cpu)?;
        tensors.insert(format!("{name}.weight"), tensor);
    }
    let mut norms = vec!["model.norm.weight".to_string()];
    for layer in 0..config.num_hidden_layers {
        norms.push(format!("model.layers.{layer}.input_layernorm.weight"));
        norms.push(format!("model.layers.{layer}.post_attention_layernorm.weight"));
    }
    for name in norms {
        tensors.insert(name, Tensor::ones(hidden, DType::F32, &Device::Cpu)?);
    }
    Ok(tensors)
}

fn step(c: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let config = config();
    let network = Network::new(&config, weights(&config)?, DType::F32, &Device::Cpu)?;
    let mut group = c.benchmark_group("train/forward and backward");
    group.sample_size(10);
    for (rows, length) in [(8, 512), (16, 192)] {
        let size = rows * length;
        let batch = Batch {
            rows,
            length,
            ids: (0..size as u32).map(|i| i * 7919 % 3596).collect(),
            counted: vec![true; size],
            segments: vec![1; size],
        };
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(format!("{rows} rows of {length}"), |b| {
            b.iter(|| {
                let (losses, _) = network.losses(&batch, Attention::Sequence)?;
                Ok::<_, Box<dyn Error>>(losses.mean_all()?.backward()?)
            });
        });
    }
    group.finish();
    Ok(())
}

fn all(c: &mut Criterion) {
    step(c).expect("the benchmark runs");
}

criterion_group!(benches, all);
criterion_main!(benches);
