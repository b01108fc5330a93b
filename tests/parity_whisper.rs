//! Whisper against transformers (tests/reference/whisper.py): spectrograms, states, scores, ids
//! and texts.

#[path = "reference/fixture.rs"]
mod fixture;

use std::fs;
use std::path::{Path, PathBuf};

use agpt::eval::judge::{self, Named};
use agpt::eval::judges::{self, JudgeError};
use agpt::lang::metrics::{JudgeKind, metric};
use agpt::media::Sound;
use agpt::models::whisper::decode::{Ids, Rules};
use agpt::models::whisper::features::{self, Features};
use agpt::models::whisper::windows::windows;
use agpt::models::whisper::{Config, Whisper};
use agpt::models::{Error, Result};
use agpt::runtime::engine;
use candle_core::{Device, Tensor};
use fixture::{Fixture, Outcome, values};
use serde::Deserialize;
use serde_json::{Value, json};

const NAMES: [&str; 2] = ["whisper_tied", "whisper_untied"];
const RATE: u32 = 16_000;

#[derive(Deserialize)]
struct Whole {
    config: Config,
    rules: Rules,
    preprocessor: features::Config,
    detected: u32,
    cases: Vec<Case>,
}

/// What the reference wrote under some rules.
#[derive(Deserialize)]
struct Case {
    language: Option<String>,
    suppress_tokens: Vec<u32>,
    begin_suppress_tokens: Vec<u32>,
    eos_token_id: Option<u32>,
    ids: Vec<u32>,
    text: Option<String>,
}

impl Case {
    fn rules(&self, common: &Rules) -> Rules {
        let some = |ids: &Vec<u32>| Some(ids.clone()).filter(|ids| !ids.is_empty());
        Rules {
            suppress_tokens: some(&self.suppress_tokens),
            begin_suppress_tokens: some(&self.begin_suppress_tokens),
            eos_token_id: self.eos_token_id.map_or(common.eos_token_id.clone(), Ids::One),
            ..common.clone()
        }
    }
}

struct Loaded {
    fixture: Fixture,
    whole: Whole,
    model: Whisper,
    /// Of the fixture's sound.
    states: Tensor,
}

fn load(name: &'static str) -> Result<Loaded> {
    let fixture = Fixture::open(name);
    let whole: Whole = fixture.config();
    let model = Whisper::load(&whole.config, fixture.weights())?;
    whole.rules.validate(&whole.config)?;
    let features = Features::new(&whole.preprocessor)?;
    features.fits(&whole.config)?;
    let samples = values(&fixture.get("input.samples"));
    let states = model.encode(&features.extract(&samples, &Device::Cpu)?)?;
    Ok(Loaded { fixture, whole, model, states })
}

#[test]
fn spectrograms_of_both_numbers_of_bins() -> Outcome {
    let fixture = Fixture::open("whisper_features");
    let samples = values(&fixture.get("input.samples"));
    for bins in [80, 128] {
        let config = features::Config { feature_size: bins, ..Default::default() };
        let short = features::Config { chunk_length: 1, ..config.clone() };
        let made = Features::new(&short)?.extract(&samples, &Device::Cpu)?;
        fixture.check(&format!("output.short_{bins}"), &made);
        let made = Features::new(&config)?.extract(&samples, &Device::Cpu)?;
        assert_eq!(made.dims(), [1, bins, 3000]);
        let some: Vec<u32> = (0..30).map(|i| i * 100).collect();
        let made = made.index_select(&Tensor::new(some, &Device::Cpu)?, 2)?;
        fixture.check(&format!("output.long_{bins}"), &made);
    }
    Ok(())
}

#[test]
fn states_and_scores() -> Outcome {
    for name in NAMES {
        let Loaded { fixture, model, states, .. } = load(name)?;
        fixture.check("output.states", &states);
        let ids = values(&fixture.get("input.ids")).iter().map(|&id| id as u32).collect::<Vec<_>>();
        let whole = model.start(&states)?.append(&ids)?;
        fixture.check("output.logits", &whole.unsqueeze(0)?);
        // The same from the cache: some at once, then one by one.
        let mut text = model.start(&states)?;
        let mut rows = vec![text.append(&ids[..5])?];
        for id in &ids[5..] {
            rows.push(text.append(&[*id])?);
        }
        fixture.check("output.logits", &Tensor::cat(&rows, 0)?.unsqueeze(0)?);
    }
    Ok(())
}

