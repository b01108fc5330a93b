//! The stable unCLIP decoder against diffusers and transformers (tests/reference).

#[path = "reference/fixture.rs"]
mod fixture;

use agpt::models::clip::text::{self as clip_text, ClipText};
use agpt::models::unclip::conditioning::{Conditioner, NoisingConfig};
use agpt::models::unclip::scheduler::{self, Plms};
use agpt::models::unclip::unet::{self, UNet};
use agpt::models::unclip::{Options, UnClip, vae};
use agpt::models::{Error, Result};
use candle_core::{IndexOp, Tensor};
use fixture::{Fixture, Outcome, values};
use serde::Deserialize;
use std::ops::ControlFlow;

#[test]
fn text_encoder() -> Outcome {
    for name in ["clip_text_gelu", "clip_text_quick_gelu"] {
        let fixture = Fixture::open(name);
        let model = ClipText::load(&fixture.config::<clip_text::Config>(), fixture.weights())?;
        let states = model.forward(&fixture.get("input.ids"))?;
        fixture.check("output.states", &states);
    }
    Ok(())
}

#[test]
fn denoising_network() -> Outcome {
    for name in ["unet_class", "unet_plain"] {
        let fixture = Fixture::open(name);
        let model = UNet::load(&fixture.config::<unet::Config>(), fixture.weights())?;
        let has_class = model.config().class_dim().is_some();
        for (i, timestep) in [951., 1.].into_iter().enumerate() {
            let class = has_class.then(|| fixture.get(&format!("input.{i}.class")));
            let output = model.forward(
                &fixture.get(&format!("input.{i}.sample")),
                timestep,
                &fixture.get(&format!("input.{i}.states")),
                class.as_ref(),
            )?;
            fixture.check(&format!("output.{i}"), &output);
        }
    }
    Ok(())
}

#[test]
fn autoencoder() -> Outcome {
    let fixture = Fixture::open("vae");
    let model = vae::Decoder::load(&fixture.config::<vae::Config>(), fixture.weights())?;
    let pixels = model.decode(&fixture.get("input.latents"))?;
    fixture.check("output.pixels", &pixels);
    Ok(())
}

#[test]
fn autoencoder_with_old_attention_names() -> Outcome {
    let fixture = Fixture::open("vae");
    // The renamer turns the names asked for into those that the file has.
    let weights = fixture.weights().rename_f(|name| {
        name.replace("attentions.0.query", "attentions.0.to_q")
            .replace("attentions.0.key", "attentions.0.to_k")
            .replace("attentions.0.value", "attentions.0.to_v")
            .replace("attentions.0.proj_attn", "attentions.0.to_out.0")
    });
    let model = vae::Decoder::load(&fixture.config::<vae::Config>(), weights)?;
    let pixels = model.decode(&fixture.get("input.latents"))?;
    fixture.check("output.pixels", &pixels);
    Ok(())
}

#[derive(Deserialize)]
struct Trajectory {
    steps: usize,
    config: scheduler::Config,
}

#[test]
fn trajectories() -> Outcome {
    let fixture = Fixture::open("pndm");
    for (i, case) in fixture.config::<Vec<Trajectory>>().into_iter().enumerate() {
        let mut plms = Plms::new(&case.config, case.steps)?;
        let timesteps: Vec<u32> = plms.timesteps().iter().map(|&t| t as u32).collect();
        let want = fixture.get(&format!("{i}.timesteps")).to_vec1::<u32>()?;
        assert_eq!(timesteps, want, "case {i}");
        let scheduler::Config { beta_schedule, beta_start, beta_end, .. } = case.config;
        let alphas = scheduler::alphas_cumprod(beta_schedule, 1000, beta_start, beta_end);
        for (got, want) in alphas.iter().zip(values(&fixture.get(&format!("{i}.alphas")))) {
            assert!((got / want - 1.).abs() < 2e-6, "case {i}: {got} {want}");
        }
        let outputs = fixture.get(&format!("{i}.outputs"));
        let mut sample = fixture.get(&format!("{i}.start"));
        let mut samples = vec![];
        for step in 0..timesteps.len() {
            sample = plms.step(&outputs.i(step)?, &sample)?;
            samples.push(sample.clone());
        }
        fixture.check(&format!("{i}.samples"), &Tensor::stack(&samples, 0)?);
        assert!(plms.step(&sample, &sample).is_err());
    }
    Ok(())
}

