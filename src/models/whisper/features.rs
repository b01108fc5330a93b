//! The log-mel spectrogram of a window, as transformers' `WhisperFeatureExtractor` makes it
//! (Radford et al. 2022, section 2.2; `feature_extraction_whisper.py`).

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::super::{Check, Error, Result};
use crate::media::mel::{MelBank, MelScale, MelSettings};
use crate::media::sound::RATES;

const MODEL: &str = "whisper features";
/// In Hz, whatever the sampling rate.
const HIGHEST_FREQUENCY: f64 = 8000.;
/// Powers below this count as this.
const LEAST_POWER: f64 = 1e-10;
/// How far below the loudest the quietest may be, in powers of ten.
const RANGE: f64 = 8.;
/// No published window is near these; damage must not ask for all memory.
const MAX_SECONDS: usize = 3600;
const MAX_SIDE: usize = 1 << 16;

/// The published `preprocessor_config.json`; fields that are left out have transformers' defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Mel bins.
    pub feature_size: usize,
    /// In Hz.
    pub sampling_rate: u32,
    pub hop_length: usize,
    /// Length of a window in seconds.
    pub chunk_length: usize,
    pub n_fft: usize,
    pub padding_value: f32,
    /// Loudness of noise that is added; only 0 is supported.
    pub dither: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            feature_size: 80,
            sampling_rate: 16_000,
            hop_length: 160,
            chunk_length: 30,
            n_fft: 400,
            padding_value: 0.,
            dither: 0.,
        }
    }
}

impl Config {
    pub fn validate(&self) -> Result<()> {
        let check = Check(MODEL);
        for (field, value, most) in [
            ("feature_size", self.feature_size, MAX_SIDE),
            ("hop_length", self.hop_length, MAX_SIDE),
            ("chunk_length", self.chunk_length, MAX_SECONDS),
            ("n_fft", self.n_fft, MAX_SIDE),
        ] {
            if !(1..=most).contains(&value) {
                return check.fail(field, format!("is {value}, expected 1 to {most}"));
            }
        }
        if !RATES.contains(&self.sampling_rate) {
            let (least, most) = (RATES.start(), RATES.end());
            return check.fail("sampling_rate", format!("must be {least} to {most}"));
        }
        if !self.n_fft.is_multiple_of(2) || self.n_fft > self.samples() {
            let samples = self.samples();
            return check.fail("n_fft", format!("must be even and at most {samples}"));
        }
        if !self.padding_value.is_finite() {
            return check.fail("padding_value", "is not a number");
        }
        if self.dither != 0. {
            return check.fail("dither", "must be 0; added noise is not supported");
        }
        Ok(())
    }

    /// Samples of a window.
    pub fn samples(&self) -> usize {
        self.chunk_length.saturating_mul(self.sampling_rate as usize)
    }

    /// Frames of a window.
    pub fn frames(&self) -> usize {
        self.samples() / self.hop_length.max(1)
    }
}

/// Makes spectrograms.
pub struct Features {
    config: Config,
    bank: MelBank,
}

impl Features {
    pub fn new(config: &Config) -> Result<Self> {
        config.validate()?;
        let bank = MelBank::new(&MelSettings {
            rate: config.sampling_rate,
            frame: config.n_fft,
            hop: config.hop_length,
            filters: config.feature_size,
            lowest: 0.,
            highest: HIGHEST_FREQUENCY,
            scale: MelScale::Slaney,
        });
        Ok(Self { config: config.clone(), bank })
    }

    /// In Hz.
    pub fn rate(&self) -> u32 {
        self.config.sampling_rate
    }

    /// Samples of a window.
    pub fn samples(&self) -> usize {
        self.config.samples()
    }

    /// Whether the network takes these spectrograms.
    pub fn fits(&self, network: &super::Config) -> Result<()> {
        let check = Check(MODEL);
        let (bins, wanted) = (self.config.feature_size, network.num_mel_bins);
        if bins != wanted {
            return check
                .fail("feature_size", format!("is {bins}, but the network takes {wanted}"));
        }
        let (frames, wanted) = (self.config.frames(), network.frames());
        if frames != wanted {
            let reason = format!("makes {frames} frames, but the network takes {wanted}");
            return check.fail("chunk_length", reason);
        }
        Ok(())
    }

    /// At most a window of finite samples at `sampling_rate`, filled up with silence →
    /// (1, feature_size, frames).
    pub fn extract(&self, samples: &[f32], device: &Device) -> Result<Tensor> {
        let most = self.config.samples();
        if samples.len() > most || samples.iter().any(|sample| !sample.is_finite()) {
            return Err(Error::Input {
                model: MODEL,
                input: "samples",
                got: vec![samples.len()],
                expected: format!("at most {most} finite numbers"),
            });
        }
        let mut window = samples.to_vec();
        window.resize(most, self.config.padding_value);
        let (bins, frames) = (self.config.feature_size, self.config.frames());
        let mut mels = self.bank.power(&window);
        // The last frame, half of which is the mirrored end, does not count; nor as the loudest.
        mels.truncate(bins * frames);
        mels.iter_mut().for_each(|power| *power = libm::log10(power.max(LEAST_POWER)));
        let loudest = mels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let scaled = mels.iter().map(|mel| ((mel.max(loudest - RANGE) + 4.) / 4.) as f32);
        let rows = Tensor::from_vec(scaled.collect(), (frames, bins), device)?;
        Ok(rows.t()?.contiguous()?.unsqueeze(0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_settings_are_refused() {
        let field = |config: Config| match Features::new(&config) {
            Err(Error::Config { field, .. }) => field,
            _ => "",
        };
        let good = Config::default;
        assert_eq!(field(good()), "");
        assert_eq!(field(Config { hop_length: 0, ..good() }), "hop_length");
        assert_eq!(field(Config { chunk_length: usize::MAX, ..good() }), "chunk_length");
        assert_eq!(field(Config { n_fft: 401, ..good() }), "n_fft");
        assert_eq!(field(Config { dither: 0.1, ..good() }), "dither");
        let features = Features::new(&good()).unwrap();
        assert!(features.extract(&[f32::NAN], &Device::Cpu).is_err());
        assert!(features.extract(&vec![0.; 480_001], &Device::Cpu).is_err());
    }
}
