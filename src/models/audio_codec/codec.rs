//! A whole codec: encoder, quantizer, decoder.

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

use super::rvq::ResidualQuantizer;
use super::seanet::{Decoder, Encoder, Shape};
use crate::models::{Error, Result};

#[derive(Debug)]
pub struct Codec {
    model: &'static str,
    encoder: Encoder,
    quantizer: ResidualQuantizer,
    decoder: Decoder,
    dtype: DType,
    device: Device,
}

/// How many codebooks there are, how large, and where their tables are.
pub struct Books<'a> {
    pub count: usize,
    pub size: usize,
    pub place: &'a dyn Fn(usize) -> String,
}

impl Codec {
    pub fn load(
        model: &'static str,
        shape: &Shape,
        books: &Books<'_>,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let Books { count, size, place } = *books;
        Ok(Self {
            model,
            encoder: Encoder::load(shape, vb.pp("encoder"))?,
            quantizer: ResidualQuantizer::load(count, size, shape.dimension, vb, place)?,
            decoder: Decoder::load(shape, vb.pp("decoder"))?,
            dtype: vb.dtype(),
            device: vb.device().clone(),
        })
    }

    /// Samples of one channel → the codes of the first `count` codebooks, ⌈samples / hop⌉ each.
    pub fn encode(&self, samples: &[f32], count: usize) -> Result<Vec<Vec<u32>>> {
        if samples.is_empty() || samples.iter().any(|sample| !sample.is_finite()) {
            return Err(self.input("samples", vec![samples.len()], "finite samples"));
        }
        let x = Tensor::from_slice(samples, (1, 1, samples.len()), &self.device)?;
        self.quantizer.encode(&self.encoder.forward(&x.to_dtype(self.dtype)?)?, count)
    }

    /// Codes of some first codebooks, equally many each → frames · hop samples.
    pub fn decode(&self, codes: &[Vec<u32>]) -> Result<Vec<f32>> {
        let frames = codes.first().map_or(0, Vec::len);
        let equal = codes.iter().all(|codes| codes.len() == frames);
        if frames == 0 || !equal || codes.len() > self.quantizer.count() {
            let lengths = codes.iter().map(Vec::len).collect();
            let expected = format!("1 to {} equally long lists", self.quantizer.count());
            return Err(self.input("codes", lengths, &expected));
        }
        let quantized = self.quantizer.decode(codes)?.to_dtype(self.dtype)?;
        let samples = self.decoder.forward(&quantized)?;
        Ok(samples.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?)
    }

    fn input(&self, input: &'static str, got: Vec<usize>, expected: &str) -> Error {
        Error::Input { model: self.model, input, got, expected: expected.to_string() }
    }
}
