//! Reading image files: PNG, JPEG and WebP, recognised by content and not by name.
//!
//! Three choices that differ from the Python reference, because people expect them: EXIF
//! orientation is applied (the reference ignores it), transparency is composited over white
//! (the reference drops the alpha channel and shows what is hidden under it), and 16-bit
//! channels are scaled to 8 bits with rounding. Colour profiles are not applied. Of an animated
//! image the first frame counts.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use image::error::ImageError;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::base::contained::contained;

use super::error::Expected;
use super::sniff::{HEAD, describe};
use super::{MediaError, RgbImage};

/// The longest side that is read.
pub const MAX_SIDE: u32 = 32_768;
/// The most pixels that are read: a 100-megapixel photograph still passes.
pub const MAX_PIXELS: u64 = 100_000_000;
/// The most bytes of a file, and of its pixels once decoded.
const MAX_BYTES: u64 = 1 << 30;

impl RgbImage {
    /// Reads an image file.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, MediaError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let failed = |source: io::Error| read_error(&name, Expected::Image, source);
        if path.metadata().map_err(failed)?.is_dir() {
            return Err(MediaError::Folder { name, expected: Expected::Image });
        }
        let mut file = File::open(path).map_err(failed)?;
        let mut bytes = Vec::new();
        // The head first: a film of many gigabytes is refused without being read.
        file.by_ref().take(HEAD).read_to_end(&mut bytes).map_err(failed)?;
        guess(&bytes, &name)?;
        file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(too_much(&name, bytes.len() as u64));
        }
        Self::decode(&bytes, &name)
    }

    /// Decodes the bytes of an image file; `name` is what errors call it.
    pub fn decode(bytes: &[u8], name: &str) -> Result<Self, MediaError> {
        let (format, label) = guess(bytes, name)?;
        contained(|| decode_as(bytes, name, format, label)).unwrap_or_else(|| {
            let reason = "its header or data make no sense".to_string();
            Err(MediaError::Damaged { name: name.into(), format: label, reason })
        })
    }
}

fn decode_as(
    bytes: &[u8],
    name: &str,
    format: ImageFormat,
    label: &'static str,
) -> Result<RgbImage, MediaError> {
    let damaged = |error: ImageError| decode_error(name, label, error);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    // Our own limits, checked on the header before pixels are decoded.
    reader.no_limits();
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    check_size(name, decoder.dimensions(), decoder.total_bytes())?;
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_BYTES);
    decoder.set_limits(limits).map_err(damaged)?;
    if format == ImageFormat::Jpeg && !jpeg_is_whole(bytes) {
        // The decoder would fill the missing part with grey.
        return Err(MediaError::Truncated { name: name.into(), format: label });
    }
    // Broken EXIF data is no reason to refuse a good picture.
    let orientation = decoder.orientation().ok();
    let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    if let Some(orientation) = orientation {
        picture.apply_orientation(orientation);
    }
    let (width, height) = (picture.width(), picture.height());
    RgbImage::new(width, height, to_rgb(picture))
}

/// RGB bytes; transparency is composited over white.
fn to_rgb(picture: DynamicImage) -> Vec<u8> {
    if !picture.color().has_alpha() {
        return picture.into_rgb8().into_raw();
    }
    let pixels = picture.into_rgba8().into_raw();
    let over_white = |pixel: &[u8]| {
        let alpha = u32::from(pixel[3]);
        [0, 1, 2].map(|c| ((u32::from(pixel[c]) * alpha + 255 * (255 - alpha) + 127) / 255) as u8)
    };
    pixels.chunks_exact(4).flat_map(over_white).collect()
}

pub(super) fn read_error(name: &str, expected: Expected, source: io::Error) -> MediaError {
    let name = name.to_string();
    match source.kind() {
        io::ErrorKind::NotFound => MediaError::Missing { name },
        io::ErrorKind::IsADirectory => MediaError::Folder { name, expected },
        _ => MediaError::Read { name, source },
    }
}

fn check_size(name: &str, (width, height): (u32, u32), bytes: u64) -> Result<(), MediaError> {
    let pixels = u64::from(width) * u64::from(height);
    let limit = if width > MAX_SIDE || height > MAX_SIDE {
        format!("{MAX_SIDE} pixels per side")
    } else if pixels > MAX_PIXELS {
        format!("{} megapixels", MAX_PIXELS / 1_000_000)
    } else if bytes > MAX_BYTES {
        return Err(too_much(name, bytes));
    } else {
        return Ok(());
    };
    Err(MediaError::TooLarge { name: name.into(), width, height, limit })
}

fn too_much(name: &str, bytes: u64) -> MediaError {
    MediaError::TooMuchMemory {
        name: name.into(),
        size: format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64),
        limit: "1 GiB".into(),
    }
}

fn guess(bytes: &[u8], name: &str) -> Result<(ImageFormat, &'static str), MediaError> {
    let name = name.to_string();
    if bytes.is_empty() {
        return Err(MediaError::Empty { name, expected: Expected::Image });
    }
    match image::guess_format(bytes) {
        Ok(ImageFormat::Png) => Ok((ImageFormat::Png, "PNG")),
        Ok(ImageFormat::Jpeg) => Ok((ImageFormat::Jpeg, "JPEG")),
        Ok(ImageFormat::WebP) => Ok((ImageFormat::WebP, "WebP")),
        Ok(other) => {
            let format = other.extensions_str().first().map_or("unknown", |text| *text);
            Err(MediaError::Format { name, format: format!("a {} file", format.to_uppercase()) })
        }
        Err(_) => Err(MediaError::NotAnImage { name, found: describe(bytes).into() }),
    }
}

fn decode_error(name: &str, format: &'static str, error: ImageError) -> MediaError {
    let name = name.to_string();
    if let ImageError::IoError(source) = &error
        && source.kind() == io::ErrorKind::UnexpectedEof
    {
        return MediaError::Truncated { name, format };
    }
    let reason = error.to_string();
    if reason.contains("unexpected end") || reason.contains("UnexpectedEof") {
        return MediaError::Truncated { name, format };
    }
    MediaError::Damaged { name, format, reason }
}

/// Whether the marker structure reaches the end-of-image marker.
///
/// A thumbnail inside an APP segment has its own end marker, so the segments have to be walked.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    let mut at = 2;
    loop {
        // To the next marker: 0xFF and neither a stuffed zero, a fill byte nor a restart marker.
        // In front of a segment this is where we stand; after a scan it skips the coded data.
        let marker = loop {
            let Some(offset) = bytes.get(at..).and_then(|r| r.iter().position(|b| *b == 0xFF))
            else {
                return false;
            };
            at += offset + 1;
            match bytes.get(at) {
                None => return false,
                Some(0x00 | 0xD0..=0xD7 | 0xFF) => {}
                Some(marker) => break *marker,
            }
        };
        if marker == 0xD9 {
            return true;
        }
        let Some(&[high, low]) = bytes.get(at + 1..at + 3) else {
            return false;
        };
        at += 1 + usize::from(u16::from_be_bytes([high, low])).max(2);
    }
}
