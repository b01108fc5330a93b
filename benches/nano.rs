//! The shipped model: tokens per second of the language model, time to encode and to draw an
//! image. The floor of decoding is reading every weight once per token; `bytes/s` of the decode
//! benchmark is to be compared with the machine's memory bandwidth (cache bandwidth for nano).

use std::hint::black_box;
use std::sync::Arc;

use agpt::base::rng::Stream;
use agpt::base::{Medium, Reply};
use agpt::bundle::Bundle;
use agpt::lang::settings::{Key, Stage};
use agpt::media::RgbImage;
use agpt::models::LanguageModel;
use agpt::models::llama::{Config, Llama};
use agpt::runtime::engine::{Device, Engine};
use agpt::runtime::events::Silent;
use agpt::runtime::settings::Settings;
use agpt::runtime::value::{Media, Value};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn language_model(c: &mut Criterion) {
    let component = Bundle::find("nano").unwrap().llm();
    let weights = component.weights().unwrap();
    let config: Config = component.json("config.json").unwrap();
    let vars = weights.var_builder(candle_core::DType::F32, &candle_core::Device::Cpu);
    let llama = Llama::load(&config, vars).unwrap();
    let parameters: usize = weights
        .names()
        .filter_map(|name| weights.info(name))
        .map(|t| t.shape.iter().product::<usize>())
        .sum();
    let mut group = c.benchmark_group("llm");
    // One token reads all weights but the embedding table, of which it reads a row.
    let read = (parameters - config.vocab_size * config.hidden_size) * 4;
    group.throughput(Throughput::Bytes(read as u64));
    let mut session = llama.start(512).unwrap();
    session.append(&[1; 64]).unwrap();
    group.bench_function("decode one token after 64", |b| {
        b.iter(|| {
            session.truncate(64);
            black_box(session.append(&[5]).unwrap())
        });
    });
    group.throughput(Throughput::Elements(256));
    group.bench_function("prefill 256 tokens", |b| {
        b.iter(|| black_box(llama.start(256).unwrap().append(&[7; 256]).unwrap()));
    });
    group.finish();
}

fn images(c: &mut Criterion) {
    let mut engine = Engine::open("nano", Device::Cpu).unwrap();
    let image = Arc::new(Media::Image(RgbImage::filled(128, 128, [200, 40, 40])));
    let mut group = c.benchmark_group("image");
    group.sample_size(10);
    group.bench_function("encode", |b| {
        b.iter(|| {
            black_box(
                engine.encode(Medium::Image, std::slice::from_ref(&image), &mut Silent).unwrap(),
            )
        });
    });
    let codes = engine.encode(Medium::Image, &[image], &mut Silent).unwrap().remove(0);
    let settings = Settings::new(
        Stage::Perceptual,
        Reply::Only(Medium::Image),
        &[Key::of("steps")],
        &[Value::Int(20)],
    )
    .unwrap();
    group.bench_function("decode, 20 steps", |b| {
        b.iter(|| {
            let mut noise = Stream::new(0, "bench");
            black_box(
                engine.decode(Medium::Image, &codes, &settings, &mut noise, &mut Silent).unwrap(),
            )
        });
    });
    group.finish();
}

criterion_group!(benches, language_model, images);
criterion_main!(benches);
