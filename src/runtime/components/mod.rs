//! The networks in their roles: what joins a bundle's component with `models`.

pub mod device;
pub mod seed;
pub mod unclip;
