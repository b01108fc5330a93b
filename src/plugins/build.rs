//! Core module → component: what compilers without support for components leave to do.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::base::contained::contained;

/// Makes a component of a core module. Its world is taken from `wit` (name and text of a file,
/// which may use `agpt:plugin`), or from the module itself, where bindings left it.
pub fn component(module: Vec<u8>, wit: Option<(String, String)>) -> Result<Vec<u8>, String> {
    contained(move || encode(module, wit))
        .unwrap_or_else(|| Err("the module or its WIT is damaged".to_string()))
}

fn encode(mut module: Vec<u8>, wit: Option<(String, String)>) -> Result<Vec<u8>, String> {
    let told = |error: &dyn std::fmt::Display| format!("{error:#}");
    if let Some((name, text)) = wit {
        let mut resolve = Resolve::default();
        resolve.push_source("agpt-plugin.wit", super::WIT).map_err(|error| told(&error))?;
        let package = resolve.push_source(&name, &text).map_err(|error| told(&error))?;
        let world = resolve.select_world(&[package], None).map_err(|error| told(&error))?;
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
            .map_err(|error| told(&error))?;
    }
    let encoder = ComponentEncoder::default().module(&module).map_err(|error| told(&error))?;
    encoder.validate(true).encode().map_err(|error| told(&error))
}
