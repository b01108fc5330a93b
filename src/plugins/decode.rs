//! What a component exports and imports, read from its types alone: no code is compiled.

use std::sync::Arc;

use wasmparser::{Parser, Payload};
use wit_parser::decoding::{DecodedWasm, decode as decode_wit};
use wit_parser::{InterfaceId, Resolve, WorldItem, WorldKey};

use crate::base::contained::contained;
use crate::base::hash::Digest;
use crate::lang::plugin::{Component, Function, FunctionType, Grant, Import, snake};

use super::types;

/// Every level of nested types takes bytes here, and readers of types recurse.
const MAX_TYPE_BYTES: usize = 64 << 10;
/// Enough for the deepest nesting that these bytes can hold.
const STACK: usize = 256 << 20;

pub fn decode(bytes: Vec<u8>) -> Result<Component, String> {
    if bytes.len() as u64 > super::MAX_FILE {
        return Err(format!("it is larger than {} MiB", super::MAX_FILE >> 20));
    }
    kind_of(&bytes)?;
    let bytes: Arc<[u8]> = bytes.into();
    let shared = bytes.clone();
    let worker = std::thread::Builder::new().stack_size(STACK).spawn(move || {
        contained(move || read(&shared)).unwrap_or_else(|| Err("its types are damaged".to_string()))
    });
    let worker = worker.map_err(|error| format!("no thread can be started to read it: {error}"))?;
    let (functions, imports) =
        worker.join().unwrap_or_else(|_| Err("its types are damaged".to_string()))?;
    Ok(Component { digest: Digest::of(&bytes), bytes, functions, imports })
}

/// Tells components from what people take for them.
fn kind_of(bytes: &[u8]) -> Result<(), String> {
    match bytes.get(..8) {
        Some(b"\0asm\x0d\0\x01\0") => Ok(()),
        Some(b"\0asm\x01\0\0\0") => Err("it is a core module, not a component; `agpt plugin \
                                         build` makes a component of it"
            .to_string()),
        _ if bytes.starts_with(b"\0asm") => {
            Err("it is in a version of WebAssembly that agpt does not know".to_string())
        }
        _ if bytes.starts_with(b"(") => {
            Err("it is WebAssembly as text; turn it into a binary first".to_string())
        }
        _ => Err("it is not a WebAssembly component".to_string()),
    }
}

type Parts = (Vec<Function>, Vec<Import>);

fn read(bytes: &[u8]) -> Result<Parts, String> {
    let mut type_bytes = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| damaged(&error))? {
            Payload::ComponentTypeSection(section) => type_bytes += section.range().len(),
            Payload::CoreTypeSection(section) => type_bytes += section.range().len(),
            _ => {}
        }
        if type_bytes > MAX_TYPE_BYTES {
            return Err(format!("its types take more than {} KiB", MAX_TYPE_BYTES >> 10));
        }
    }
    let decoded = decode_wit(bytes).map_err(|error| damaged(&error))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err("it holds types only, and no code".to_string());
    };
    let world = &resolve.worlds[world];
    let exports = world.exports.iter().filter_map(|(key, item)| match (key, item) {
        (WorldKey::Name(name), WorldItem::Function(function)) => Some((name, function)),
        _ => None,
    });
    let functions = exports
        .map(|(export, function)| Function {
            name: snake(export),
            export: export.clone(),
            signature: signature(&resolve, function),
        })
        .collect();
    let imports = world.imports.values().filter_map(|item| match item {
        WorldItem::Interface { id, .. } => import(&resolve, *id),
        WorldItem::Function(function) => Some(unknown(function.name.clone())),
        WorldItem::Type { .. } => None,
    });
    Ok((functions, imports.collect()))
}

fn damaged(error: &dyn std::fmt::Display) -> String {
    // The rest of a long chain repeats offsets that mean nothing to the reader.
    let text = error.to_string();
    format!("it is damaged: {}", text.lines().next().unwrap_or_default())
}

fn signature(resolve: &Resolve, function: &wit_parser::Function) -> Result<FunctionType, String> {
    let name = snake(&function.name);
    types::name(&name, "its name")?;
    let mut params = Vec::new();
    for param in &function.params {
        let name = snake(&param.name);
        types::name(&name, "the name of a parameter")?;
        let ty = types::of(resolve, &param.ty).map_err(|why| format!("`{name}` is {why}"))?;
        params.push((name, ty));
    }
    let result = function.result.as_ref().ok_or("it gives nothing")?;
    let result = types::of_result(resolve, result).map_err(|why| format!("it gives {why}"))?;
    Ok(FunctionType { params, result })
}

fn import(resolve: &Resolve, id: InterfaceId) -> Option<Import> {
    let interface = &resolve.interfaces[id];
    if interface.functions.is_empty() {
        return None;
    }
    let name = resolve.id_of(id).unwrap_or_else(|| "an interface without a name".to_string());
    let grant = types::of_agpt(resolve, id).and_then(Grant::from_name);
    let Some(grant) = grant else { return Some(unknown(name)) };
    let shapes = interface.functions.values().map(|function| types::shape(resolve, function));
    let known = match grant {
        Grant::Log => "write(string)",
        Grant::Clock => "now() -> f64",
        Grant::Random => "next() -> u64",
    };
    for shape in shapes {
        if shape != known {
            let reason = format!("the interface `{grant}` of this agpt has only `{known}`");
            return Some(Import::Unknown { name: format!("{name}: {shape}"), reason });
        }
    }
    Some(Import::Granted(grant))
}

fn unknown(name: String) -> Import {
    let reason = if name.starts_with("wasi:") {
        "plugins see no files, environment or network: build for a target without WASI, such as \
         wasm32-unknown-unknown"
    } else if name.starts_with("agpt:plugin/") {
        "this agpt has `log`, `clock` and `random` of agpt:plugin@0.1"
    } else {
        "a plugin can import only the interfaces of agpt:plugin@0.1"
    };
    Import::Unknown { name, reason: reason.to_string() }
}
