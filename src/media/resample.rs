//! Another sampling rate, by the arithmetic of torchaudio's `functional.resample` with its defaults
//! (sinc_interp_hann): what AnyGPT's program does to recordings before they are encoded. A filter
//! of another shape would hear as well, but give other codes.

use rayon::prelude::*;

/// Zero crossings of the sinc on each side (`lowpass_filter_width`).
const CROSSINGS: f64 = 6.0;
/// The cutoff, as a share of the lower Nyquist frequency (`rolloff`).
const ROLLOFF: f64 = 0.99;
/// Samples that one task makes.
const BLOCK: usize = 1 << 14;

/// Rates in Hz, at least 1 each; `ceil(samples · to / from)` samples come out. Beyond both ends
/// there is silence.
pub(super) fn resample(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    let divisor = gcd(from, to);
    let (orig, new) = ((from / divisor) as usize, (to / divisor) as usize);
    let count = (samples.len() as u128 * new as u128).div_ceil(orig as u128) as usize;
    let filter = Filter::new(orig, new, count);
    let mut made = vec![0.0; count];
    made.par_chunks_mut(BLOCK).enumerate().for_each(|(block, made)| {
        for (place, sample) in made.iter_mut().enumerate() {
            *sample = filter.sample(samples, block * BLOCK + place);
        }
    });
    made
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

/// The taps of each of the `new` positions that an output can have between two inputs.
struct Filter {
    orig: usize,
    new: usize,
    /// Of each position: which input the first tap is for, relative to the block's first one.
    first: Vec<isize>,
    taps: Vec<Vec<f32>>,
}

impl Filter {
    /// As many positions as are used by `count` outputs.
    fn new(orig: usize, new: usize, count: usize) -> Self {
        let cutoff = orig.min(new) as f64 * ROLLOFF;
        let reach = orig as f64 * CROSSINGS / cutoff;
        let mut filter = Filter { orig, new, first: Vec::new(), taps: Vec::new() };
        for position in 0..new.min(count) {
            let middle = orig as f64 * position as f64 / new as f64;
            let first = (middle - reach).ceil() as isize;
            let last = (middle + reach).floor() as isize;
            let tap = |input: isize| {
                // The position is a single-precision number there, the input a double one.
                let time = input as f64 / orig as f64 - f64::from(position as f32 / new as f32);
                let time = (time * cutoff).clamp(-CROSSINGS, CROSSINGS);
                let window = libm::cos(time * std::f64::consts::PI / CROSSINGS / 2.0).powi(2);
                let angle = time * std::f64::consts::PI;
                let sinc = if angle == 0.0 { 1.0 } else { libm::sin(angle) / angle };
                (sinc * window * (cutoff / orig as f64)) as f32
            };
            filter.first.push(first);
            filter.taps.push((first..=last).map(tap).collect());
        }
        filter
    }

    fn sample(&self, samples: &[f32], output: usize) -> f32 {
        let (block, position) = (output / self.new, output % self.new);
        let begin = (block * self.orig) as isize + self.first[position];
        let taps = &self.taps[position];
        // Taps before the first sample or behind the last one have nothing to weigh.
        let skipped = (-begin).max(0) as usize;
        let start = begin.max(0) as usize;
        let there = samples.get(start..).unwrap_or(&[]);
        let taps = taps.get(skipped..).unwrap_or(&[]);
        taps.iter().zip(there).map(|(tap, sample)| tap * sample).sum()
    }
}
