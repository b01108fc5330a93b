//! Reads what the Python scripts in this folder wrote, and compares with it.

use candle_core::{DType, Device, Tensor, safetensors};
use candle_nn::VarBuilder;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::path::PathBuf;

pub type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The relative error that f32 results may have, see [`Fixture::check`].
pub const TOLERANCE: f32 = 1e-4;

pub struct Fixture {
    name: &'static str,
    tensors: HashMap<String, Tensor>,
}

#[allow(dead_code)] // not every test uses every function
impl Fixture {
    pub fn open(name: &'static str) -> Self {
        let file = path(name, "safetensors");
        let tensors = safetensors::load(&file, &Device::Cpu);
        let tensors = tensors.unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        Self { name, tensors }
    }

    pub fn config<T: DeserializeOwned>(&self) -> T {
        let file = path(self.name, "json");
        let text = std::fs::read_to_string(&file).expect("a fixture has a configuration");
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
    }

    pub fn weights(&self) -> VarBuilder<'static> {
        VarBuilder::from_tensors(self.tensors.clone(), DType::F32, &Device::Cpu)
    }

    /// The weights by name, without inputs and results.
    pub fn state(&self) -> HashMap<String, Tensor> {
        let weights = self.tensors.iter().filter(|(_, tensor)| tensor.dtype() == DType::F16);
        weights.map(|(name, tensor)| (name.clone(), tensor.clone())).collect()
    }

    pub fn get(&self, name: &str) -> Tensor {
        let tensor = self.tensors.get(name);
        let tensor = tensor.unwrap_or_else(|| panic!("{} has no {name}", self.name));
        match tensor.dtype() {
            DType::I64 => tensor.to_dtype(DType::U32).expect("ids fit 32 bits"),
            _ => tensor.clone(),
        }
    }

    /// Each element must differ from the expected by at most [`TOLERANCE`] of its own size or
    /// of the root mean square of all, whichever is larger.
    pub fn check(&self, name: &str, got: &Tensor) {
        let want = self.get(name);
        assert_eq!(got.dims(), want.dims(), "{} {name}", self.name);
        let error = relative_error(got, &want);
        println!("{} {name}: relative error {error:.1e}", self.name);
        assert!(error <= TOLERANCE, "{} {name}: relative error {error:e}", self.name);
    }
}

pub fn relative_error(got: &Tensor, want: &Tensor) -> f32 {
    let (got, want) = (values(got), values(want));
    let mean_square = want.iter().map(|w| w * w).sum::<f32>() / want.len() as f32;
    let scale = mean_square.sqrt();
    let errors = got.iter().zip(&want).map(|(g, w)| (g - w).abs() / w.abs().max(scale));
    // A NaN anywhere must not pass for a small error.
    errors.fold(0., |worst, e| if e > worst || e.is_nan() { e } else { worst })
}

pub fn values(tensor: &Tensor) -> Vec<f32> {
    let flat = tensor.flatten_all().and_then(|t| t.to_dtype(DType::F32)?.to_vec1());
    flat.expect("a tensor has values")
}

fn path(name: &str, extension: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/models")
        .join(format!("{name}.{extension}"))
}
