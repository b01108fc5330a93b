//! Residual vector quantization (Zeghidour et al. 2021, algorithm 1): each codebook quantizes
//! what those before it left over.

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

use crate::models::{Error, Result};

#[derive(Debug)]
pub struct ResidualQuantizer {
    /// (codes, dimension) each
    books: Vec<Tensor>,
    /// ‖e‖² of each entry
    norms: Vec<Tensor>,
    size: usize,
}

impl ResidualQuantizer {
    /// Reads the table of each codebook; `place` gives its path.
    pub fn load(
        count: usize,
        size: usize,
        dimension: usize,
        vb: &VarBuilder,
        place: impl Fn(usize) -> String,
    ) -> Result<Self> {
        let mut books = Vec::with_capacity(count);
        let mut norms = Vec::with_capacity(count);
        for index in 0..count {
            let book = vb.get((size, dimension), &place(index))?.to_dtype(DType::F32)?;
            norms.push(book.sqr()?.sum(1)?);
            books.push(book);
        }
        Ok(Self { books, norms, size })
    }

    pub fn count(&self) -> usize {
        self.books.len()
    }

    /// (1, dimension, frames) → the codes of the first `count` codebooks, frames each. Of
    /// equally near entries the first is taken.
    pub fn encode(&self, x: &Tensor, count: usize) -> Result<Vec<Vec<u32>>> {
        let mut rest = x.squeeze(0)?.t()?.to_dtype(DType::F32)?.contiguous()?;
        let mut codes = Vec::with_capacity(count);
        for (book, norm) in self.books.iter().zip(&self.norms).take(count) {
            // ‖x‖² is the same for every entry.
            let nearness = (rest.matmul(&book.t()?)? * 2.0)?.broadcast_sub(norm)?;
            let nearness = nearness.to_device(&Device::Cpu)?.to_vec2::<f32>()?;
            let chosen: Vec<u32> = nearness.iter().map(|row| first_largest(row)).collect();
            let indices = Tensor::from_slice(&chosen, chosen.len(), book.device())?;
            rest = (rest - book.index_select(&indices, 0)?)?;
            codes.push(chosen);
        }
        Ok(codes)
    }

    /// Codes of some first codebooks, frames each → (1, dimension, frames).
    pub fn decode(&self, codes: &[Vec<u32>]) -> Result<Tensor> {
        let mut sum: Option<Tensor> = None;
        for (book, codes) in self.books.iter().zip(codes) {
            if let Some(code) = codes.iter().find(|code| **code as usize >= self.size) {
                return Err(Error::Code { code: *code, codebook_size: self.size });
            }
            let indices = Tensor::from_slice(codes, codes.len(), book.device())?;
            let rows = book.index_select(&indices, 0)?;
            sum = Some(match sum {
                Some(sum) => (sum + rows)?,
                None => rows,
            });
        }
        let sum = sum.ok_or(Error::NoTokens)?;
        Ok(sum.t()?.unsqueeze(0)?.contiguous()?)
    }
}

fn first_largest(row: &[f32]) -> u32 {
    let mut best = 0;
    for (index, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = index;
        }
    }
    best as u32
}
