//! Addressed randomness: every random draw of a run belongs to a named stream.
//!
//! A stream is keyed by `(seed, address)`, where the address is the path of a plan node (with
//! row and repeat index inside loops). Adding a node or a row therefore changes no neighbour's
//! draws, and the device never matters: candle's CPU generator cannot be seeded, so all noise
//! is made here and handed over as data.

use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};

/// One deterministic stream of random numbers.
pub struct Stream(ChaCha12Rng);

impl Stream {
    /// The stream of `address` under `seed`.
    pub fn new(seed: u64, address: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("agpt addressed randomness 1");
        hasher.update(&seed.to_le_bytes());
        hasher.update(address.as_bytes());
        Stream(ChaCha12Rng::from_seed(*hasher.finalize().as_bytes()))
    }

    /// Uniform in [0, 1), with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// `count` draws from the standard normal distribution (Box–Muller, in f64 through `libm`,
    /// so that the bits do not depend on the platform's mathematics library).
    pub fn normal(&mut self, count: usize) -> Vec<f32> {
        let mut out = Vec::with_capacity(count + 1);
        while out.len() < count {
            let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.uniform()));
            let angle = std::f64::consts::TAU * self.uniform();
            out.push((radius * libm::cos(angle)) as f32);
            out.push((radius * libm::sin(angle)) as f32);
        }
        out.truncate(count);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_fixed_by_seed_and_address() {
        let draw = |seed, address: &str| Stream::new(seed, address).uniform();
        assert_eq!(draw(1, "a"), draw(1, "a"));
        assert_ne!(draw(1, "a"), draw(2, "a"));
        assert_ne!(draw(1, "a"), draw(1, "b"));
    }

    #[test]
    fn normal_draws_have_unit_variance() {
        let draws = Stream::new(7, "noise").normal(20_001);
        assert_eq!(draws.len(), 20_001);
        let mean = draws.iter().map(|x| f64::from(*x)).sum::<f64>() / draws.len() as f64;
        let var =
            draws.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.03, "mean {mean}");
        assert!((var - 1.0).abs() < 0.05, "variance {var}");
    }
}
