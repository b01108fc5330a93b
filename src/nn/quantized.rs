//! Quantized weights of dense layers, in GGML's blocks.
//!
//! A matrix `x.weight` of shape (out, in) becomes the bytes `x.weight.q8_0` or `x.weight.q4_k` of
//! shape (out, bytes of a row). [`super::linear::Linear`] takes whichever there is.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{DType, Device, Result, Tensor};

/// A way to store a row of numbers in blocks that share a scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantization {
    /// Blocks of 32 numbers in 8 bits with one f16 scale: 8.5 bits a number.
    Q8_0,
    /// Blocks of 256 numbers in 4 bits, with scales and minima in 6 bits for 32 each: 4.5 bits.
    Q4K,
}

impl Quantization {
    pub const ALL: [Self; 2] = [Self::Q8_0, Self::Q4K];

    pub fn name(self) -> &'static str {
        match self {
            Self::Q8_0 => "q8_0",
            Self::Q4K => "q4_k",
        }
    }

    fn ggml(self) -> GgmlDType {
        match self {
            Self::Q8_0 => GgmlDType::Q8_0,
            Self::Q4K => GgmlDType::Q4K,
        }
    }

    /// Bytes of a row of `inputs` numbers; `None` where they are no whole blocks.
    pub fn row_bytes(self, inputs: usize) -> Option<usize> {
        let (block, size) = (self.ggml().block_size(), self.ggml().type_size());
        (inputs > 0 && inputs.is_multiple_of(block)).then(|| inputs / block * size)
    }

    /// What is used for rows of `inputs` numbers: this, else 8 bits, else nothing.
    pub fn or_smaller_blocks(self, inputs: usize) -> Option<Self> {
        [self, Self::Q8_0].into_iter().find(|kind| kind.row_bytes(inputs).is_some())
    }

    /// The name of a quantized tensor.
    pub fn renamed(self, tensor: &str) -> String {
        format!("{tensor}.{}", self.name())
    }

    /// Whether a tensor has the name of one that is quantized so.
    pub fn is_of(self, tensor: &str) -> bool {
        tensor.strip_suffix(self.name()).is_some_and(|rest| rest.ends_with('.'))
    }

    /// (out, in) in any floating point → (out, bytes of a row).
    pub fn pack(self, weight: &Tensor) -> Result<Tensor> {
        let (outputs, inputs) = weight.dims2()?;
        let Some(row) = self.row_bytes(inputs) else {
            candle_core::bail!("rows of {inputs} numbers are no whole blocks of {self}");
        };
        let quantized = QTensor::quantize(&weight.to_device(&Device::Cpu)?, self.ggml())?;
        Tensor::from_vec(quantized.data()?.into_owned(), (outputs, row), &Device::Cpu)
    }

    /// The product with a matrix that [`Self::pack`] has made, on `device`.
    pub fn unpack(self, packed: &Tensor, inputs: usize, device: &Device) -> Result<QMatMul> {
        let (outputs, row) = packed.dims2()?;
        if packed.dtype() != DType::U8 || self.row_bytes(inputs) != Some(row) {
            candle_core::bail!("{row} bytes are not a row of {inputs} numbers in {self}");
        }
        let bytes = packed.flatten_all()?.to_vec1::<u8>()?;
        let storage = QStorage::from_data(Cow::Owned(bytes), device, self.ggml())?;
        QMatMul::from_qtensor(QTensor::new(storage, (outputs, inputs))?)
    }
}

impl fmt::Display for Quantization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Quantization {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let kind = Self::ALL.into_iter().find(|kind| kind.name() == text);
        kind.ok_or_else(|| "expected q8_0 or q4_k".to_string())
    }
}
