//! Sounds as pictures of their frequencies over time.

use std::f32::consts::TAU;

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use crate::media::{MediaError, RgbImage, Sound};

/// Samples of a frame, under a Hann window.
const WINDOW: usize = 512;
/// Rows: frequencies from half the rate down to 0.
const ROWS: usize = WINDOW / 2;
const COLUMNS: usize = 480;
/// What is this much quieter than the loudest is black, in dB.
pub const DEPTH: f32 = 80.0;

/// Magnitudes of a short-time Fourier transform in dB below the loudest.
pub fn of(sound: &Sound) -> Result<RgbImage, MediaError> {
    let samples = sound.samples();
    let hop = samples.len().div_ceil(COLUMNS).max(32);
    let columns = samples.len().div_ceil(hop).max(1);
    let fft = FftPlanner::new().plan_fft_forward(WINDOW);
    let mut decibels = vec![-f32::INFINITY; columns * ROWS];
    for column in 0..columns {
        let mut frame: Vec<Complex<f32>> = (0..WINDOW)
            .map(|at| {
                let sample = samples.get(column * hop + at).copied().unwrap_or(0.0);
                let hann = 0.5 - 0.5 * (TAU * at as f32 / WINDOW as f32).cos();
                Complex::new(sample * hann, 0.0)
            })
            .collect();
        fft.process(&mut frame);
        for row in 0..ROWS {
            decibels[column * ROWS + row] = 20.0 * frame[row].norm().max(1e-9).log10();
        }
    }
    let loudest = decibels.iter().copied().fold(-f32::INFINITY, f32::max);
    let mut data = Vec::with_capacity(columns * ROWS * 3);
    for row in (0..ROWS).rev() {
        for column in 0..columns {
            let below = loudest - decibels[column * ROWS + row];
            data.extend(colour(1.0 - (below / DEPTH).clamp(0.0, 1.0)));
        }
    }
    let width = u32::try_from(columns).unwrap_or(u32::MAX);
    RgbImage::new(width, ROWS as u32, data)
}

/// From black over violet and orange to light yellow.
fn colour(level: f32) -> [u8; 3] {
    const STOPS: [[f32; 3]; 5] = [
        [0.0, 0.0, 4.0],
        [81.0, 18.0, 124.0],
        [183.0, 55.0, 121.0],
        [252.0, 137.0, 97.0],
        [252.0, 253.0, 191.0],
    ];
    let at = level * (STOPS.len() - 1) as f32;
    let low = (at as usize).min(STOPS.len() - 2);
    let part = at - low as f32;
    let mix = |channel: usize| {
        let (from, to) = (STOPS[low][channel], STOPS[low + 1][channel]);
        (from + (to - from) * part).round() as u8
    };
    [mix(0), mix(1), mix(2)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_a_line_at_its_frequency() {
        // 2,000 Hz of 16,000: a quarter of the way up.
        let samples = (0..16_000u16).map(|i| (TAU * f32::from(i) / 8.0).sin()).collect();
        let image = of(&Sound::new(16_000, samples).unwrap()).unwrap();
        let width = image.width() as usize;
        let bright = |row: usize| {
            let at = (row * width + width / 2) * 3;
            image.data()[at..at + 3].iter().map(|v| u32::from(*v)).sum::<u32>()
        };
        let brightest = (0..ROWS).max_by_key(|row| bright(*row)).unwrap();
        assert_eq!(brightest, ROWS - 1 - ROWS / 4);
        assert!(bright(10) < 60);
    }

    #[test]
    fn silence_and_nothing_are_drawn_too() {
        assert!(of(&Sound::new(16_000, vec![0.0; 100]).unwrap()).is_ok());
        assert!(of(&Sound::new(16_000, vec![0.0]).unwrap()).is_ok());
    }
}
