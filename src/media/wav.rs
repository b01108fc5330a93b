//! Writing WAV files: 16-bit PCM, one channel, with a comment that carries the recipe.

use std::io::Cursor;

use hound::{SampleFormat, WavSpec, WavWriter};

use super::{MediaError, Sound};

/// The chunk of comments, and the comment field in it (Multimedia Programming Interface and Data
/// Specifications 1.0, "INFO list chunk").
const LIST: &[u8] = b"LIST";
const INFO_COMMENT: &[u8] = b"INFOICMT";

/// The bytes of a WAV file. Samples beyond -1..1 are clipped; `comment` is kept in the file.
pub fn encode_wav(sound: &Sound, comment: &str) -> Result<Vec<u8>, MediaError> {
    let failed = |reason: String| MediaError::EncodeSound { reason };
    let spec = WavSpec {
        channels: 1,
        sample_rate: sound.rate(),
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut bytes = Vec::new();
    let mut writer =
        WavWriter::new(Cursor::new(&mut bytes), spec).map_err(|error| failed(error.to_string()))?;
    for sample in sound.pcm_16() {
        writer.write_sample(sample).map_err(|error| failed(error.to_string()))?;
    }
    writer.finalize().map_err(|error| failed(error.to_string()))?;
    if !comment.is_empty() {
        append_comment(&mut bytes, comment).ok_or_else(|| failed("it is too long".to_string()))?;
    }
    Ok(bytes)
}

/// Adds the comment behind the samples and corrects the length of the whole; `None` if 32 bits
/// do not hold it.
fn append_comment(bytes: &mut Vec<u8>, comment: &str) -> Option<()> {
    // The text ends with a zero, and a chunk has an even length.
    let padded = (comment.len() + 1).next_multiple_of(2);
    bytes.extend_from_slice(LIST);
    bytes.extend_from_slice(&u32::try_from(INFO_COMMENT.len() + 4 + padded).ok()?.to_le_bytes());
    bytes.extend_from_slice(INFO_COMMENT);
    bytes.extend_from_slice(&u32::try_from(padded).ok()?.to_le_bytes());
    bytes.extend_from_slice(comment.as_bytes());
    bytes.resize(bytes.len() + padded - comment.len(), 0);
    let whole = u32::try_from(bytes.len() - 8).ok()?;
    bytes.get_mut(4..8)?.copy_from_slice(&whole.to_le_bytes());
    Some(())
}

/// The comment of a WAV file, if it has one.
pub fn read_wav_comment(bytes: &[u8]) -> Option<String> {
    let mut at = 12;
    loop {
        let size = bytes.get(at + 4..at + 8)?;
        let size = u32::from_le_bytes(size.try_into().ok()?) as usize;
        let body = at + 8;
        if bytes.get(at..at + 4)? == LIST {
            let list = bytes.get(body..body.checked_add(size)?)?;
            let text = list.strip_prefix(INFO_COMMENT)?.get(4..)?;
            let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
            return String::from_utf8(text[..end].to_vec()).ok();
        }
        at = body.checked_add(size)?.checked_next_multiple_of(2)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_and_comment_come_back() {
        let sound = Sound::new(16_000, vec![0.0, 0.5, -0.25, 1.5, -2.0]).unwrap();
        for comment in ["{\"seed\":1}", "odd", ""] {
            let bytes = encode_wav(&sound, comment).unwrap();
            let read = Sound::decode(&bytes, "made.wav").unwrap();
            assert_eq!(read.rate(), 16_000);
            assert_eq!(read.samples(), [0.0, 0.5, -0.25, 32767.0 / 32768.0, -1.0]);
            let expected = (!comment.is_empty()).then(|| comment.to_string());
            assert_eq!(read_wav_comment(&bytes), expected);
        }
    }

    #[test]
    fn a_damaged_file_has_no_comment() {
        let sound = Sound::new(16_000, vec![0.0; 9]).unwrap();
        let bytes = encode_wav(&sound, "words").unwrap();
        for end in 0..bytes.len() {
            let _ = read_wav_comment(&bytes[..end]);
        }
        assert_eq!(read_wav_comment(&bytes[..40]), None);
    }
}
