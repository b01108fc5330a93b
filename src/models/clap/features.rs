//! What is done to a sound before CLAP's audio encoder hears it: HuggingFace's
//! `ClapFeatureExtractor` with `truncation: rand_trunc`, as `preprocessor_config.json` has it.

use super::super::{Check, Result};
use crate::media::mel::{MelBank, MelScale, MelSettings};
use candle_core::{Device, Tensor};
use serde::Deserialize;

const MODEL: &str = "clap feature extractor";

/// Silence in dB: `power_to_db` takes no less than 1e-10.
const LEAST_POWER: f64 = 1e-10;

/// Samples that are taken in at once at most: five minutes at 48 kHz.
const MOST_SAMPLES: f64 = 48_000. * 300.;

/// `preprocessor_config.json`, with ClapFeatureExtractor's defaults.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Mel filters.
    pub feature_size: usize,
    /// In Hz.
    pub sampling_rate: u32,
    /// In samples.
    pub hop_length: usize,
    /// Every sound is brought to this length, in seconds.
    pub max_length_s: f64,
    /// In samples.
    pub fft_window_size: usize,
    /// In Hz.
    pub frequency_min: f64,
    pub frequency_max: f64,
    pub truncation: Truncation,
    pub padding: Padding,
}

/// What is done with sounds that are too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truncation {
    /// A stretch of it. The reference draws which one; here it is the middle.
    RandTrunc,
    /// Three stretches and the whole, shrunk: for networks with feature fusion.
    Fusion,
}

/// What is done with sounds that are too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// Repeated as often as it fits in whole, then silence.
    Repeatpad,
    /// Repeated, the last time cut.
    Repeat,
    /// Silence.
    Pad,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            feature_size: 64,
            sampling_rate: 48_000,
            hop_length: 480,
            max_length_s: 10.,
            fft_window_size: 1024,
            frequency_min: 0.,
            frequency_max: 14_000.,
            truncation: Truncation::Fusion,
            padding: Padding::Repeatpad,
        }
    }
}

impl Config {
    /// Samples that a sound is brought to.
    pub fn samples(&self) -> usize {
        (self.max_length_s * f64::from(self.sampling_rate)).round() as usize
    }

    pub fn validate(&self) -> Result<()> {
        let check = Check(MODEL);
        check.positive("feature_size", self.feature_size)?;
        check.positive("sampling_rate", self.sampling_rate as usize)?;
        check.positive("hop_length", self.hop_length)?;
        check.divides("fft_window_size", 2, self.fft_window_size)?;
        check.finite("max_length_s", self.max_length_s)?;
        if self.max_length_s * f64::from(self.sampling_rate) > MOST_SAMPLES {
            return check.fail("max_length_s", "is too long: five minutes at 48 kHz are the most");
        }
        if self.samples() <= self.fft_window_size {
            return check.fail("max_length_s", "is shorter than a frame of the transform");
        }
        let (low, high) = (self.frequency_min, self.frequency_max);
        if !(low >= 0. && low < high && high <= f64::from(self.sampling_rate) / 2.) {
            let reason = format!("must be above {low} and at most half the sampling rate");
            return check.fail("frequency_max", reason);
        }
        if self.truncation == Truncation::Fusion {
            return check.fail(
                "truncation",
                "is `fusion`, which is not supported; use a checkpoint without fusion, such as \
                 laion/clap-htsat-unfused",
            );
        }
        Ok(())
    }
}

/// Sounds → log-mel spectrograms.
#[derive(Debug, Clone)]
pub struct Features {
    config: Config,
    bank: MelBank,
}

impl Features {
    pub fn new(config: &Config) -> Result<Self> {
        config.validate()?;
        let bank = MelBank::new(&MelSettings {
            rate: config.sampling_rate,
            frame: config.fft_window_size,
            hop: config.hop_length,
            filters: config.feature_size,
            lowest: config.frequency_min,
            highest: config.frequency_max,
            scale: MelScale::Slaney,
        });
        Ok(Self { config: config.clone(), bank })
    }

    /// The rate in Hz that samples must have.
    pub fn rate(&self) -> u32 {
        self.config.sampling_rate
    }

    /// Samples at [`Self::rate`] → (1, 1, frames, mels) in dB, at least −100. Of a sound that is
    /// too long, the middle `max_length_s` seconds are taken.
    pub fn extract(&self, samples: &[f32], device: &Device) -> Result<Tensor> {
        let power = self.bank.power(&self.fitted(samples));
        let decibels = |power: f64| (10. * libm::log10(power.max(LEAST_POWER))) as f32;
        let values: Vec<f32> = power.into_iter().map(decibels).collect();
        let shape = (1, 1, self.bank.frames(self.config.samples()), self.config.feature_size);
        Ok(Tensor::from_vec(values, shape, device)?)
    }

    /// The sound at the length that the network takes.
    fn fitted(&self, samples: &[f32]) -> Vec<f32> {
        let length = self.config.samples();
        if samples.len() >= length {
            let start = (samples.len() - length) / 2;
            return samples[start..start + length].to_vec();
        }
        let whole = length / samples.len().max(1);
        let mut fitted: Vec<f32> = match self.config.padding {
            Padding::Repeatpad => samples.repeat(whole),
            Padding::Repeat => samples.iter().copied().cycle().take(length).collect(),
            Padding::Pad => samples.to_vec(),
        };
        fitted.resize(length, 0.);
        fitted
    }
}
