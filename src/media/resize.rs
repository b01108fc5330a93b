//! Resizing exactly as Pillow's `Image.resize(size, BICUBIC)` does it.
//!
//! The image tokenizer was trained on Pillow's pictures, and its codes change when the pixels
//! do, so this follows the arithmetic of Pillow's `Resample.c`: an antialiased kernel (its
//! support grows with the reduction), weights normalised in f64 and turned into 22-bit fixed
//! point, a horizontal pass and then a vertical one, each rounded and clipped to 8 bits.

use rayon::prelude::*;

use super::RgbImage;

/// 32 bits less 8 for the pixel and 2 for the overshoot of the kernel (Resample.c).
const PRECISION_BITS: u32 = 32 - 8 - 2;

/// The kernel's reach in source pixels, before it is stretched.
const SUPPORT: f64 = 2.0;

/// `image` at `width` × `height`, without regard to its proportions; sides of zero become one.
pub fn resize_bicubic(image: &RgbImage, width: u32, height: u32) -> RgbImage {
    let (width, height) = (width.max(1) as usize, height.max(1) as usize);
    let (old_width, old_height) = (image.width() as usize, image.height() as usize);
    // A pass that changes nothing is skipped, as in Pillow.
    let horizontal = (width != old_width).then(|| across(image.data(), old_width, width));
    let rows = horizontal.as_deref().unwrap_or(image.data());
    let vertical = (height != old_height).then(|| down(rows, width, old_height, height));
    let data = vertical.or(horizontal).unwrap_or_else(|| image.data().to_vec());
    // The lengths follow from the arguments, so this cannot fail; black is the honest fallback.
    RgbImage::new(width as u32, height as u32, data)
        .unwrap_or_else(|_| RgbImage::filled(width as u32, height as u32, [0; 3]))
}

/// Cubic convolution with a = -0.5.
fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// What one output pixel is made of: the first source pixel and the fixed-point weights.
struct Window {
    first: usize,
    weights: Vec<i32>,
}

fn windows(old: usize, new: usize) -> Vec<Window> {
    let scale = old as f64 / new as f64;
    let stretch = scale.max(1.0);
    let support = SUPPORT * stretch;
    (0..new)
        .map(|index| {
            let center = (index as f64 + 0.5) * scale;
            // Casts truncate towards zero, as in C.
            let first = ((center - support + 0.5) as i64).max(0) as usize;
            let end = ((center + support + 0.5) as i64).clamp(0, old as i64) as usize;
            let raw: Vec<f64> = (first..end)
                .map(|x| bicubic((x as f64 - center + 0.5) * (1.0 / stretch)))
                .collect();
            let total: f64 = raw.iter().sum();
            let fixed = |weight: &f64| {
                let weight = if total == 0.0 { *weight } else { weight / total };
                let scaled = weight * f64::from(1u32 << PRECISION_BITS);
                (if weight < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32
            };
            Window { first, weights: raw.iter().map(fixed).collect() }
        })
        .collect()
}

fn clip(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

const HALF: i32 = 1 << (PRECISION_BITS - 1);

/// The horizontal pass: rows of `old` pixels become rows of `new`.
fn across(data: &[u8], old: usize, new: usize) -> Vec<u8> {
    let windows = windows(old, new);
    let mut out = vec![0; data.len() / (old * 3) * new * 3];
    out.par_chunks_mut(new * 3).zip(data.par_chunks(old * 3)).for_each(|(out, row)| {
        for (pixel, window) in out.chunks_exact_mut(3).zip(&windows) {
            let mut sums = [HALF; 3];
            for (source, weight) in row[window.first * 3..].chunks_exact(3).zip(&window.weights) {
                for channel in 0..3 {
                    sums[channel] += i32::from(source[channel]) * weight;
                }
            }
            pixel.copy_from_slice(&sums.map(clip));
        }
    });
    out
}

/// The vertical pass: `old` rows become `new` rows.
fn down(data: &[u8], width: usize, old: usize, new: usize) -> Vec<u8> {
    let windows = windows(old, new);
    let stride = width * 3;
    let mut out = vec![0; stride * new];
    out.par_chunks_mut(stride).zip(windows.par_iter()).for_each(|(out, window)| {
        let mut sums = vec![HALF; stride];
        let rows = data[window.first * stride..].chunks_exact(stride);
        for (row, weight) in rows.zip(&window.weights) {
            for (sum, byte) in sums.iter_mut().zip(row) {
                *sum += i32::from(*byte) * weight;
            }
        }
        for (byte, sum) in out.iter_mut().zip(sums) {
            *byte = clip(sum);
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_colour_stays_one_colour() {
        let image = RgbImage::filled(7, 3, [3, 200, 255]);
        for (width, height) in [(1, 1), (14, 9), (3, 100), (7, 3)] {
            let resized = resize_bicubic(&image, width, height);
            assert_eq!(resized, RgbImage::filled(width, height, [3, 200, 255]));
        }
    }

    #[test]
    fn sides_of_zero_become_one() {
        let image = RgbImage::filled(2, 2, [9, 9, 9]);
        assert_eq!(resize_bicubic(&image, 0, 0), RgbImage::filled(1, 1, [9, 9, 9]));
    }
}
