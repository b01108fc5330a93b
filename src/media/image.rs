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

    /// The middle of the picture at another size: cut, or with a black margin, per side. Where
    /// the margins cannot be equal, the one at the top or left is smaller by a pixel if it is cut
    /// off, and larger if it is added (transformers, `center_crop`). Sides of zero become one.
    pub fn centre(&self, width: u32, height: u32) -> RgbImage {
        let mut centre = RgbImage::filled(width, height, [0; 3]);
        let middle = |old: u32, new: u32| (i64::from(old) - i64::from(new)).div_euclid(2);
        let (left, top) = (middle(self.width, centre.width), middle(self.height, centre.height));
        let (old, new) = (self.width as usize * 3, centre.width as usize * 3);
        // Both pictures have `columns` bytes of a row in common.
        let (from, to) = (left.max(0) as usize * 3, (-left).max(0) as usize * 3);
        let columns = old.min(new);
        for (row, line) in (0i64..).zip(centre.data.chunks_exact_mut(new)) {
            let source = usize::try_from(row + top).ok();
            let source = source.and_then(|row| self.data.chunks_exact(old).nth(row));
            if let Some(source) = source {
                line[to..to + columns].copy_from_slice(&source[from..from + columns]);
            }
        }
        centre
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

    /// One row of grey bytes at another width, and the same as a column.
    fn middle_of(row: &[u8], side: u32) -> Vec<u8> {
        let data: Vec<u8> = row.iter().flat_map(|byte| [*byte; 3]).collect();
        let length = row.len() as u32;
        let across = RgbImage::new(length, 1, data.clone()).unwrap().centre(side, 1);
        let down = RgbImage::new(1, length, data).unwrap().centre(1, side);
        assert_eq!(across.data(), down.data());
        across.data().iter().copied().step_by(3).collect()
    }

    #[test]
    fn the_middle_is_cut_out_or_gets_a_margin() {
        assert_eq!(middle_of(&[1, 2, 3, 4, 5], 3), [2, 3, 4]);
        assert_eq!(middle_of(&[1, 2, 3, 4], 3), [1, 2, 3]);
        assert_eq!(middle_of(&[1, 2], 4), [0, 1, 2, 0]);
        assert_eq!(middle_of(&[1, 2], 5), [0, 0, 1, 2, 0]);
        assert_eq!(middle_of(&[7], 1), [7]);
        let image = RgbImage::filled(9, 2, [5, 6, 7]).centre(3, 2);
        assert_eq!(image, RgbImage::filled(3, 2, [5, 6, 7]));
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
