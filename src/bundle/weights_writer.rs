//! Weights as a safetensors file, tensor by tensor: converted, or quantized.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;

use candle_core::{DType, Device, Tensor};

use super::BundleError;
use super::weights::{Weights, packed_as};
use super::weights_file::TensorInfo;
use crate::base::atomic::write_atomic_with;
use crate::nn::quantized::Quantization;

/// What tensors are written as.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Form {
    /// As they are.
    Stored,
    /// Those of floating point in this precision.
    Precision(DType),
    /// Matrices of dense layers in blocks, embeddings in f16, the rest as it is.
    Quantized(Quantization),
}

/// One tensor of the file that is written.
struct Entry<'a> {
    source: &'a str,
    name: Cow<'a, str>,
    shape: Vec<usize>,
    dtype: DType,
    packed: Option<Quantization>,
}

impl Entry<'_> {
    fn bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.size_in_bytes()
    }
}

impl Form {
    fn entry<'a>(self, name: &'a str, info: &TensorInfo) -> Option<Entry<'a>> {
        let stored = info.candle_dtype()?;
        let plain = |dtype| Entry {
            source: name,
            name: Cow::Borrowed(name),
            shape: info.shape.clone(),
            dtype,
            packed: None,
        };
        Some(match self {
            Form::Precision(wanted) if stored.is_float() => plain(wanted),
            Form::Quantized(kind) if stored.is_float() => {
                match packed_as(kind, name, &info.shape) {
                    Some((kind, row)) => Entry {
                        source: name,
                        name: Cow::Owned(kind.renamed(name)),
                        shape: vec![info.shape[0], row],
                        dtype: DType::U8,
                        packed: Some(kind),
                    },
                    None if info.shape.len() > 1 => plain(DType::F16),
                    None => plain(stored),
                }
            }
            _ => plain(stored),
        })
    }
}

impl Weights {
    /// Writes all tensors as one safetensors file, one after the other, so that memory stays at
    /// the size of the largest.
    pub fn write_safetensors(
        &self,
        path: &Path,
        form: Form,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), BundleError> {
        let mut entries = Vec::new();
        for name in self.names() {
            let (file, info) = self.0.locate(name)?;
            let Some(entry) = form.entry(name, info) else {
                return Err(BundleError::Tensor {
                    path: file.path.clone(),
                    tensor: name.to_string(),
                    reason: format!("is of the type {}, which cannot be converted", info.dtype),
                });
            };
            entries.push(entry);
        }
        let header = header(&entries);
        let write = |out: &mut dyn Write| {
            out.write_all(&(header.len() as u64).to_le_bytes())?;
            out.write_all(header.as_bytes())?;
            for entry in &entries {
                let bytes = self.bytes_of(entry).map_err(io::Error::other)?;
                out.write_all(&bytes)?;
                progress(bytes.len() as u64);
            }
            Ok(())
        };
        write_atomic_with(path, write)
            .map_err(|source| BundleError::Write { path: path.display().to_string(), source })
    }

    /// What a tensor becomes, in row-major order.
    fn bytes_of(&self, entry: &Entry<'_>) -> Result<Vec<u8>, BundleError> {
        let (file, info) = self.0.locate(entry.source)?;
        let stored = info.candle_dtype();
        if let (Some(stored), None) = (stored, entry.packed)
            && stored == entry.dtype
        {
            let copied = file.bytes(info, stored.size_in_bytes()).into_owned();
            file.release(info);
            return Ok(copied);
        }
        let tensor = self.tensor(entry.source, &Device::Cpu)?;
        let converted = match entry.packed {
            Some(kind) => kind.pack(&tensor).and_then(|packed| packed.flatten_all()?.to_vec1()),
            None => tensor
                .flatten_all()
                .and_then(|tensor| tensor.to_dtype(entry.dtype))
                .and_then(|tensor| little_endian(&tensor)),
        };
        converted.map_err(|error| BundleError::Tensor {
            path: file.path.clone(),
            tensor: entry.source.to_string(),
            reason: format!("cannot be converted: {error}"),
        })
    }
}

fn header(entries: &[Entry<'_>]) -> String {
    let mut header = serde_json::Map::new();
    let mut at = 0;
    for entry in entries {
        let end = at + entry.bytes();
        let described = serde_json::json!({
            "dtype": entry.dtype.as_str().to_uppercase(),
            "shape": entry.shape,
            "data_offsets": [at, end],
        });
        header.insert(entry.name.to_string(), described);
        at = end;
    }
    let mut header = serde_json::Value::Object(header).to_string();
    // The data begin at a multiple of 8.
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    header
}

/// The numbers of a flat tensor as bytes.
fn little_endian(flat: &Tensor) -> candle_core::Result<Vec<u8>> {
    Ok(match flat.dtype() {
        DType::F32 => flat.to_vec1::<f32>()?.iter().flat_map(|x| x.to_le_bytes()).collect(),
        DType::F16 => flat.to_vec1::<half::f16>()?.iter().flat_map(|x| x.to_le_bytes()).collect(),
        DType::BF16 => flat.to_vec1::<half::bf16>()?.iter().flat_map(|x| x.to_le_bytes()).collect(),
        other => candle_core::bail!("weights are not written as {other:?}"),
    })
}
