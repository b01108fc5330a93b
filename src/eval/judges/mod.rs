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

/// The cosine of the angle between two embeddings of length 1, −1 to 1: what CLIP and CLAP scores
/// are, and how alike two voices are. None when they are not of the same space.
pub fn cosine(a: &[f32], b: &[f32]) -> Option<f64> {
    let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
    (a.len() == b.len()).then(|| products.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_are_of_one_space_only() {
        assert_eq!(cosine(&[0.6, 0.8], &[0.8, 0.6]).map(|c| (c * 100.).round()), Some(96.));
        assert_eq!(cosine(&[1.], &[1., 0.]), None);
    }
}
