//! YAML from strangers, within limits: a few lines of it can stand for gigabytes.

use serde::de::DeserializeOwned;
use serde_saphyr::Error;

/// No manifest or recipe is larger, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// Reads one document. Nesting, nodes, and what aliases unfold to are bounded; a text beyond
/// [`MAX_BYTES`] is refused before it is read.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: Some(MAX_BYTES),
            max_depth: 32,
            max_documents: 1,
            max_nodes: 100_000,
            max_events: 400_000,
            // A scalar of half the text, repeated: what is made of it stays below 50 MiB.
            max_aliases: 100,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 100_000 },
    };
    if text.len() > MAX_BYTES {
        return Err(serde::de::Error::custom("it is larger than 1 MiB"));
    }
    serde_saphyr::from_str_with_options(text, options)
}
