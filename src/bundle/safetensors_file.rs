//! The header of a safetensors file, read with errors that name the tensor.
//!
//! The format: eight bytes with the header's length, a JSON object of name → (dtype, shape,
//! offsets), then the data without gaps.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::weights_file::TensorInfo;

/// The limit of the format's own reader.
const MAX_HEADER: u64 = 100_000_000;

#[derive(Deserialize)]
struct RawInfo {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

/// The tensors of a file.
pub(super) fn tensors(bytes: &[u8]) -> Result<BTreeMap<String, TensorInfo>, String> {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(format!("it has only {} bytes; fetch it again", bytes.len()));
    };
    if bytes.starts_with(b"version https://git-lfs") {
        return Err("it is a Git LFS pointer; fetch the file itself (`git lfs pull`)".into());
    }
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER {
        return Err("it does not start with a safetensors header".into());
    }
    let Some(json) = rest.get(..length as usize) else {
        return Err("it ends within its header; fetch it again".into());
    };
    let mut entries: BTreeMap<String, serde_json::Value> = serde_json::from_slice(json)
        .map_err(|error| format!("its header is no safetensors header: {error}"))?;
    entries.remove("__metadata__");
    let data = 8 + length as usize;
    let mut tensors = BTreeMap::new();
    for (name, entry) in entries {
        let info = serde_json::from_value(entry)
            .map_err(|error| error.to_string())
            .and_then(|raw: RawInfo| check(raw, data))
            .map_err(|reason| format!("tensor `{name}`: {reason}"))?;
        tensors.insert(name, info);
    }
    covered(&tensors, data, bytes.len())?;
    Ok(tensors)
}

fn check(raw: RawInfo, data: usize) -> Result<TensorInfo, String> {
    let (start, end) = raw.data_offsets;
    let (start, end) = match (start.checked_add(data), end.checked_add(data)) {
        (Some(start), Some(end)) if start <= end => (start, end),
        _ => return Err("its offsets make no sense".into()),
    };
    let count = raw.shape.iter().try_fold(1usize, |count, side| count.checked_mul(*side));
    let info = TensorInfo { dtype: raw.dtype, shape: raw.shape, strides: None, start, end };
    // Types that we cannot use may be in a file, as long as nobody asks for the tensor.
    if let Some(element) = info.element_bytes() {
        let size = count.and_then(|count| count.checked_mul(element));
        if size != Some(end - start) {
            return Err(format!(
                "{} bytes cannot hold {} of shape {:?}",
                end - start,
                info.dtype,
                info.shape
            ));
        }
    }
    Ok(info)
}

/// The data must be tiled exactly: gaps and overlaps are how a file is made to lie.
fn covered(tensors: &BTreeMap<String, TensorInfo>, data: usize, len: usize) -> Result<(), String> {
    let mut order: Vec<_> = tensors.iter().collect();
    order.sort_by_key(|(_, info)| (info.start, info.end));
    let mut at = data;
    for (name, info) in order {
        if info.start != at {
            return Err(format!("tensor `{name}`: its data overlap or leave a gap"));
        }
        if info.end > len {
            return Err(format!(
                "it ends within tensor `{name}`, {} bytes too early; fetch it again",
                info.end - len
            ));
        }
        at = info.end;
    }
    if at != len {
        return Err(format!("{} bytes follow the last tensor; fetch it again", len - at));
    }
    Ok(())
}
