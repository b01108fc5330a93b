//! What a call of a plugin costs beyond its own work, and what making one ready costs.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use agpt::base::rng::Stream;
use agpt::base::{SourceId, Span};
use agpt::lang::ir::Plugin;
use agpt::lang::plugin::Limits;
use agpt::media::RgbImage;
use agpt::plan::PluginCall;
use agpt::runtime::events::Silent;
use agpt::runtime::plugins::{Call, Plugins};
use agpt::runtime::value::{Media, Value};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn plugin(name: &str) -> Arc<Plugin> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/plugins").join(name);
    let component = agpt::plugins::read(&folder.join(format!("{name}.wasm"))).unwrap().unwrap();
    Arc::new(Plugin {
        name: name.to_string(),
        component: Arc::new(component),
        limits: Limits::default(),
        grants: Default::default(),
        span: Span::new(SourceId(0), 0, 0),
    })
}

fn call(plugins: &mut Plugins, call: &PluginCall, args: &[Value]) -> Value {
    let random = Stream::new(0, "bench");
    plugins.call(Call { call, args, random }, &mut Silent).unwrap()
}

fn picture(side: u32) -> Value {
    Value::media(Media::Image(RgbImage::filled(side, side, [200, 40, 40])))
}

fn calls(c: &mut Criterion) {
    let poster = plugin("poster");
    let function = |name: &str| {
        let place = poster.component.functions.iter().position(|f| f.name == name).unwrap();
        PluginCall { plugin: poster.clone(), function: place }
    };
    let mut plugins = Plugins::default();
    let mut group = c.benchmark_group("plugins");
    let mean = function("mean_colour");
    let dot = [picture(1)];
    group.bench_function("call with a picture of one pixel", |b| {
        b.iter(|| black_box(call(&mut plugins, &mean, &dot)));
    });
    let posterise = function("posterise");
    for side in [128, 512] {
        let args = [picture(side), Value::Int(4), Value::text("plain")];
        group.throughput(Throughput::Bytes(u64::from(side * side * 3)));
        group.bench_function(format!("picture to picture, {side}×{side}"), |b| {
            b.iter(|| black_box(call(&mut plugins, &posterise, &args)));
        });
    }
    group.finish();
}

fn ready(c: &mut Criterion) {
    let loudness = plugin("loudness");
    let place = loudness.component.functions.iter().position(|f| f.name == "measure").unwrap();
    let measure = PluginCall { plugin: loudness.clone(), function: place };
    let sound = agpt::media::Sound::new(16_000, vec![0.5; 1600]).unwrap();
    let args = [Value::media(Media::Speech(sound))];
    let mut group = c.benchmark_group("ready");
    group.sample_size(10);
    let bytes = loudness.component.bytes.to_vec();
    group.bench_function("read the types", |b| {
        b.iter(|| black_box(agpt::plugins::component(bytes.clone()).unwrap()));
    });
    group.bench_function("first call, compiled", |b| {
        b.iter(|| black_box(call(&mut Plugins::default(), &measure, &args)));
    });
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("plugins");
    group.bench_function("first call, from the cache", |b| {
        b.iter(|| {
            let mut plugins = Plugins::default();
            plugins.keep_in(kept.clone());
            black_box(call(&mut plugins, &measure, &args))
        });
    });
    group.finish();
}

criterion_group!(benches, calls, ready);
criterion_main!(benches);
