//! Batches of token ids, and what of them the network computes.

use super::{Error, Result};
use std::ops::Range;

/// Rows of token ids, padded to one length; all row-major (rows, length).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub rows: usize,
    pub length: usize,
    pub ids: Vec<u32>,
    /// Whether the loss of predicting this token counts.
    pub counted: Vec<bool>,
    /// 0 is padding; the samples of a row have 1, 2, …
    pub segments: Vec<u32>,
}

/// Which earlier tokens a token sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attention {
    /// All of its row; positions count from the row's start. So the paper's code trains.
    Sequence,
    /// Those of its sample; positions count from the sample's start.
    Sample,
}

/// The tokens of a batch without its padding, which nothing is computed for.
#[derive(Debug)]
pub(super) struct Tokens {
    pub ids: Vec<u32>,
    /// The position of each token, for its rotation.
    pub positions: Vec<u32>,
    /// Token ranges that attend causally, each to itself alone; in order, they cover all tokens.
    pub spans: Vec<Range<usize>>,
    /// The token that predicts each target.
    pub predictors: Vec<u32>,
    pub targets: Vec<u32>,
}

impl Tokens {
    pub fn new(batch: &Batch, attention: Attention, vocab_size: usize) -> Result<Self> {
        batch.check(vocab_size)?;
        let mut tokens = Self {
            ids: vec![],
            positions: vec![],
            spans: vec![],
            predictors: vec![],
            targets: vec![],
        };
        for row in 0..batch.rows {
            tokens.add_row(batch, row, attention)?;
        }
        if tokens.targets.is_empty() {
            return Err(Error::NothingCounted);
        }
        Ok(tokens)
    }

    fn add_row(&mut self, batch: &Batch, row: usize, attention: Attention) -> Result<()> {
        let range = row * batch.length..(row + 1) * batch.length;
        let (ids, segments) = (&batch.ids[range.clone()], &batch.segments[range.clone()]);
        let counted = &batch.counted[range];
        let (mut start, mut first, mut last) = (self.ids.len(), 0, 0);
        for (column, (&id, &segment)) in ids.iter().zip(segments).enumerate() {
            if attention == Attention::Sample && segment != last {
                self.close(start);
                (start, first) = (self.ids.len(), column);
            }
            if column > 0 && counted[column] {
                if segment == 0 || last == 0 {
                    let which = if segment == 0 { "is" } else { "follows" };
                    let reason = format!("the counted token {column} of row {row} {which} padding");
                    return Err(batch.error(reason));
                }
                // The token before this one was the last that was added.
                self.predictors.push(self.ids.len() as u32 - 1);
                self.targets.push(id);
            }
            if segment != 0 {
                self.ids.push(id);
                self.positions.push((column - first) as u32);
            }
            last = segment;
        }
        self.close(start);
        Ok(())
    }

    fn close(&mut self, start: usize) {
        if self.ids.len() > start {
            self.spans.push(start..self.ids.len());
        }
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }
}

impl Batch {
    fn error(&self, reason: String) -> Error {
        Error::Batch { rows: self.rows, length: self.length, reason }
    }

    fn check(&self, vocab_size: usize) -> Result<()> {
        let size = self.rows.checked_mul(self.length).filter(|&n| u32::try_from(n).is_ok());
        let Some(size) = size else {
            return Err(self.error("more than 2^32 tokens".into()));
        };
        let lists = [
            ("ids", self.ids.len()),
            ("counted", self.counted.len()),
            ("segments", self.segments.len()),
        ];
        for (name, len) in lists {
            if len != size {
                return Err(self.error(format!("`{name}` has {len} elements")));
            }
        }
        let tokens = self.ids.iter().zip(&self.segments);
        let unknown = tokens.filter(|&(_, &segment)| segment != 0).map(|(&id, _)| id);
        if let Some(id) = unknown.into_iter().find(|&id| id as usize >= vocab_size) {
            let reason = format!("token id {id} is outside the vocabulary of {vocab_size}");
            return Err(self.error(reason));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Batch {
        Batch {
            rows: 2,
            length: 5,
            ids: vec![1, 2, 3, 4, 5, 6, 7, 8, 0, 0],
            counted: [0, 1, 0, 1, 1, 1, 0, 1, 0, 0].map(|c| c == 1).to_vec(),
            segments: vec![1, 1, 2, 2, 2, 1, 1, 1, 0, 0],
        }
    }

    #[test]
    fn rows_or_samples_are_the_spans() {
        let rows = Tokens::new(&batch(), Attention::Sequence, 9).unwrap();
        assert_eq!(rows.ids, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(rows.spans, [0..5, 5..8]);
        assert_eq!(rows.positions, [0, 1, 2, 3, 4, 0, 1, 2]);
        // The first token of a row is no target, counted or not.
        assert_eq!(rows.targets, [2, 4, 5, 8]);
        assert_eq!(rows.predictors, [0, 2, 3, 6]);

        let samples = Tokens::new(&batch(), Attention::Sample, 9).unwrap();
        assert_eq!(samples.spans, [0..2, 2..5, 5..8]);
        assert_eq!(samples.positions, [0, 1, 0, 1, 2, 0, 1, 2]);
        assert_eq!((samples.targets, samples.predictors), (rows.targets, rows.predictors));
    }

    #[test]
    fn faults_are_named() {
        let fails = |change: &dyn Fn(&mut Batch)| {
            let mut batch = batch();
            change(&mut batch);
            Tokens::new(&batch, Attention::Sequence, 9).unwrap_err().to_string()
        };
        let message = fails(&|b| b.counted[8] = true);
        assert!(message.ends_with("the counted token 3 of row 1 is padding"), "{message}");
        let message = fails(&|b| b.ids[1] = 9);
        assert!(message.ends_with("token id 9 is outside the vocabulary of 9"), "{message}");
        let message = fails(&|b| b.ids.truncate(9));
        assert!(message.ends_with("`ids` has 9 elements"), "{message}");
        let message = fails(&|b| b.rows = usize::MAX);
        assert!(message.ends_with("more than 2^32 tokens"), "{message}");
        assert!(matches!(
            Tokens::new(&Batch { counted: vec![false; 10], ..batch() }, Attention::Sample, 9),
            Err(Error::NothingCounted)
        ));
    }
}
