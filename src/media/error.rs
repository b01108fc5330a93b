//! What can be wrong with a medium, in the words of the person who gave it.

use std::fmt;
use std::io;

use thiserror::Error;

/// What a file was expected to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Image,
    Sound,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Expected::Image => "an image",
            Expected::Sound => "a sound file",
        })
    }
}

/// `name` is the path of the file, or a description where the bytes came from elsewhere.
#[derive(Debug, Error)]
pub enum MediaError {
    #[error("cannot read `{name}`: {source}; check that the path is right and readable")]
    Read { name: String, source: io::Error },

    #[error("there is no file `{name}`; check the path (it is taken from the current folder)")]
    Missing { name: String },

    #[error("`{name}` is a folder, not {expected}; name one file in it")]
    Folder { name: String, expected: Expected },

    #[error("`{name}` is empty; {expected} was expected")]
    Empty { name: String, expected: Expected },

    #[error("`{name}` is not an image: {found}; give a PNG, JPEG or WebP file")]
    NotAnImage { name: String, found: String },

    #[error("`{name}` is {format}, which cannot be read; convert it to PNG, JPEG or WebP")]
    Format { name: String, format: String },

    #[error(
        "`{name}` is {width}×{height} pixels, more than the limit of {limit}; \
         make it smaller first"
    )]
    TooLarge { name: String, width: u32, height: u32, limit: String },

    #[error(
        "`{name}` is too large ({size}), more than the limit of {limit}; make it smaller first"
    )]
    TooMuchMemory { name: String, size: String, limit: String },

    #[error("the {format} file `{name}` ends too early; fetch or export it again")]
    Truncated { name: String, format: &'static str },

    #[error("the {format} file `{name}` is damaged: {reason}; fetch or export it again")]
    Damaged { name: String, format: &'static str, reason: String },

    #[error("{count} values cannot be an image of {width}×{height} pixels")]
    Length { count: usize, width: u32, height: u32 },

    #[error("the image holds a value that is not a number (at index {index})")]
    NotANumber { index: usize },

    #[error("cannot write a PNG: {reason}")]
    Encode { reason: String },

    #[error("`{name}` is not a sound file: {found}; give a WAV, FLAC, MP3 or Ogg Vorbis file")]
    NotASound { name: String, found: String },

    #[error("`{name}` cannot be read ({what}); convert it to WAV, FLAC, MP3 or Ogg Vorbis")]
    Codec { name: String, what: String },

    #[error("`{name}` holds no sound; record or export it again")]
    EmptySound { name: String },

    #[error("`{name}` is longer than {limit} samples, the limit; cut it first")]
    TooLong { name: String, limit: u64 },

    #[error("`{name}`: {source}")]
    Sound { name: String, source: Box<MediaError> },

    #[error("a sampling rate of {rate} Hz is outside what can be used, {least} to {most} Hz")]
    Rate { rate: u32, least: u32, most: u32 },

    #[error("the sound holds no samples")]
    NoSamples,

    #[error("the sound holds a sample that is not a number (at {seconds:.3} s)")]
    SampleNotANumber { seconds: f64 },

    #[error("cannot write a WAV: {reason}")]
    EncodeSound { reason: String },
}
