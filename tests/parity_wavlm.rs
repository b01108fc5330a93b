//! WavLM's x-vectors against transformers (tests/reference/wavlm.py).

#[path = "reference/fixture.rs"]
mod fixture;

use std::fs;
use std::path::PathBuf;

use agpt::eval::judge::{self, Named};
use agpt::eval::judges::{self, JudgeError};
use agpt::eval::metrics::similarity::cosine;
use agpt::lang::metrics::{JudgeKind, metric};
use agpt::media::Sound;
use agpt::models::wavlm::{Config, Preprocessing, WavLm};
use agpt::models::{Error, Result};
use agpt::runtime::engine;
use candle_core::{Device, Tensor};
use fixture::{Fixture, Outcome, values};
use serde::Deserialize;
use serde_json::Value;

const NAMES: [&str; 3] = ["wavlm_group", "wavlm_layer", "wavlm_last"];
const LENGTHS: [usize; 2] = [1500, 617];

#[derive(Deserialize)]
struct Whole {
    config: Config,
    preprocessor: Preprocessing,
}

#[test]
fn states_and_vectors_of_all_kinds() -> Outcome {
    for name in NAMES {
        let fixture = Fixture::open(name);
        let Whole { config, preprocessor } = fixture.config();
        let model = WavLm::load(&config, fixture.weights())?;
        for length in LENGTHS {
            let samples = values(&fixture.get(&format!("input.samples_{length}")));
            let samples = preprocessor.apply(&samples);
            let states = model.states(&samples)?;
            assert_eq!(states.len(), config.num_hidden_layers + 1);
            assert_eq!(states[0].dim(1)?, config.frames(length));
            for (place, state) in states.iter().enumerate() {
                fixture.check(&format!("output.state_{place}_{length}"), state);
            }
            let vector = Tensor::new(model.x_vector(&samples)?, &Device::Cpu)?.unsqueeze(0)?;
            fixture.check(&format!("output.vector_{length}"), &vector);
        }
    }
    Ok(())
}

#[test]
fn a_folder_compares_voices() -> Outcome {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models");
    for name in NAMES {
        let folder = tempfile::tempdir()?;
        let whole: Value =
            serde_json::from_slice(&fs::read(fixtures.join(format!("{name}.json")))?)?;
        let write =
            |file: &str, value: &Value| fs::write(folder.path().join(file), value.to_string());
        write("config.json", &whole["config"])?;
        write("preprocessor_config.json", &whole["preprocessor"])?;
        let weights = folder.path().join("model.safetensors");
        fs::copy(fixtures.join(format!("{name}.safetensors")), weights)?;
        let voices = judges::WavLm::open(folder.path(), &Device::Cpu)?;

        let fixture = Fixture::open(name);
        let vector = |length| -> std::result::Result<Vec<f32>, Box<dyn std::error::Error>> {
            let samples = values(&fixture.get(&format!("input.samples_{length}")));
            let vector = voices.x_vector(&Sound::new(16_000, samples)?)?;
            let size: f32 = vector.iter().map(|x| x * x).sum();
            assert!((size - 1.).abs() < 1e-5);
            Ok(vector)
        };
        let found = cosine(&vector(LENGTHS[0])?, &vector(LENGTHS[1])?)?;
        fixture.check("output.cosine", &Tensor::new(&[found as f32], &Device::Cpu)?);

        let metric = metric("speaker_similarity").ok_or("a metric")?;
        let named = format!("speaker={}", folder.path().display()).parse::<Named>()?;
        let measures = [("similarity", metric)];
        let mut judges = judge::open(&measures, &[named], engine::Device::Cpu)?;
        let asked = judges.get_mut(&JudgeKind::Speaker).ok_or("a judge")?;
        let samples = values(&fixture.get("input.samples_617"));
        assert_eq!(asked.sound(&Sound::new(16_000, samples)?)?, vector(617)?);

        match voices.x_vector(&Sound::new(16_000, vec![0.1; 100])?) {
            Err(error @ JudgeError::TooShort { .. }) => {
                let least = judge_least(&whole)? as f64 / 16_000.;
                let end = format!("must be at least {least:.3} s long");
                assert!(error.to_string().ends_with(&end), "{error}");
            }
            other => panic!("{other:?}"),
        }
        write("config.json", &serde_json::json!({ "model_type": "hubert" }))?;
        let error = judges::WavLm::open(folder.path(), &Device::Cpu).err();
        assert!(error.is_some_and(|error| error.to_string().contains("`model_type` hubert")));
    }
    Ok(())
}

fn judge_least(whole: &Value) -> std::result::Result<usize, serde_json::Error> {
    Ok(serde_json::from_value::<Config>(whole["config"].clone())?.least_samples())
}

#[test]
fn the_shortest_sound_has_a_vector() -> Outcome {
    let fixture = Fixture::open("wavlm_group");
    let Whole { config, .. } = fixture.config();
    let model = WavLm::load(&config, fixture.weights())?;
    let least = config.least_samples();
    let noise: Vec<f32> = (0..least).map(|i| (i as f32 * 0.7).sin()).collect();
    assert!(model.x_vector(&noise)?.iter().all(|x| x.is_finite()));
    assert!(matches!(model.x_vector(&noise[1..]), Err(Error::Input { .. })));
    assert!(matches!(model.x_vector(&vec![f32::NAN; least]), Err(Error::Input { .. })));
    Ok(())
}

#[test]
fn damaged_configurations_are_refused() {
    let field = |change: fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        match config.validate() {
            Err(Error::Config { field, .. }) => field,
            _ => "",
        }
    };
    assert_eq!(field(|_| ()), "");
    assert_eq!(field(|c| c.conv_stride = vec![1]), "conv_stride");
    assert_eq!(field(|c| c.conv_kernel[2] = 0), "conv_kernel");
    assert_eq!(field(|c| c.tdnn_dim = vec![]), "tdnn_dim");
    assert_eq!(field(|c| c.num_hidden_layers = 0), "num_hidden_layers");
    assert_eq!(field(|c| c.num_buckets = 3), "num_buckets");
    assert_eq!(field(|c| c.max_bucket_distance = 80), "max_bucket_distance");
    assert_eq!(field(|c| c.num_conv_pos_embedding_groups = 5), "num_conv_pos_embedding_groups");
    assert_eq!(field(|c| c.feat_extract_norm = "batch".into()), "feat_extract_norm");
    assert_eq!(field(|c| c.hidden_act = "relu".into()), "hidden_act");
    assert_eq!(field(|c| c.add_adapter = true), "add_adapter");
}

#[test]
fn any_number_of_threads_gives_the_same_vector() -> Outcome {
    let fixture = Fixture::open("wavlm_group");
    let Whole { config, .. } = fixture.config();
    let model = WavLm::load(&config, fixture.weights())?;
    let samples = values(&fixture.get("input.samples_1500"));
    let run = |threads| -> Result<Vec<f32>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a pool").install(|| model.x_vector(&samples))
    };
    assert_eq!(run(1)?, run(3)?);
    Ok(())
}
