//! WebAssembly components as files: reading their types, and making them of core modules.
//! Running them is the runtime's business.

#[cfg(feature = "plugins")]
pub mod build;
#[cfg(feature = "plugins")]
mod decode;
pub mod project;
#[cfg(feature = "plugins")]
mod types;

use std::io::Read;
use std::path::Path;

use crate::lang::plugin::Component;

/// The types that plugins and agpt share.
pub const WIT: &str = include_str!("../../wit/agpt-plugin.wit");

/// Larger files are refused before they are read: compiling takes time that grows with them.
pub const MAX_FILE: u64 = 16 << 20;

/// Reads the types of a component in a file.
pub fn read(path: &Path) -> std::io::Result<Result<Component, String>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    Ok(component(bytes))
}

/// Reads the types of a component.
#[cfg(feature = "plugins")]
pub fn component(bytes: Vec<u8>) -> Result<Component, String> {
    decode::decode(bytes)
}

#[cfg(not(feature = "plugins"))]
pub fn component(_bytes: Vec<u8>) -> Result<Component, String> {
    Err("this agpt was built without plugins (the cargo feature `plugins`)".to_string())
}
