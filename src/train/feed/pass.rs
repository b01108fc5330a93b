//! Sequences of about the same length in one pass, so that little is padded.

use super::{DataSet, Item};
use crate::base::Medium;
use crate::data::packed::Sequence;
use crate::train::network::{Attention, Batch};
use crate::train::recipe::StepSize;

/// A sequence as a row of a pass.
pub struct Row {
    pub item: Item,
    sequence: Sequence,
}

/// The rows of one forward pass.
pub struct Pass {
    pub rows: Vec<Row>,
    attention: Attention,
}

/// Loads the sequences of a step and sorts them into passes by their lengths.
pub fn passes(sets: &[DataSet], items: &[Item], size: StepSize, attention: Attention) -> Vec<Pass> {
    let mut items = items.to_vec();
    // Stable: equals stay in the order they were drawn.
    items.sort_by_key(|item| item.length);
    let mut passes: Vec<Pass> = Vec::new();
    for item in items {
        let mut sequence = sets[item.set].sequence(item.at);
        uncount(&mut sequence, attention);
        let row = Row { item, sequence };
        match passes.last_mut() {
            Some(pass) if has_room(size, pass.rows.len(), item.length) => pass.rows.push(row),
            _ => passes.push(Pass { rows: vec![row], attention }),
        }
    }
    passes
}

/// Whether a pass of `rows` rows can take one that is at least as long as all of them.
fn has_room(size: StepSize, rows: usize, length: usize) -> bool {
    match size {
        StepSize::Tokens { pass, .. } => (rows as u64 + 1) * length as u64 <= pass,
        StepSize::Rows { pass, .. } => (rows as u64) < pass,
    }
}

/// Nothing predicts the first token of a sequence, nor of a sample that sees no other.
fn uncount(sequence: &mut Sequence, attention: Attention) {
    for sample in &sequence.samples {
        if (attention == Attention::Sample || sample.start == 0)
            && let Some(counted) = sequence.counted.get_mut(sample.start)
        {
            *counted = false;
        }
    }
}

impl Pass {
    fn length(&self) -> usize {
        self.rows.iter().map(|row| row.item.length).max().unwrap_or(0)
    }

    /// Tokens without padding.
    pub fn tokens(&self) -> u64 {
        self.rows.iter().map(|row| row.item.length as u64).sum()
    }

    /// Tokens with padding.
    pub fn padded(&self) -> u64 {
        (self.length() * self.rows.len()) as u64
    }

    /// The ids that count in the loss, each with the row it is in; in the network's order.
    pub fn targets(&self) -> impl Iterator<Item = (usize, u32)> {
        self.rows.iter().enumerate().flat_map(|(at, row)| {
            let pairs = row.sequence.ids.iter().zip(&row.sequence.counted);
            pairs.filter(|(_, counted)| **counted).map(move |(id, _)| (at, *id))
        })
    }

    /// Adds its targets to counts per medium.
    pub fn count(&self, media: &[Medium], counts: &mut crate::train::media::PerMedium<u64>) {
        for (_, id) in self.targets() {
            *counts.get_mut(media[id as usize]) += 1;
        }
    }

    pub fn batch(&self) -> Batch {
        let (rows, length) = (self.rows.len(), self.length());
        let mut batch = Batch {
            rows,
            length,
            ids: vec![0; rows * length],
            counted: vec![false; rows * length],
            segments: vec![0; rows * length],
        };
        for (at, row) in self.rows.iter().enumerate() {
            let (start, sequence) = (at * length, &row.sequence);
            let end = start + sequence.ids.len();
            batch.ids[start..end].copy_from_slice(&sequence.ids);
            batch.counted[start..end].copy_from_slice(&sequence.counted);
            for (number, sample) in sequence.samples.iter().enumerate() {
                let segment = &mut batch.segments[start + sample.start..start + sample.end];
                segment.fill(number as u32 + 1);
            }
        }
        batch
    }

    pub fn attention(&self) -> Attention {
        self.attention
    }
}
