//! Weights: one or several files as one name space.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device, Error as CandleError, Shape, Tensor};
use candle_nn::VarBuilder;
use candle_nn::var_builder::SimpleBackend;

use super::BundleError;
use super::source::Blob;
use super::weights_file::{TensorInfo, WeightsFile};
use crate::base::atomic::write_atomic_with;

/// Opened weights files. Cheap to clone; tensors are read when they are asked for.
#[derive(Clone)]
pub struct Weights(Arc<Inner>);

struct Inner {
    files: Vec<WeightsFile>,
    /// Tensor name → index in `files`.
    index: BTreeMap<String, usize>,
}

impl Weights {
    /// Opens files given as (what errors call them, bytes). A name may occur only once.
    pub fn open(blobs: impl IntoIterator<Item = (String, Blob)>) -> Result<Self, BundleError> {
        let open = |(path, blob)| WeightsFile::open(path, blob);
        Self::of(blobs.into_iter().map(open).collect::<Result<Vec<_>, _>>()?)
    }

    pub(super) fn of(opened: Vec<WeightsFile>) -> Result<Self, BundleError> {
        let mut files = Vec::new();
        let mut index = BTreeMap::new();
        for file in opened {
            for name in file.tensors.keys() {
                if let Some(other) = index.insert(name.clone(), files.len()) {
                    let other: &WeightsFile = &files[other];
                    return Err(BundleError::Tensor {
                        path: file.path.clone(),
                        tensor: name.clone(),
                        reason: format!("is also in `{}`", other.path),
                    });
                }
            }
            files.push(file);
        }
        Ok(Weights(Arc::new(Inner { files, index })))
    }

    /// The names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.index.keys().map(String::as_str)
    }

    pub fn info(&self, name: &str) -> Option<&TensorInfo> {
        let file = &self.0.files[*self.0.index.get(name)?];
        file.tensors.get(name)
    }

    /// The bytes of all files together.
    pub fn size(&self) -> u64 {
        self.0.files.iter().map(|file| file.blob.len() as u64).sum()
    }

    /// One tensor in the file's own precision.
    pub fn tensor(&self, name: &str, device: &Device) -> Result<Tensor, BundleError> {
        self.0.tensor(name, device)
    }

    /// Writes all tensors as one safetensors file, one after the other: in the precision they have,
    /// or those of floating point in `dtype`.
    pub fn write_safetensors(
        &self,
        path: &Path,
        dtype: Option<DType>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), BundleError> {
        let written = |info: &TensorInfo| match (info.candle_dtype(), dtype) {
            (Some(stored), Some(wanted)) if stored.is_float() => Some(wanted),
            (stored, _) => stored,
        };
        let mut header = serde_json::Map::new();
        let mut at = 0;
        for name in self.names() {
            let (file, info) = self.0.locate(name)?;
            let Some(kind) = written(info) else {
                return Err(BundleError::Tensor {
                    path: file.path.clone(),
                    tensor: name.to_string(),
                    reason: format!("is of the type {}, which cannot be converted", info.dtype),
                });
            };
            let end = at + info.shape.iter().product::<usize>() * kind.size_in_bytes();
            let entry = serde_json::json!({
                "dtype": kind.as_str().to_uppercase(), "shape": info.shape, "data_offsets": [at, end],
            });
            header.insert(name.to_string(), entry);
            at = end;
        }
        let mut header = serde_json::Value::Object(header).to_string();
        // The data begin at a multiple of 8.
        header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
        let write = |out: &mut dyn Write| {
            out.write_all(&(header.len() as u64).to_le_bytes())?;
            out.write_all(header.as_bytes())?;
            for name in self.names() {
                let bytes = self.raw(name, written).map_err(io::Error::other)?;
                out.write_all(&bytes)?;
                progress(bytes.len() as u64);
            }
            Ok(())
        };
        write_atomic_with(path, write)
            .map_err(|source| BundleError::Write { path: path.display().to_string(), source })
    }

    /// The bytes of a tensor in row-major order, converted to what `written` says.
    fn raw(
        &self,
        name: &str,
        written: impl Fn(&TensorInfo) -> Option<DType>,
    ) -> Result<Vec<u8>, BundleError> {
        let (file, info) = self.0.locate(name)?;
        let (Some(stored), Some(wanted)) = (info.candle_dtype(), written(info)) else {
            return Ok(Vec::new());
        };
        let bytes = file.bytes(info, stored.size_in_bytes());
        if stored == wanted {
            return Ok(bytes.into_owned());
        }
        let converted = Tensor::from_raw_buffer(&bytes, stored, &info.shape, &Device::Cpu)
            .and_then(|tensor| tensor.flatten_all()?.to_dtype(wanted))
            .and_then(|tensor| little_endian(&tensor));
        converted.map_err(|error| BundleError::Tensor {
            path: file.path.clone(),
            tensor: name.to_string(),
            reason: format!("cannot be converted: {error}"),
        })
    }

    /// What the networks take their parameters from: every tensor is converted to `dtype`.
    pub fn var_builder(&self, dtype: DType, device: &Device) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(Backend(self.0.clone())), dtype, device.clone())
    }
}

