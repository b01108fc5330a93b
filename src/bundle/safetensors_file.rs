//! The header of a safetensors file, read with errors that name the tensor.
//!
//! The format: eight bytes with the header's length, a JSON object of name → (dtype, shape,
//! offsets), then the data without gaps.

use std::collections::BTreeMap;

use candle_core::DType;
use serde::Deserialize;

use super::BundleError;
use super::source::Blob;

/// The limit of the format's own reader.
const MAX_HEADER: u64 = 100_000_000;

/// One tensor of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorInfo {
    /// As the file spells it, such as `BF16`.
    pub dtype: String,
    pub shape: Vec<usize>,
    /// Range in the file.
    pub(super) start: usize,
    pub(super) end: usize,
}

impl TensorInfo {
    pub(super) fn candle_dtype(&self) -> Option<DType> {
        Some(match self.dtype.as_str() {
            "U8" => DType::U8,
            "U32" => DType::U32,
            "I16" => DType::I16,
            "I32" => DType::I32,
            "I64" => DType::I64,
            "BF16" => DType::BF16,
            "F16" => DType::F16,
            "F32" => DType::F32,
            "F64" => DType::F64,
            _ => return None,
        })
    }
}

/// One opened file.
pub(super) struct SafetensorsFile {
    pub path: String,
    pub blob: Blob,
    pub tensors: BTreeMap<String, TensorInfo>,
}

#[derive(Deserialize)]
struct RawInfo {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

impl SafetensorsFile {
    pub fn open(path: String, blob: Blob) -> Result<Self, BundleError> {
        match header(&blob) {
            Ok(tensors) => Ok(SafetensorsFile { path, blob, tensors }),
            Err(reason) => Err(BundleError::Weights { path, reason }),
        }
    }

    pub fn bytes(&self, info: &TensorInfo) -> &[u8] {
        self.blob.get(info.start..info.end).unwrap_or(&[])
    }
}

fn header(bytes: &[u8]) -> Result<BTreeMap<String, TensorInfo>, String> {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(format!("it has only {} bytes; fetch it again", bytes.len()));
    };
    if bytes.starts_with(b"version https://git-lfs") {
        return Err("it is a Git LFS pointer; fetch the file itself (`git lfs pull`)".into());
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return Err("it is a PyTorch (zip) file, not safetensors; convert it first".into());
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
    let info = TensorInfo { dtype: raw.dtype, shape: raw.shape, start, end };
    // Types that we cannot use may be in a file, as long as nobody asks for the tensor.
    if let Some(dtype) = info.candle_dtype() {
        let size = count.and_then(|count| count.checked_mul(dtype.size_in_bytes()));
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
