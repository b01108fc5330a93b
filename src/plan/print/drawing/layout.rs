//! Where the boxes of a drawn graph stand: the layered layout of Sugiyama, Tagawa and Toda (1981).
//!
//! Rows by longest paths, an invisible point for each row that an edge passes, the order in rows
//! by barycentres, and then places that are as near to their neighbours' as the order allows.

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub x: f64,
    pub y: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    pub width: f64,
    pub height: f64,
}

#[derive(Debug)]
pub struct Layout {
    /// The upper left corner of each box.
    pub corners: Vec<Point>,
    /// The way of each edge, from the lower side of one box to the upper side of another. Between
    /// two rows it may bend, along a row it runs straight down.
    pub ways: Vec<Vec<Point>>,
    pub size: Size,
}

/// Between neighbours in a row.
const GAP: f64 = 26.0;
/// Between an edge that passes and its neighbours.
const LANE: f64 = 14.0;
/// Between rows: room for the type below a box, and for edges to bend.
const ROW_GAP: f64 = 58.0;
const SWEEPS: usize = 12;

/// How many boxes, edges and passed rows a layout has: what its time grows with.
pub fn effort(boxes: usize, edges: &[(usize, usize)]) -> usize {
    let rows = rows(boxes, edges);
    let passed = edges.iter().map(|&(from, to)| rows[to].saturating_sub(rows[from]));
    passed.fold(boxes, usize::saturating_add)
}

/// Places boxes; `edges` go from earlier boxes to later ones (by their index).
pub fn layered(sizes: &[Size], edges: &[(usize, usize)]) -> Layout {
    let rows = rows(sizes.len(), edges);
    let mut graph = Layers::new(sizes, edges, &rows);
    graph.order();
    graph.straighten();
    graph.layout(sizes, edges)
}

/// The row of each box: one below the lowest of its producers. What has no producers stands right
/// above its first consumer, so that its edges are short.
fn rows(boxes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut rows = vec![0; boxes];
    let mut fed = vec![false; boxes];
    let mut sorted = edges.to_vec();
    sorted.sort_unstable_by_key(|&(_, to)| to);
    for &(from, to) in &sorted {
        rows[to] = rows[to].max(rows[from] + 1);
        fed[to] = true;
    }
    let mut first_use = vec![usize::MAX; boxes];
    for &(from, to) in edges {
        first_use[from] = first_use[from].min(rows[to]);
    }
    for index in 0..boxes {
        if !fed[index] && first_use[index] != usize::MAX {
            rows[index] = first_use[index] - 1;
        }
    }
    rows
}

/// A box, or a point where an edge passes a row.
struct Cell {
    width: f64,
    centre: f64,
    above: Vec<usize>,
    below: Vec<usize>,
    is_box: bool,
}

struct Layers {
    /// The boxes first, then the points that edges pass.
    cells: Vec<Cell>,
    /// The cells of each row from left to right.
    rows: Vec<Vec<usize>>,
    /// The cells of each edge from its box to the other.
    chains: Vec<Vec<usize>>,
}

impl Layers {
    fn new(sizes: &[Size], edges: &[(usize, usize)], row_of: &[usize]) -> Self {
        let cell = |width, is_box| Cell {
            width,
            centre: 0.0,
            above: Vec::new(),
            below: Vec::new(),
            is_box,
        };
        let mut cells: Vec<Cell> = sizes.iter().map(|size| cell(size.width, true)).collect();
        let mut rows = vec![Vec::new(); row_of.iter().max().map_or(0, |last| last + 1)];
        for (index, &row) in row_of.iter().enumerate() {
            rows[row].push(index);
        }
        let mut chains = Vec::with_capacity(edges.len());
        for &(from, to) in edges {
            let mut chain = vec![from];
            for row in &mut rows[row_of[from] + 1..row_of[to]] {
                chain.push(cells.len());
                row.push(cells.len());
                cells.push(cell(0.0, false));
            }
            chain.push(to);
            for pair in chain.windows(2) {
                cells[pair[0]].below.push(pair[1]);
                cells[pair[1]].above.push(pair[0]);
            }
            chains.push(chain);
        }
        Layers { cells, rows, chains }
    }

