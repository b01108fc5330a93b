//! PNG files that carry text: a generated picture holds the recipe it was made by.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Seek};
use std::path::Path;

use super::error::Expected;
use super::image_file::read_error;
use super::{MediaError, RgbImage};

/// A PNG file of `image` with text chunks of (keyword, text).
///
/// Keywords are 1 to 79 Latin-1 characters. Plain ASCII goes into a `tEXt` chunk, which every
/// tool reads; anything else into an `iTXt` chunk, which is UTF-8.
pub fn encode_png(image: &RgbImage, texts: &[(String, String)]) -> Result<Vec<u8>, MediaError> {
    let failed = |error: png::EncodingError| MediaError::Encode { reason: error.to_string() };
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(Cursor::new(&mut bytes), image.width(), image.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    for (keyword, text) in texts {
        let (keyword, text) = (keyword.clone(), text.clone());
        let plain = text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte));
        if plain {
            encoder.add_text_chunk(keyword, text).map_err(failed)?;
        } else {
            encoder.add_itxt_chunk(keyword, text).map_err(failed)?;
        }
    }
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(image.data()).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

/// The text chunks of a PNG file, in the order tEXt, zTXt, iTXt.
pub fn read_png_text(path: impl AsRef<Path>) -> Result<Vec<(String, String)>, MediaError> {
    let name = path.as_ref().display().to_string();
    let file =
        File::open(path.as_ref()).map_err(|source| read_error(&name, Expected::Image, source))?;
    read_text(BufReader::new(file), &name)
}

/// The text chunks of PNG bytes; `name` is what errors call them.
pub fn png_text(bytes: &[u8], name: &str) -> Result<Vec<(String, String)>, MediaError> {
    read_text(Cursor::new(bytes), name)
}

/// A compressed text may not unfold to more than this.
const MAX_TEXT: usize = 16 << 20;

fn read_text<R: BufRead + Seek>(
    reader: R,
    name: &str,
) -> Result<Vec<(String, String)>, MediaError> {
    let damaged = |error: png::DecodingError| MediaError::Damaged {
        name: name.to_string(),
        format: "PNG",
        reason: error.to_string(),
    };
    let mut reader = png::Decoder::new(reader).read_info().map_err(damaged)?;
    // Text may also stand behind the pixels.
    reader.finish().map_err(damaged)?;
    let info = reader.info();
    let mut texts = Vec::new();
    for chunk in &info.uncompressed_latin1_text {
        texts.push((chunk.keyword.clone(), chunk.text.clone()));
    }
    for chunk in &info.compressed_latin1_text {
        let mut chunk = chunk.clone();
        chunk.decompress_text_with_limit(MAX_TEXT).map_err(damaged)?;
        texts.push((chunk.keyword.clone(), chunk.get_text().map_err(damaged)?));
    }
    for chunk in &info.utf8_text {
        let mut chunk = chunk.clone();
        chunk.decompress_text_with_limit(MAX_TEXT).map_err(damaged)?;
        texts.push((chunk.keyword.clone(), chunk.get_text().map_err(damaged)?));
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_chunks_come_back() {
        let image = RgbImage::filled(3, 2, [1, 2, 3]);
        let texts = vec![
            ("agpt".to_string(), "{\"seed\": 7}\nline".to_string()),
            ("prompt".to_string(), "ein Bär 🐻".to_string()),
        ];
        let bytes = encode_png(&image, &texts).unwrap();
        assert_eq!(png_text(&bytes, "x").unwrap(), texts);
        assert_eq!(RgbImage::decode(&bytes, "x").unwrap(), image);
    }

    #[test]
    fn bad_keywords_and_files_are_errors() {
        let image = RgbImage::filled(1, 1, [0; 3]);
        for keyword in ["", "🐻", &"k".repeat(80)] {
            assert!(encode_png(&image, &[(keyword.to_string(), "x".into())]).is_err());
        }
        assert!(png_text(b"nothing", "x").is_err());
        assert!(matches!(read_png_text("no/such.png"), Err(MediaError::Missing { .. })));
    }
}
