//! Matrix products in f32, blocked for caches and registers (Goto and van de Geijn 2008).
//!
//! candle's product takes whole tensors only; training wants columns of a wider matrix, the first
//! rows of another, and sums into what is there.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Rows of a tile of the result, whose sums stay in registers.
const TILE_ROWS: usize = 6;
/// Terms of each sum that one pass over a tile adds.
const DEPTH: usize = 128;
/// Rows of the result that one task computes.
const TASK_ROWS: usize = 16 * TILE_ROWS;

/// A matrix where it lies, with the strides of its rows and columns.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    data: &'a [f32],
    row: usize,
    column: usize,
}

impl<'a> View<'a> {
    /// Rows of `stride` elements one after the other.
    pub fn rows(data: &'a [f32], stride: usize) -> Self {
        Self { data, row: stride, column: 1 }
    }

    pub fn transposed(self) -> Self {
        Self { row: self.column, column: self.row, ..self }
    }

    /// Without the first `skipped` rows.
    pub fn from_row(self, skipped: usize) -> Self {
        Self { data: self.data.get(skipped * self.row..).unwrap_or_default(), ..self }
    }

    /// Without the first `skipped` columns.
    pub fn from_column(self, skipped: usize) -> Self {
        Self { data: self.data.get(skipped * self.column..).unwrap_or_default(), ..self }
    }

    /// Whether all of (rows, columns) lies inside of the data.
    fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0
            || columns == 0
            || (rows - 1) * self.row + (columns - 1) * self.column < self.data.len()
    }
}

/// The right factor of products, laid out as they read it.
#[derive(Debug)]
pub struct Packed {
    depth: usize,
    columns: usize,
    /// Columns of a panel.
    width: usize,
    /// For each block of [`DEPTH`] rows its panels, each (rows, width), filled up with zeros.
    data: Vec<f32>,
}

impl Packed {
    /// Packs `view` (depth, columns).
    pub fn new(view: View, depth: usize, columns: usize) -> Self {
        assert!(view.holds(depth, columns), "a factor outside of its data");
        let width = Arch::new().dispatch(Width);
        let padded = columns.div_ceil(width) * width;
        let mut data = vec![0f32; depth * padded];
        let blocks = data.par_chunks_mut((DEPTH * padded).max(1)).enumerate();
        blocks.for_each(|(block, data)| {
            let rows = data.len() / padded;
            let view = view.from_row(block * DEPTH);
            for (panel, data) in data.chunks_exact_mut(rows * width).enumerate() {
                let used = width.min(columns - panel * width);
                pack_panel(view.from_column(panel * width), used, data, width);
            }
        });
        Self { depth, columns, width, data }
    }
}

/// Fills `panel` (rows, width) with the first `used` columns of `view`.
fn pack_panel(view: View, used: usize, panel: &mut [f32], width: usize) {
    if view.column == 1 {
        for (row, panel) in panel.chunks_exact_mut(width).enumerate() {
            panel[..used].copy_from_slice(&view.data[row * view.row..][..used]);
        }
        return;
    }
    let rows = panel.len() / width;
    for column in 0..used {
        let source = view.data[column * view.column..].iter().step_by(view.row);
        for (row, &value) in source.take(rows).enumerate() {
            panel[row * width + column] = value;
        }
    }
}

/// Where a product goes: rows of `stride` elements, from the column `offset` on.
#[derive(Debug)]
pub struct Target<'a> {
    pub data: &'a mut [f32],
    pub stride: usize,
    pub offset: usize,
    /// Adds to what is there.
    pub add: bool,
}

/// `lhs` (rows, depth) · the first `depth` rows and `columns` columns of `rhs`, over all threads.
pub fn product(lhs: View, rhs: &Packed, rows: usize, target: Target) {
    let Target { data, stride, offset, add } = target;
    let used = &mut data[..rows * stride];
    used.par_chunks_mut((TASK_ROWS * stride).max(1)).enumerate().for_each(|(task, data)| {
        let rows = data.len() / stride;
        let lhs = lhs.from_row(task * TASK_ROWS);
        let target = Target { data, stride, offset, add };
        part(lhs, rhs, (rows, rhs.depth, rhs.columns), target);
    });
}

