//! Levenshtein alignment of two token sequences.
//!
//! The distance matrix is computed 64 rows at a time as bit vectors of its differences (Myers, 1999,
//! "A fast bit-vector algorithm for approximate string matching based on dynamic programming", in
//! the block form of Hyyrö, 2003). A matrix of at most [`MATRIX_BITS`] cells is kept whole, at two
//! bits a cell, and walked back; a larger one is halved after Hirschberg (1975) until its parts fit,
//! so memory grows with the sum of the lengths and not with their product.

use super::MetricError;
use std::collections::HashMap;
use std::hash::Hash;

/// Cells of a matrix that is kept whole: 64 MiB at two bits a cell.
const MATRIX_BITS: usize = 1 << 28;

/// Longest side that is aligned: about a minute of work for two texts of this length.
pub(super) const LIMIT: usize = 1 << 20;

/// What happened to a stretch of the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Edit {
    Equal,
    Substitute,
    /// The hypothesis has tokens that the reference has not.
    Insert,
    /// The reference has tokens that the hypothesis has not.
    Delete,
}

/// A stretch of one kind of edit; ends are exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    pub edit: Edit,
    pub reference: (usize, usize),
    pub hypothesis: (usize, usize),
}

/// Aligns a hypothesis with a reference at the least number of edits.
///
/// Of several alignments of the same cost it takes the one that RapidFuzz (and so jiwer) takes:
/// from the end, a deletion where one is on a best path, else an insertion where the cell before
/// asks for one, else a substitution or match. RapidFuzz itself halves matrices from about 4 million
/// cells on, where equal-cost choices may differ.
///
/// # Errors
/// [`MetricError::TooLong`] when a side has more than 1,048,576 tokens.
pub fn align<T: Eq + Hash>(reference: &[T], hypothesis: &[T]) -> Result<Vec<Chunk>, MetricError> {
    align_within(reference, hypothesis, MATRIX_BITS)
}

fn align_within<T: Eq + Hash>(
    reference: &[T],
    hypothesis: &[T],
    cells: usize,
) -> Result<Vec<Chunk>, MetricError> {
    let (left, right) = (reference.len(), hypothesis.len());
    if left.max(right) > LIMIT {
        return Err(MetricError::TooLong { left, right, limit: LIMIT });
    }
    let mut numbers = HashMap::new();
    let mut number = |token| {
        let next = numbers.len() as u32;
        *numbers.entry(token).or_insert(next)
    };
    let reference: Vec<u32> = reference.iter().map(&mut number).collect();
    let hypothesis: Vec<u32> = hypothesis.iter().map(&mut number).collect();
    let mut chunks = Chunks(Vec::new());
    solve(&reference, &hypothesis, cells, &mut chunks);
    Ok(chunks.0)
}

/// Chunks in order; neighbours of one kind are joined.
struct Chunks(Vec<Chunk>);

impl Chunks {
    fn push(&mut self, edit: Edit, count: usize) {
        if count == 0 {
            return;
        }
        let (mut r, mut h) = self.0.last().map_or((0, 0), |c| (c.reference.1, c.hypothesis.1));
        let start = (r, h);
        r += if edit == Edit::Insert { 0 } else { count };
        h += if edit == Edit::Delete { 0 } else { count };
        match self.0.last_mut() {
            Some(last) if last.edit == edit => {
                last.reference.1 = r;
                last.hypothesis.1 = h;
            }
            _ => self.0.push(Chunk { edit, reference: (start.0, r), hypothesis: (start.1, h) }),
        }
    }
}

