//! Kernels of training on the CPU, in f32: each a forward and a backward over slices.
//!
//! Work is split by what it writes and sums have a fixed order, so results do not depend on the
//! number of threads. Every backward is tested against candle's gradient of the same formula and
//! against finite differences.

pub mod attention;
pub mod cross_entropy;
pub mod product;
pub mod rms_norm;
pub mod rope;
pub mod swiglu;
pub mod vector;

#[cfg(test)]
mod testing;
