//! Confidence intervals.

use super::MetricError;
use super::statistic::Statistic;
use crate::base::rng::Stream;
use rayon::prelude::*;

/// How a bootstrap is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Bootstrap {
    pub resamples: usize,
    /// Confidence, such as 0.95.
    pub level: f64,
    pub seed: u64,
    /// Names the draws of one metric of one suite, so that another metric changes none of them.
    pub address: String,
}

impl Bootstrap {
    /// 1000 resamples at 95 %.
    pub fn new(seed: u64, address: impl Into<String>) -> Self {
        Bootstrap { resamples: 1000, level: 0.95, seed, address: address.into() }
    }
}

/// An interval around a score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

/// Percentile bootstrap over items (Efron and Tibshirani, 1993, chapter 13): resamples of as many
/// items, drawn with replacement; the score of each from the sums of its items; the percentiles of
/// these scores, linear between two of them as in NumPy.
///
/// Resamples without a score (all references drawn are empty) are left out; when none has one there
/// is no interval and the answer is `None`. The bits are the same for every number of threads.
pub fn bootstrap<S: Statistic>(
    items: &[S],
    how: &Bootstrap,
) -> Result<Option<Interval>, MetricError> {
    if items.is_empty() {
        return Err(MetricError::NoItems);
    }
    if how.resamples < 2 {
        return Err(MetricError::Resamples { resamples: how.resamples });
    }
    check_level(how.level)?;
    let resample = |number: usize| {
        let mut stream = Stream::new(how.seed, &format!("bootstrap/{}/{number}", how.address));
        let mut sums = S::zero();
        for _ in 0..items.len() {
            let drawn = (stream.uniform() * items.len() as f64) as usize;
            sums.add(&items[drawn.min(items.len() - 1)]);
        }
        sums.score()
    };
    let mut scores: Vec<f64> = (0..how.resamples).into_par_iter().filter_map(resample).collect();
    scores.sort_by(f64::total_cmp);
    let tail = (1.0 - how.level) / 2.0;
    let ends = percentile(&scores, tail).zip(percentile(&scores, 1.0 - tail));
    Ok(ends.map(|(low, high)| Interval { low, high }))
}

/// The value below which a share of sorted values lies, linear between neighbours.
fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let below = sorted.get(place.floor() as usize)?;
    let above = sorted.get(place.ceil() as usize)?;
    Some(below + (above - below) * place.fract())
}

fn check_level(level: f64) -> Result<(), MetricError> {
    if level > 0.0 && level < 1.0 { Ok(()) } else { Err(MetricError::Level { level }) }
}

/// Interval of a proportion after Wilson (1927, "Probable inference, the law of succession, and
/// statistical inference", JASA 22): what to give for accuracies, since it stays in [0, 1] and has a
/// width at 0 and 100 % too, where a bootstrap has none.
pub fn wilson(successes: u64, trials: u64, level: f64) -> Result<Interval, MetricError> {
    check_level(level)?;
    if trials == 0 || successes > trials {
        return Err(MetricError::Proportion { successes, trials });
    }
    let z = normal_quantile(0.5 + level / 2.0);
    let n = trials as f64;
    let share = successes as f64 / n;
    let scale = 1.0 + z * z / n;
    let middle = (share + z * z / (2.0 * n)) / scale;
    let half = z / scale * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    Ok(Interval {
        low: if successes == 0 { 0.0 } else { (middle - half).max(0.0) },
        high: if successes == trials { 1.0 } else { (middle + half).min(1.0) },
    })
}