#[test]
fn the_likeliest_ids_under_all_rules() -> Outcome {
    for name in NAMES {
        let Loaded { whole, model, states, .. } = load(name)?;
        let detected = model.detect_language(&states, &whole.rules)?;
        assert_eq!(detected, Some(whole.detected), "{name}");
        let mut different = vec![];
        for case in &whole.cases {
            let rules = case.rules(&whole.rules);
            let language = match &case.language {
                Some(code) => rules.language(code),
                None => detected,
            };
            let ids = model.transcribe(&states, &rules.prefix(language), &rules)?;
            assert_eq!(ids, case.ids, "{name} {:?}", case.language);
            assert!(ids.iter().all(|id| !case.suppress_tokens.contains(id)));
            assert!(!ids.first().is_some_and(|id| case.begin_suppress_tokens.contains(id)));
            different.push(ids);
        }
        different.sort();
        different.dedup();
        assert!(different.len() >= 4, "{name}: the rules change what is written");
    }
    Ok(())
}

#[test]
fn a_text_ends_with_the_positions() -> Outcome {
    let Loaded { whole, model, states, .. } = load("whisper_untied")?;
    let prefix = whole.rules.prefix(whole.rules.language("en"));
    assert_eq!(prefix.len(), 4);
    let rules = Rules { max_length: None, ..whole.rules.clone() };
    let ids = model.transcribe(&states, &prefix, &rules)?;
    assert_eq!(ids.len(), whole.config.max_target_positions - prefix.len());
    let rules = Rules { max_length: Some(3), ..whole.rules.clone() };
    assert_eq!(model.transcribe(&states, &prefix, &rules)?, ids[..3]);
    let mut text = model.start(&states)?;
    text.append(&[0; 40])?;
    assert!(matches!(text.append(&[0]), Err(Error::ContextFull { len: 40, more: 1, max_len: 40 })));
    let everything = Rules { suppress_tokens: Some((0..600).collect()), ..whole.rules.clone() };
    assert!(model.transcribe(&states, &prefix, &everything).is_err());
    Ok(())
}

/// A folder as HuggingFace's repositories are laid out.
fn folder(name: &str, rules: &Value) -> tempfile::TempDir {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models");
    let whole = fs::read(fixtures.join(format!("{name}.json"))).expect("a fixture");
    let whole: Value = serde_json::from_slice(&whole).expect("JSON");
    let folder = tempfile::tempdir().expect("a folder");
    let mut generation = whole["rules"].clone();
    let object = generation.as_object_mut().expect("rules");
    object.extend(rules.as_object().expect("rules").clone());
    write(folder.path(), "config.json", &whole["config"]);
    write(folder.path(), "preprocessor_config.json", &whole["preprocessor"]);
    write(folder.path(), "generation_config.json", &generation);
    let copy = |from: &str, to: &str| fs::copy(fixtures.join(from), folder.path().join(to));
    copy(&format!("{name}.safetensors"), "model.safetensors").expect("a copy");
    copy("whisper_tokenizer.json", "tokenizer.json").expect("a copy");
    folder
}

fn write(folder: &Path, name: &str, value: &Value) {
    fs::write(folder.join(name), value.to_string()).expect("a written file");
}

fn open(folder: &Path) -> std::result::Result<judges::Whisper, String> {
    judges::Whisper::open(folder, &Device::Cpu).map_err(|error| error.to_string())
}

#[test]
fn a_folder_transcribes_sounds() -> Outcome {
    for name in NAMES {
        let fixture = Fixture::open(name);
        let whole: Whole = fixture.config();
        let sound = Sound::new(RATE, values(&fixture.get("input.samples")))?;
        for case in &whole.cases {
            let Some(text) = &case.text else { continue };
            let rules = json!({
                "suppress_tokens": case.suppress_tokens,
                "begin_suppress_tokens": case.begin_suppress_tokens,
            });
            let judge = open(folder(name, &rules).path())?;
            assert_eq!(judge.languages(), ["de", "en", "zh"]);
            let found = judge.transcribe(&sound, case.language.as_deref())?;
            assert_eq!(found, text.trim(), "{name}");
        }
    }
    Ok(())
}

#[test]
fn a_long_sound_is_heard_window_by_window() -> Outcome {
    let special: Vec<u32> = (256..266).collect();
    let folder = folder("whisper_untied", &json!({ "suppress_tokens": special }));
    let judge = open(folder.path())?;
    let fixture = Fixture::open("whisper_untied");
    let once = values(&fixture.get("input.samples"));
    let samples = once.repeat(4);
    let parts = windows(&samples, RATE as usize, RATE as usize);
    assert!(parts.len() >= 4);
    let texts = parts.into_iter().map(|part| {
        let part = Sound::new(RATE, samples[part].to_vec())?;
        Ok(judge.transcribe(&part, Some("en"))?)
    });
    let texts: std::result::Result<Vec<_>, Box<dyn std::error::Error>> = texts.collect();
    let whole = judge.transcribe(&Sound::new(RATE, samples)?, Some("en"))?;
    assert_eq!(whole, texts?.join(" "));
    // Another rate is resampled.
    let slow = Sound::new(8_000, once)?;
    let twice = judge.transcribe(&slow.resampled(RATE)?, Some("en"))?;
    assert_eq!(judge.transcribe(&slow, Some("en"))?, twice);
    Ok(())
}

