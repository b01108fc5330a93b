//! What can be wrong with a medium, in the words of the person who gave it.

use std::io;

use thiserror::Error;

/// `name` is the path of the file, or a description where the bytes came from elsewhere.
#[derive(Debug, Error)]
pub enum MediaError {
    #[error("cannot read `{name}`: {source}; check that the path is right and readable")]
    Read { name: String, source: io::Error },

    #[error("there is no file `{name}`; check the path (it is taken from the current folder)")]
    Missing { name: String },

    #[error("`{name}` is a folder, not an image; name one file in it")]
    Folder { name: String },

    #[error("`{name}` is empty; an image was expected")]
    Empty { name: String },

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
}
