//! Sound as samples.

use super::MediaError;
use super::resample::resample;

/// The lowest and highest sampling rates that are read, in Hz.
pub const RATES: std::ops::RangeInclusive<u32> = 1_000..=768_000;

/// One channel of samples, nominally within -1..1, at `rate` samples per second.
#[derive(Debug, Clone, PartialEq)]
pub struct Sound {
    rate: u32,
    samples: Vec<f32>,
}

impl Sound {
    /// Samples must be finite; at least one is needed.
    pub fn new(rate: u32, samples: Vec<f32>) -> Result<Self, MediaError> {
        if !RATES.contains(&rate) {
            return Err(MediaError::Rate { rate, least: *RATES.start(), most: *RATES.end() });
        }
        if samples.is_empty() {
            return Err(MediaError::NoSamples);
        }
        match samples.iter().position(|sample| !sample.is_finite()) {
            Some(index) => Err(MediaError::SampleNotANumber { seconds: seconds(index, rate) }),
            None => Ok(Sound { rate, samples }),
        }
    }

    /// Samples per second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// The samples as files with 16 bits hold them; what is beyond full scale is clipped.
    pub fn pcm_16(&self) -> impl Iterator<Item = i16> {
        let value = |sample: &f32| (sample * 32768.0).round().clamp(-32768.0, 32767.0) as i16;
        self.samples.iter().map(value)
    }

    pub fn seconds(&self) -> f64 {
        seconds(self.samples.len(), self.rate)
    }

    /// The same sound at another rate: `ceil(length · rate / old rate)` samples, filtered below
    /// the lower of the two Nyquist frequencies, as torchaudio does it.
    pub fn resampled(&self, rate: u32) -> Result<Sound, MediaError> {
        if rate == self.rate {
            return Ok(self.clone());
        }
        if !RATES.contains(&rate) {
            return Err(MediaError::Rate { rate, least: *RATES.start(), most: *RATES.end() });
        }
        Sound::new(rate, resample(&self.samples, self.rate, rate))
    }
}

fn seconds(samples: usize, rate: u32) -> f64 {
    samples as f64 / f64::from(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hertz: f64, seconds: f64) -> Sound {
        let count = (f64::from(rate) * seconds) as usize;
        let sample = |i: usize| {
            (std::f64::consts::TAU * hertz * i as f64 / f64::from(rate)).sin() as f32 * 0.5
        };
        Sound::new(rate, (0..count).map(sample).collect()).unwrap()
    }

    /// Amplitude, delay in samples, and the loudest sample that is not the tone.
    fn fit(sound: &Sound, hertz: f64) -> (f64, f64, f64) {
        let step = std::f64::consts::TAU * hertz / f64::from(sound.rate());
        // The ends ring, because the tone begins and ends abruptly; whole periods in between.
        let count = sound.samples().len();
        let periods = ((count as f64 * 0.8) * step / std::f64::consts::TAU).floor();
        let inner = count / 10..count / 10 + (periods * std::f64::consts::TAU / step) as usize;
        let (mut sine, mut cosine) = (0.0, 0.0);
        for index in inner.clone() {
            let (s, c) = (step * index as f64).sin_cos();
            sine += s * f64::from(sound.samples()[index]) * 2.0 / inner.len() as f64;
            cosine += c * f64::from(sound.samples()[index]) * 2.0 / inner.len() as f64;
        }
        let rest = inner.map(|index| {
            let (s, c) = (step * index as f64).sin_cos();
            (f64::from(sound.samples()[index]) - sine * s - cosine * c).abs()
        });
        (sine.hypot(cosine), -cosine.atan2(sine) / step, rest.fold(0.0, f64::max))
    }

    #[test]
    fn resampling_keeps_a_tone_in_pitch_time_and_loudness() {
        for (from, to) in [(44_100, 16_000), (8_000, 16_000), (48_000, 32_000), (22_050, 44_101)] {
            let made = tone(from, 440.0, 0.5).resampled(to).unwrap();
            assert_eq!(
                made.samples().len(),
                (u64::from(to) * u64::from(from / 2)).div_ceil(u64::from(from)) as usize
            );
            let (amplitude, delay, rest) = fit(&made, 440.0);
            let found = format!("{from} to {to}: {amplitude} {delay} {rest}");
            assert!((amplitude - 0.5).abs() < 1e-3 && delay.abs() <= 0.5 && rest < 2e-3, "{found}");
        }
    }

    #[test]
    fn resampling_removes_what_the_lower_rate_cannot_hold() {
        let made = tone(48_000, 11_000.0, 0.5).resampled(16_000).unwrap();
        let inner = &made.samples()[800..made.samples().len() - 800];
        let loudest = inner.iter().fold(0f32, |most, sample| most.max(sample.abs()));
        assert!(loudest < 2e-3, "{loudest}");
    }

    #[test]
    fn the_shortest_sound_can_be_resampled() {
        let one = Sound::new(8_000, vec![0.25]).unwrap();
        assert_eq!(one.resampled(16_000).unwrap().samples().len(), 2);
        assert_eq!(one.resampled(1_000).unwrap().samples().len(), 1);
    }

    #[test]
    fn what_is_no_sound_is_refused() {
        assert!(matches!(Sound::new(16_000, vec![]), Err(MediaError::NoSamples)));
        assert!(matches!(Sound::new(0, vec![0.0]), Err(MediaError::Rate { .. })));
        let samples = vec![0.0, f32::NAN];
        assert!(matches!(Sound::new(2_000, samples), Err(MediaError::SampleNotANumber { .. })));
        let one = Sound::new(16_000, vec![0.0]).unwrap();
        assert!(matches!(one.resampled(7), Err(MediaError::Rate { .. })));
    }
}
