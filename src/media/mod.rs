//! Media as plain data: reading, writing and converting what people see and hear.
//!
//! One module per medium. Nothing here knows of models or of the language; the choices that a
//! model makes (size, normalisation) come in as arguments.

pub mod error;
mod flac;
pub mod image;
mod image_file;
pub mod mel;
mod png_text;
mod resample;
mod resize;
mod sniff;
pub mod sound;
mod sound_file;
mod wav;

pub use error::{Expected, MediaError};
pub use flac::{encode_flac, read_flac_comment};
pub use image::RgbImage;
pub use image_file::{MAX_PIXELS, MAX_SIDE};
pub use png_text::{encode_png, png_text, read_png_text};
pub use resize::resize_bicubic;
pub use sound::Sound;
pub use sound_file::MAX_SAMPLES;
pub use wav::{encode_wav, read_wav_comment};
