//! Whisper as a judge: what a voice says.

use std::path::Path;

use candle_core::{DType, Device, Tensor};

use super::JudgeError;
use crate::bundle::Evaluator;
use crate::bundle::evaluator::TextIds;
use crate::media::Sound;
use crate::models::whisper::decode::Rules;
use crate::models::whisper::features::{self, Features};
use crate::models::whisper::windows::windows;
use crate::models::whisper::{self, Config};

/// A checkpoint of HuggingFace's `WhisperForConditionalGeneration`, such as
/// `openai/whisper-medium`.
pub struct Whisper {
    model: whisper::Whisper,
    features: Features,
    rules: Rules,
    texts: TextIds,
    device: Device,
}

impl Whisper {
    /// Loads a folder with `config.json`, weights, `tokenizer.json`, `preprocessor_config.json`
    /// and `generation_config.json`.
    pub fn open(folder: &Path, device: &Device) -> Result<Self, JudgeError> {
        let files = Evaluator::open(folder, "whisper")?;
        let config: Config = files.json("config.json")?;
        config.validate()?;
        let settings: features::Config = files.json("preprocessor_config.json")?;
        let features = Features::new(&settings)?;
        features.fits(&config)?;
        let rules: Rules = files.json("generation_config.json")?;
        rules.validate(&config)?;
        let texts = files.text_ids(config.max_target_positions)?;
        let weights = files.weights()?.var_builder(DType::F32, device);
        let model = whisper::Whisper::load(&config, weights)?;
        Ok(Whisper { model, features, rules, texts, device: device.clone() })
    }

    /// The codes of the languages that can be transcribed, such as `en`.
    pub fn languages(&self) -> Vec<&str> {
        self.rules.languages()
    }

    /// Whether generation_config.json says which language is transcribed.
    pub fn names_language(&self) -> bool {
        self.rules.language.is_some()
    }

    /// The text of a sound of any rate and length. `language` is a code of [`Self::languages`];
    /// without it, that of `language` in generation_config.json is taken, or else the likeliest of
    /// the first window (30 s). Longer sounds are cut into windows where they are quiet
    /// ([`crate::models::whisper::windows`]), whose texts are joined by spaces.
    pub fn transcribe(&self, sound: &Sound, language: Option<&str>) -> Result<String, JudgeError> {
        let mut language = self.language(language)?;
        let rate = self.features.rate();
        let sound = sound.resampled(rate)?;
        let samples = sound.samples();
        let mut texts: Vec<String> = vec![];
        for window in windows(samples, self.features.samples(), rate as usize) {
            let states = self.states(&samples[window])?;
            if language.is_none() && self.rules.multilingual() {
                language = self.model.detect_language(&states, &self.rules)?;
            }
            let prefix = self.rules.prefix(language);
            let ids = self.model.transcribe(&states, &prefix, &self.rules)?;
            let text = self.texts.text(&self.rules.text(&ids))?;
            texts.extend(Some(text.trim().to_string()).filter(|text| !text.is_empty()));
        }
        Ok(texts.join(" "))
    }

    fn states(&self, samples: &[f32]) -> Result<Tensor, JudgeError> {
        Ok(self.model.encode(&self.features.extract(samples, &self.device)?)?)
    }

    /// The token of the language that is asked for, or that the checkpoint's files name.
    fn language(&self, wanted: Option<&str>) -> Result<Option<u32>, JudgeError> {
        let Some(code) = wanted.or(self.rules.language.as_deref()) else { return Ok(None) };
        match self.rules.knows(code) {
            true => Ok(self.rules.language(code)),
            false => Err(JudgeError::Language {
                code: code.to_string(),
                known: self.languages().join(", "),
            }),
        }
    }
}
