//! What a file that is not what was asked for looks like, in words.

/// How many bytes from the start are enough.
pub const HEAD: u64 = 4096;

/// Guesses from the first bytes of a file, to be put behind "`x` is not an image: ".
pub fn describe(bytes: &[u8]) -> &'static str {
    let head = &bytes[..bytes.len().min(HEAD as usize)];
    // A cut in the middle of a character is no sign against text.
    let is_text = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && error.valid_up_to() > 0,
    };
    match head {
        _ if head.starts_with(b"%PDF") => "it is a PDF",
        _ if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP") => "it is a picture",
        _ if head.starts_with(b"RIFF") => "it is a sound or film file",
        _ if head.starts_with(b"fLaC") || head.starts_with(b"OggS") => "it is a sound file",
        _ if head.starts_with(b"ID3") => "it is a sound file",
        _ if head.get(4..8) == Some(b"ftyp") => "it is an MP4 or HEIC file",
        _ if image::guess_format(head).is_ok() => "it is a picture",
        _ if is_text && head.windows(4).any(|text| text == b"<svg") => "it is an SVG drawing",
        _ if is_text => "it looks like text",
        _ => "its content is not known",
    }
}
