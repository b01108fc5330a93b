//! Writing FLAC files: 16-bit, one channel, with a comment that carries the recipe.

use flacenc::bitsink::ByteSink;
use flacenc::component::{BitRepr, MetadataBlockData};
use flacenc::error::Verify;
use flacenc::source::MemSource;

use super::{MediaError, Sound};

/// The number of the block of Vorbis comments (RFC 9639, section 8.6).
const VORBIS_COMMENT: u8 = 4;
/// A block's length has 24 bits.
const MAX_BLOCK: usize = (1 << 24) - 1;

/// The bytes of a FLAC file. Samples beyond -1..1 are clipped; `comment` is kept in the file.
pub fn encode_flac(sound: &Sound, comment: &str) -> Result<Vec<u8>, MediaError> {
    let failed = |reason: String| MediaError::EncodeSound { reason };
    let samples: Vec<i32> = sound.pcm_16().map(i32::from).collect();
    let config = flacenc::config::Encoder::default()
        .into_verified()
        .map_err(|(_, error)| failed(error.to_string()))?;
    let source = MemSource::from_samples(&samples, 1, 16, sound.rate() as usize);
    let mut stream = flacenc::encode_with_fixed_block_size(&config, source, config.block_size)
        .map_err(|error| failed(error.to_string()))?;
    // The last block is shorter and does not count (RFC 9639, section 8.2); the crate counts it,
    // and decoders then take the file for one of another kind.
    stream
        .stream_info_mut()
        .set_block_sizes(config.block_size, config.block_size)
        .map_err(|error| failed(error.to_string()))?;
    if !comment.is_empty() {
        let block = comments(comment);
        if block.len() > MAX_BLOCK {
            return Err(failed("its comment is too long".to_string()));
        }
        let block = MetadataBlockData::new_unknown(VORBIS_COMMENT, &block)
            .map_err(|error| failed(error.to_string()))?;
        stream.add_metadata_block(block);
    }
    let mut sink = ByteSink::new();
    stream.write(&mut sink).map_err(|error| failed(error.to_string()))?;
    Ok(sink.into_inner())
}

/// The block's body: the name of the writer, how many comments there are, and the comment.
fn comments(comment: &str) -> Vec<u8> {
    let counted = |text: &str| [&(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
    let field = format!("COMMENT={comment}");
    [counted("agpt"), 1u32.to_le_bytes().to_vec(), counted(&field)].concat()
}

/// The comment of a FLAC file, if it has one.
pub fn read_flac_comment(bytes: &[u8]) -> Option<String> {
    let mut rest = bytes.strip_prefix(b"fLaC")?;
    loop {
        let (head, body) = rest.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
        let (body, behind) = body.split_at_checked(length)?;
        if head[0] & 0x7F == VORBIS_COMMENT {
            return comment_in(body);
        }
        if head[0] & 0x80 != 0 {
            return None;
        }
        rest = behind;
    }
}

fn comment_in(block: &[u8]) -> Option<String> {
    fn number(bytes: &mut &[u8]) -> Option<usize> {
        let (number, behind) = bytes.split_first_chunk::<4>()?;
        *bytes = behind;
        Some(u32::from_le_bytes(*number) as usize)
    }
    fn counted<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
        let length = number(bytes)?;
        let (text, behind) = bytes.split_at_checked(length)?;
        *bytes = behind;
        Some(text)
    }
    let mut rest = block;
    counted(&mut rest)?;
    let count = number(&mut rest)?;
    for _ in 0..count {
        if let Some(text) = counted(&mut rest)?.strip_prefix(b"COMMENT=") {
            return String::from_utf8(text.to_vec()).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_and_comment_come_back() {
        let wave = (0..9000).map(|i| (i as f32 * 0.03).sin() * 0.5);
        let clipped = [0.0, 0.5, -0.25, 1.5, -2.0].into_iter();
        for samples in [clipped.collect::<Vec<_>>(), wave.collect(), vec![0.25]] {
            let sound = Sound::new(16_000, samples).unwrap();
            for comment in ["{\"seed\":1}", ""] {
                let bytes = encode_flac(&sound, comment).unwrap();
                let read = Sound::decode(&bytes, "made.flac").unwrap();
                assert_eq!(read.rate(), 16_000);
                let expected: Vec<f32> = sound.pcm_16().map(|v| f32::from(v) / 32768.0).collect();
                assert_eq!(read.samples(), expected);
                let expected = (!comment.is_empty()).then(|| comment.to_string());
                assert_eq!(read_flac_comment(&bytes), expected);
            }
        }
    }

    #[test]
    fn every_rate_of_a_model_is_written() {
        for rate in [8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000] {
            let bytes = encode_flac(&Sound::new(rate, vec![0.1; 700]).unwrap(), "").unwrap();
            assert_eq!(Sound::decode(&bytes, "made.flac").unwrap().rate(), rate);
        }
    }

    #[test]
    fn a_damaged_file_has_no_comment() {
        let sound = Sound::new(16_000, vec![0.0; 9]).unwrap();
        let bytes = encode_flac(&sound, "words").unwrap();
        for end in 0..bytes.len() {
            let _ = read_flac_comment(&bytes[..end]);
        }
        assert_eq!(read_flac_comment(&bytes[..40]), None);
    }
}
