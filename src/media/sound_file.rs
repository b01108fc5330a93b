//! Reading sound files: WAV, FLAC, MP3 and Ogg Vorbis, recognised by content and not by name.
//!
//! Channels are averaged. (The Python reference takes the first channel of spoken input and the
//! mean of music; a voice that is on the right channel only is silence to it.)

use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::panic::AssertUnwindSafe;
use std::path::Path;

use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;

use crate::base::contained::contained;

use super::error::Expected;
use super::image_file::read_error;
use super::sniff::{HEAD, describe};
use super::{MediaError, Sound};

/// The most samples (of one channel) that are read: an hour and a half at 48 kHz, 1 GiB.
pub const MAX_SAMPLES: u64 = 1 << 28;
/// Of this many packets one may be broken in the lossy formats, whose first packets may refer to
/// what was cut off in front of them.
const PACKETS_PER_BROKEN: usize = 10;

impl Sound {
    /// Reads a sound file.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, MediaError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let failed = |source: io::Error| read_error(&name, Expected::Sound, source);
        if path.metadata().map_err(failed)?.is_dir() {
            return Err(MediaError::Folder { name, expected: Expected::Sound });
        }
        let mut file = File::open(path).map_err(failed)?;
        let mut head = Vec::new();
        file.by_ref().take(HEAD).read_to_end(&mut head).map_err(failed)?;
        file.rewind().map_err(failed)?;
        read(Box::new(file), &head, &name)
    }

    /// Whether a file begins as one of the sound files that are read. A file that cannot be
    /// opened does not.
    pub fn is_likely(path: impl AsRef<Path>) -> bool {
        let mut head = Vec::new();
        let read = File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
        read.is_ok() && looks_like_sound(&head)
    }

    /// Decodes the bytes of a sound file; `name` is what errors call it.
    pub fn decode(bytes: &[u8], name: &str) -> Result<Self, MediaError> {
        let head = &bytes[..bytes.len().min(HEAD as usize)];
        read(Box::new(Cursor::new(bytes.to_vec())), head, name)
    }
}

fn read(source: Box<dyn MediaSource>, head: &[u8], name: &str) -> Result<Sound, MediaError> {
    if head.is_empty() {
        return Err(MediaError::Empty { name: name.into(), expected: Expected::Sound });
    }
    // Everything else is a search for what might be an MP3 frame in any kind of bytes.
    if !looks_like_sound(head) {
        return Err(MediaError::NotASound { name: name.into(), found: describe(head).into() });
    }
    let decoded = contained(AssertUnwindSafe(|| decode_stream(source, name)));
    decoded.unwrap_or_else(|| {
        let reason = "its header or data make no sense".to_string();
        Err(MediaError::Damaged { name: name.into(), format: "sound", reason })
    })
}

fn decode_stream(source: Box<dyn MediaSource>, name: &str) -> Result<Sound, MediaError> {
    let stream = MediaSourceStream::new(source, Default::default());
    let mut format = symphonia::default::get_probe()
        .probe(&Hint::new(), stream, FormatOptions::default(), MetadataOptions::default())
        .map_err(|error| damaged(name, "sound", &error))?;
    let label = label(format.format_info().short_name);
    let (track, mut decoder, promised) = open(format.as_ref(), name, label)?;
    let lossy = matches!(label, "MP3" | "Ogg Vorbis");
    let too_long = || MediaError::TooLong { name: name.into(), limit: MAX_SAMPLES };
    if promised.is_some_and(|frames| frames > MAX_SAMPLES) {
        return Err(too_long());
    }
    let (mut rate, mut samples) = (None, Vec::<f32>::new());
    let (mut packets, mut broken) = (0usize, Vec::<Error>::new());
    let mut interleaved = Vec::<f32>::new();
    loop {
        let packet = match format.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(Error::IoError(error)) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(damaged(name, label, &error)),
        };
        if packet.track_id != track {
            continue;
        }
        packets += 1;
        let buffer = match decoder.decode(&packet) {
            Ok(buffer) => buffer,
            Err(error @ (Error::DecodeError(_) | Error::IoError(_))) => {
                broken.push(error);
                continue;
            }
            Err(error) => return Err(damaged(name, label, &error)),
        };
        let channels = buffer.num_planes();
        if channels == 0 {
            continue;
        }
        if rate.replace(buffer.spec().rate()).is_some_and(|before| before != buffer.spec().rate()) {
            let reason = "the sampling rate changes in the middle".to_string();
            return Err(MediaError::Damaged { name: name.into(), format: label, reason });
        }
        buffer.copy_to_vec_interleaved(&mut interleaved);
        let share = 1.0 / channels as f32;
        let mean = |frame: &[f32]| frame.iter().sum::<f32>() * share;
        samples.extend(interleaved.chunks_exact(channels).map(mean));
        if samples.len() as u64 > MAX_SAMPLES {
            return Err(too_long());
        }
    }
    let tolerated = if lossy { packets.max(PACKETS_PER_BROKEN) / PACKETS_PER_BROKEN } else { 0 };
    if let Some(error) = broken.get(tolerated) {
        return Err(damaged(name, label, error));
    }
    // What WAV and FLAC promise is exact; in the lossy formats it may be an estimate.
    if !lossy && promised.is_some_and(|frames| frames > samples.len() as u64) {
        return Err(MediaError::Truncated { name: name.into(), format: label });
    }
    let Some(rate) = rate else {
        return Err(MediaError::EmptySound { name: name.into() });
    };
    Sound::new(rate, samples)
        .map_err(|error| MediaError::Sound { name: name.into(), source: Box::new(error) })
}

type Opened = (u32, Box<dyn AudioDecoder>, Option<u64>);

/// The first track that holds sound: its number, its decoder, and how many frames it promises.
fn open(format: &dyn FormatReader, name: &str, label: &'static str) -> Result<Opened, MediaError> {
    let track = format
        .default_track(TrackType::Audio)
        .ok_or_else(|| MediaError::EmptySound { name: name.into() })?;
    let parameters = track
        .codec_params
        .as_ref()
        .and_then(|parameters| parameters.audio())
        .ok_or_else(|| MediaError::EmptySound { name: name.into() })?;
    let decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(|error| damaged(name, label, &error))?;
    Ok((track.id, decoder, track.num_frames))
}

/// The first bytes of the formats that are read. An MP3 file begins with a tag or a frame.
fn looks_like_sound(head: &[u8]) -> bool {
    let mp3_frame = |bytes: &[u8]| bytes.len() > 1 && bytes[0] == 0xFF && bytes[1] & 0xE6 == 0xE2;
    (head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WAVE"))
        || head.starts_with(b"fLaC")
        || head.starts_with(b"OggS")
        || head.starts_with(b"ID3")
        || mp3_frame(head)
}

fn label(short_name: &str) -> &'static str {
    match short_name {
        "wave" => "WAV",
        "flac" => "FLAC",
        "ogg" => "Ogg Vorbis",
        "mp3" | "mp2" | "mp1" => "MP3",
        _ => "sound",
    }
}

fn damaged(name: &str, format: &'static str, error: &Error) -> MediaError {
    let name = name.to_string();
    match error {
        Error::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            MediaError::Truncated { name, format }
        }
        Error::Unsupported(what) => MediaError::Codec { name, what: (*what).into() },
        error => MediaError::Damaged { name, format, reason: error.to_string() },
    }
}
