//! One file of weights: its tensors, whatever its format.

use std::borrow::Cow;
use std::collections::BTreeMap;

use candle_core::DType;

use super::source::Blob;
use super::{BundleError, safetensors_file, torch};

/// The pages of smaller tensors are not worth a call of the system.
const RELEASED_FROM: usize = 1 << 20;

/// One tensor of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorInfo {
    /// As safetensors spells it, such as `BF16`.
    pub dtype: String,
    pub shape: Vec<usize>,
    /// In elements, where they are not those of the shape in row-major order.
    pub(super) strides: Option<Vec<usize>>,
    /// Range in the file.
    pub(super) start: usize,
    pub(super) end: usize,
}

impl TensorInfo {
    pub(super) fn element_bytes(&self) -> Option<usize> {
        element_bytes(&self.dtype)
    }

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

/// The bytes of an element; `None` for a type that safetensors does not have.
pub(super) fn element_bytes(dtype: &str) -> Option<usize> {
    Some(match dtype {
        "BOOL" | "U8" | "I8" | "F8_E4M3" | "F8_E5M2" => 1,
        "U16" | "I16" | "F16" | "BF16" => 2,
        "U32" | "I32" | "F32" => 4,
        "U64" | "I64" | "F64" => 8,
        _ => return None,
    })
}

/// An opened file.
pub(super) struct WeightsFile {
    pub path: String,
    pub blob: Blob,
    pub tensors: BTreeMap<String, TensorInfo>,
}

impl WeightsFile {
    /// Opens a safetensors file or a PyTorch checkpoint, whichever it is.
    pub fn open(path: String, blob: Blob) -> Result<Self, BundleError> {
        let tensors = match torch::is_torch(&blob) {
            true => torch::tensors(&blob),
            false => safetensors_file::tensors(&blob),
        };
        match tensors {
            Ok(tensors) => Ok(WeightsFile { path, blob, tensors }),
            Err(reason) => Err(BundleError::Weights { path, reason }),
        }
    }

    /// The same file with other names for its tensors; those without one are left out.
    pub fn renamed(mut self, name: impl Fn(&str) -> Option<String>) -> Self {
        let tensors = self.tensors.into_iter();
        self.tensors = tensors.filter_map(|(old, info)| Some((name(&old)?, info))).collect();
        self
    }

    /// To be called when the elements of a tensor have been copied.
    pub fn release(&self, info: &TensorInfo) {
        if info.end.saturating_sub(info.start) >= RELEASED_FROM {
            self.blob.release(info.start..info.end);
        }
    }

    /// The elements of a tensor in row-major order: where they lie, or gathered.
    pub fn bytes(&self, info: &TensorInfo, size: usize) -> Cow<'_, [u8]> {
        let bytes = self.blob.get(info.start..info.end).unwrap_or(&[]);
        match &info.strides {
            None => Cow::Borrowed(bytes),
            Some(strides) => Cow::Owned(gather(bytes, &info.shape, strides, size)),
        }
    }
}

/// Elements of `size` bytes in row-major order. The file's reader has checked that they exist.
fn gather(bytes: &[u8], shape: &[usize], strides: &[usize], size: usize) -> Vec<u8> {
    let count: usize = shape.iter().product();
    let mut gathered = Vec::with_capacity(count * size);
    let mut place = vec![0; shape.len()];
    for _ in 0..count {
        let at: usize = place.iter().zip(strides).map(|(at, stride)| at * stride).sum();
        gathered.extend_from_slice(&bytes[at * size..(at + 1) * size]);
        for (at, side) in place.iter_mut().zip(shape).rev() {
            *at += 1;
            if *at < *side {
                break;
            }
            *at = 0;
        }
    }
    gathered
}
