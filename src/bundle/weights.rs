//! Weights: one or several files as one name space.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{DType, Device, Error as CandleError, Shape, Tensor};
use candle_nn::VarBuilder;
use candle_nn::var_builder::SimpleBackend;

use super::BundleError;
use super::source::Blob;
use super::weights_file::{TensorInfo, WeightsFile};

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
        let mut files = Vec::new();
        let mut index = BTreeMap::new();
        for (path, blob) in blobs {
            let file = WeightsFile::open(path, blob)?;
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
        Tensor::from_raw_buffer(&file.bytes(info, dtype.size_in_bytes()), dtype, &info.shape, device)
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