#[derive(Deserialize)]
struct Pipeline {
    scheduler: scheduler::Config,
    image_noising_scheduler: NoisingConfig,
    cases: Vec<Picture>,
}

#[derive(Deserialize)]
struct Picture {
    steps: usize,
    guidance: f64,
    noise_level: usize,
}

fn pipeline(fixture: &Fixture, config: &Pipeline) -> Result<UnClip> {
    let (unet, vae) = (Fixture::open("unet_class"), Fixture::open("vae"));
    UnClip::new(
        UNet::load(&unet.config::<unet::Config>(), unet.weights())?,
        vae::Decoder::load(&vae.config::<vae::Config>(), vae.weights())?,
        Conditioner::load(10, &config.image_noising_scheduler, fixture.weights())?,
        config.scheduler.clone(),
    )
}

#[test]
fn whole_pictures() -> Outcome {
    let fixture = Fixture::open("unclip");
    let config: Pipeline = fixture.config();
    let model = pipeline(&fixture, &config)?;
    let states = fixture.get("input.states");
    for (i, case) in config.cases.iter().enumerate() {
        let get = |name: &str| fixture.get(&format!("{i}.{name}"));
        let (embeds, noise) = (get("embeds"), get("noise"));
        let class = model.conditioner.class_vector(&embeds, case.noise_level, Some(&noise))?;
        fixture.check(&format!("{i}.class"), &class);
        let options = Options {
            steps: case.steps,
            guidance: case.guidance,
            noise_level: case.noise_level,
            noise: Some(noise),
            negative: None,
        };
        let mut reported = vec![];
        let mut progress = |step, total| {
            reported.push((step, total));
            ControlFlow::Continue(())
        };
        let latents = get("latents");
        let picture = model.generate(&embeds, &states, &latents, &options, &mut progress)?;
        fixture.check(&format!("{i}.picture"), &picture);
        let inside = values(&picture).iter().filter(|p| (0.01..0.99).contains(*p)).count();
        assert!(inside * 4 > picture.elem_count(), "the picture says too little");
        let total = case.steps + 1;
        let expected: Vec<_> = (0..=total).map(|step| (step, total)).collect();
        assert_eq!(reported, expected);
    }
    Ok(())
}

#[test]
fn breaking_off_and_wrong_inputs_are_errors() -> Outcome {
    let fixture = Fixture::open("unclip");
    let model = pipeline(&fixture, &fixture.config())?;
    let (embeds, states) = (fixture.get("0.embeds"), fixture.get("input.states"));
    let latents = fixture.get("0.latents");
    let run = |embeds: &Tensor, latents: &Tensor, options: &Options| {
        let mut progress = |step, _| match step {
            2 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        model.generate(embeds, &states, latents, options, &mut progress)
    };
    let options = Options::default();
    assert!(matches!(run(&embeds, &latents, &options), Err(Error::Cancelled)));
    assert!(matches!(run(&latents, &latents, &options), Err(Error::Input { .. })));
    assert!(matches!(run(&embeds, &embeds, &options), Err(Error::Input { .. })));
    let no_steps = Options { steps: 0, ..Options::default() };
    assert!(matches!(run(&embeds, &latents, &no_steps), Err(Error::Config { .. })));
    let too_noisy = Options { noise_level: 1000, ..Options::default() };
    assert!(matches!(run(&embeds, &latents, &too_noisy), Err(Error::Config { .. })));
    Ok(())
}
