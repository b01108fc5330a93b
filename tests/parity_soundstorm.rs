//! SoundStorm against AnyGPT's copy of its authors' code (tests/reference).

#[path = "reference/fixture.rs"]
mod fixture;

use std::ops::ControlFlow;

use agpt::base::rng::Stream;
use agpt::models::Error;
use agpt::models::soundstorm::{Config, Options, Schedule, SoundStorm};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use fixture::{Fixture, Outcome};

fn open() -> (Fixture, SoundStorm) {
    let fixture = Fixture::open("soundstorm");
    let model = SoundStorm::load(&fixture.config(), fixture.weights()).expect("it loads");
    (fixture, model)
}

fn codes(fixture: &Fixture, name: &str) -> Vec<u32> {
    fixture.get(name).flatten_all().and_then(|t| t.to_vec1()).expect("codes")
}

/// (frames, layers) → layers of frames
fn layers(fixture: &Fixture, name: &str) -> Vec<Vec<u32>> {
    fixture.get(name).t().and_then(|t| t.to_vec2()).expect("codes")
}

fn go_on(_: usize, _: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn scores() -> Outcome {
    let (fixture, model) = open();
    let semantic = codes(&fixture, "input.semantic");
    let Config { num_quantizers: levels, codebook_size: size, .. } = *model.config();
    let got = model.logits(&semantic, &codes(&fixture, "input.table"))?;
    let got = Tensor::from_vec(got, (levels, semantic.len(), size), &Device::Cpu)?;
    fixture.check("output.logits", &got.transpose(0, 1)?);
    Ok(())
}

#[test]
fn the_reference_s_schedule_gives_its_codes() -> Outcome {
    let (fixture, model) = open();
    let semantic = codes(&fixture, "input.semantic");
    let options = Options { schedule: Schedule::Reference, ..Options::default() };
    for name in ["alone", "prompted"] {
        let noise = fixture::values(&fixture.get(&format!("input.noise_{name}")));
        let mut left = noise.as_slice();
        let mut uniform = |count: usize| {
            let (taken, rest) = left.split_at(count);
            left = rest;
            taken.to_vec()
        };
        let prompt = match name {
            "alone" => vec![],
            _ => layers(&fixture, "input.prompt"),
        };
        let got = model.generate(&semantic, &prompt, &options, &mut uniform, &mut go_on)?;
        assert_eq!(got, layers(&fixture, &format!("output.{name}")), "{name}");
        assert!(left.is_empty(), "{name}: as much noise as the reference");
    }
    Ok(())
}

#[test]
fn the_upstream_names_are_read_as_well() -> Outcome {
    let fixture = Fixture::open("soundstorm");
    let config: Config = fixture.config();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/models/soundstorm.safetensors");
    let renamed =
        candle_core::safetensors::load(path, &Device::Cpu)?.into_iter().map(|(name, tensor)| {
            let upstream = name
                .replace("conv.net1.", "conv.net.")
                .replace("conv.ds_conv.", "conv.net.4.")
                .replace("conv.net2.1.", "conv.net.6.")
                .replace("conv.net2.2.", "conv.net.7.");
            (upstream, tensor)
        });
    let vb = VarBuilder::from_tensors(renamed.collect(), DType::F32, &Device::Cpu);
    let model = SoundStorm::load(&config, vb)?;
    let semantic = codes(&fixture, "input.semantic");
    let got = model.logits(&semantic, &codes(&fixture, "input.table"))?;
    let shape = (config.num_quantizers, semantic.len(), config.codebook_size);
    fixture.check("output.logits", &Tensor::from_vec(got, shape, &Device::Cpu)?.transpose(0, 1)?);
    Ok(())
}

#[test]
fn the_paper_s_schedule_depends_on_the_seed_alone() -> Outcome {
    let (fixture, model) = open();
    let semantic = codes(&fixture, "input.semantic").repeat(9);
    let prompt = layers(&fixture, "input.prompt");
    let size = model.config().codebook_size as u32;
    let run = |seed, threads, options: &Options| -> Result<Vec<Vec<u32>>, Error> {
        let mut stream = Stream::new(seed, "voice");
        let mut uniform =
            |count: usize| (0..count).map(|_| stream.uniform() as f32).collect::<Vec<_>>();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a pool")
            .scope(|_| model.generate(&semantic, &prompt, options, &mut uniform, &mut go_on))
    };
    let options = Options { steps: 6, ..Options::default() };
    let made = run(1, 1, &options)?;
    assert_eq!(made[0], semantic, "the first layer is what is said");
    assert!(made.iter().all(|layer| layer.len() == semantic.len()));
    assert!(made.iter().flatten().all(|code| *code < size), "nothing stays masked");
    assert_eq!(made, run(1, 3, &options)?);
    assert_ne!(made, run(2, 1, &options)?);
    let greedy = Options { greedy: true, ..options.clone() };
    assert_eq!(run(1, 1, &greedy)?, run(2, 1, &greedy)?);
    // In pieces: 117 frames where 110 fit with the prompt.
    let pieces = Options { max_frames: 110, ..options };
    let pieces = run(1, 1, &pieces)?;
    assert_eq!(pieces[0], semantic);
    assert!(pieces.iter().all(|layer| layer.len() == semantic.len()));
    Ok(())
}

#[test]
fn wrong_inputs_and_breaking_off_are_errors() {
    let (fixture, model) = open();
    let semantic = codes(&fixture, "input.semantic");
    let prompt = layers(&fixture, "input.prompt");
    let run = |semantic: &[u32], prompt: &[Vec<u32>], options: &Options, go: ControlFlow<()>| {
        let mut uniform = |count: usize| vec![0.5; count];
        let result = model.generate(semantic, prompt, options, &mut uniform, &mut |_, _| go);
        result.map(drop).unwrap_err()
    };
    let (options, go) = (Options::default(), ControlFlow::Continue(()));
    assert!(matches!(run(&[], &[], &options, go), Error::NoTokens));
    assert!(matches!(run(&[20], &[], &options, go), Error::Code { code: 20, .. }));
    assert!(matches!(run(&semantic, &prompt[1..], &options, go), Error::Input { .. }));
    let mut uneven = prompt.clone();
    uneven[1].pop();
    assert!(matches!(run(&semantic, &uneven, &options, go), Error::Input { .. }));
    let mut foreign = prompt.clone();
    foreign[1][0] = 99;
    assert!(matches!(run(&semantic, &foreign, &options, go), Error::Code { code: 99, .. }));
    let narrow = Options { max_frames: 6, ..Options::default() };
    assert!(matches!(run(&semantic, &prompt, &narrow, go), Error::Input { .. }));
    let stop = ControlFlow::Break(());
    assert!(matches!(run(&semantic, &prompt, &options, stop), Error::Cancelled));
}