fn solve(mut reference: &[u32], mut hypothesis: &[u32], cells: usize, out: &mut Chunks) {
    let prefix = common(reference.iter(), hypothesis.iter());
    out.push(Edit::Equal, prefix);
    (reference, hypothesis) = (&reference[prefix..], &hypothesis[prefix..]);
    let suffix = common(reference.iter().rev(), hypothesis.iter().rev());
    reference = &reference[..reference.len() - suffix];
    hypothesis = &hypothesis[..hypothesis.len() - suffix];
    if reference.is_empty() || hypothesis.is_empty() {
        out.push(Edit::Delete, reference.len());
        out.push(Edit::Insert, hypothesis.len());
    } else if hypothesis.len() == 1 || reference.len().saturating_mul(hypothesis.len()) <= cells {
        walk_back(reference, hypothesis, out);
    } else {
        let middle = hypothesis.len() / 2;
        let cut = cut(reference, hypothesis, middle);
        solve(&reference[..cut], &hypothesis[..middle], cells, out);
        solve(&reference[cut..], &hypothesis[middle..], cells, out);
    }
    out.push(Edit::Equal, suffix);
}

fn common<'a>(left: impl Iterator<Item = &'a u32>, right: impl Iterator<Item = &'a u32>) -> usize {
    left.zip(right).take_while(|(l, r)| l == r).count()
}

/// Where a best alignment leaves the reference after `middle` tokens of the hypothesis.
fn cut(reference: &[u32], hypothesis: &[u32], middle: usize) -> usize {
    let before = last_column(reference.iter().copied(), hypothesis[..middle].iter().copied());
    let after =
        last_column(reference.iter().rev().copied(), hypothesis[middle..].iter().rev().copied());
    let cost = |cut: &usize| before[*cut] + after[reference.len() - cut];
    (0..=reference.len()).min_by_key(cost).unwrap_or(0)
}

/// Distances of every prefix of `reference` to the whole of `hypothesis`.
fn last_column(
    reference: impl ExactSizeIterator<Item = u32>,
    hypothesis: impl ExactSizeIterator<Item = u32>,
) -> Vec<u32> {
    let length = reference.len();
    let mut distance = hypothesis.len() as u32;
    let mut column = Column::new(reference);
    hypothesis.for_each(|token| column.advance(token));
    let mut out = Vec::with_capacity(length + 1);
    out.push(distance);
    for row in 0..length {
        distance += u32::from(bit(&column.up, row));
        distance -= u32::from(bit(&column.down, row));
        out.push(distance);
    }
    out
}

fn bit(words: &[u64], row: usize) -> bool {
    words[row / 64] >> (row % 64) & 1 == 1
}

/// A column of the distance matrix as its vertical differences: one row per reference token.
struct Column {
    /// Rows whose distance is one more than that of the row above.
    up: Vec<u64>,
    /// Rows whose distance is one less.
    down: Vec<u64>,
    /// The rows of each token.
    rows: HashMap<u32, Vec<usize>>,
    /// Scratch: the rows of the token at hand.
    matches: Vec<u64>,
}

impl Column {
    fn new(reference: impl ExactSizeIterator<Item = u32>) -> Self {
        let blocks = reference.len().div_ceil(64);
        let mut rows: HashMap<u32, Vec<usize>> = HashMap::new();
        for (row, token) in reference.enumerate() {
            rows.entry(token).or_default().push(row);
        }
        Column { up: vec![!0; blocks], down: vec![0; blocks], rows, matches: vec![0; blocks] }
    }

    /// The next column, for one more token of the hypothesis.
    fn advance(&mut self, token: u32) {
        let rows = self.rows.get(&token).map_or(&[][..], Vec::as_slice);
        rows.iter().for_each(|row| self.matches[row / 64] |= 1 << (row % 64));
        let (mut carry_up, mut carry_down) = (1, 0);
        for block in 0..self.up.len() {
            let (up, down) = (self.up[block], self.down[block]);
            let matches = self.matches[block] | carry_down;
            let diagonal = (((matches & up).wrapping_add(up)) ^ up) | matches | down;
            let mut right_up = down | !(diagonal | up);
            let mut right_down = diagonal & up;
            let carries = (right_up >> 63, right_down >> 63);
            right_up = right_up << 1 | carry_up;
            right_down = right_down << 1 | carry_down;
            (carry_up, carry_down) = carries;
            self.up[block] = right_down | !(diagonal | right_up);
            self.down[block] = right_up & diagonal;
        }
        rows.iter().for_each(|row| self.matches[row / 64] = 0);
    }
}

