//! Tensors as safetensors files, written one after another.

use std::io::{self, Write};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde_json::json;

use super::TrainError;
use crate::base::atomic::write_atomic_with;
use crate::bundle::{Source, Weights};

/// What a tensor will be, before it is there.
#[derive(Debug, Clone)]
pub struct Described {
    pub name: String,
    pub dtype: DType,
    pub shape: Vec<usize>,
}

impl Described {
    pub fn of(name: &str, tensor: &Tensor) -> Self {
        Described { name: name.to_string(), dtype: tensor.dtype(), shape: tensor.dims().to_vec() }
    }

    /// A tensor as it lies in a file.
    pub fn stored(weights: &Weights, name: &str) -> Result<Self, TrainError> {
        let info = weights.info(name);
        let dtype = match info.map(|info| info.dtype.as_str()) {
            Some("F32") => DType::F32,
            Some("F16") => DType::F16,
            Some("BF16") => DType::BF16,
            other => {
                return Err(TrainError::Input {
                    message: format!("the tensor `{name}` is of the type {}", other.unwrap_or("?")),
                    help: "the weights of a network to train are F32, F16 or BF16",
                });
            }
        };
        let shape = info.map(|info| info.shape.clone()).unwrap_or_default();
        Ok(Described { name: name.to_string(), dtype, shape })
    }

    pub fn bytes(&self) -> u64 {
        (self.shape.iter().product::<usize>() * self.dtype.size_in_bytes()) as u64
    }
}

/// Writes a file of tensors, each of which `get` makes when its turn comes, so that no more than one
/// is in memory.
pub fn write_each(
    path: &Path,
    tensors: &[Described],
    get: &mut dyn FnMut(&Described) -> Result<Tensor, TrainError>,
) -> Result<(), TrainError> {
    let header = header(tensors);
    let mut failed = None;
    let written = write_atomic_with(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        for described in tensors {
            match get(described) {
                Ok(tensor) => write_tensor(out, described, &tensor)?,
                Err(error) => {
                    failed = Some(error);
                    return Err(io::Error::other("a tensor could not be made"));
                }
            }
        }
        Ok(())
    });
    match failed {
        Some(error) => Err(error),
        None => written.map_err(TrainError::Write),
    }
}

/// Writes tensors that are there.
pub fn write(path: &Path, tensors: &[(String, Tensor)]) -> Result<(), TrainError> {
    let described: Vec<_> =
        tensors.iter().map(|(name, tensor)| Described::of(name, tensor)).collect();
    let mut at = 0;
    write_each(path, &described, &mut |_| {
        at += 1;
        Ok(tensors[at - 1].1.clone())
    })
}

fn header(tensors: &[Described]) -> String {
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".into(), json!({ "format": "pt" }));
    let mut at = 0;
    for tensor in tensors {
        let end = at + tensor.bytes();
        let dtype = tensor.dtype.as_str().to_uppercase();
        let entry = json!({ "dtype": dtype, "shape": tensor.shape, "data_offsets": [at, end] });
        header.insert(tensor.name.clone(), entry);
        at = end;
    }
    let mut header = serde_json::Value::Object(header).to_string();
    // The data begin at a multiple of 8.
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    header
}

fn write_tensor(out: &mut dyn Write, described: &Described, tensor: &Tensor) -> io::Result<()> {
    if tensor.dims() != described.shape || tensor.dtype() != described.dtype {
        return Err(io::Error::other(format!("the tensor {} is another one", described.name)));
    }
    let failed = |error: candle_core::Error| io::Error::other(error.to_string());
    let flat =
        tensor.flatten_all().and_then(|flat| flat.to_device(&Device::Cpu)).map_err(failed)?;
    macro_rules! numbers {
        ($kind:ty) => {
            for number in flat.to_vec1::<$kind>().map_err(failed)? {
                out.write_all(&number.to_le_bytes())?;
            }
        };
    }
    match flat.dtype() {
        DType::F32 => numbers!(f32),
        DType::F16 => numbers!(half::f16),
        DType::BF16 => numbers!(half::bf16),
        other => return Err(io::Error::other(format!("tensors are not written as {other:?}"))),
    }
    Ok(())
}

/// Opens a file that [`write`] wrote.
pub fn open(folder: &Path, file: &str) -> Result<Weights, TrainError> {
    let source = Source::Folder(folder.to_path_buf());
    let blob = source.open(file)?.ok_or_else(|| TrainError::Read {
        path: folder.join(file),
        source: io::ErrorKind::NotFound.into(),
    })?;
    Ok(Weights::open([(source.display(file), blob)])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_come_back_bit_by_bit() {
        let folder = tempfile::tempdir().unwrap();
        let values = [0.1f32, -0.0, f32::MIN_POSITIVE / 3.0, 3e38];
        let wide = Tensor::new(&values, &Device::Cpu).unwrap().reshape((2, 2)).unwrap();
        let narrow = Tensor::new(&[1.5f32], &Device::Cpu).unwrap().to_dtype(DType::BF16).unwrap();
        let path = folder.path().join("a.safetensors");
        write(&path, &[("w".into(), wide.t().unwrap()), ("n".into(), narrow)]).unwrap();
        let weights = open(folder.path(), "a.safetensors").unwrap();
        let back = weights.tensor("w", &Device::Cpu).unwrap().flatten_all().unwrap();
        let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let expected = [values[0], values[2], values[1], values[3]];
        assert_eq!(bits(&back.to_vec1::<f32>().unwrap()), bits(&expected));
        assert_eq!(weights.info("n").unwrap().dtype, "BF16");
    }

    #[test]
    fn a_file_whose_tensors_fail_does_not_appear() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let described = Described { name: "w".into(), dtype: DType::F32, shape: vec![1] };
        let fail = |_: &Described| Err(TrainError::Input { message: "no".into(), help: "" });
        let error = write_each(&path, &[described], &mut { fail }).unwrap_err();
        assert_eq!((error.to_string().as_str(), path.exists()), ("no", false));
    }
}
