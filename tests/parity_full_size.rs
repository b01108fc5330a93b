//! The networks at the public checkpoints' sizes against the original packages. The files, up to
//! 2.5 GB each, are made by tests/reference/full_size.py and not kept; docs/parity.md has the
//! commands and what came out.

#[path = "reference/fixture.rs"]
#[allow(dead_code)] // the small fixtures' files are not read here
mod fixture;
#[path = "reference/full_size.rs"]
mod full_size;

use std::ops::ControlFlow;

use agpt::models::clap::{self, features};
use agpt::models::clip::text::{self as clip_text, ClipText};
use agpt::models::llama::{self, Llama};
use agpt::models::soundstorm::{self, Options, Schedule, SoundStorm};
use agpt::models::speech_tokenizer::{self, SpeechTokenizer};
use agpt::models::unclip::scheduler::{self, Plms};
use agpt::models::unclip::unet::{self, UNet};
use agpt::models::unclip::vae;
use agpt::models::{Result, clip, encodec, seed_tokenizer};
use candle_core::{D, Device, IndexOp, Tensor};
use fixture::{Outcome, values};
use full_size::Component;

#[test]
#[ignore = "needs the files of tests/reference/full_size.py"]
fn some_layers_of_the_language_model() -> Outcome {
    let reference = Component::open("llama");
    let config: llama::Config = reference.config();
    let public = llama::Config::anygpt_base();
    assert_eq!(
        (config.vocab_size, config.hidden_size, config.intermediate_size),
        (public.vocab_size, public.hidden_size, public.intermediate_size)
    );
    let model = Llama::load(&config, reference.weights())?;
    let (prompt, step) = (reference.get("input.prompt"), reference.get("input.step"));
    let mut cache = model.new_cache(prompt.dim(1)? + 1)?;
    let same_choice = |name, got: Tensor| -> Outcome {
        let likeliest = |logits: Tensor| logits.argmax(D::Minus1)?.flatten_all()?.to_vec1::<u32>();
        assert_eq!(likeliest(got)?, likeliest(reference.get(name))?, "{name}");
        Ok(())
    };
    let read = reference.check("output.prompt", || model.forward_all(&prompt, &mut cache));
    same_choice("output.prompt", read)?;
    let stepped = reference.check("output.step", || model.forward(&step, &mut cache));
    same_choice("output.step", stepped)
}

#[test]
#[ignore = "needs the files of tests/reference/full_size.py"]
fn the_image_tokenizer_both_ways() -> Outcome {
    let reference = Component::open("seed");
    let config: seed_tokenizer::Config = reference.config();
    assert_eq!(config, seed_tokenizer::Config::seed_2());
    let encoder = seed_tokenizer::Encoder::load(&config, reference.weights())?;
    let pixels = reference.get("input.pixels");
    reference.check("output.patches", || encoder.patches(&pixels));
    reference.check("output.features", || encoder.features(&pixels));
    reference.check_codes("output.codes", || -> Result<_> {
        Ok(encoder.encode(&pixels)?.flatten_all()?.to_vec1()?)
    });
    drop(encoder);
    let decoder = seed_tokenizer::Decoder::load(&config, reference.weights())?;
    let codes = reference.get("output.codes");
    reference.check("output.image_embeds", || decoder.image_embeds(&codes));
    Ok(())
}

#[test]
#[ignore = "needs the files of tests/reference/full_size.py"]
fn one_evaluation_of_the_denoising_network() -> Outcome {
    let reference = Component::open("unet");
    let model = UNet::load(&reference.config::<unet::Config>(), reference.weights())?;
    let [sample, states, class] =
        ["sample", "states", "class"].map(|input| reference.get(&format!("input.{input}")));
    reference.check("output", || model.forward(&sample, 951., &states, Some(&class)));
    Ok(())
}

#[test]
#[ignore = "needs the files of tests/reference/full_size.py"]
fn a_picture_of_768_pixels_from_latents() -> Outcome {
    let reference = Component::open("vae");
    let model = vae::Decoder::load(&reference.config::<vae::Config>(), reference.weights())?;
    let latents = reference.get("input.latents");
    reference.check("output.pixels", || model.decode(&latents));
    Ok(())
}

#[test]
#[ignore = "needs the files of tests/reference/full_size.py"]
fn the_text_encoder() -> Outcome {
    let reference = Component::open("clip_text");
    let model = ClipText::load(&reference.config::<clip_text::Config>(), reference.weights())?;
    let ids = reference.get("input.ids");
    reference.check("output.states", || model.forward(&ids));
    Ok(())
}

#[test]
#[ignore = "needs the files of tests/reference/full_size.py"]
fn the_scheduler_s_twenty_steps() -> Outcome {
    let reference = Component::open("scheduler");
    let config: scheduler::Config = reference.config();
    assert_eq!(config, scheduler::Config::sd21_unclip());
    let mut plms = Plms::new(&config, 20)?;
    let timesteps: Vec<u32> = plms.timesteps().iter().map(|&t| t as u32).collect();
    assert_eq!(timesteps, reference.codes("output.timesteps"));
    let outputs = reference.get("input.outputs");
    let mut sample = reference.get("input.start");
    reference.check("output.samples", || -> Result<Tensor> {
        let mut samples = vec![];
        for step in 0..timesteps.len() {
            sample = plms.step(&outputs.i(step)?, &sample)?;
            samples.push(sample.clone());
        }
        Ok(Tensor::stack(&samples, 0)?)
    });
    Ok(())
}

