//! What one step of each network costs, at the sizes of a small bundle, with random weights.
//! The row product has a peer (candle's layer) and a floor (reading the weight once) beside it.

use agpt::models::llama::{self, Llama};
use agpt::models::sampling::{self, Settings};
use agpt::models::unclip::unet::{self, PerLevel, UNet};
use agpt::models::unclip::vae;
use agpt::models::{LanguageModel, encodec, soundstorm, speech_tokenizer};
use agpt::nn::linear::Linear;
use candle_core::{DType, Device, Module, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder, VarMap};
use criterion::{Criterion, criterion_group, criterion_main};
use rayon::prelude::*;
use std::error::Error;

type Outcome = Result<(), Box<dyn Error>>;

fn random() -> VarBuilder<'static> {
    VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu)
}

fn language_model(c: &mut Criterion) -> Outcome {
    let cfg = llama::Config {
        vocab_size: 3000,
        hidden_size: 256,
        intermediate_size: 704,
        num_hidden_layers: 6,
        num_attention_heads: 4,
        num_key_value_heads: None,
        ..llama::Config::anygpt_base()
    };
    let model = Llama::load(&cfg, random())?;
    let mut session = model.start(201)?;
    let prompt = [5; 200];
    c.bench_function("llama/read 200", |b| {
        b.iter(|| {
            session.truncate(0);
            session.append(&prompt)
        });
    });
    c.bench_function("llama/one more", |b| {
        b.iter(|| {
            session.truncate(200);
            session.append(&[7])
        });
    });
    Ok(())
}

fn sampling_step(c: &mut Criterion) -> Outcome {
    let logits: Vec<f32> = (0..53_516).map(|i| (i as f32 * 0.7).sin() * 6.).collect();
    let image = Settings { top_k: 50, ..Settings::default() };
    let nucleus = Settings { top_p: 0.9, ..Settings::default() };
    for (name, settings) in [("top-k 50", image), ("top-p 0.9", nucleus)] {
        c.bench_function(&format!("sampling/{name} of 53,516"), |b| {
            b.iter(|| sampling::draw(&mut logits.clone(), &[1, 2, 3], &settings, 0.5));
        });
    }
    Ok(())
}

fn row_product(c: &mut Criterion) -> Outcome {
    let weight = Tensor::full(0.01f32, (4096, 4096), &Device::Cpu)?.contiguous()?;
    let x = Tensor::ones((1, 4096), DType::F32, &Device::Cpu)?;
    let ours = Linear::new(weight.clone(), None);
    let peer = candle_nn::Linear::new(weight.clone(), None);
    c.bench_function("row product/ours", |b| b.iter(|| ours.forward(&x)));
    c.bench_function("row product/candle", |b| b.iter(|| peer.forward(&x)));
    let values: Vec<f32> = weight.flatten_all()?.to_vec1()?;
    c.bench_function("row product/floor: read the weight", |b| {
        let bits = |chunk: &[f32]| chunk.iter().fold(0, |all, v| all ^ v.to_bits());
        b.iter(|| values.par_chunks(1 << 18).map(bits).reduce(|| 0, |a, b| a ^ b));
    });
    Ok(())
}

