//! CLIP against transformers (tests/reference/clip.py): pictures and texts to embeddings, by the
//! network and by a folder as the hub has it.

#[path = "reference/fixture.rs"]
mod fixture;

use agpt::bundle::{BundleError, Evaluator};
use agpt::eval::judges::{Clip, JudgeError};
use agpt::eval::metrics::similarity::cosine;
use agpt::media::RgbImage;
use agpt::models::clip::{self, picture, text};
use agpt::models::{Error, clip::text::ClipText};
use candle_core::{DType, Device, Tensor};
use fixture::{Fixture, Outcome, TOLERANCE, relative_error, values};
use serde::Deserialize;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Cases {
    pictures: Vec<String>,
    texts: Vec<String>,
    small: picture::Config,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn folder() -> PathBuf {
    fixtures().join("judges/clip")
}

fn network() -> Result<(clip::Config, clip::Clip), JudgeError> {
    let files = Evaluator::open(&folder(), "clip")?;
    let config: clip::Config = files.json("config.json")?;
    let weights = files.weights()?.var_builder(DType::F32, &Device::Cpu);
    let network = clip::Clip::load(&config, weights)?;
    Ok((config, network))
}

fn pictures(cases: &Cases) -> Result<Vec<RgbImage>, JudgeError> {
    let load = |name: &String| Ok(RgbImage::load(fixtures().join("media").join(name))?);
    cases.pictures.iter().map(load).collect()
}

#[test]
fn pixels_are_those_of_the_processor() -> Outcome {
    let fixture = Fixture::open("clip");
    let cases: Cases = fixture.config();
    let files = Evaluator::open(&folder(), "clip")?;
    let config: picture::Config = files.json("preprocessor_config.json")?;
    let pictures = pictures(&cases)?;
    for (i, image) in pictures.iter().enumerate() {
        let pixels = config.pixels(image, &Device::Cpu)?;
        let want = fixture.get(&format!("picture.{i}.pixels"));
        assert_eq!(pixels.dims(), want.dims());
        // The same bytes: what is left is the rounding of one division.
        let error = relative_error(&pixels, &want);
        println!("picture {i}: {error:.1e}");
        assert!(error < 1e-6, "picture {i}: {error}");
    }
    // A margin, one number for both sides, another normalisation.
    let pixels = cases.small.pixels(&pictures[1], &Device::Cpu)?;
    let error = relative_error(&pixels, &fixture.get("small.pixels"));
    assert!(pixels.dims() == [1, 3, 33, 33] && error < 1e-6, "{error}");
    Ok(())
}

#[test]
fn networks() -> Outcome {
    let fixture = Fixture::open("clip");
    let cases: Cases = fixture.config();
    let (_, network) = network()?;
    for i in 0..cases.pictures.len() {
        let name = |what: &str| format!("picture.{i}.{what}");
        let pixels = fixture.get(&name("pixels"));
        fixture.check(&name("states"), &network.vision.forward(&pixels)?);
        fixture.check(&name("pooled"), &network.vision.pooled(&pixels)?);
        fixture.check(&name("embeds"), &network.image_embeds(&pixels)?);
    }
    for i in 0..cases.texts.len() {
        let ids = fixture.get(&format!("text.{i}.ids"));
        fixture.check(&format!("text.{i}.pooled"), &network.text.pooled(&ids)?);
        fixture.check(&format!("text.{i}.embeds"), &network.text_embeds(&ids)?);
    }
    Ok(())
}

#[test]
fn both_rules_of_pooling() -> Outcome {
    let fixture = Fixture::open("clip");
    let files = Evaluator::open(&folder(), "clip")?;
    let config: clip::Config = files.json("config.json")?;
    let ids = fixture.get("pooling.ids");
    let pooled = |eos_token_id: u32| -> Result<Tensor, JudgeError> {
        let config = text::Config { eos_token_id: Some(eos_token_id), ..config.text.clone() };
        let weights = files.weights()?.var_builder(DType::F32, &Device::Cpu);
        Ok(ClipText::load(&config, weights)?.pooled(&ids)?)
    };
    fixture.check("pooling.first", &pooled(50)?);
    fixture.check("pooling.legacy", &pooled(2)?);
    let none = pooled(77);
    assert!(
        matches!(none, Err(JudgeError::Model(Error::NoEnd { eos_token_id: Some(77), .. }))),
        "{none:?}"
    );
    Ok(())
}

#[test]
fn a_folder_judges() -> Outcome {
    let fixture = Fixture::open("clip");
    let cases: Cases = fixture.config();
    let files = Evaluator::open(&folder(), "clip")?;
    let tokenizer = files.text_ids(20)?;
    let judge = Clip::open(&folder(), &Device::Cpu)?;
    let check = |name: String, embedding: &[f32]| -> Outcome {
        let got = Tensor::new(embedding, &Device::Cpu)?.unsqueeze(0)?;
        fixture.check(&name, &got);
        Ok(())
    };
    for (i, text) in cases.texts.iter().enumerate() {
        let want = fixture.get(&format!("text.{i}.ids")).flatten_all()?.to_vec1::<u32>()?;
        assert_eq!(tokenizer.ids(text)?, want, "{text:?}");
        check(format!("text.{i}.embeds"), &judge.text(text)?)?;
    }
    let pictures = pictures(&cases)?;
    let together = judge.images(&pictures)?;
    for (i, image) in pictures.iter().enumerate() {
        let embedding = judge.image(image)?;
        check(format!("picture.{i}.embeds"), &embedding)?;
        assert_eq!(embedding, together[i]);
    }
    let fit = cosine(&together[0], &judge.text(&cases.texts[0])?)?;
    let logits = values(&fixture.get("logits_per_image"))[0];
    let got = fit as f32 * judge.logit_scale();
    assert!((got - logits).abs() <= TOLERANCE * logits.abs().max(1.), "{got} {logits}");
    Ok(())
}

#[test]
fn what_is_no_clip_is_refused() -> Outcome {
    let message = |folder: &Path| Clip::open(folder, &Device::Cpu).err().map(|e| e.to_string());
    let nowhere = message(&fixtures().join("judges/nowhere")).ok_or("an error")?;
    assert!(nowhere.contains("no such folder"), "{nowhere}");
    let other = message(&fixtures().join("judges/clap")).ok_or("an error")?;
    assert!(other.contains("`model_type` clap, where clip is needed"), "{other}");

    let copy = tempfile::tempdir()?;
    for name in ["config.json", "tokenizer.json", "preprocessor_config.json"] {
        std::fs::copy(folder().join(name), copy.path().join(name))?;
    }
    let weights = message(copy.path()).ok_or("an error")?;
    assert!(weights.contains("needs the file model.safetensors or pytorch_model.bin"), "{weights}");
    std::fs::remove_file(copy.path().join("tokenizer.json"))?;
    let tokenizer = message(copy.path()).ok_or("an error")?;
    assert!(tokenizer.contains("save_pretrained"), "{tokenizer}");
    std::fs::write(copy.path().join("preprocessor_config.json"), r#"{"resample": 2}"#)?;
    let resample = message(copy.path()).ok_or("an error")?;
    assert!(resample.contains("`resample` is 2, not 3 (bicubic)"), "{resample}");
    std::fs::write(copy.path().join("config.json"), "{")?;
    let damaged = Evaluator::open(copy.path(), "clip");
    assert!(matches!(damaged, Err(BundleError::Json { .. })));

    let files = Evaluator::open(&folder(), "clip")?;
    assert!(files.text_ids(2).err().ok_or("an error")?.to_string().contains("which may have 2"));
    // So long and thin that its shortest side cannot be made 28 pixels.
    let thin = RgbImage::new(4_000_000, 1, vec![9; 12_000_000])?;
    let judge = Clip::open(&folder(), &Device::Cpu)?;
    let error = judge.image(&thin).err().ok_or("an error")?.to_string();
    assert!(error.contains("so much longer"), "{error}");
    Ok(())
}