/// Quantile of the standard normal distribution, by bisection of its distribution function.
fn normal_quantile(probability: f64) -> f64 {
    let below = |z: f64| 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2);
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if below(middle) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::super::bleu::Bleu;
    use super::super::error_rate::{ErrorCounts, corpus_rate};
    use super::super::statistic::Mean;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentiles_equal_those_of_numpy() {
        let path =
            format!("{}/tests/fixtures/metrics/percentiles.json", env!("CARGO_MANIFEST_DIR"));
        let rows: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for row in rows.as_array().unwrap() {
            let read = |name: &str| -> Vec<f64> {
                row[name].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect()
            };
            let mut values = read("values");
            values.sort_by(f64::total_cmp);
            for (percent, expected) in read("percents").iter().zip(read("percentiles")) {
                let ours = percentile(&values, percent / 100.0).unwrap();
                assert!((ours - expected).abs() < 1e-12, "{ours}, expected {expected}");
            }
        }
    }

    #[test]
    fn wilson_of_known_proportions() {
        // Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I.
        for (successes, trials, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let interval = wilson(successes, trials, 0.95).unwrap();
            assert!((interval.low - low).abs() < 5e-5, "{interval:?}");
            assert!((interval.high - high).abs() < 5e-5, "{interval:?}");
        }
        assert!(wilson(1, 0, 0.95).is_err() && wilson(2, 1, 0.95).is_err());
        assert!(wilson(1, 2, 1.0).is_err() && wilson(1, 2, f64::NAN).is_err());
    }

    #[test]
    fn threads_change_no_bit() {
        let items = Mean::each(&(0..100).map(|n| f64::from(n % 7) / 7.0).collect::<Vec<_>>());
        let how = Bootstrap::new(5, "suite/metric");
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| bootstrap(&items, &how).unwrap().unwrap())
        };
        assert_eq!(on(1), on(3));
        let other = bootstrap(&items, &Bootstrap::new(5, "suite/other")).unwrap().unwrap();
        assert_ne!(on(1), other);
    }

    #[test]
    fn the_interval_of_a_mean_has_about_the_width_of_the_normal_one() {
        let values: Vec<f64> =
            Stream::new(1, "values").normal(400).into_iter().map(f64::from).collect();
        let interval =
            bootstrap(&Mean::each(&values), &Bootstrap::new(1, "mean")).unwrap().unwrap();
        let width = interval.high - interval.low;
        // 2 * 1.96 / sqrt(400) = 0.196
        assert!((0.17..0.23).contains(&width), "{width}");
        assert!(interval.low < 0.1 && interval.high > -0.1);
    }

    #[test]
    fn a_corpus_rate_is_resampled_by_its_sums() {
        // One long utterance without errors and many short ones all wrong: the mean of rates would
        // be near 1, the rate of the corpus is near 0.1.
        let mut items = vec![ErrorCounts { substitutions: 1, ..ErrorCounts::default() }; 10];
        items.extend(vec![ErrorCounts { hits: 9, ..ErrorCounts::default() }; 10]);
        let (rate, _) = corpus_rate(&items).unwrap();
        let interval = bootstrap(&items, &Bootstrap::new(0, "wer")).unwrap().unwrap();
        assert!((rate - 0.1).abs() < 1e-12);
        assert!(interval.low < 0.1 && interval.high < 0.3, "{interval:?}");
    }

    #[test]
    fn nothing_to_draw_from() {
        assert_eq!(bootstrap::<Mean>(&[], &Bootstrap::new(0, "")), Err(MetricError::NoItems));
        let silent = [ErrorCounts::default()];
        assert_eq!(bootstrap(&silent, &Bootstrap::new(0, "")), Ok(None));
        let one = Bootstrap { resamples: 1, ..Bootstrap::new(0, "") };
        assert!(bootstrap(&silent, &one).is_err());
        assert_eq!(bootstrap(&[Bleu::default()], &Bootstrap::new(0, "")), Ok(None));
    }

    proptest! {
        #[test]
        fn intervals_are_ordered_and_within_the_scores(
            scores in prop::collection::vec(0.0f64..1.0, 1..30), seed in any::<u64>(),
        ) {
            let how = Bootstrap { resamples: 50, ..Bootstrap::new(seed, "p") };
            let interval = bootstrap(&Mean::each(&scores), &how).unwrap().unwrap();
            let least = scores.iter().copied().fold(1.0, f64::min);
            let most = scores.iter().copied().fold(0.0, f64::max);
            prop_assert!(least - 1e-12 <= interval.low && interval.low <= interval.high);
            prop_assert!(interval.high <= most + 1e-12);
        }

        #[test]
        fn wilson_holds_the_proportion(trials in 1u64..10_000, part in 0.0f64..=1.0) {
            let successes = (trials as f64 * part) as u64;
            let interval = wilson(successes, trials, 0.95).unwrap();
            let share = successes as f64 / trials as f64;
            prop_assert!(0.0 <= interval.low && interval.low <= share);
            prop_assert!(share <= interval.high && interval.high <= 1.0);
        }
    }
}
