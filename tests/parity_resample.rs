//! Resampling against torchaudio, whose arithmetic the published program uses (tests/reference).

use agpt::media::Sound;
use candle_core::Device;
use candle_core::safetensors::load;

#[test]
fn sounds_are_resampled_as_torchaudio_does() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/models/resample.safetensors");
    let tensors = load(path, &Device::Cpu).unwrap();
    let values = |name: &str| tensors[name].to_vec1::<f32>().unwrap();
    let mut compared = 0;
    for name in tensors.keys().filter(|name| name.contains(|c: char| c.is_ascii_digit())) {
        let (source, rates) = match name.strip_prefix("short_") {
            Some(rates) => ("short", rates),
            None => ("sound", name.as_str()),
        };
        let (from, to) = rates.split_once('_').unwrap();
        let sound = Sound::new(from.parse().unwrap(), values(source)).unwrap();
        let made = sound.resampled(to.parse().unwrap()).unwrap();
        let wanted = values(name);
        assert_eq!(made.samples().len(), wanted.len(), "{name}");
        let off = made.samples().iter().zip(&wanted).map(|(a, b)| (a - b).abs());
        let most = off.fold(0f32, f32::max);
        assert!(most < 2e-6, "{name}: {most}");
        compared += 1;
    }
    assert_eq!(compared, 9);
}
