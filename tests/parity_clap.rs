//! CLAP against transformers (tests/reference/clap.py): spectrograms, the stages of the audio
//! encoder, texts and embeddings, by the network and by a folder as the hub has it.

#[path = "reference/fixture.rs"]
mod fixture;

use agpt::bundle::Evaluator;
use agpt::eval::judges::{Clap, JudgeError};
use agpt::eval::metrics::similarity::cosine;
use agpt::media::Sound;
use agpt::models::clap::features::{self, Features, Padding, Truncation};
use agpt::models::clap::{self, audio::ClapAudio};
use candle_core::{DType, Device, Tensor};
use fixture::{Fixture, Outcome, TOLERANCE, values};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// A quarter of a second at 48 kHz: what the fixtures' networks hear.
const LENGTH: usize = 12_000;

/// What spectrograms may differ by, in dB.
const DECIBELS: f32 = 2e-3;

#[derive(Deserialize)]
struct Cases {
    texts: Vec<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/judges/clap")
}

/// The stretches of the recording that the fixtures were made of.
fn sounds() -> [(&'static str, Vec<f32>); 4] {
    let sound = values(&Fixture::open("clap_features").get("sound"));
    let part = |from: usize, to: usize| sound[from..to].to_vec();
    [
        ("long", sound.clone()),
        ("whole", part(0, LENGTH)),
        ("short", part(0, 5_000)),
        ("tiny", part(2_000, 2_300)),
    ]
}

fn network() -> Result<clap::Clap, JudgeError> {
    let files = Evaluator::open(&folder(), "clap")?;
    let config: clap::Config = files.json("config.json")?;
    Ok(clap::Clap::load(&config, files.weights()?.var_builder(DType::F32, &Device::Cpu))?)
}

fn check_decibels(name: &str, got: &Tensor, want: &Tensor) {
    assert_eq!(got.dims(), want.dims(), "{name}");
    let differences = values(got).into_iter().zip(values(want)).map(|(g, w)| (g - w).abs());
    let most = differences.fold(0f32, |most, d| if d > most || d.is_nan() { d } else { most });
    println!("{name}: {most:.1e} dB");
    assert!(most <= DECIBELS, "{name}: {most} dB");
}

#[test]
fn spectrograms_at_the_published_settings() -> Outcome {
    let fixture = Fixture::open("clap_features");
    let config = |padding| features::Config {
        frequency_min: 50.,
        max_length_s: LENGTH as f64 / 48_000.,
        truncation: Truncation::RandTrunc,
        padding,
        ..features::Config::default()
    };
    let paddings =
        [("repeatpad", Padding::Repeatpad), ("repeat", Padding::Repeat), ("pad", Padding::Pad)];
    for (padding, kind) in paddings {
        let features = Features::new(&config(kind))?;
        for (name, samples) in sounds() {
            if kind == Padding::Repeatpad || name == "short" {
                let got = features.extract(&samples, &Device::Cpu)?;
                let name = format!("{padding}.{name}");
                check_decibels(&name, &got, &fixture.get(&name));
            }
        }
    }
    Ok(())
}

#[test]
fn networks() -> Outcome {
    let fixture = Fixture::open("clap");
    let network = network()?;
    for sound in ["long", "whole", "short", "tiny", "full"] {
        let features = fixture.get(&format!("{sound}.features"));
        let (stages, _) = network.audio.states(&features)?;
        for (i, stage) in stages.iter().enumerate() {
            fixture.check(&format!("{sound}.stage.{i}"), stage);
        }
        fixture.check(&format!("{sound}.pooled"), &network.audio.pooled(&features)?);
        fixture.check(&format!("{sound}.embeds"), &network.audio_embeds(&features)?);
    }
    for i in 0..fixture.config::<Cases>().texts.len() {
        let ids = fixture.get(&format!("text.{i}.ids"));
        fixture.check(&format!("text.{i}.pooled"), &network.text.pooled(&ids)?);
        fixture.check(&format!("text.{i}.embeds"), &network.text_embeds(&ids)?);
    }
    Ok(())
}

#[test]
fn another_audio_encoder() -> Outcome {
    let fixture = Fixture::open("clap_overlap");
    let config: clap::Config = fixture.config();
    let encoder = ClapAudio::load(&config.audio_config, fixture.weights())?;
    let features = fixture.get("features");
    let (stages, _) = encoder.states(&features)?;
    for (i, stage) in stages.iter().enumerate() {
        fixture.check(&format!("stage.{i}"), stage);
    }
    fixture.check("pooled", &encoder.pooled(&features)?);
    Ok(())
}

#[test]
fn a_folder_judges() -> Outcome {
    let fixture = Fixture::open("clap");
    let texts = fixture.config::<Cases>().texts;
    let files = Evaluator::open(&folder(), "clap")?;
    let tokenizer = files.text_ids(22)?;
    let features = Features::new(&files.json("preprocessor_config.json")?)?;
    let judge = Clap::open(&folder(), &Device::Cpu)?;
    let check = |name: String, embedding: &[f32]| -> Outcome {
        let got = Tensor::new(embedding, &Device::Cpu)?.unsqueeze(0)?;
        fixture.check(&name, &got);
        Ok(())
    };
    for (i, text) in texts.iter().enumerate() {
        let want = fixture.get(&format!("text.{i}.ids")).flatten_all()?.to_vec1::<u32>()?;
        assert_eq!(tokenizer.ids(text)?, want, "{text:?}");
        check(format!("text.{i}.embeds"), &judge.text(text)?)?;
    }
    let mut heard = vec![];
    for (name, samples) in sounds() {
        let name = |what| format!("{name}.{what}");
        let extracted = features.extract(&samples, &Device::Cpu)?;
        check_decibels(&name("features"), &extracted, &fixture.get(&name("features")));
        let sound = Sound::new(48_000, samples)?;
        check(name("embeds"), &judge.sound(&sound)?)?;
        heard.push(sound);
    }
    let together = judge.sounds(&heard)?;
    assert_eq!(together[1], judge.sound(&heard[1])?);
    let fit = cosine(&together[0], &judge.text(&texts[0])?)? as f32;
    let (audio, text) = judge.logit_scales();
    for (name, scale) in [("logits_per_audio", audio), ("logits_per_text", text)] {
        let want = values(&fixture.get(name))[0];
        let got = fit * scale;
        assert!((got - want).abs() <= TOLERANCE * want.abs().max(1.), "{name}: {got} {want}");
    }
    // Other rates are resampled.
    let slower = heard[0].resampled(44_100)?;
    assert!(cosine(&judge.sound(&slower)?, &together[0])? > 0.99);
    Ok(())
}

#[test]
fn what_is_no_clap_is_refused() -> Outcome {
    let copy = tempfile::tempdir()?;
    let names = ["config.json", "preprocessor_config.json", "tokenizer.json", "pytorch_model.bin"];
    let restore = |name: &str| std::fs::copy(folder().join(name), copy.path().join(name));
    for name in names {
        restore(name)?;
    }
    // What is said of a folder in one of whose files one word is another.
    let changed =
        |name: &str, from: &str, to: &str| -> Result<String, Box<dyn std::error::Error>> {
            let text = std::fs::read_to_string(folder().join(name))?;
            assert!(text.contains(from), "{name} has no {from}");
            std::fs::write(copy.path().join(name), text.replacen(from, to, 1))?;
            let error = Clap::open(copy.path(), &Device::Cpu).err();
            restore(name)?;
            Ok(error.map_or(String::new(), |error| error.to_string()))
        };
    assert!(Clap::open(copy.path(), &Device::Cpu).is_ok());
    let cases = [
        (
            "config.json",
            r#""enable_fusion": false"#,
            r#""enable_fusion": true"#,
            "clap-htsat-unfused",
        ),
        ("config.json", r#""window_size": 4"#, r#""window_size": 3"#, "`window_size` is 3"),
        ("config.json", r#""spec_size": 64"#, r#""spec_size": 0"#, "`num_mel_bins` is 16"),
        ("config.json", r#""hidden_size": 32"#, r#""hidden_size": 33"#, "the last stage has 32"),
        ("preprocessor_config.json", "rand_trunc", "fusion", "without fusion"),
        ("preprocessor_config.json", "14000", "30000", "half the sampling rate"),
        ("preprocessor_config.json", "0.25", "0.02", "shorter than a frame"),
        ("preprocessor_config.json", "0.25", "1e9", "too long"),
    ];
    for (name, from, to, said) in cases {
        let message = changed(name, from, to)?;
        assert!(message.contains(said), "{name} with {to}: {message:?}");
    }
    // Other mel filters than the network has are an error when something is heard.
    let text = std::fs::read_to_string(folder().join("preprocessor_config.json"))?;
    let text = text.replace(r#""feature_size": 16"#, r#""feature_size": 20"#);
    std::fs::write(copy.path().join("preprocessor_config.json"), text)?;
    let judge = Clap::open(copy.path(), &Device::Cpu)?;
    let error = judge.sound(&Sound::new(48_000, vec![0.1; 4_000])?).err().ok_or("an error")?;
    assert!(error.to_string().contains("clap audio encoder: features"), "{error}");
    Ok(())
}