/// Keeps every column and walks back from the last cell.
fn walk_back(reference: &[u32], hypothesis: &[u32], out: &mut Chunks) {
    let mut column = Column::new(reference.iter().copied());
    let columns: Vec<(Vec<u64>, Vec<u64>)> = hypothesis
        .iter()
        .map(|token| {
            column.advance(*token);
            (column.up.clone(), column.down.clone())
        })
        .collect();
    let (mut r, mut h) = (reference.len(), hypothesis.len());
    let mut edits = Vec::with_capacity(r.max(h));
    while r > 0 && h > 0 {
        if bit(&columns[h - 1].0, r - 1) {
            r -= 1;
            edits.push(Edit::Delete);
            continue;
        }
        h -= 1;
        if h > 0 && bit(&columns[h - 1].1, r - 1) {
            edits.push(Edit::Insert);
        } else {
            r -= 1;
            let same = reference[r] == hypothesis[h];
            edits.push(if same { Edit::Equal } else { Edit::Substitute });
        }
    }
    out.push(Edit::Delete, r);
    out.push(Edit::Insert, h);
    edits.iter().rev().for_each(|edit| out.push(*edit, 1));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Distance by the plain recurrence.
    fn plain(left: &[u8], right: &[u8]) -> usize {
        let mut row: Vec<usize> = (0..=right.len()).collect();
        for (i, l) in left.iter().enumerate() {
            let mut diagonal = i;
            row[0] = i + 1;
            for (j, r) in right.iter().enumerate() {
                let cost = diagonal + usize::from(l != r);
                diagonal = row[j + 1];
                row[j + 1] = cost.min(diagonal + 1).min(row[j] + 1);
            }
        }
        row[right.len()]
    }

    fn errors(chunks: &[Chunk]) -> usize {
        let wrong = chunks.iter().filter(|c| c.edit != Edit::Equal);
        wrong.map(|c| (c.reference.1 - c.reference.0).max(c.hypothesis.1 - c.hypothesis.0)).sum()
    }

    fn is_alignment(chunks: &[Chunk], left: &[u8], right: &[u8]) -> bool {
        let (mut r, mut h) = (0, 0);
        for chunk in chunks {
            if chunk.reference.0 != r || chunk.hypothesis.0 != h {
                return false;
            }
            (r, h) = (chunk.reference.1, chunk.hypothesis.1);
            let (from, to) = (&left[chunk.reference.0..r], &right[chunk.hypothesis.0..h]);
            let fits = match chunk.edit {
                Edit::Equal => from == to && !from.is_empty(),
                Edit::Substitute => {
                    from.len() == to.len() && from.iter().zip(to).all(|(a, b)| a != b)
                }
                Edit::Insert => from.is_empty() && !to.is_empty(),
                Edit::Delete => to.is_empty() && !from.is_empty(),
            };
            if !fits {
                return false;
            }
        }
        r == left.len() && h == right.len()
    }

    proptest! {
        #[test]
        fn alignments_are_valid_and_least(
            left in prop::collection::vec(0u8..4, 0..200),
            right in prop::collection::vec(0u8..4, 0..200),
            cells in 1usize..5000,
        ) {
            let least = plain(&left, &right);
            for limit in [MATRIX_BITS, cells] {
                let chunks = align_within(&left, &right, limit).unwrap();
                prop_assert!(is_alignment(&chunks, &left, &right));
                prop_assert_eq!(errors(&chunks), least);
            }
        }
    }

    #[test]
    fn ten_thousand_words_by_ten_thousand_others() {
        let left: Vec<usize> = (0..10_000).collect();
        let right: Vec<usize> = (0..10_000).map(|n| n * 7919 % 10_007).collect();
        let whole = align(&left, &right).unwrap();
        let parts = align_within(&left, &right, 1 << 16).unwrap();
        assert_eq!(errors(&whole), errors(&parts));
    }

    #[test]
    fn a_side_beyond_the_limit_is_an_error() {
        let long = vec![0u8; LIMIT + 1];
        let error = MetricError::TooLong { left: LIMIT + 1, right: 0, limit: LIMIT };
        assert_eq!(align(&long, &[]), Err(error));
    }
}