    /// Sorts rows by the mean place of the neighbours in the row before, downwards and upwards,
    /// and keeps the order with the fewest crossings.
    fn order(&mut self) {
        let mut best = (self.crossings(), self.rows.clone());
        for sweep in 0..SWEEPS {
            let down = sweep % 2 == 0;
            let count = self.rows.len();
            for step in 1..count {
                let (fixed, row) =
                    if down { (step - 1, step) } else { (count - step, count - step - 1) };
                let place = self.places(fixed);
                let mean = |cell: &usize, now: usize| {
                    let cell = &self.cells[*cell];
                    let near = if down { &cell.above } else { &cell.below };
                    let sum: f64 = near.iter().map(|other| place[other] as f64).sum();
                    // Without neighbours a cell stays where it is.
                    if near.is_empty() { now as f64 } else { sum / near.len() as f64 }
                };
                let mut keyed: Vec<(f64, usize)> = self.rows[row]
                    .iter()
                    .enumerate()
                    .map(|(now, cell)| (mean(cell, now), *cell))
                    .collect();
                keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
                self.rows[row] = keyed.into_iter().map(|(_, cell)| cell).collect();
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.rows.clone());
            }
            if crossings == 0 {
                break;
            }
        }
        self.rows = best.1;
    }

    fn places(&self, row: usize) -> std::collections::HashMap<usize, usize> {
        self.rows[row].iter().enumerate().map(|(place, cell)| (*cell, place)).collect()
    }

    /// Pairs of edges between two rows that cross: inversions of the ends, counted by a tree of
    /// sums (Barth, Jünger and Mutzel, 2002).
    fn crossings(&self) -> usize {
        let mut crossings = 0;
        for row in 1..self.rows.len() {
            let place = self.places(row);
            let mut sums = vec![0usize; self.rows[row].len() + 1];
            let mut seen = 0;
            for cell in &self.rows[row - 1] {
                let mut ends: Vec<usize> =
                    self.cells[*cell].below.iter().map(|end| place[end]).collect();
                ends.sort_unstable();
                for end in &ends {
                    let (mut at, mut not_right) = (end + 1, 0);
                    while at > 0 {
                        not_right += sums[at];
                        at &= at - 1;
                    }
                    crossings += seen - not_right;
                }
                for end in ends {
                    let mut at = end + 1;
                    while at < sums.len() {
                        sums[at] += 1;
                        at += at & at.wrapping_neg();
                    }
                    seen += 1;
                }
            }
        }
        crossings
    }

    /// Moves cells toward the mean of their neighbours, row by row; the order stays.
    fn straighten(&mut self) {
        for row in 0..self.rows.len() {
            self.place(row, None);
        }
        let count = self.rows.len();
        for sweep in 0..SWEEPS {
            for step in 0..count {
                let down = sweep % 2 == 0;
                self.place(if down { step } else { count - 1 - step }, Some(down));
            }
        }
        // At last boxes stand in the middle of all their neighbours.
        for row in 0..count {
            self.place_between(row);
        }
    }

    fn place(&mut self, row: usize, down: Option<bool>) {
        let wanted = |cell: &Cell| {
            let near = match down {
                None => return cell.centre,
                Some(true) => &cell.above,
                Some(false) => &cell.below,
            };
            self.mean(near).unwrap_or(cell.centre)
        };
        let wanted: Vec<f64> =
            self.rows[row].iter().map(|cell| wanted(&self.cells[*cell])).collect();
        self.settle(row, &wanted);
    }

    fn place_between(&mut self, row: usize) {
        let wanted = |cell: &Cell| {
            let near: Vec<usize> = cell.above.iter().chain(&cell.below).copied().collect();
            self.mean(&near).unwrap_or(cell.centre)
        };
        let wanted: Vec<f64> =
            self.rows[row].iter().map(|cell| wanted(&self.cells[*cell])).collect();
        self.settle(row, &wanted);
    }

    fn mean(&self, cells: &[usize]) -> Option<f64> {
        let sum: f64 = cells.iter().map(|cell| self.cells[*cell].centre).sum();
        (!cells.is_empty()).then(|| sum / cells.len() as f64)
    }

    /// The places nearest to the wanted ones (in squares) that keep order and gaps: regression on
    /// a rising sequence, by pooling neighbours that are in each other's way.
    fn settle(&mut self, row: usize, wanted: &[f64]) {
        struct Pool {
            sum: f64,
            weight: f64,
            count: usize,
        }
        let cells = &self.rows[row];
        let mut offsets = Vec::with_capacity(cells.len());
        let mut offset = 0.0;
        for (place, cell) in cells.iter().enumerate() {
            if place > 0 {
                let (left, right) = (&self.cells[cells[place - 1]], &self.cells[*cell]);
                let gap = if left.is_box && right.is_box { GAP } else { LANE };
                offset += (left.width + right.width) / 2.0 + gap;
            }
            offsets.push(offset);
        }
        let mut pools: Vec<Pool> = Vec::new();
        for (place, cell) in cells.iter().enumerate() {
            // A long edge that runs straight is worth more than a box in the middle.
            let weight = if self.cells[*cell].is_box { 1.0 } else { 4.0 };
            let mut pool =
                Pool { sum: (wanted[place] - offsets[place]) * weight, weight, count: 1 };
            while let Some(last) = pools.last() {
                if last.sum / last.weight <= pool.sum / pool.weight {
                    break;
                }
                pool.sum += last.sum;
                pool.weight += last.weight;
                pool.count += last.count;
                pools.pop();
            }
            pools.push(pool);
        }
        let places =
            pools.iter().flat_map(|pool| std::iter::repeat_n(pool.sum / pool.weight, pool.count));
        let centres: Vec<f64> = places.zip(&offsets).map(|(base, offset)| base + offset).collect();
        for (cell, centre) in self.rows[row].clone().into_iter().zip(centres) {
            self.cells[cell].centre = centre;
        }
    }

    fn layout(&self, sizes: &[Size], edges: &[(usize, usize)]) -> Layout {
        let left = |cell: &Cell| cell.centre - cell.width / 2.0;
        let right = |cell: &Cell| cell.centre + cell.width / 2.0;
        let start = self.cells.iter().map(left).fold(f64::INFINITY, f64::min);
        let end = self.cells.iter().map(right).fold(f64::NEG_INFINITY, f64::max);
        let width = if self.cells.is_empty() { 0.0 } else { end - start };
        let x = |cell: usize| self.cells[cell].centre - start;

        // The upper and the lower end of each row.
        let mut spans = Vec::with_capacity(self.rows.len());
        let mut y = 0.0;
        let mut row_of = vec![0; self.cells.len()];
        for (row, cells) in self.rows.iter().enumerate() {
            let heights = cells.iter().filter_map(|cell| sizes.get(*cell)).map(|size| size.height);
            let height = heights.fold(0.0, f64::max);
            spans.push((y, y + height));
            y += height + ROW_GAP;
            for cell in cells {
                row_of[*cell] = row;
            }
        }
        let size = Size { width, height: (y - ROW_GAP).max(0.0) };

        let corners = sizes
            .iter()
            .enumerate()
            .map(|(cell, size)| Point { x: x(cell) - size.width / 2.0, y: spans[row_of[cell]].0 })
            .collect::<Vec<_>>();

        // Edges that end at a box share its upper side from left to right.
        let mut ends: Vec<Vec<(f64, usize)>> = vec![Vec::new(); sizes.len()];
        for (edge, &(_, to)) in edges.iter().enumerate() {
            let chain = &self.chains[edge];
            ends[to].push((x(chain[chain.len() - 2]), edge));
        }
        let mut end_x = vec![0.0; edges.len()];
        for (to, ends) in ends.iter_mut().enumerate() {
            ends.sort_by(|a, b| a.0.total_cmp(&b.0));
            let share = sizes[to].width / (ends.len() + 1) as f64;
            for (place, (_, edge)) in ends.iter().enumerate() {
                end_x[*edge] = corners[to].x + share * (place + 1) as f64;
            }
        }
        let way = |(edge, chain): (usize, &Vec<usize>)| {
            let (from, to) = edges[edge];
            let lower = corners[from].y + sizes[from].height;
            let mut way = vec![Point { x: x(from), y: lower }];
            let row_end = spans[row_of[from]].1;
            if row_end > lower {
                way.push(Point { x: x(from), y: row_end });
            }
            for &cell in &chain[1..chain.len() - 1] {
                let (top, bottom) = spans[row_of[cell]];
                way.extend([Point { x: x(cell), y: top }, Point { x: x(cell), y: bottom }]);
            }
            way.push(Point { x: end_x[edge], y: corners[to].y });
            way
        };
        let ways = self.chains.iter().enumerate().map(way).collect();
        Layout { corners, ways, size }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn overlap(a: (Point, Size), b: (Point, Size)) -> bool {
        a.0.x < b.0.x + b.1.width
            && b.0.x < a.0.x + a.1.width
            && a.0.y < b.0.y + b.1.height
            && b.0.y < a.0.y + a.1.height
    }

    fn graphs() -> impl Strategy<Value = (Vec<Size>, Vec<(usize, usize)>)> {
        (1usize..24).prop_flat_map(|count| {
            let sizes = prop::collection::vec((20.0..300.0f64, 20.0..90.0f64), count);
            let edges = prop::collection::vec((0..count, 0..count), 0..40);
            (sizes, edges).prop_map(|(sizes, edges)| {
                let size = |(width, height)| Size { width, height };
                let forward = |&(a, b): &(usize, usize)| a != b;
                let edges = edges.into_iter().filter(forward);
                let edges = edges.map(|(a, b)| (a.min(b), a.max(b))).collect();
                (sizes.into_iter().map(size).collect(), edges)
            })
        })
    }

    proptest! {
        #[test]
        fn boxes_are_apart_and_edges_end_at_them((sizes, edges) in graphs()) {
            let layout = layered(&sizes, &edges);
            let boxes: Vec<_> = layout.corners.iter().copied().zip(sizes.iter().copied()).collect();
            for (index, a) in boxes.iter().enumerate() {
                prop_assert!(a.0.x > -0.01 && a.0.x + a.1.width < layout.size.width + 0.01);
                prop_assert!(a.0.y > -0.01 && a.0.y + a.1.height < layout.size.height + 0.01);
                for b in &boxes[index + 1..] {
                    prop_assert!(!overlap(*a, *b), "{a:?} {b:?}");
                }
            }
            prop_assert_eq!(layout.ways.len(), edges.len());
            for (way, (from, to)) in layout.ways.iter().zip(&edges) {
                let (from, to) = (boxes[*from], boxes[*to]);
                let (first, last) = (way[0], way[way.len() - 1]);
                prop_assert!((first.y - from.0.y - from.1.height).abs() < 0.01);
                prop_assert!(first.x > from.0.x && first.x < from.0.x + from.1.width);
                prop_assert!((last.y - to.0.y).abs() < 0.01);
                prop_assert!(last.x > to.0.x && last.x < to.0.x + to.1.width);
                // Downwards all the way, so that arrows can be followed.
                prop_assert!(way.windows(2).all(|pair| pair[0].y <= pair[1].y + 0.01));
                // Where an edge passes a row it meets no box.
                for pair in way.windows(2).filter(|pair| (pair[0].x - pair[1].x).abs() < 0.01) {
                    let line = (
                        Point { x: pair[0].x, y: pair[0].y + 0.1 },
                        Size { width: 0.0, height: (pair[1].y - pair[0].y - 0.2).max(0.0) },
                    );
                    prop_assert!(boxes.iter().all(|b| !overlap(line, *b)));
                }
            }
        }
    }

    #[test]
    fn a_crossing_that_can_be_avoided_is() {
        // 0 → 3, 1 → 2: one of the rows is turned around.
        let sizes = [Size { width: 50.0, height: 20.0 }; 4];
        let layout = layered(&sizes, &[(0, 3), (1, 2)]);
        let left_above = layout.corners[0].x < layout.corners[1].x;
        let left_below = layout.corners[3].x < layout.corners[2].x;
        assert_eq!(left_above, left_below);
    }

    #[test]
    fn nothing_has_no_size() {
        let layout = layered(&[], &[]);
        assert_eq!(layout.size, Size { width: 0.0, height: 0.0 });
    }
}
