//! What is inside the binary: the standard library's modules, the shipped models, and where
//! evaluation models are to be had.
//!
//! The table is made by build.rs from stdlib/; the keys are paths below that folder.

/// Bytes as they are in the file.
macro_rules! plain {
    ($path:literal) => {
        include_bytes!($path)
    };
}

/// Bytes that start at a multiple of 64, wherever the linker puts them.
#[allow(unused_macros)] // as long as no weights are embedded
macro_rules! aligned {
    ($path:literal) => {{
        static BYTES: &Aligned<[u8]> = &Aligned(*include_bytes!($path));
        &BYTES.0
    }};
}

#[allow(dead_code)] // unused while no model is embedded
#[repr(C, align(64))]
struct Aligned<T: ?Sized>(T);

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The file at `path` below stdlib/, such as `models/nano/bundle.yaml`.
pub fn file(path: &str) -> Option<&'static [u8]> {
    let index = FILES.binary_search_by(|(name, _)| (*name).cmp(path)).ok()?;
    Some(FILES[index].1)
}

/// The same with the path as it lives in the binary.
pub fn entry(path: &str) -> Option<(&'static str, &'static [u8])> {
    let index = FILES.binary_search_by(|(name, _)| (*name).cmp(path)).ok()?;
    FILES.get(index).copied()
}

/// The source of the standard library's module `name`: `chat` is `stdlib/chat.agpt`.
pub fn module(name: &str) -> Option<&'static str> {
    file(&format!("{name}.agpt")).and_then(|bytes| std::str::from_utf8(bytes).ok())
}

/// The names of the standard library's modules, sorted.
pub fn modules() -> impl Iterator<Item = &'static str> {
    let names = FILES.iter().filter(|(name, _)| !name.starts_with("models/"));
    names.filter_map(|(name, _)| name.strip_suffix(".agpt"))
}

/// The names of the embedded bundles, sorted.
pub fn bundles() -> impl Iterator<Item = &'static str> {
    let names = FILES.iter().filter_map(|(name, _)| name.strip_prefix("models/"));
    names.filter_map(|name| name.strip_suffix("/bundle.yaml"))
}

/// The files below a folder of stdlib/, as (path below that folder, bytes).
pub fn files_below(folder: &str) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    FILES.iter().filter_map(move |(name, bytes)| {
        let rest = name.strip_prefix(folder)?.strip_prefix('/')?;
        Some((rest, *bytes))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_found() {
        assert!(FILES.is_sorted_by(|a, b| a.0 < b.0));
        for (name, bytes) in FILES {
            assert_eq!(file(name).map(<[u8]>::len), Some(bytes.len()));
            assert!(!name.ends_with(".md") && !name.contains("/recipe/"), "{name}");
        }
        assert_eq!(file("no/such/file"), None);
        assert!(bundles().any(|name| name == "nano"));
        assert!(files_below("models/nano").any(|(name, _)| name == "bundle.yaml"));
    }

    #[test]
    fn weights_are_aligned() {
        for (name, bytes) in FILES.iter().filter(|(name, _)| name.ends_with(".safetensors")) {
            assert_eq!(bytes.as_ptr() as usize % 64, 0, "{name}");
        }
    }
}
