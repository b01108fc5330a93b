//! Differences of pictures, and waveforms as drawings.

use std::fmt::Write as _;

use crate::media::{MediaError, RgbImage, Sound};

/// By how much a difference is brightened.
pub const GAIN: i32 = 8;

/// How far pixels are apart, brightened; none where the sizes differ.
pub fn difference(a: &RgbImage, b: &RgbImage) -> Result<Option<RgbImage>, MediaError> {
    if (a.width(), a.height()) != (b.width(), b.height()) {
        return Ok(None);
    }
    let apart = |(a, b): (&u8, &u8)| {
        let apart = (i32::from(*a) - i32::from(*b)).abs() * GAIN;
        u8::try_from(apart).unwrap_or(u8::MAX)
    };
    let data = a.data().iter().zip(b.data()).map(apart).collect();
    RgbImage::new(a.width(), a.height(), data).map(Some)
}

/// Columns of a waveform.
const COLUMNS: usize = 480;
const HEIGHT: f32 = 64.0;

/// The highest and lowest sample of each stretch, as an SVG.
pub fn waveform(sound: &Sound) -> String {
    let samples = sound.samples();
    let stretch = samples.len().div_ceil(COLUMNS).max(1);
    let mut path = String::new();
    for (column, stretch) in samples.chunks(stretch).enumerate() {
        let high = stretch.iter().copied().fold(0.0, f32::max).min(1.0);
        let low = stretch.iter().copied().fold(0.0, f32::min).max(-1.0);
        let top = (1.0 - high) * HEIGHT / 2.0;
        let height = ((high - low) * HEIGHT / 2.0).max(0.5);
        let _ = write!(path, "M{column} {top:.1}h1v{height:.1}h-1z");
    }
    format!(
        "<svg class=\"wave\" viewBox=\"0 0 {COLUMNS} {HEIGHT}\" preserveAspectRatio=\"none\">\
         <path d=\"{path}\"/></svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_brightened_and_bounded() {
        let (a, b) = (RgbImage::filled(2, 1, [10, 0, 255]), RgbImage::filled(2, 1, [12, 0, 0]));
        assert_eq!(difference(&a, &b).unwrap().unwrap().data()[..3], [16, 0, 255]);
        assert!(difference(&a, &RgbImage::filled(1, 1, [0; 3])).unwrap().is_none());
    }

    #[test]
    fn a_waveform_reaches_as_far_as_its_samples() {
        let sound = Sound::new(8000, vec![0.0, 1.0, -1.0, 0.0]).unwrap();
        let drawn = waveform(&sound);
        assert!(
            drawn.contains("M1 0.0h1v32.0h-1z") && drawn.contains("M2 32.0h1v32.0h-1z"),
            "{drawn}"
        );
    }
}
