//! WavLM as a judge: whether two voices are one person's.

use std::path::Path;

use candle_core::{DType, Device};

use super::JudgeError;
use crate::bundle::Evaluator;
use crate::media::Sound;
use crate::models::wavlm::{self, Config, Preprocessing};

/// A checkpoint of HuggingFace's `WavLMForXVector`, such as `microsoft/wavlm-base-plus-sv`.
pub struct WavLm {
    model: wavlm::WavLm,
    preprocessing: Preprocessing,
}

impl WavLm {
    /// Loads a folder with `config.json`, weights and `preprocessor_config.json`.
    pub fn open(folder: &Path, device: &Device) -> Result<Self, JudgeError> {
        let files = Evaluator::open(folder, "wavlm")?;
        let config: Config = files.json("config.json")?;
        config.validate()?;
        let preprocessing: Preprocessing = files.json("preprocessor_config.json")?;
        let weights = files.weights()?.var_builder(DType::F32, device);
        let model = wavlm::WavLm::load(&config, weights)?;
        Ok(WavLm { model, preprocessing })
    }

    /// The vector of the voice in a sound of any rate, of length 1; [`super::cosine`] compares two.
    /// The sound is heard as a whole, in time that grows with the square of its length; shorter
    /// than about 0.33 s it is refused, since the head takes a deviation over time.
    pub fn x_vector(&self, sound: &Sound) -> Result<Vec<f32>, JudgeError> {
        let sound = sound.resampled(self.preprocessing.sampling_rate)?;
        let least = self.model.config().least_samples();
        if sound.samples().len() < least {
            let least = least as f64 / f64::from(sound.rate());
            return Err(JudgeError::TooShort { seconds: sound.seconds(), least });
        }
        let vector = self.model.x_vector(&self.preprocessing.apply(sound.samples()))?;
        let size = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        if !size.is_finite() || size == 0. {
            return Err(JudgeError::NoDirection);
        }
        Ok(vector.into_iter().map(|x| (f64::from(x) / size) as f32).collect())
    }
}
