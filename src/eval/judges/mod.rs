//! Networks that judge what was generated, each opened from a folder in the layout of
//! HuggingFace's repositories. They run in f32, so that scores of different machines compare.

mod clap;
mod clip;
mod error;
mod wavlm;
mod whisper;

pub use clap::Clap;
pub use clip::Clip;
pub use error::JudgeError;
pub use wavlm::WavLm;
pub use whisper::Whisper;

use candle_core::Tensor;

/// The rows of (batch, dim).
fn rows(embeds: &Tensor) -> Result<Vec<Vec<f32>>, JudgeError> {
    Ok(embeds.to_vec2::<f32>().map_err(crate::models::Error::from)?)
}

/// The only row of (1, dim).
fn row(embeds: &Tensor) -> Result<Vec<f32>, JudgeError> {
    let row = embeds.flatten_all().and_then(|row| row.to_vec1::<f32>());
    Ok(row.map_err(crate::models::Error::from)?)
}

/// (1, tokens)
fn ids_tensor(ids: &[u32], device: &candle_core::Device) -> Result<Tensor, JudgeError> {
    let ids = Tensor::new(ids, device).and_then(|ids| ids.unsqueeze(0));
    Ok(ids.map_err(crate::models::Error::from)?)
}
