//! Images: 8-bit RGB, rows from the top, no padding.

use std::fmt;

use super::MediaError;

/// An RGB image of 8 bits per channel; both sides are at least 1.
#[derive(Clone, PartialEq, Eq)]
pub struct RgbImage {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

impl fmt::Debug for RgbImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RgbImage({}×{})", self.width, self.height)
    }
}

impl RgbImage {
    /// An image from interleaved RGB bytes, row by row from the top.
    pub fn new(width: u32, height: u32, data: Vec<u8>) -> Result<Self, MediaError> {
        if pixels(width, height, 3) != Some(data.len()) {
            return Err(MediaError::Length { count: data.len(), width, height });
        }
        Ok(RgbImage { width, height, data })
    }

    /// An image of one colour; sides of zero become one.
    pub fn filled(width: u32, height: u32, colour: [u8; 3]) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        RgbImage { width, height, data: colour.repeat(width as usize * height as usize) }
    }

    pub fn width(&self) -> u32 {
        self.width
    }

    pub fn height(&self) -> u32 {
        self.height
    }

    /// Interleaved RGB, row by row from the top.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// Channel planes `(channel, row, column)`, each value `(byte / 255 - mean) / std`.
    ///
    /// In the order of operations of torchvision's `ToTensor` and `Normalize`, so that the bits
    /// are equal to the reference's.
    pub fn to_normalised_chw(&self, mean: [f32; 3], std: [f32; 3]) -> Vec<f32> {
        let plane = self.data.len() / 3;
        let mut out = vec![0.0; self.data.len()];
        for (channel, out) in out.chunks_exact_mut(plane).enumerate() {
            // 256 possible inputs: a table is exact and fast.
            let table: [f32; 256] =
                std::array::from_fn(|byte| (byte as f32 / 255.0 - mean[channel]) / std[channel]);
            for (value, pixel) in out.iter_mut().zip(self.data.chunks_exact(3)) {
                *value = table[usize::from(pixel[channel])];
            }
        }
        out
    }

    /// From channel planes `(channel, row, column)` in 0..1: clamped, times 255, rounded half to
    /// even as numpy's `round` does.
    pub fn from_unit_chw(values: &[f32], width: u32, height: u32) -> Result<Self, MediaError> {
        if pixels(width, height, 3) != Some(values.len()) {
            return Err(MediaError::Length { count: values.len(), width, height });
        }
        if let Some(index) = values.iter().position(|value| value.is_nan()) {
            return Err(MediaError::NotANumber { index });
        }
        let plane = values.len() / 3;
        let mut data = Vec::with_capacity(values.len());
        for index in 0..plane {
            for channel in 0..3 {
                let value = values[channel * plane + index].clamp(0.0, 1.0);
                data.push((value * 255.0).round_ties_even() as u8);
            }
        }
        Ok(RgbImage { width, height, data })
    }
}

/// The number of values in an image; `None` when a side is zero or the product does not fit.
fn pixels(width: u32, height: u32, channels: usize) -> Option<usize> {
    if width == 0 || height == 0 {
        return None;
    }
    (width as usize).checked_mul(height as usize)?.checked_mul(channels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_and_back() {
        let image = RgbImage::new(2, 1, vec![0, 128, 255, 1, 2, 3]).unwrap();
        let planes = image.to_normalised_chw([0.0; 3], [1.0; 3]);
        assert_eq!(planes[1], 1.0 / 255.0);
        assert_eq!(planes[4], 1.0);
        assert_eq!(RgbImage::from_unit_chw(&planes, 2, 1).unwrap(), image);
    }

    #[test]
    fn normalisation_is_per_channel() {
        let image = RgbImage::filled(1, 1, [255, 0, 51]);
        assert_eq!(image.to_normalised_chw([0.5, 0.5, 0.2], [0.5, 0.25, 1.0]), [1.0, -2.0, 0.0]);
    }

    #[test]
    fn half_values_round_to_even_and_the_rest_is_clamped() {
        let values = [0.5 / 255.0, 1.5 / 255.0, f32::INFINITY];
        assert_eq!(RgbImage::from_unit_chw(&values, 1, 1).unwrap().data(), [0, 2, 255]);
        assert_eq!(RgbImage::from_unit_chw(&[-1.0, 2.0, 0.0], 1, 1).unwrap().data(), [0, 255, 0]);
    }

    #[test]
    fn not_a_number_and_wrong_lengths_are_refused() {
        let error = RgbImage::from_unit_chw(&[0.0, f32::NAN, 0.0], 1, 1).unwrap_err();
        assert!(matches!(error, MediaError::NotANumber { index: 1 }));
        assert!(RgbImage::from_unit_chw(&[0.0; 4], 1, 1).is_err());
        assert!(RgbImage::new(0, 5, vec![]).is_err());
        assert!(RgbImage::new(u32::MAX, u32::MAX, vec![1]).is_err());
    }
}
