//! Whisper and WavLM at the sizes of public checkpoints against transformers. The files, some
//! 200 MB each, are made by tests/reference/full_size_speech.py and not kept.

#[path = "reference/fixture.rs"]
#[allow(dead_code)] // the small fixtures' files are not read here
mod fixture;
#[path = "reference/full_size.rs"]
#[allow(dead_code)] // not every kind of output is here
mod full_size;

use agpt::models::wavlm::{self, WavLm};
use agpt::models::whisper::decode::{Ids, Rules};
use agpt::models::whisper::features::{self, Features};
use agpt::models::whisper::{self, Whisper};
use candle_core::{Device, Tensor};
use fixture::{Outcome, values};
use full_size::Component;

#[test]
#[ignore = "needs the files of tests/reference/full_size_speech.py"]
fn speech_to_text() -> Outcome {
    let reference = Component::open("whisper");
    let config: whisper::Config = reference.config();
    let model = Whisper::load(&config, reference.weights())?;
    let features = Features::new(&features::Config::default())?;
    features.fits(&config)?;
    let samples = values(&reference.get("input.samples"));
    let extract = || features.extract(&samples, &Device::Cpu);
    let spectrogram = reference.check("output.spectrogram", extract);
    let states = reference.check("output.states", || model.encode(&spectrogram));
    let ids = reference.codes("input.ids");
    reference.check("output.logits", || model.start(&states)?.append(&ids));
    let rules = Rules {
        // None that could come, so that the length alone ends the text.
        eos_token_id: Ids::Several(vec![]),
        max_length: Some(8),
        ..Rules::default()
    };
    reference.check_codes("output.text", || model.transcribe(&states, &ids[..4], &rules));
    Ok(())
}

#[test]
#[ignore = "needs the files of tests/reference/full_size_speech.py"]
fn voices() -> Outcome {
    let reference = Component::open("wavlm");
    let config: wavlm::Config = reference.config();
    let model = WavLm::load(&config, reference.weights())?;
    let samples = values(&reference.get("input.samples"));
    reference.check("output.states", || -> agpt::models::Result<Tensor> {
        let states = model.states(&samples)?;
        Ok(states[states.len() - 1].clone())
    });
    reference.check("output.vector", || -> agpt::models::Result<Tensor> {
        Ok(Tensor::new(model.x_vector(&samples)?, &Device::Cpu)?.unsqueeze(0)?)
    });
    Ok(())
}
