//! Weights: one or several files as one name space.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{DType, Device, Error as CandleError, Shape, Tensor};
use candle_nn::VarBuilder;
use candle_nn::var_builder::SimpleBackend;

use super::BundleError;
use super::source::Blob;
use super::weights_file::{TensorInfo, WeightsFile};
use crate::nn::quantized::Quantization;

/// Opened weights files. Cheap to clone; tensors are read when they are asked for.
#[derive(Clone)]
pub struct Weights(pub(super) Arc<Inner>);

pub(super) struct Inner {
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

    /// What the networks take their parameters from: every tensor is converted to `dtype`.
    pub fn var_builder(&self, dtype: DType, device: &Device) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(Backend(self.0.clone())), dtype, device.clone())
    }

    /// The same, with dense layers quantized as they are loaded, one at a time.
    pub fn quantized_var_builder(
        &self,
        kind: Quantization,
        dtype: DType,
        device: &Device,
    ) -> VarBuilder<'static> {
        let backend = Quantizing { plain: Backend(self.0.clone()), kind };
        VarBuilder::from_backend(Box::new(backend), dtype, device.clone())
    }

    /// The bytes that all tensors take in memory in `dtype`, dense layers quantized if so wished.
    pub fn memory(&self, dtype: DType, kind: Option<Quantization>) -> u64 {
        let quantized = kind.is_some()
            || self.names().any(|name| Quantization::ALL.iter().any(|kind| kind.is_of(name)));
        let bytes = |name: &str| {
            let Some(info) = self.info(name) else { return 0 };
            // The shape of a tensor whose type nobody knows was never compared with the file.
            let elements = info.shape.iter().fold(1u64, |n, side| n.saturating_mul(*side as u64));
            // As the language model keeps it beside quantized layers.
            if quantized && name.ends_with("embed_tokens.weight") {
                return elements.saturating_mul(2);
            }
            match (info.candle_dtype(), kind.and_then(|kind| packed_as(kind, name, &info.shape))) {
                (_, Some((_, row))) => (info.shape[0] as u64).saturating_mul(row as u64),
                (Some(stored), None) if !stored.is_float() => {
                    elements.saturating_mul(stored.size_in_bytes() as u64)
                }
                _ => elements.saturating_mul(dtype.size_in_bytes() as u64),
            }
        };
        self.names().map(bytes).fold(0, u64::saturating_add)
    }
}

impl Inner {
    pub(super) fn locate(&self, name: &str) -> Result<(&WeightsFile, &TensorInfo), BundleError> {
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
        // Always a copy: a mapped file is not a tensor's memory.
        let bytes = file.bytes(info, dtype.size_in_bytes());
        let tensor = Tensor::from_raw_buffer(&bytes, dtype, &info.shape, device);
        file.release(info);
        tensor.map_err(|error| failed(format!("cannot be loaded: {error}")))
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

/// How a tensor is quantized, and the bytes of a row: matrices of dense layers are, in blocks that
/// fit; the head in 8 bits, as its errors would go straight into the scores; embeddings are not.
pub(super) fn packed_as(
    kind: Quantization,
    name: &str,
    shape: &[usize],
) -> Option<(Quantization, usize)> {
    let &[_, inputs] = shape else { return None };
    let layer = name.strip_suffix(".weight")?;
    let layer = layer.rsplit_once('.').map_or(layer, |(_, layer)| layer);
    let kind = match layer {
        "embed_tokens" => return None,
        "lm_head" => Quantization::Q8_0,
        _ => kind,
    };
    let kind = kind.or_smaller_blocks(inputs)?;
    Some((kind, kind.row_bytes(inputs)?))
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

/// A view of weights in which the matrices of dense layers are quantized.
struct Quantizing {
    plain: Backend,
    kind: Quantization,
}

impl Quantizing {
    /// The plain tensor behind the name of a quantized one.
    fn behind<'a>(&self, name: &'a str) -> Option<(&'a str, Quantization)> {
        let (plain, kind) = name.rsplit_once('.')?;
        let (_, info) = self.plain.0.locate(plain).ok()?;
        let (is, _) = packed_as(self.kind, plain, &info.shape)?;
        (is.name() == kind).then_some((plain, is))
    }
}

impl SimpleBackend for Quantizing {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        init: candle_nn::Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        match self.behind(name) {
            Some((plain, kind)) => {
                let weight = self.plain.0.typed(plain, DType::F32, &Device::Cpu).map_err(wrap)?;
                let packed = kind.pack(&weight)?;
                match packed.shape() == &shape {
                    true => Ok(packed),
                    // The plain tensor's error speaks of numbers, not of bytes.
                    false => {
                        let inputs = weight.dims2()?.1;
                        let wanted = shape.dims().first().copied().unwrap_or(0);
                        self.plain.get((wanted, inputs).into(), plain, init, dtype, device)
                    }
                }
            }
            None => self.plain.get(shape, name, init, dtype, device),
        }
    }

    fn get_unchecked(
        &self,
        name: &str,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        self.plain.get_unchecked(name, dtype, device)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.behind(name).is_some() || self.plain.contains_tensor(name)
    }
}