impl Inner {
    fn locate(&self, name: &str) -> Result<(&WeightsFile, &TensorInfo), BundleError> {
        let file = self.index.get(name).map(|index| &self.files[*index]);
        match file.and_then(|file| Some((file, file.tensors.get(name)?))) {
            Some(found) => Ok(found),
            None => Err(BundleError::MissingTensor {
                tensor: name.to_string(),
                files: self
                    .files
                    .iter()
                    .map(|file| format!("`{}`", file.path))
                    .collect::<Vec<_>>()
                    .join(", "),
                hint: self.hint(name),
            }),
        }
    }

    /// The same last parts under another prefix are what a wrong checkpoint usually has.
    fn hint(&self, name: &str) -> String {
        let tail = name.split_once('.').map_or(name, |(_, tail)| tail);
        let same_end = |other: &&String| other.ends_with(tail) || name.ends_with(other.as_str());
        match self.index.keys().find(same_end) {
            Some(other) => format!(" (there is `{other}`)"),
            None => format!(" (they hold {} tensors of other names)", self.index.len()),
        }
    }

    fn tensor(&self, name: &str, device: &Device) -> Result<Tensor, BundleError> {
        let (file, info) = self.locate(name)?;
        let failed = |reason: String| BundleError::Tensor {
            path: file.path.clone(),
            tensor: name.to_string(),
            reason,
        };
        let Some(dtype) = info.candle_dtype() else {
            return Err(failed(format!("is of the type {}, which cannot be used", info.dtype)));
        };
        Tensor::from_raw_buffer(
            &file.bytes(info, dtype.size_in_bytes()),
            dtype,
            &info.shape,
            device,
        )
        .map_err(|error| failed(format!("cannot be loaded: {error}")))
    }

    fn typed(&self, name: &str, dtype: DType, device: &Device) -> Result<Tensor, BundleError> {
        let tensor = self.tensor(name, device)?;
        let stored = tensor.dtype();
        let failed = |reason: String| match self.locate(name) {
            Ok((file, _)) => {
                BundleError::Tensor { path: file.path.clone(), tensor: name.to_string(), reason }
            }
            Err(error) => error,
        };
        if dtype.is_float() != stored.is_float() {
            return Err(failed(format!("is of the type {stored:?} where {dtype:?} is needed")));
        }
        tensor.to_dtype(dtype).map_err(|error| failed(format!("cannot be converted: {error}")))
    }
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

struct Backend(Arc<Inner>);

/// candle's error type carries ours, so that the file's name survives the way through a model;
/// not through `CandleError::wrap`, which prints a backtrace into the message.
fn wrap(error: BundleError) -> CandleError {
    CandleError::Wrapped(Box::new(error))
}

impl SimpleBackend for Backend {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: candle_nn::Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let (file, info) = self.0.locate(name).map_err(wrap)?;
        if info.shape != shape.dims() {
            return Err(wrap(BundleError::Tensor {
                path: file.path.clone(),
                tensor: name.to_string(),
                reason: format!(
                    "has the shape {:?} where the configuration needs {:?}",
                    info.shape,
                    shape.dims()
                ),
            }));
        }
        self.0.typed(name, dtype, device).map_err(wrap)
    }

    fn get_unchecked(
        &self,
        name: &str,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        self.0.typed(name, dtype, device).map_err(wrap)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.0.index.contains_key(name)
    }
}
