//! Mel spectrograms, by the arithmetic of transformers' `audio_utils`, which follows librosa and
//! torchaudio.

use rayon::prelude::*;
use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

/// How frequencies become mels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MelScale {
    /// `2595 · log10(1 + f / 700)` (O'Shaughnessy 1987, as in HTK).
    Htk,
    /// Linear up to 1 kHz, logarithmic above (Slaney's Auditory Toolbox, 1998), and every filter
    /// divided by half its width in Hz.
    Slaney,
}

impl MelScale {
    fn mels(self, hertz: f64) -> f64 {
        match self {
            MelScale::Htk => 2595. * libm::log10(1. + hertz / 700.),
            MelScale::Slaney if hertz < 1000. => 3. * hertz / 200.,
            MelScale::Slaney => 15. + libm::log(hertz / 1000.) * (27. / libm::log(6.4)),
        }
    }

    fn hertz(self, mels: f64) -> f64 {
        match self {
            MelScale::Htk => 700. * (libm::pow(10., mels / 2595.) - 1.),
            MelScale::Slaney if mels < 15. => 200. * mels / 3.,
            MelScale::Slaney => 1000. * libm::exp(libm::log(6.4) / 27. * (mels - 15.)),
        }
    }
}

/// A filter bank over a short-time Fourier transform.
#[derive(Debug, Clone)]
pub struct MelBank {
    window: Vec<f64>,
    hop: usize,
    /// Of each filter: its first bin and the weights from there on.
    filters: Vec<(usize, Vec<f64>)>,
}

/// What a [`MelBank`] is made from. Frequencies are in Hz, lengths in samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MelSettings {
    pub rate: u32,
    /// Samples of a frame, under a periodic Hann window; even.
    pub frame: usize,
    pub hop: usize,
    pub filters: usize,
    pub lowest: f64,
    pub highest: f64,
    pub scale: MelScale,
}

impl MelBank {
    /// Triangles from `lowest` to `highest`, their corners at equal distances in mels.
    pub fn new(settings: &MelSettings) -> Self {
        let MelSettings { rate, frame, hop, filters, lowest, highest, scale } = *settings;
        let (from, to) = (scale.mels(lowest), scale.mels(highest));
        let step = (to - from) / (filters + 1) as f64;
        let corner = |index: usize| scale.hertz(from + step * index as f64);
        let bin_width = f64::from(rate / 2) / (frame / 2) as f64;
        let triangle = |index: usize| {
            let (left, middle, right) = (corner(index), corner(index + 1), corner(index + 2));
            let height = match scale {
                MelScale::Htk => 1.,
                MelScale::Slaney => 2. / (right - left),
            };
            let weight = |bin: usize| {
                let hertz = bin_width * bin as f64;
                let up = (hertz - left) / (middle - left);
                let down = (right - hertz) / (right - middle);
                up.min(down).max(0.) * height
            };
            let bins = frame / 2 + 1;
            let first = (0..bins).find(|bin| weight(*bin) > 0.).unwrap_or(0);
            (first, (first..bins).map(weight).take_while(|weight| *weight > 0.).collect())
        };
        let turn = std::f64::consts::TAU / frame as f64;
        MelBank {
            window: (0..frame).map(|at| 0.5 - 0.5 * libm::cos(turn * at as f64)).collect(),
            hop: hop.max(1),
            filters: (0..filters).map(triangle).collect(),
        }
    }

    /// Frames of a sound of so many samples; frames are centred at multiples of the hop.
    pub fn frames(&self, samples: usize) -> usize {
        1 + samples / self.hop
    }

    /// The power that each filter lets through, frame by frame: `frames · filters` numbers.
    /// Both ends of the sound are continued by their reflection.
    pub fn power(&self, samples: &[f32]) -> Vec<f64> {
        let frame = self.window.len();
        let fft = FftPlanner::<f64>::new().plan_fft_forward(frame);
        let mut power = vec![0.; self.frames(samples.len()) * self.filters.len()];
        let rows = power.par_chunks_mut(self.filters.len().max(1)).enumerate();
        rows.for_each_init(
            || vec![Complex::default(); frame],
            |buffer, (row, power)| {
                let start = (row * self.hop) as isize - (frame / 2) as isize;
                for (at, (value, window)) in buffer.iter_mut().zip(&self.window).enumerate() {
                    let sample = reflected(samples, start + at as isize);
                    *value = Complex::new(f64::from(sample) * window, 0.);
                }
                fft.process(buffer);
                for (power, (first, weights)) in power.iter_mut().zip(&self.filters) {
                    let bins = buffer.iter().skip(*first);
                    *power = bins.zip(weights).map(|(bin, weight)| squared(*bin) * weight).sum();
                }
            },
        );
        power
    }
}

/// The reference keeps the transform in single precision and squares in double.
fn squared(bin: Complex<f64>) -> f64 {
    let (re, im) = (f64::from(bin.re as f32), f64::from(bin.im as f32));
    re * re + im * im
}

/// A sample of the sound mirrored at its first and at its last sample, over and over.
fn reflected(samples: &[f32], at: isize) -> f32 {
    let last = samples.len().saturating_sub(1) as isize;
    if last < 1 {
        return samples.first().copied().unwrap_or(0.);
    }
    let at = at.rem_euclid(2 * last);
    samples[at.min(2 * last - at) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_is_mirrored_at_its_ends() {
        let at = |index| reflected(&[1., 2., 3.], index);
        let around: Vec<f32> = (-5..8).map(at).collect();
        assert_eq!(around, [2., 1., 2., 3., 2., 1., 2., 3., 2., 1., 2., 3., 2.]);
        assert_eq!(reflected(&[4.], -3), 4.);
        assert_eq!(reflected(&[], 1), 0.);
    }

    #[test]
    fn a_tone_is_loudest_in_the_filter_around_it() {
        for scale in [MelScale::Htk, MelScale::Slaney] {
            let settings = MelSettings {
                rate: 16_000,
                frame: 512,
                hop: 160,
                filters: 40,
                lowest: 0.,
                highest: 8000.,
                scale,
            };
            let bank = MelBank::new(&settings);
            let turn = std::f32::consts::TAU * 2000. / 16_000.;
            let tone: Vec<f32> = (0..3200u16).map(|at| (turn * f32::from(at)).sin()).collect();
            let power = bank.power(&tone);
            assert_eq!(power.len(), bank.frames(3200) * 40);
            let frame = &power[10 * 40..11 * 40];
            let loudest = frame.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
            let step = scale.mels(8000.) / 41.;
            let middle = scale.hertz(step * (loudest + 1) as f64);
            assert!((middle - 2000.).abs() < 120., "{scale:?}: {middle}");
        }
    }
}
