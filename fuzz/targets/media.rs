//! Pictures and sounds, with the recipes that they carry.

use agpt::media::{
    MAX_PIXELS, MAX_SAMPLES, RgbImage, Sound, png_text, read_flac_comment, read_wav_comment,
};

pub fn picture(bytes: &[u8]) {
    match RgbImage::decode(bytes, "fuzz") {
        Ok(image) => {
            let pixels = u64::from(image.width()) * u64::from(image.height());
            assert!(pixels <= MAX_PIXELS);
            assert_eq!(image.data().len() as u64, pixels * 3);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let _ = png_text(bytes, "fuzz");
}

pub fn sound(bytes: &[u8]) {
    match Sound::decode(bytes, "fuzz") {
        Ok(sound) => {
            assert!(sound.samples().len() as u64 <= MAX_SAMPLES);
            assert!(sound.samples().iter().all(|sample| sample.is_finite()));
            if sound.samples().len() < 100_000 {
                let _ = sound.resampled(16_000);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let _ = read_wav_comment(bytes);
    let _ = read_flac_comment(bytes);
}
