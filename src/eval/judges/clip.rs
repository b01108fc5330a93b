//! CLIP as a judge: how well pictures and texts fit.

use std::path::Path;

use candle_core::{DType, Device, Tensor};

use super::{JudgeError, ids_tensor, row, rows};
use crate::bundle::Evaluator;
use crate::bundle::evaluator::TextIds;
use crate::media::RgbImage;
use crate::models::clip::{self, picture};

/// Pictures that a GPU takes at a time. The CPU takes one, so that a picture's embedding does not
/// depend on its neighbours even in the last bit.
const BATCH: usize = 16;

/// A checkpoint of HuggingFace's `CLIPModel`, such as `openai/clip-vit-large-patch14`.
pub struct Clip {
    model: clip::Clip,
    picture: picture::Config,
    texts: TextIds,
    device: Device,
}

impl Clip {
    /// Loads a folder with `config.json`, weights, `tokenizer.json` and
    /// `preprocessor_config.json`.
    pub fn open(folder: &Path, device: &Device) -> Result<Self, JudgeError> {
        let files = Evaluator::open(folder, "clip")?;
        let config: clip::Config = files.json("config.json")?;
        let picture: picture::Config = files.json("preprocessor_config.json")?;
        picture.validate()?;
        let texts = files.text_ids(config.text.max_position_embeddings)?;
        let weights = files.weights()?.var_builder(DType::F32, device);
        let model = clip::Clip::load(&config, weights)?;
        Ok(Clip { model, picture, texts, device: device.clone() })
    }

    /// The embedding of a picture of any size, of length 1. What is far from square loses its
    /// ends: only the middle is seen.
    pub fn image(&self, image: &RgbImage) -> Result<Vec<f32>, JudgeError> {
        row(&self.model.image_embeds(&self.picture.pixels(image, &self.device)?)?)
    }

    /// The same of several.
    pub fn images(&self, images: &[RgbImage]) -> Result<Vec<Vec<f32>>, JudgeError> {
        let batch = if self.device.is_cpu() { 1 } else { BATCH };
        let mut embeds = Vec::with_capacity(images.len());
        for images in images.chunks(batch) {
            let pixels = images.iter().map(|image| self.picture.pixels(image, &self.device));
            let pixels = Tensor::cat(&pixels.collect::<Result<Vec<_>, _>>()?, 0);
            let pixels = pixels.map_err(crate::models::Error::from)?;
            embeds.extend(rows(&self.model.image_embeds(&pixels)?)?);
        }
        Ok(embeds)
    }

    /// The embedding of a text, of length 1; it is cut at 77 tokens (the checkpoint's
    /// `max_position_embeddings`).
    pub fn text(&self, text: &str) -> Result<Vec<f32>, JudgeError> {
        let ids = ids_tensor(&self.texts.ids(text)?, &self.device)?;
        row(&self.model.text_embeds(&ids)?)
    }

    /// What cosines are multiplied with before a softmax over candidates.
    pub fn logit_scale(&self) -> f32 {
        self.model.logit_scale()
    }
}