/// As [`product`] on this thread alone, with the first `depth` rows and `columns` columns of
/// `rhs`; `size` is (rows, depth, columns).
pub fn part(lhs: View, rhs: &Packed, size: (usize, usize, usize), target: Target) {
    let (rows, depth, columns) = size;
    assert!(depth <= rhs.depth && columns <= rhs.columns, "more than was packed");
    assert!(lhs.holds(rows, depth), "a factor outside of its data");
    Arch::new().dispatch(Part { lhs, rhs, rows, depth, columns, target });
}

struct Width;

impl WithSimd for Width {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        vectors::<S>() * S::F32_LANES
    }
}

/// Vectors in a row of a tile: 24 sums of the 32 registers of AVX-512 and NEON, 12 of 16 else.
#[inline(always)]
fn vectors<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { 4 } else { 2 }
}

struct Part<'a> {
    lhs: View<'a>,
    rhs: &'a Packed,
    rows: usize,
    depth: usize,
    columns: usize,
    target: Target<'a>,
}

impl WithSimd for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if vectors::<S>() == 4 { self.run::<S, 4>(simd) } else { self.run::<S, 2>(simd) }
    }
}

impl Part<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        let width = self.rhs.width;
        let padded = self.rhs.columns.div_ceil(width) * width;
        let mut packed = [0f32; TASK_ROWS * DEPTH];
        for first_row in (0..self.rows).step_by(TASK_ROWS) {
            let rows = TASK_ROWS.min(self.rows - first_row);
            for start in (0..self.depth).step_by(DEPTH) {
                let depth = DEPTH.min(self.depth - start);
                let lhs = self.lhs.from_row(first_row).from_column(start);
                pack_rows(lhs, rows, depth, &mut packed);
                let block_rows = DEPTH.min(self.rhs.depth - start);
                let panels = &self.rhs.data[start * padded..][..block_rows * padded];
                let panels = panels.chunks_exact(block_rows * width);
                for (panel, first) in panels.zip((0..self.columns).step_by(width)) {
                    let panel = &panel[..depth * width];
                    let columns = width.min(self.columns - first);
                    for tile in (0..rows).step_by(TILE_ROWS) {
                        let lhs = &packed[tile * depth..][..TILE_ROWS * depth];
                        let sums = sums::<S, V>(simd, lhs, panel);
                        let rows = TILE_ROWS.min(rows - tile);
                        let at = (first_row + tile, first);
                        self.store::<S, V>(simd, &sums, at, (rows, columns), start == 0);
                    }
                }
            }
        }
        // A product of no terms is zero.
        if self.depth == 0 && !self.target.add {
            for row in 0..self.rows {
                let start = row * self.target.stride + self.target.offset;
                self.target.data[start..][..self.columns].fill(0.);
            }
        }
    }

    #[inline(always)]
    fn store<S: Simd, const V: usize>(
        &mut self,
        simd: S,
        sums: &[[S::f32s; V]; TILE_ROWS],
        (row, column): (usize, usize),
        (rows, columns): (usize, usize),
        first: bool,
    ) {
        let add = self.target.add || !first;
        for (i, sums) in sums.iter().enumerate().take(rows) {
            let start = (row + i) * self.target.stride + self.target.offset + column;
            let target = &mut self.target.data[start..][..columns];
            let (wide, rest) = S::as_mut_simd_f32s(target);
            for (target, sum) in wide.iter_mut().zip(sums) {
                *target = if add { simd.add_f32s(*target, *sum) } else { *sum };
            }
            if let Some(sum) = sums.get(wide.len()) {
                let sum = std::slice::from_ref(sum);
                for (target, sum) in rest.iter_mut().zip(lanes::<S>(sum)) {
                    *target = if add { *target + sum } else { *sum };
                }
            }
        }
    }
}

#[inline(always)]
fn lanes<S: Simd>(vectors: &[S::f32s]) -> &[f32] {
    pulp::bytemuck::cast_slice(vectors)
}

