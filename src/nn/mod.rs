//! Layers and kernels that several networks share.
//!
//! Everything here is forward only. The CPU kernels split their work by output element, so
//! their results do not depend on the number of threads.

pub mod activation;
pub mod attention;
pub mod conv;
pub mod conv1d;
pub mod depthwise;
pub mod embedding;
pub mod kv_cache;
pub mod linear;
pub mod lstm;
pub mod norm;
pub mod quantized;
pub mod rope;
pub mod snake;
