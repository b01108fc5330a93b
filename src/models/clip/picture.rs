//! What is done to a picture before CLIP's image encoder sees it: HuggingFace's
//! `CLIPImageProcessor` on Pillow, as `preprocessor_config.json` describes it.

use super::super::{Check, Error, Result};
use crate::media::{MAX_PIXELS, RgbImage, resize_bicubic};
use candle_core::{Device, Tensor};
use serde::Deserialize;

const MODEL: &str = "clip image processor";

/// Pillow's number of the bicubic filter.
const BICUBIC: u32 = 3;

/// `preprocessor_config.json`, with CLIPImageProcessor's defaults.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Config {
    pub do_resize: bool,
    pub size: Size,
    pub resample: u32,
    pub do_center_crop: bool,
    pub crop_size: Size,
    pub do_rescale: bool,
    pub rescale_factor: f64,
    pub do_normalize: bool,
    pub image_mean: [f32; 3],
    pub image_std: [f32; 3],
}

/// A size: older files have one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Size {
    Number(u32),
    Shortest { shortest_edge: u32 },
    Both { height: u32, width: u32 },
}

impl Default for Config {
    fn default() -> Self {
        Self {
            do_resize: true,
            size: Size::Shortest { shortest_edge: 224 },
            resample: BICUBIC,
            do_center_crop: true,
            crop_size: Size::Both { height: 224, width: 224 },
            do_rescale: true,
            rescale_factor: 1. / 255.,
            do_normalize: true,
            image_mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
            image_std: [0.268_629_54, 0.261_302_6, 0.275_777_1],
        }
    }
}

impl Config {
    pub fn validate(&self) -> Result<()> {
        let check = Check(MODEL);
        if self.resample != BICUBIC {
            return check.fail("resample", format!("is {}, not 3 (bicubic)", self.resample));
        }
        if !self.do_rescale || (self.rescale_factor * 255. - 1.).abs() > 1e-6 {
            return check.fail("rescale_factor", "must be there and 1/255");
        }
        if !self.do_normalize {
            return check.fail("do_normalize", "must be true");
        }
        for std in self.image_std {
            check.finite("image_std", f64::from(std))?;
        }
        for (field, size) in [("size", self.size), ("crop_size", self.crop_size)] {
            let least = match size {
                Size::Number(side) | Size::Shortest { shortest_edge: side } => side,
                Size::Both { height, width } => height.min(width),
            };
            check.positive(field, least as usize)?;
        }
        match self.crop_size {
            Size::Shortest { .. } => check.fail("crop_size", "must have a height and a width"),
            _ => Ok(()),
        }
    }

    /// A picture of any size → (1, 3, height, width): its shortest side resized, its middle cut
    /// out (black where it has no pixels), `(byte / 255 − mean) / std`.
    pub fn pixels(&self, image: &RgbImage, device: &Device) -> Result<Tensor> {
        self.validate()?;
        let resized = if self.do_resize { Some(self.resized(image)?) } else { None };
        let image = resized.as_ref().unwrap_or(image);
        let cropped = match self.crop_size {
            _ if !self.do_center_crop => None,
            Size::Both { height, width } => Some(image.centre(width, height)),
            Size::Number(side) | Size::Shortest { shortest_edge: side } => {
                Some(image.centre(side, side))
            }
        };
        let image = cropped.as_ref().unwrap_or(image);
        let values = image.to_normalised_chw(self.image_mean, self.image_std);
        let shape = (1, 3, image.height() as usize, image.width() as usize);
        Ok(Tensor::from_vec(values, shape, device)?)
    }

    fn resized(&self, image: &RgbImage) -> Result<RgbImage> {
        let (width, height) = (u64::from(image.width()), u64::from(image.height()));
        let (new_width, new_height) = match self.size {
            Size::Both { height, width } => (u64::from(width), u64::from(height)),
            Size::Number(side) | Size::Shortest { shortest_edge: side } => {
                let side = u64::from(side);
                let long = side * width.max(height) / width.min(height);
                if width <= height { (side, long) } else { (long, side) }
            }
        };
        let sides = (u32::try_from(new_width), u32::try_from(new_height));
        match sides {
            (Ok(new_width), Ok(new_height))
                if u64::from(new_width) * u64::from(new_height) <= MAX_PIXELS =>
            {
                Ok(resize_bicubic(image, new_width, new_height))
            }
            _ => Err(Error::Input {
                model: MODEL,
                input: "the picture",
                got: vec![height as usize, width as usize],
                expected: "a side that is not so much longer than the other".to_string(),
            }),
        }
    }
}
