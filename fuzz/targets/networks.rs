//! config.json of every network: a configuration that does not fit its weights is one error, and
//! what loads also runs.
//!
//! An input is the name of a fixture (tests/fixtures/models) on the first line, then the configuration.

use std::ops::ControlFlow;
use std::sync::OnceLock;

use agpt::base::rng::Stream;
use agpt::models::clip::text::{self as clip_text, ClipText};
use agpt::models::encodec::{self, Encodec};
use agpt::models::llama::{self, Llama};
use agpt::models::seed_tokenizer::{self, Decoder, Encoder};
use agpt::models::soundstorm::{self, Options, SoundStorm};
use agpt::models::speech_tokenizer::{self, SpeechTokenizer};
use agpt::models::unclip::{
    unet::{self, UNet},
    vae,
};
use agpt::models::wavlm::{self, WavLm};
use agpt::models::{LanguageModel, Result};
use candle_core::{DType, Device, Tensor, safetensors};
use candle_nn::VarBuilder;
use serde::de::DeserializeOwned;

type Run = fn(&str, VarBuilder<'static>) -> Result<()>;

struct Network {
    name: &'static str,
    weights: &'static [u8],
    run: Run,
    kept: OnceLock<std::collections::HashMap<String, Tensor>>,
}

macro_rules! network {
    ($name:literal, $run:expr) => {
        Network {
            name: $name,
            weights: include_bytes!(concat!("../../tests/fixtures/models/", $name, ".safetensors")),
            run: $run,
            kept: OnceLock::new(),
        }
    };
}

static NETWORKS: [Network; 9] = [
    network!("llama_grouped", llama),
    network!("seed_tokenizer", seed),
    network!("soundstorm", soundstorm),
    network!("speech_tokenizer_snake", speech),
    network!("encodec_shortcut", music),
    network!("clip_text_gelu", clip),
    network!("unet_class", unet),
    network!("vae", vae),
    network!("wavlm_last", wavlm),
];

pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some((name, config)) = text.split_once('\n') else { return };
    let Some(network) = NETWORKS.iter().find(|network| network.name == name) else { return };
    let tensors = network.kept.get_or_init(|| {
        safetensors::load_buffer(network.weights, &Device::Cpu).expect("a fixture is whole")
    });
    let weights = VarBuilder::from_tensors(tensors.clone(), DType::F32, &Device::Cpu);
    let _ = (network.run)(config, weights).map_err(|error| error.to_string());
}

/// What is no configuration at all is serde's to refuse.
fn read<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| candle_core::Error::msg(error).into())
}

fn llama(text: &str, weights: VarBuilder<'static>) -> Result<()> {
    let model = Llama::load(&read::<llama::Config>(text)?, weights)?;
    let mut session = model.start(8)?;
    session.append(&[1, 2, 3])?;
    session.append(&[0])?;
    Ok(())
}

fn seed(text: &str, weights: VarBuilder<'static>) -> Result<()> {
    let config: seed_tokenizer::Config = read(text)?;
    // Pictures of larger sides are refused or need that memory by right.
    if config.image_size > 64 {
        return Ok(());
    }
    let pixels =
        Tensor::zeros((1, 3, config.image_size, config.image_size), DType::F32, &Device::Cpu)?;
    let codes = Encoder::load(&config, weights.clone())?.encode(&pixels)?;
    Decoder::load(&config, weights)?.image_embeds(&codes)?;
    Ok(())
}

fn soundstorm(text: &str, weights: VarBuilder<'static>) -> Result<()> {
    let config: soundstorm::Config = read(text)?;
    let model = SoundStorm::load(&config, weights)?;
    let mut noise = Stream::new(1, "fuzz");
    let mut uniform = |count: usize| (0..count).map(|_| noise.uniform() as f32).collect();
    let options = Options::default();
    model
        .generate(&[0, 1, 2], &[], &options, &mut uniform, &mut |_, _| ControlFlow::Continue(()))?;
    Ok(())
}

fn speech(text: &str, weights: VarBuilder<'static>) -> Result<()> {
    let config: speech_tokenizer::Config = read(text)?;
    let model = SpeechTokenizer::load(&config, weights)?;
    let codes = model.encode(&[0.1; 50], config.n_q)?;
    model.decode(&codes)?;
    Ok(())
}

fn music(text: &str, weights: VarBuilder<'static>) -> Result<()> {
    let model = Encodec::load(&read::<encodec::Config>(text)?, weights)?;
    let codes = model.encode(&[0.1; 50])?;
    model.decode(&codes)?;
    Ok(())
}

fn clip(text: &str, weights: VarBuilder<'static>) -> Result<()> {
    let model = ClipText::load(&read::<clip_text::Config>(text)?, weights)?;
    model.forward(&Tensor::new(&[[1u32, 2, 3]], &Device::Cpu)?)?;
    Ok(())
}

fn unet(text: &str, weights: VarBuilder<'static>) -> Result<()> {
    let config: unet::Config = read(text)?;
    let model = UNet::load(&config, weights)?;
    let zeros = |dims: &[usize]| Tensor::zeros(dims, DType::F32, &Device::Cpu);
    let class = model.config().class_dim().map(|dim| zeros(&[1, dim])).transpose()?;
    model.forward(&zeros(&[1, 4, 8, 8])?, 951., &zeros(&[1, 3, 12])?, class.as_ref())?;
    Ok(())
}

fn vae(text: &str, weights: VarBuilder<'static>) -> Result<()> {
    let model = vae::Decoder::load(&read::<vae::Config>(text)?, weights)?;
    model.decode(&Tensor::zeros((1, 4, 4, 4), DType::F32, &Device::Cpu)?)?;
    Ok(())
}

fn wavlm(text: &str, weights: VarBuilder<'static>) -> Result<()> {
    let model = WavLm::load(&read::<wavlm::Config>(text)?, weights)?;
    model.x_vector(&[0.1; 1500])?;
    Ok(())
}
