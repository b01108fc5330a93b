//! Which rows a page shows: the best, the worst and some drawn at random.

use crate::base::rng::Stream;

use super::super::score::Score;

const BEST: usize = 4;
const WORST: usize = 6;
const RANDOM: usize = 6;

/// Places of rows under what they are shown as; a row stands in one list only.
pub fn choose(scores: &[Score], rows: usize) -> Vec<(&'static str, Vec<usize>)> {
    let mut ranked: Vec<usize> = (0..rows).collect();
    // By the first measure; rows that are not counted come with the worst.
    let of = |row: usize| {
        let each = scores.first().and_then(|score| score.each.get(row).copied().flatten());
        each.unwrap_or(f64::NEG_INFINITY)
    };
    ranked.sort_by(|a, b| of(*b).total_cmp(&of(*a)).then(a.cmp(b)));
    let best: Vec<usize> = ranked.iter().take(BEST).copied().collect();
    let rest = ranked.get(best.len()..).unwrap_or_default();
    let worst: Vec<usize> = rest.iter().rev().take(WORST).copied().collect();
    let mut others: Vec<(f64, usize)> = rest
        .iter()
        .filter(|row| !worst.contains(row))
        .map(|row| (Stream::new(0, &format!("evaluation example {row}")).uniform(), *row))
        .collect();
    others.sort_by(|a, b| a.0.total_cmp(&b.0));
    let random = others.into_iter().take(RANDOM).map(|(_, row)| row).collect();
    vec![("Best", best), ("Worst", worst), ("Drawn at random", random)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_shown_once() {
        let each: Vec<Option<f64>> =
            (0..30).map(|row| (row != 7).then_some(f64::from(row))).collect();
        let score = Score {
            name: "x".into(),
            metric: "exact_match",
            value: None,
            interval: None,
            rows: 30,
            failed: 0,
            uncounted: 1,
            each,
        };
        let chosen = choose(&[score], 30);
        assert_eq!(chosen[0].1, [29, 28, 27, 26]);
        assert_eq!(chosen[1].1, [7, 0, 1, 2, 3, 4]);
        let mut all: Vec<usize> = chosen.into_iter().flat_map(|(_, rows)| rows).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 16);
        assert_eq!(choose(&[], 2)[0].1, [0, 1]);
    }
}