#[test]
fn an_evaluation_asks_it() -> Outcome {
    let special: Vec<u32> = (256..266).collect();
    let rules = json!({ "suppress_tokens": special, "language": "en" });
    let folder = folder("whisper_untied", &rules);
    let fixture = Fixture::open("whisper_untied");
    let sound = Sound::new(RATE, values(&fixture.get("input.samples")))?;
    let text = open(folder.path())?.transcribe(&sound, Some("en"))?;
    assert_ne!(text, open(folder.path())?.transcribe(&sound, Some("de"))?);

    let metric = metric("spoken_wer").ok_or("a metric")?;
    let named = format!("whisper={}", folder.path().display()).parse::<Named>()?;
    let mut judges = judge::open(&[("spoken_wer", metric)], &[named], engine::Device::Cpu)?;
    let judge = judges.get_mut(&JudgeKind::Transcriber).ok_or("a judge")?;
    assert_eq!(judge.transcribe(&sound)?, text, "the language of generation_config.json");
    // Without one it is English, whatever the likeliest is.
    let folder = crate::folder("whisper_untied", &json!({ "suppress_tokens": special }));
    let unsure = open(folder.path())?;
    assert_ne!(unsure.transcribe(&sound, None)?, unsure.transcribe(&sound, Some("en"))?);
    let named = format!("whisper={}", folder.path().display()).parse::<Named>()?;
    let mut others = judge::open(&[("spoken_wer", metric)], &[named], engine::Device::Cpu)?;
    let other = others.get_mut(&JudgeKind::Transcriber).ok_or("a judge")?;
    assert_eq!(other.transcribe(&sound)?, unsure.transcribe(&sound, Some("en"))?);
    assert!(judge.sound(&sound).is_err() && judge.identity().starts_with("whisper@"));
    Ok(())
}

#[test]
fn what_a_folder_lacks_is_said() -> Outcome {
    let good = folder("whisper_tied", &json!({}));
    let judge = open(good.path())?;
    let sound = Sound::new(RATE, vec![0.1; 100])?;
    match judge.transcribe(&sound, Some("xx")) {
        Err(error @ JudgeError::Language { .. }) => {
            assert!(error.to_string().ends_with("`xx`; it knows: de, en, zh"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(judge.transcribe(&sound, Some("<|de|>"))?, judge.transcribe(&sound, Some("de"))?);
    let refused = |path: &Path, part: &str| {
        let message = open(path).err().unwrap_or_default();
        assert!(message.contains(part), "{message}");
    };
    for file in ["generation_config.json", "tokenizer.json", "preprocessor_config.json"] {
        let folder = folder("whisper_tied", &json!({}));
        fs::remove_file(folder.path().join(file))?;
        refused(folder.path(), file);
    }
    let outdated = folder("whisper_tied", &json!({ "lang_to_id": {} }));
    refused(outdated.path(), "`lang_to_id` is missing");
    let outside = folder("whisper_tied", &json!({ "suppress_tokens": [9999] }));
    refused(outside.path(), "`suppress_tokens` has 9999");
    let bins = folder("whisper_tied", &json!({}));
    write(bins.path(), "preprocessor_config.json", &json!({ "chunk_length": 1 }));
    refused(bins.path(), "`feature_size` is 80, but the network takes 16");
    let unknown = folder("whisper_tied", &json!({ "language": "xx" }));
    refused(unknown.path(), "`language` is `xx`; the model knows de, en, zh");
    let english = json!({ "is_multilingual": false, "lang_to_id": {}, "task_to_id": {} });
    let english = open(folder("whisper_tied", &english).path())?;
    assert_eq!(english.transcribe(&sound, Some("en"))?, english.transcribe(&sound, None)?);
    assert!(english.transcribe(&sound, Some("de")).is_err());
    Ok(())
}

#[test]
fn any_number_of_threads_gives_the_same_text() -> Outcome {
    let run = |threads| -> Result<Vec<f32>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a pool").install(|| {
            let Loaded { whole, model, states, .. } = load("whisper_tied")?;
            let prefix = whole.rules.prefix(whole.rules.language("en"));
            Ok(values(&model.start(&states)?.append(&prefix)?))
        })
    };
    assert_eq!(run(1)?, run(3)?);
    Ok(())
}
