//! Vector quantization by squared Euclidean distance (van den Oord et al. 2017); vectors are not
//! normalised (`qformer_quantizer.py`, VectorQuantizer2.forward).

use super::super::Result;
use super::Config;
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

#[derive(Debug)]
pub struct Codebook {
    weight: Tensor, // (codes, dim)
}

impl Codebook {
    pub fn load(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        let shape = (cfg.codebook_size, cfg.codebook_dim);
        Ok(Self { weight: vb.pp("embedding").get(shape, "weight")? })
    }

    /// (batch, tokens) u32 → (batch, tokens, dim).
    pub fn lookup(&self, codes: &Tensor) -> Result<Tensor> {
        let (batch, tokens) = codes.dims2()?;
        let rows = self.weight.index_select(&codes.flatten_all()?, 0)?;
        Ok(rows.reshape((batch, tokens, ()))?)
    }

    /// (batch, tokens, dim) → the codes of the nearest entries, (batch, tokens) u32. Distances
    /// are ‖z‖² + ‖e‖² − 2 z·e in f32; of equally near entries the first is taken.
    pub fn nearest(&self, z: &Tensor) -> Result<Tensor> {
        let (batch, tokens, dim) = z.dims3()?;
        let z = z.to_dtype(DType::F32)?.reshape((batch * tokens, dim))?;
        let entries = self.weight.to_dtype(DType::F32)?;
        let z_norm = z.sqr()?.sum_keepdim(1)?;
        let entry_norm = entries.sqr()?.sum(1)?;
        let product = (z.matmul(&entries.t()?)? * 2.)?;
        let distances = z_norm.broadcast_add(&entry_norm)?.sub(&product)?;
        // Found here rather than on the device, whose reduction may not prefer the first.
        let codes: Vec<u32> = distances
            .to_device(&Device::Cpu)?
            .to_vec2::<f32>()?
            .iter()
            .map(|row| first_smallest(row))
            .collect();
        Ok(Tensor::from_vec(codes, (batch, tokens), self.weight.device())?)
    }
}

fn first_smallest(row: &[f32]) -> u32 {
    let mut best = 0;
    for (i, distance) in row.iter().enumerate() {
        if *distance < row[best] {
            best = i;
        }
    }
    best as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equally_near_entries_is_taken() -> Result<()> {
        let cpu = Device::Cpu;
        let weight = Tensor::new(&[[5f32, 5.], [1., 0.], [1., 0.], [0., 1.]], &cpu)?;
        let z = Tensor::new(&[[[0.9f32, 0.], [0., 2.], [0.5, 0.5]]], &cpu)?;
        let codes = Codebook { weight }.nearest(&z)?;
        assert_eq!(codes.to_vec2::<u32>()?, [[1, 3, 1]]);
        Ok(())
    }
}
