//! The rows of new tokens in the embedding and the head.

use candle_core::{DType, Device, Tensor};
use serde_json::{Map, Value};

use crate::base::rng::Stream;
use crate::train::TrainError;
use crate::train::tensors::Described;

/// How new rows begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Rows {
    /// N(0, 0.02), as transformers' `resize_token_embeddings` did when AnyGPT was trained.
    Normal,
    /// The mean of the old rows (Hewitt 2021, nlp.stanford.edu/~johnhew/vocab-expansion.html), with
    /// noise of a tenth of their deviation so that no two are the same.
    Mean,
}

const DEVIATION: f32 = 0.02;
const NOISE: f32 = 0.1;

/// The rows that the configuration says are there; not fewer than the tokenizer has ids.
pub fn check(config: &Map<String, Value>, path: &str, ids: u32) -> Result<usize, TrainError> {
    let rows = config.get("vocab_size").and_then(Value::as_u64).unwrap_or(0) as usize;
    match rows >= ids as usize {
        true => Ok(rows),
        false => Err(TrainError::Input {
            message: format!("`{path}` has a vocab_size of {rows}; its tokenizer has {ids} ids"),
            help: "the tokenizer and the weights are not of the same model",
        }),
    }
}

/// The shape of a table when it has grown.
pub fn describe(table: &mut Described, first: usize, rows: usize) -> Result<(), TrainError> {
    match table.shape[..] {
        [old, hidden] if old >= first => {
            table.shape = vec![rows, hidden];
            Ok(())
        }
        _ => Err(TrainError::Input {
            message: format!(
                "`{}` is of shape {:?}; its tokenizer has {first} ids",
                table.name, table.shape
            ),
            help: "the tokenizer and the weights are not of the same model",
        }),
    }
}

/// A table of `rows` rows: of `table` those before `first`, then new ones. Rows behind the old
/// vocabulary were never trained and are made anew.
pub fn grown(
    table: &Tensor,
    name: &str,
    first: usize,
    rows: usize,
    how: Rows,
    seed: u64,
) -> Result<Tensor, TrainError> {
    let hidden = table.dim(1)?;
    let old = table.narrow(0, 0, first)?;
    let wide = old.to_dtype(DType::F32)?;
    let (mean, deviation) = match how {
        Rows::Normal => (vec![0.0; hidden], vec![DEVIATION; hidden]),
        Rows::Mean => {
            let mean = wide.mean_keepdim(0)?;
            let square = wide.broadcast_sub(&mean)?.sqr()?.mean(0)?;
            let deviation = (square.sqrt()? * f64::from(NOISE))?;
            (mean.squeeze(0)?.to_vec1()?, deviation.to_vec1()?)
        }
    };
    let mut values = Vec::with_capacity((rows - first) * hidden);
    for row in first..rows {
        let noise = Stream::new(seed, &format!("train/expand/{name}/{row}")).normal(hidden);
        let row = noise.iter().zip(&mean).zip(&deviation);
        values.extend(row.map(|((noise, mean), deviation)| mean + noise * deviation));
    }
    let new = Tensor::from_vec(values, (rows - first, hidden), &Device::Cpu)?;
    Ok(Tensor::cat(&[&old, &new.to_dtype(table.dtype())?], 0)?)
}
