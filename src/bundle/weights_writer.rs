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
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    /// The bytes that are there, of so many for an element.
    Copied(usize),
    Converted(DType),
    Packed(Quantization),
}

impl Entry<'_> {
    fn bytes(&self) -> usize {
        let size = match self.kind {
            Kind::Copied(size) => size,
            Kind::Converted(dtype) => dtype.size_in_bytes(),
            Kind::Packed(_) => 1,
        };
        self.shape.iter().product::<usize>() * size
    }
}

impl Form {
    /// `None` for a tensor of a type that is not known.
    fn entry<'a>(self, name: &'a str, info: &TensorInfo) -> Option<Entry<'a>> {
        let size = info.element_bytes()?;
        let plain = |wanted: Option<DType>| {
            let stored = info.candle_dtype();
            let kind = match wanted.filter(|wanted| Some(*wanted) != stored) {
                Some(wanted) if stored.is_some_and(|stored| stored.is_float()) => {
                    Kind::Converted(wanted)
                }
                _ => Kind::Copied(size),
            };
            Entry { source: name, name: Cow::Borrowed(name), shape: info.shape.clone(), kind }
        };
        Some(match self {
            Form::Stored => plain(None),
            Form::Precision(wanted) => plain(Some(wanted)),
            Form::Quantized(kind) => {
                let float = info.candle_dtype().is_some_and(|stored| stored.is_float());
                match packed_as(kind, name, &info.shape).filter(|_| float) {
                    Some((kind, row)) => Entry {
                        source: name,
                        name: Cow::Owned(kind.renamed(name)),
                        shape: vec![info.shape[0], row],
                        kind: Kind::Packed(kind),
                    },
                    None => plain((info.shape.len() > 1).then_some(DType::F16)),
                }
            }
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
        let header = header(self, &entries);
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
        let failed = |reason: String| BundleError::Tensor {
            path: file.path.clone(),
            tensor: entry.source.to_string(),
            reason,
        };
        let converted = match entry.kind {
            Kind::Copied(size) => {
                let copied = file.bytes(info, size).into_owned();
                file.release(info);
                return Ok(copied);
            }
            Kind::Packed(kind) => self.tensor(entry.source, &Device::Cpu).map(|tensor| {
                kind.pack(&tensor).and_then(|packed| packed.flatten_all()?.to_vec1())
            })?,
            Kind::Converted(dtype) => {
                let tensor = self.tensor(entry.source, &Device::Cpu)?;
                let narrowed = tensor.flatten_all().and_then(|flat| flat.to_dtype(dtype));
                let narrowed = narrowed.map_err(|error| failed(error.to_string()))?;
                let lost = overflows(&tensor, &narrowed).map_err(|e| failed(e.to_string()))?;
                if lost {
                    return Err(failed(format!(
                        "has numbers beyond the range of {}; bf16 has the range of f32",
                        dtype.as_str()
                    )));
                }
                little_endian(&narrowed)
            }
        };
        converted.map_err(|error| failed(format!("cannot be converted: {error}")))
    }
}

/// Whether a number became infinite that was not.
fn overflows(wide: &Tensor, narrow: &Tensor) -> candle_core::Result<bool> {
    if narrow.elem_count() == 0 || !matches!(narrow.dtype(), DType::F16 | DType::BF16) {
        return Ok(false);
    }
    let largest = |tensor: &Tensor| {
        tensor.flatten_all()?.abs()?.max(0)?.to_dtype(DType::F64)?.to_scalar::<f64>()
    };
    Ok(largest(narrow)?.is_infinite() && largest(wide)?.is_finite())
}

/// What a tensor is called and where it is in the file.
fn header(weights: &Weights, entries: &[Entry<'_>]) -> String {
    let mut header = serde_json::Map::new();
    let mut at = 0;
    for entry in entries {
        let end = at + entry.bytes();
        let dtype = match entry.kind {
            Kind::Converted(dtype) => dtype.as_str().to_uppercase(),
            Kind::Packed(_) => "U8".to_string(),
            Kind::Copied(_) => {
                weights.info(entry.source).map_or_else(String::new, |i| i.dtype.clone())
            }
        };
        let described = serde_json::json!({
            "dtype": dtype,
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
