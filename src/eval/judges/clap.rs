//! CLAP as a judge: how well sounds and texts fit.

use std::path::Path;

use candle_core::{DType, Device, Tensor};

use super::{JudgeError, ids_tensor, row, rows};
use crate::bundle::Evaluator;
use crate::bundle::evaluator::TextIds;
use crate::media::Sound;
use crate::models::clap::{self, features};

/// Sounds that a GPU takes at a time; see [`super::Clip`].
const BATCH: usize = 16;

/// A checkpoint of HuggingFace's `ClapModel` without feature fusion, such as
/// `laion/clap-htsat-unfused` or `laion/larger_clap_music`.
pub struct Clap {
    model: clap::Clap,
    features: features::Features,
    texts: TextIds,
    device: Device,
}

impl Clap {
    /// Loads a folder with `config.json`, weights, `tokenizer.json` and
    /// `preprocessor_config.json`.
    pub fn open(folder: &Path, device: &Device) -> Result<Self, JudgeError> {
        let files = Evaluator::open(folder, "clap")?;
        let config: clap::Config = files.json("config.json")?;
        // Says what is wrong with a network with fusion before the features do.
        config.audio_config.validate()?;
        let features = features::Features::new(&files.json("preprocessor_config.json")?)?;
        let texts = files.text_ids(config.text_config.max_tokens())?;
        let weights = files.weights()?.var_builder(DType::F32, device);
        let model = clap::Clap::load(&config, weights)?;
        Ok(Clap { model, features, texts, device: device.clone() })
    }

    /// The embedding of a sound of any rate and length, of length 1. It is resampled; of a sound
    /// longer than the checkpoint takes (10 s), the middle is heard, and a shorter one is repeated
    /// as the checkpoint's `padding` says.
    pub fn sound(&self, sound: &Sound) -> Result<Vec<f32>, JudgeError> {
        row(&self.model.audio_embeds(&self.heard(sound)?)?)
    }

    /// The same of several.
    pub fn sounds(&self, sounds: &[Sound]) -> Result<Vec<Vec<f32>>, JudgeError> {
        let batch = if self.device.is_cpu() { 1 } else { BATCH };
        let mut embeds = Vec::with_capacity(sounds.len());
        for sounds in sounds.chunks(batch) {
            let heard = sounds.iter().map(|sound| self.heard(sound));
            let heard = Tensor::cat(&heard.collect::<Result<Vec<_>, _>>()?, 0);
            let heard = heard.map_err(crate::models::Error::from)?;
            embeds.extend(rows(&self.model.audio_embeds(&heard)?)?);
        }
        Ok(embeds)
    }

    /// The embedding of a text, of length 1; it is cut at 512 tokens (the positions of the
    /// checkpoint).
    pub fn text(&self, text: &str) -> Result<Vec<f32>, JudgeError> {
        let ids = ids_tensor(&self.texts.ids(text)?, &self.device)?;
        row(&self.model.text_embeds(&ids)?)
    }

    /// What cosines are multiplied with before a softmax: over texts for a sound, and over sounds
    /// for a text.
    pub fn logit_scales(&self) -> (f32, f32) {
        self.model.logit_scales()
    }

    fn heard(&self, sound: &Sound) -> Result<Tensor, JudgeError> {
        let sound = sound.resampled(self.features.rate())?;
        Ok(self.features.extract(sound.samples(), &self.device)?)
    }
}
