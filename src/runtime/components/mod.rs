//! The networks in their roles: what joins a bundle's component with `models`.

pub mod device;
pub mod loader;
pub mod music;
pub mod placement;
pub mod seed;
pub mod sound;
pub mod speech;
pub mod unclip;