/// The tile of `lhs` (depth, TILE_ROWS) times `panel` (depth, V vectors).
#[inline(always)]
fn sums<S: Simd, const V: usize>(simd: S, lhs: &[f32], panel: &[f32]) -> [[S::f32s; V]; TILE_ROWS] {
    let mut sums = [[simd.splat_f32s(0.); V]; TILE_ROWS];
    let (lhs, _) = lhs.as_chunks::<TILE_ROWS>();
    let (panel, _) = S::as_simd_f32s(panel);
    let (panel, _) = panel.as_chunks::<V>();
    for (lhs, rhs) in lhs.iter().zip(panel) {
        for (sums, &value) in sums.iter_mut().zip(lhs) {
            let value = simd.splat_f32s(value);
            for (sum, &rhs) in sums.iter_mut().zip(rhs) {
                *sum = simd.mul_add_e_f32s(value, rhs, *sum);
            }
        }
    }
    sums
}

/// Lays `lhs` (rows, depth) out as tiles of (depth, TILE_ROWS), the last filled up with zeros.
#[inline(always)]
fn pack_rows(lhs: View, rows: usize, depth: usize, packed: &mut [f32]) {
    for tile in (0..rows).step_by(TILE_ROWS) {
        let lhs = lhs.from_row(tile);
        let used = TILE_ROWS.min(rows - tile);
        let (packed, _) = packed[tile * depth..][..TILE_ROWS * depth].as_chunks_mut::<TILE_ROWS>();
        if used < TILE_ROWS {
            packed.fill([0.; TILE_ROWS]);
        }
        if lhs.row == 1 {
            for (term, packed) in packed.iter_mut().enumerate() {
                let source = &lhs.data[term * lhs.column..];
                match source.first_chunk::<TILE_ROWS>() {
                    // A copy of a size that the compiler knows is no call.
                    Some(whole) if used == TILE_ROWS => *packed = *whole,
                    _ => packed[..used].copy_from_slice(&source[..used]),
                }
            }
            continue;
        }
        for row in 0..used {
            let source = lhs.data[row * lhs.row..].iter().step_by(lhs.column);
            for (packed, &value) in packed.iter_mut().zip(source) {
                packed[row] = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{close, noise};
    use super::*;

    fn naive(lhs: View, rhs: View, (rows, depth, columns): (usize, usize, usize)) -> Vec<f32> {
        let at =
            |view: View, i: usize, j: usize| f64::from(view.data[i * view.row + j * view.column]);
        let mut result = vec![];
        for i in 0..rows {
            for j in 0..columns {
                let terms = (0..depth).map(|k| at(lhs, i, k) * at(rhs, k, j));
                result.push(terms.sum::<f64>() as f32);
            }
        }
        result
    }

    #[test]
    fn every_size_and_layout() {
        for size in
            [(1, 1, 1), (6, 128, 64), (7, 129, 65), (100, 300, 130), (97, 5, 17), (200, 64, 96)]
        {
            let (rows, depth, columns) = size;
            let (a, b) = (noise(rows * depth, 1), noise(depth * columns, 2));
            let lefts = [View::rows(&a, depth), View::rows(&a, rows).transposed()];
            let rights = [View::rows(&b, columns), View::rows(&b, depth).transposed()];
            for lhs in lefts {
                for rhs in rights {
                    let want = naive(lhs, rhs, size);
                    let packed = Packed::new(rhs, depth, columns);
                    let mut got = vec![f32::NAN; rows * columns];
                    let target = Target { data: &mut got, stride: columns, offset: 0, add: false };
                    product(lhs, &packed, rows, target);
                    close(&got, &want, 1e-5);
                    let target = Target { data: &mut got, stride: columns, offset: 0, add: true };
                    product(lhs, &packed, rows, target);
                    close(&got, &want.iter().map(|x| 2. * x).collect::<Vec<_>>(), 1e-5);
                }
            }
        }
    }

    #[test]
    fn parts_of_a_factor_into_columns_of_a_target() {
        let (a, b) = (noise(20 * 300, 3), noise(300 * 200, 4));
        let packed = Packed::new(View::rows(&b, 200), 300, 200);
        let lhs = View::rows(&a, 300).from_row(3).from_column(7);
        let mut got = vec![9f32; 10 * 150];
        let target = Target { data: &mut got, stride: 150, offset: 20, add: false };
        part(lhs, &packed, (10, 150, 100), target);
        let want = naive(lhs, View::rows(&b, 200), (10, 150, 100));
        for (got, want) in got.chunks(150).zip(want.chunks(100)) {
            close(&got[20..120], want, 1e-5);
            assert!(got[..20].iter().chain(&got[120..]).all(|&x| x == 9.));
        }
    }
}
