//! LLaMA and sampling against transformers (tests/reference).

#[path = "reference/fixture.rs"]
mod fixture;

use agpt::models::LanguageModel;
use agpt::models::llama::{Config, Llama};
use agpt::models::sampling::{self, Settings};
use candle_core::IndexOp;
use fixture::{Fixture, Outcome, values};
use serde::Deserialize;

fn compare(name: &'static str) -> Outcome {
    let fixture = Fixture::open(name);
    let model = Llama::load(&fixture.config::<Config>(), fixture.weights())?;
    let ids = fixture.get("input.ids");
    let (_, time) = ids.dims2()?;

    let mut cache = model.new_cache(time)?;
    fixture.check("output.logits", &model.forward_all(&ids, &mut cache)?);

    // A prompt, then one id at a time, as generation does.
    let mut cache = model.new_cache(time)?;
    let mut steps = vec![model.forward(&ids.narrow(1, 0, 7)?, &mut cache)?];
    for i in 7..time {
        steps.push(model.forward(&ids.narrow(1, i, 1)?, &mut cache)?);
    }
    let steps = candle_core::Tensor::stack(&steps, 1)?;
    let want = fixture.get("output.logits").narrow(1, 6, time - 6)?;
    assert!(fixture::relative_error(&steps, &want) <= fixture::TOLERANCE);

    // Past the first block of the cache, through the trait.
    let long: Vec<u32> = fixture.get("input.long").i(0)?.to_vec1()?;
    let mut session = model.start(long.len())?;
    session.append(&long[..200])?;
    session.append(&[1, 2, 3])?;
    session.truncate(200);
    for id in &long[200..299] {
        session.append(&[*id])?;
    }
    let logits = session.append(&long[299..])?;
    let logits = candle_core::Tensor::from_vec(logits, (1, model.vocab_size()), ids.device())?;
    fixture.check("output.long", &logits);
    Ok(())
}

#[test]
fn grouped_queries() -> Outcome {
    compare("llama_grouped")
}

#[test]
fn tied_embeddings() -> Outcome {
    compare("llama_tied")
}

#[test]
fn any_number_of_threads_gives_the_same_bits() -> Outcome {
    let fixture = Fixture::open("llama_grouped");
    let model = Llama::load(&fixture.config::<Config>(), fixture.weights())?;
    let ids: Vec<u32> = fixture.get("input.long").i(0)?.to_vec1()?;
    let run = |threads| -> Result<Vec<f32>, Box<dyn std::error::Error>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let run = || {
            let mut session = model.start(300)?;
            session.append(&ids[..290])?;
            session.append(&ids[290..291])
        };
        Ok(pool.install(run)?)
    };
    assert_eq!(run(1)?, run(4)?);
    Ok(())
}

#[derive(Deserialize)]
struct Case {
    #[serde(default = "one")]
    temperature: f64,
    #[serde(default)]
    top_k: usize,
    #[serde(default = "one")]
    top_p: f64,
    #[serde(default)]
    min_p: f64,
    #[serde(default = "one")]
    repetition_penalty: f64,
}

fn one() -> f64 {
    1.
}

#[test]
fn logits_warpers() -> Outcome {
    let fixture = Fixture::open("sampling");
    for (i, case) in fixture.config::<Vec<Case>>().into_iter().enumerate() {
        let settings = Settings {
            temperature: case.temperature,
            top_k: case.top_k,
            top_p: case.top_p,
            min_p: case.min_p,
            repetition_penalty: case.repetition_penalty,
        };
        let mut logits = values(&fixture.get(&format!("{i}.logits")));
        let seen: Vec<u32> = fixture.get(&format!("{i}.seen")).to_vec1()?;
        sampling::warp(&mut logits, &seen, &settings);
        let kept: Vec<f32> = logits.iter().map(|l| f32::from(l.is_finite())).collect();
        assert_eq!(kept, values(&fixture.get(&format!("{i}.kept"))), "case {i}");
        let probabilities = sampling::probabilities(&logits);
        let want = values(&fixture.get(&format!("{i}.probabilities")));
        for (got, want) in probabilities.iter().zip(want) {
            assert!((got - f64::from(want)).abs() < 1e-6, "case {i}: {got} {want}");
        }
    }
    Ok(())
}