/// Samples as the codecs' decoders of the references return them.
fn one_channel(samples: Vec<f32>) -> Result<Tensor> {
    let count = samples.len();
    Ok(Tensor::from_vec(samples, (1, 1, count), &Device::Cpu)?)
}

#[test]
#[ignore = "needs the files of tests/reference/full_size.py"]
fn three_seconds_of_speech_to_codes_and_back() -> Outcome {
    let reference = Component::open("speech_tokenizer");
    let config: speech_tokenizer::Config = reference.config();
    assert_eq!(config, speech_tokenizer::Config::anygpt());
    let model = SpeechTokenizer::load(&config, reference.weights())?;
    let samples = values(&reference.get("input.samples"));
    let encode = || model.encode(&samples, config.n_q);
    reference.check_codes("output.codes", || encode().map(|layers| layers.concat()));
    let codes = reference.get("output.codes").to_vec2::<u32>()?;
    reference.check("output.samples", || one_channel(model.decode(&codes)?));
    Ok(())
}

#[test]
#[ignore = "needs the files of tests/reference/full_size.py"]
fn two_seconds_of_music_to_codes_and_back() -> Outcome {
    let reference = Component::open("encodec");
    let config: encodec::Config = reference.config();
    let model = encodec::Encodec::load(&config, reference.weights())?;
    let samples = values(&reference.get("input.samples"));
    reference.check_codes("output.codes", || model.encode(&samples).map(|layers| layers.concat()));
    let codes = reference.get("output.codes").to_vec2::<u32>()?;
    reference.check("output.samples", || one_channel(model.decode(&codes)?));
    Ok(())
}

#[test]
#[ignore = "needs the files of tests/reference/full_size.py"]
fn the_voice_s_scores_and_a_generation() -> Outcome {
    let reference = Component::open("soundstorm");
    let config: soundstorm::Config = reference.config();
    assert_eq!(config, soundstorm::Config::anygpt());
    let model = SoundStorm::load(&config, reference.weights())?;
    let semantic = reference.codes("input.table_semantic");
    let table = reference.codes("input.table");
    reference.check("output.logits", || -> Result<Tensor> {
        let shape = (config.num_quantizers, semantic.len(), config.codebook_size);
        let logits = Tensor::from_vec(model.logits(&semantic, &table)?, shape, &Device::Cpu)?;
        Ok(logits.transpose(0, 1)?)
    });

    let options = Options { schedule: Schedule::Reference, ..Options::default() };
    let (semantic, prompt) = (reference.codes("input.semantic"), reference.layers("input.prompt"));
    let noise = values(&reference.get("input.noise"));
    let mut left = noise.as_slice();
    let mut uniform = |count: usize| {
        let (taken, rest) = left.split_at(count);
        left = rest;
        taken.to_vec()
    };
    reference.check_codes("output.codes", || -> Result<_> {
        let mut go_on = |_, _| ControlFlow::Continue(());
        let layers = model.generate(&semantic, &prompt, &options, &mut uniform, &mut go_on)?;
        let frames = 0..semantic.len();
        Ok(frames.flat_map(|frame| layers.iter().map(move |layer| layer[frame])).collect())
    });
    assert!(left.is_empty(), "as much noise as the reference");
    Ok(())
}

#[test]
#[ignore = "needs the files of tests/reference/full_size.py"]
fn the_judge_of_pictures() -> Outcome {
    let reference = Component::open("clip");
    let config: clip::Config = reference.config();
    assert_eq!(config, clip::Config::vit_large_patch14());
    let model = clip::Clip::load(&config, reference.weights())?;
    let (pixels, ids) = (reference.get("input.pixels"), reference.get("input.ids"));
    reference.check("output.images", || model.image_embeds(&pixels));
    reference.check("output.texts", || model.text_embeds(&ids));
    Ok(())
}

#[test]
#[ignore = "needs the files of tests/reference/full_size.py"]
fn the_judge_of_sounds() -> Outcome {
    let reference = Component::open("clap");
    let config: clap::Config = reference.config();
    assert_eq!(config, clap::Config::default());
    let model = clap::Clap::load(&config, reference.weights())?;
    let settings = features::Config {
        frequency_min: 50.,
        truncation: features::Truncation::RandTrunc,
        ..features::Config::default()
    };
    let extractor = features::Features::new(&settings)?;
    let sound = values(&reference.get("input.sound"));
    let features = reference.check("output.features", || extractor.extract(&sound, &Device::Cpu));
    reference.check("output.sounds", || model.audio_embeds(&features));
    let ids = reference.get("input.ids");
    reference.check("output.texts", || model.text_embeds(&ids));
    Ok(())
}
