//! One-to-one matches of words: as much as possible matched (by the weights of the matchers), in as
//! few chunks as possible, with as little distance between places as possible (section 2 of the
//! paper), by a beam search over the reference.

use super::super::stem::stem;
use super::WEIGHTS;
use std::cmp::Ordering;
use std::collections::HashMap;

/// Paths kept after each word; the default of METEOR.
const BEAM: usize = 40;

/// The word at `place` of the other side, by matcher 0 (exact) or 1 (stem).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Matched {
    pub(super) stage: usize,
    pub(super) place: usize,
}

#[derive(Clone)]
struct Path {
    matched: Vec<Option<Matched>>,
    used: Vec<bool>,
    cost: Cost,
}

/// How good a path is; the least is best.
#[derive(Clone, Copy)]
struct Cost {
    weight: f64,
    chunks: usize,
    distance: usize,
}

impl Cost {
    fn compare(&self, other: &Cost) -> Ordering {
        let weights = other.weight.total_cmp(&self.weight);
        weights.then(self.chunks.cmp(&other.chunks)).then(self.distance.cmp(&other.distance))
    }
}

/// The match of every word of the reference.
pub(super) fn align(prediction: &[String], reference: &[String]) -> Vec<Option<Matched>> {
    let options = options(prediction, reference);
    let start = Path {
        matched: Vec::with_capacity(reference.len()),
        used: vec![false; prediction.len()],
        cost: Cost { weight: 0.0, chunks: 0, distance: 0 },
    };
    let mut beam = vec![start];
    for (place, options) in options.iter().enumerate() {
        // Paths are copied only once it is known which of them stay.
        let mut next: Vec<(Cost, usize, Option<Matched>)> = Vec::new();
        for (number, path) in beam.iter().enumerate() {
            let free = options.iter().filter(|option| !path.used[option.place]);
            next.extend(free.map(|option| (path.cost_with(place, *option), number, Some(*option))));
            next.push((path.cost, number, None));
        }
        keep_best(&mut next);
        beam = next
            .into_iter()
            .map(|(cost, number, option)| beam[number].with(cost, option))
            .collect();
    }
    beam.into_iter().next().map(|path| path.matched).unwrap_or_default()
}

/// Keeps the best paths in order; of equally good ones the first.
fn keep_best(paths: &mut Vec<(Cost, usize, Option<Matched>)>) {
    let mut numbered: Vec<_> = std::mem::take(paths).into_iter().enumerate().collect();
    if numbered.len() > BEAM {
        numbered.select_nth_unstable_by(BEAM, |l, r| l.1.0.compare(&r.1.0).then(l.0.cmp(&r.0)));
        numbered.truncate(BEAM);
    }
    numbered.sort_by(|l, r| l.1.0.compare(&r.1.0).then(l.0.cmp(&r.0)));
    paths.extend(numbered.into_iter().map(|(_, path)| path));
}

impl Path {
    fn cost_with(&self, place: usize, option: Matched) -> Cost {
        let follows = self
            .matched
            .last()
            .copied()
            .flatten()
            .is_some_and(|last| last.place + 1 == option.place);
        Cost {
            weight: self.cost.weight + WEIGHTS[option.stage],
            chunks: self.cost.chunks + usize::from(!follows),
            distance: self.cost.distance + place.abs_diff(option.place),
        }
    }

    fn with(&self, cost: Cost, option: Option<Matched>) -> Path {
        let mut path = self.clone();
        path.cost = cost;
        path.matched.push(option);
        if let Some(option) = option {
            path.used[option.place] = true;
        }
        path
    }
}

/// The words of the prediction that each word of the reference may match.
fn options(prediction: &[String], reference: &[String]) -> Vec<Vec<Matched>> {
    let stems: Vec<String> = prediction.iter().map(|word| stem(word)).collect();
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, stem) in stems.iter().enumerate() {
        places.entry(stem).or_default().push(place);
    }
    let option = |word: &String| {
        let found = places.get(stem(word).as_str()).map_or(&[][..], Vec::as_slice);
        let matched = |place: &usize| Matched {
            stage: usize::from(prediction[*place] != *word),
            place: *place,
        };
        found.iter().map(matched).collect()
    };
    reference.iter().map(option).collect()
}
