//! EnCodec as tokenizer and de-tokenizer of music. The codebooks take turns within a frame, and
//! each adds its number times the codebook's size to its codes.

use std::sync::Arc;

use crate::base::Medium;
use crate::base::rng::Stream;
use crate::media::Sound;
use crate::models::encodec::Encodec;
use crate::runtime::error::Failure;
use crate::runtime::events::Events;
use crate::runtime::roles::{Detokenizer, Tokenizer};
use crate::runtime::settings::Settings;
use crate::runtime::value::Media;

use super::sound::samples;

pub struct MusicCodec(pub Arc<Encodec>);

impl Tokenizer for MusicCodec {
    fn encode(&self, media: &[Arc<Media>]) -> Result<Vec<Vec<u32>>, Failure> {
        let config = self.0.config();
        let encode = |media: &Arc<Media>| {
            let sound = samples(media, Medium::Music, config.sampling_rate)?;
            Ok(interleave(&self.0.encode(sound.samples())?, config.codebook_size as u32))
        };
        media.iter().map(encode).collect()
    }
}

impl Detokenizer for MusicCodec {
    fn decode(
        &self,
        codes: &[u32],
        _: &Settings,
        _: &mut Stream,
        _: &mut dyn Events,
    ) -> Result<Media, Failure> {
        let config = self.0.config();
        let books = separate(codes, config.num_quantizers(), config.codebook_size as u32)?;
        Ok(Media::Music(Sound::new(config.sampling_rate, self.0.decode(&books)?)?))
    }
}

/// Codebooks of frames → frame by frame, codebook by codebook.
fn interleave(books: &[Vec<u32>], size: u32) -> Vec<u32> {
    let frames = books.first().map_or(0, Vec::len);
    let frame = |frame: usize| {
        books.iter().zip(0u32..).map(move |(codes, book)| codes[frame] + book * size)
    };
    (0..frames).flat_map(frame).collect()
}

/// The inverse of [`interleave`].
fn separate(codes: &[u32], count: usize, size: u32) -> Result<Vec<Vec<u32>>, Failure> {
    let medium = Medium::Music;
    if codes.is_empty() || !codes.len().is_multiple_of(count) {
        let expected = (codes.len() + 1).next_multiple_of(count);
        return Err(Failure::CodeCount { medium, count: codes.len(), expected });
    }
    let mut books = vec![Vec::with_capacity(codes.len() / count); count];
    for frame in codes.chunks_exact(count) {
        for ((code, book), number) in frame.iter().zip(&mut books).zip(0u32..) {
            match code.checked_sub(number * size) {
                Some(value) if value < size => book.push(value),
                _ => return Err(Failure::Turn { code: *code, book: number as usize }),
            }
        }
    }
    Ok(books)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codebooks_take_turns() {
        let books = vec![vec![1, 2, 3], vec![4, 5, 6]];
        let codes = interleave(&books, 10);
        assert_eq!(codes, [1, 14, 2, 15, 3, 16]);
        assert_eq!(separate(&codes, 2, 10).unwrap(), books);
        assert!(matches!(
            separate(&codes[..3], 2, 10),
            Err(Failure::CodeCount { expected: 4, .. })
        ));
        assert!(matches!(separate(&[], 2, 10), Err(Failure::CodeCount { expected: 2, .. })));
        let swapped = separate(&[14, 1], 2, 10);
        assert!(matches!(swapped, Err(Failure::Turn { code: 14, book: 0 })));
    }
}