fn picture(c: &mut Criterion) -> Outcome {
    let names = |list: [&str; 3]| list.map(String::from).to_vec();
    let cfg = unet::Config {
        sample_size: Some(16),
        block_out_channels: vec![48, 96, 128],
        layers_per_block: 1,
        down_block_types: names(["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"]),
        up_block_types: names(["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]),
        attention_head_dim: PerLevel::Each(vec![2, 4, 4]),
        cross_attention_dim: 32,
        norm_num_groups: 16,
        projection_class_embeddings_input_dim: Some(512),
        ..unet::Config::sd21_unclip()
    };
    let model = UNet::load(&cfg, random())?;
    let ones = |shape: &[usize]| Tensor::ones(shape, DType::F32, &Device::Cpu);
    let (sample, states, class) = (ones(&[2, 4, 16, 16])?, ones(&[1, 4, 32])?, ones(&[2, 512])?);
    c.bench_function("unclip/one guided evaluation", |b| {
        b.iter(|| model.forward(&sample, 501., &states, Some(&class)));
    });
    let cfg = vae::Config {
        block_out_channels: vec![24, 48, 64],
        layers_per_block: 1,
        norm_num_groups: 8,
        up_block_types: None,
        ..vae::Config::sd21()
    };
    let decoder = vae::Decoder::load(&cfg, random())?;
    let latents = ones(&[1, 4, 16, 16])?;
    c.bench_function("unclip/decode to 64 x 64", |b| b.iter(|| decoder.decode(&latents)));
    Ok(())
}

/// Weights that are not zero, so that normalised ones are numbers.
struct Waves;

impl SimpleBackend for Waves {
    fn get(
        &self,
        shape: Shape,
        _: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let values: Vec<f32> =
            (0..shape.elem_count()).map(|i| (i as f32 * 0.7).sin() * 0.1).collect();
        Tensor::from_vec(values, shape, device)?.to_dtype(dtype)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        candle_core::bail!("`{name}` is asked for without a shape")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        false
    }
}

/// One second of sound, at nano's sizes and at the public ones.
fn sound(c: &mut Criterion) -> Outcome {
    let waves = || VarBuilder::from_backend(Box::new(Waves), DType::F32, Device::Cpu);
    let samples: Vec<f32> = (0..32_000).map(|i| (i as f32 * 0.05).sin() * 0.3).collect();
    let public = speech_tokenizer::Config::anygpt();
    let nano = speech_tokenizer::Config {
        n_filters: 8,
        dimension: 128,
        semantic_dimension: 128,
        codebook_size: 512,
        ..public.clone()
    };
    let mut group = c.benchmark_group("one second");
    group.sample_size(10);
    for (size, config) in [("nano", nano), ("public", public)] {
        let codec = speech_tokenizer::SpeechTokenizer::load(&config, waves())?;
        let codes = codec.encode(&samples[..16_000], config.n_q)?;
        group.bench_function(format!("speech, encode, {size}"), |b| {
            b.iter(|| codec.encode(&samples[..16_000], config.n_q));
        });
        group
            .bench_function(format!("speech, decode, {size}"), |b| b.iter(|| codec.decode(&codes)));
    }
    let public = encodec::Config::encodec_32khz();
    let nano = encodec::Config {
        sampling_rate: 16_000,
        num_filters: 12,
        upsampling_ratios: vec![8, 5, 4, 2],
        codebook_size: 256,
        target_bandwidths: vec![1.6],
        ..public.clone()
    };
    for (size, config) in [("nano", nano), ("public", public)] {
        let codec = encodec::Encodec::load(&config, waves())?;
        let second = &samples[..config.sampling_rate as usize];
        let codes = codec.encode(second)?;
        group.bench_function(format!("music, encode, {size}"), |b| b.iter(|| codec.encode(second)));
        group.bench_function(format!("music, decode, {size}"), |b| b.iter(|| codec.decode(&codes)));
    }
    let public = soundstorm::Config::anygpt();
    let nano = soundstorm::Config {
        dim: 128,
        depth: 3,
        heads: 4,
        dim_head: 32,
        codebook_size: 512,
        ..public.clone()
    };
    for (size, config) in [("nano", nano), ("public", public)] {
        let model = soundstorm::SoundStorm::load(&config, waves())?;
        let (semantic, acoustic) = ([3; 50], [5; 50 * 7]);
        group.bench_function(format!("voice, one pass over all levels, {size}"), |b| {
            b.iter(|| model.logits(&semantic, &acoustic));
        });
    }
    group.finish();
    Ok(())
}

fn all(c: &mut Criterion) {
    for (name, group) in [
        ("language model", language_model as fn(&mut Criterion) -> Outcome),
        ("sampling", sampling_step),
        ("row product", row_product),
        ("picture", picture),
        ("sound", sound),
    ] {
        if let Err(error) = group(c) {
            eprintln!("{name}: {error}");
        }
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
