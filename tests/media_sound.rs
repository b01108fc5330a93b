//! Sound files against what libsndfile makes of them (tests/reference/sound_fixtures.py), and
//! every way in which a file can be no sound.

use std::path::{Path, PathBuf};

use agpt::media::{MediaError, Sound};
use proptest::prelude::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sound").join(name)
}

fn load(name: &str) -> Sound {
    Sound::load(fixture(name)).unwrap_or_else(|error| panic!("{error}"))
}

fn error(name: &str) -> MediaError {
    match Sound::load(fixture(name)) {
        Err(error) => error,
        Ok(sound) => panic!("{name}: {} samples", sound.samples().len()),
    }
}

/// The tone that the script wrote: 0.5 · sin, faded in over 10 ms.
fn tone(rate: u32, count: usize, hertz: f64, loud: f64) -> Vec<f64> {
    let sample = |index: usize| {
        let time = index as f64 / f64::from(rate);
        loud * (std::f64::consts::TAU * hertz * time).sin() * (time * 100.0).min(1.0)
    };
    (0..count).map(sample).collect()
}

fn furthest(sound: &Sound, expected: &[f64]) -> f64 {
    assert_eq!(sound.samples().len(), expected.len());
    let pairs = sound.samples().iter().zip(expected);
    pairs.map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max)
}

#[test]
fn wav_files_of_every_sample_format_are_read() {
    let expected = tone(16_000, 1600, 440.0, 0.5);
    for (kind, step) in [
        ("pcm_u8", 128.0),
        ("pcm_16", 32768.0),
        ("pcm_24", 8_388_608.0),
        ("pcm_32", 8_388_608.0),
        ("float", 8_388_608.0),
        ("double", 8_388_608.0),
    ] {
        let sound = load(&format!("mono_{kind}.wav"));
        assert_eq!(sound.rate(), 16_000);
        let error = furthest(&sound, &expected);
        assert!(error <= 1.0 / step, "{kind}: {error}");
    }
}

#[test]
fn channels_are_averaged() {
    let left = tone(22_050, 4410, 330.0, 0.5);
    let right = tone(22_050, 4410, 550.0, 0.25);
    let mean: Vec<f64> = left.iter().zip(&right).map(|(a, b)| (a + b) / 2.0).collect();
    for name in ["stereo.wav", "stereo.flac"] {
        assert!(furthest(&load(name), &mean) <= 1.0 / 32768.0, "{name}");
    }
    assert!(furthest(&load("extensible.wav"), &mean[..1000]) <= 1.0 / 32768.0);
    let six: Vec<f64> = tone(16_000, 1600, 440.0, 0.5).iter().map(|x| x * 4.0 / 6.0).collect();
    assert!(furthest(&load("six.wav"), &six) <= 1.0 / 32768.0);
}

#[test]
fn lossy_files_are_near_to_libsndfile_s() {
    for (name, tolerance) in [("stereo.ogg", 1e-4), ("stereo.mp3", 1e-3)] {
        let (ours, theirs) = (load(name), load(&format!("{name}.expected.wav")));
        assert_eq!(ours.rate(), theirs.rate(), "{name}");
        let theirs: Vec<f64> = theirs.samples().iter().map(|x| f64::from(*x)).collect();
        let error = furthest(&ours, &theirs);
        assert!(error <= tolerance, "{name}: {error}");
    }
}

#[test]
fn silence_and_loudness_are_no_mistakes() {
    assert!(load("silence.wav").samples().iter().all(|sample| *sample == 0.0));
    let loudest = load("loud.wav").samples().iter().fold(0f32, |most, x| most.max(x.abs()));
    assert!(loudest > 3.9, "float samples beyond 1 are kept: {loudest}");
}

#[test]
fn a_wrong_name_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("song.png");
    std::fs::copy(fixture("stereo.flac"), &path).unwrap();
    assert_eq!(Sound::load(&path).unwrap(), load("stereo.flac"));
}

#[test]
fn what_is_no_sound_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        match Sound::load(&path) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("{name} was read"),
        }
    };
    assert!(write("empty.wav", b"").contains("is empty; a sound file was expected"));
    assert!(write("text.wav", b"hello, I am a song").contains("it looks like text"));
    let png = std::fs::read(fixture("../media/rgb.png")).unwrap();
    assert!(write("picture.wav", &png).contains("it is a picture"));
    assert!(write("noise.mp3", &[7, 255, 9, 200, 0, 1]).contains("its content is not known"));
    let missing = Sound::load(folder.path().join("none.wav")).unwrap_err();
    assert!(matches!(missing, MediaError::Missing { .. }), "{missing}");
    let not_a_file = Sound::load(folder.path()).unwrap_err();
    assert!(not_a_file.to_string().contains("is a folder, not a sound file"), "{not_a_file}");
    assert!(matches!(error("nothing.wav"), MediaError::EmptySound { .. }));
    let nan = error("nan.wav").to_string();
    assert!(nan.contains("not a number (at 0.010 s)"), "{nan}");
    let opus = error("opus.ogg").to_string();
    assert!(opus.contains("convert it to WAV"), "{opus}");
}

#[test]
fn files_that_end_too_early_are_told_from_whole_ones() {
    for name in ["mono_pcm_16.wav", "stereo.wav", "stereo.flac"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        let cut = Sound::decode(&bytes[..bytes.len() * 2 / 3], name);
        let reason = match cut {
            Err(error) => error.to_string(),
            Ok(sound) => panic!("{name}: {} samples", sound.samples().len()),
        };
        assert!(reason.contains("ends too early") || reason.contains("damaged"), "{reason}");
    }
}

#[test]
fn a_header_that_makes_the_decoder_overflow_is_an_error() {
    let mut bytes = std::fs::read(fixture("mono_pcm_16.wav")).unwrap();
    // 65,535 channels of two bytes are more than 16 bits can count.
    bytes[22..24].copy_from_slice(&[0xFF, 0xFF]);
    assert!(Sound::decode(&bytes, "loud.wav").is_err());
}

proptest! {
    /// Damage anywhere gives a sound or an error, never a panic.
    #[test]
    fn damage_never_panics(
        name in prop::sample::select(vec![
            "mono_pcm_16.wav", "extensible.wav", "mono_float.wav", "stereo.flac", "stereo.ogg",
            "stereo.mp3",
        ]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        head in any::<bool>(),
        keep in any::<prop::sample::Index>(),
    ) {
        let mut bytes = std::fs::read(fixture(name)).unwrap();
        for (index, value) in changes {
            // Headers are where the structure is.
            let within = if head { bytes.len().min(256) } else { bytes.len() };
            bytes[index.index(within)] = value;
        }
        bytes.truncate(1 + keep.index(bytes.len()));
        let _ = Sound::decode(&bytes, name);
    }
}
