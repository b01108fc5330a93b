//! SEED-2 as a tokenizer of images.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use candle_nn::VarBuilder;

use crate::media::resize_bicubic;
use crate::models::seed_tokenizer::{Config, Encoder};
use crate::runtime::error::Failure;
use crate::runtime::roles::Tokenizer;
use crate::runtime::value::Media;

/// Images encoded at once; bounds the memory of a long list.
const BATCH: usize = 16;

pub struct SeedTokenizer {
    encoder: Encoder,
    config: Config,
    device: Device,
}

impl SeedTokenizer {
    pub fn load(config: Config, weights: VarBuilder<'_>) -> Result<Self, Failure> {
        let device = weights.device().clone();
        let encoder = Encoder::load(&config, weights)?;
        Ok(SeedTokenizer { encoder, config, device })
    }

    /// As the reference: squeezed to a square without regard to the aspect, bicubic on bytes.
    fn pixels(&self, media: &Media) -> Result<Vec<f32>, Failure> {
        let Media::Image(image) = media else {
            return Err(Failure::Defect(media.medium().name(), "image"));
        };
        let side = u32::try_from(self.config.image_size)
            .map_err(|_| Failure::Defect("image size", "32-bit number"))?;
        let image = resize_bicubic(image, side, side);
        let f32s = |values: [f64; 3]| values.map(|value| value as f32);
        Ok(image.to_normalised_chw(f32s(self.config.image_mean), f32s(self.config.image_std)))
    }
}

impl Tokenizer for SeedTokenizer {
    fn encode(&self, media: &[Arc<Media>]) -> Result<Vec<Vec<u32>>, Failure> {
        let side = self.config.image_size;
        let mut codes = Vec::with_capacity(media.len());
        for batch in media.chunks(BATCH) {
            let mut pixels = Vec::with_capacity(batch.len() * 3 * side * side);
            for image in batch {
                pixels.extend(self.pixels(image)?);
            }
            let shape = (batch.len(), 3, side, side);
            let pixels = Tensor::from_vec(pixels, shape, &self.device)
                .map_err(crate::models::Error::from)?;
            let batch = self.encoder.encode(&pixels)?;
            codes.extend(batch.to_vec2::<u32>().map_err(crate::models::Error::from)?);
        }
        Ok(codes)
    }
}
