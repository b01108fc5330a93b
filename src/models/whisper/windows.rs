//! Where a sound that is longer than one window is cut.
//!
//! Windows follow each other without overlap. A window is cut where the sound is quietest in its
//! last third, so that words stay whole: in the middle of the 0.2 s with the least energy (found in
//! steps of 10 ms; of equally quiet ones the last). The published long form follows the
//! timestamps that the model writes instead; here it writes none.

use std::ops::Range;

/// The parts of `samples`, each of at most `most` of them (at least 1), in order and without gaps;
/// `rate` is in Hz.
pub fn windows(samples: &[f32], most: usize, rate: usize) -> Vec<Range<usize>> {
    let most = most.max(1);
    let mut parts = vec![];
    let mut start = 0;
    while samples.len() - start > most {
        let end = start + cut(&samples[start..start + most], rate);
        parts.push(start..end);
        start = end;
    }
    parts.push(start..samples.len());
    parts
}

/// How many samples of a full window are taken, at least 1.
fn cut(window: &[f32], rate: usize) -> usize {
    let stretch = (rate / 5).max(1);
    let step = (rate / 100).max(1);
    let first = window.len() * 2 / 3;
    // Sums from the beginning of the last third.
    let mut sums = vec![0f64];
    let mut sum = 0f64;
    for &sample in &window[first..] {
        sum += f64::from(sample) * f64::from(sample);
        sums.push(sum);
    }
    let places = (0..).map(|i| i * step).take_while(|at| at + stretch < sums.len());
    let energy = |at: usize| sums[at + stretch] - sums[at];
    let quietest = places.reduce(|best, at| if energy(at) <= energy(best) { at } else { best });
    quietest.map_or(window.len(), |at| first + at + stretch / 2).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_sounds_are_whole() {
        assert_eq!(windows(&[1.; 100], 100, 10), std::slice::from_ref(&(0..100)));
        assert_eq!(windows(&[], 100, 10), std::slice::from_ref(&(0..0)));
    }

    #[test]
    fn cuts_are_where_it_is_quiet() {
        let mut samples = vec![0.5f32; 2500];
        samples[850..950].fill(0.);
        // Quiet, but in the first third of the second window.
        samples[1000..1100].fill(0.);
        let parts = windows(&samples, 1000, 100);
        assert_eq!(parts[0].end, 940, "the last stretch of silence of 20 samples");
        assert!(parts.iter().all(|part| part.len() <= 1000));
        assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!(parts.last().unwrap().end, 2500);
    }

    #[test]
    fn the_smallest_windows_go_on() {
        assert_eq!(windows(&[1.; 3], 1, 16_000), [0..1, 1..2, 2..3]);
        assert_eq!(windows(&[1.; 3], 0, 0).len(), 3);
    }
}
