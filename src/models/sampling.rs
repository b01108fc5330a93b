//! From logits to a token, by the rules and in the order of transformers' logits warpers.

/// Settings of one draw; the defaults change nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// 0 takes the most likely token.
    pub temperature: f64,
    /// Keep this many of the most likely; 0 keeps all.
    pub top_k: usize,
    /// Keep the most likely up to this total probability; 1 keeps all.
    pub top_p: f64,
    /// Keep those at least this fraction as likely as the most likely; 0 keeps all.
    pub min_p: f64,
    /// Above 1 makes tokens that occurred less likely.
    pub repetition_penalty: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { temperature: 1., top_k: 0, top_p: 1., min_p: 0., repetition_penalty: 1. }
    }
}

/// What was drawn, and how near another outcome was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Draw {
    pub index: usize,
    /// Of the most likely token: by how much its logit is above the next one's. Of a sampled one:
    /// the distance of `u` to the nearer end of its stretch of [0, 1). Infinite where nothing else
    /// could be drawn. Where it is tiny, another rounding may give another token.
    pub gap: f64,
}

/// Draws an index with `u` in [0, 1). `seen` is prompt and output so far.
///
/// Returns `None` when nothing can be drawn: no logits, or all of them −∞ or NaN.
pub fn draw(logits: &mut [f32], seen: &[u32], settings: &Settings, u: f64) -> Option<Draw> {
    if settings.temperature == 0. {
        repetition_penalty(logits, seen, settings.repetition_penalty);
        let index = greedy(logits)?;
        let others = logits.iter().enumerate().filter(|(other, _)| *other != index);
        let second = others.map(|(_, logit)| *logit).fold(f32::NEG_INFINITY, f32::max);
        // Two of +∞ are as near as can be, though their difference is no number.
        let gap = f64::from(logits[index]) - f64::from(second);
        return Some(Draw { index, gap: if gap.is_nan() { 0. } else { gap } });
    }
    warp(logits, seen, settings);
    sample(&probabilities(logits), u)
}

/// Applies all settings in the order of transformers' `generate`; what is removed becomes −∞.
pub fn warp(logits: &mut [f32], seen: &[u32], settings: &Settings) {
    repetition_penalty(logits, seen, settings.repetition_penalty);
    temperature(logits, settings.temperature);
    top_k(logits, settings.top_k);
    top_p(logits, settings.top_p);
    min_p(logits, settings.min_p);
}

/// `RepetitionPenaltyLogitsProcessor`: each id that occurs, once, negative logits times the
/// penalty and the others divided by it (Keskar et al. 2019).
pub fn repetition_penalty(logits: &mut [f32], seen: &[u32], penalty: f64) {
    if penalty == 1. {
        return;
    }
    let penalty = penalty as f32;
    let mut done = vec![false; logits.len()];
    for &id in seen {
        let id = id as usize;
        if id < logits.len() && !std::mem::replace(&mut done[id], true) {
            let logit = &mut logits[id];
            *logit = if *logit < 0. { *logit * penalty } else { *logit / penalty };
        }
    }
}

/// `TemperatureLogitsWarper`.
pub fn temperature(logits: &mut [f32], temperature: f64) {
    if temperature != 1. {
        let temperature = temperature as f32;
        logits.iter_mut().for_each(|l| *l /= temperature);
    }
}

/// `TopKLogitsWarper`: removes what is below the k-th highest; ties with it stay.
pub fn top_k(logits: &mut [f32], k: usize) {
    if k == 0 || k >= logits.len() {
        return;
    }
    let mut order = logits.to_vec();
    let (_, &mut kth, _) = order.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
    remove(logits, |logit| logit < kth);
}

/// `TopPLogitsWarper`: in ascending order, removes while the running probability is at most
/// 1 − p; the most likely always stays (Holtzman et al. 2019).
pub fn top_p(logits: &mut [f32], p: f64) {
    if p >= 1. {
        return;
    }
    let probabilities = probabilities(logits);
    let highest = probabilities.iter().copied().fold(0., f64::max);
    let limit = 1. - p;
    // All that lie below the limit's equal share are together below the limit, so they go
    // first and unsorted: in a large vocabulary that is nearly everything.
    let share = (limit / logits.len() as f64).min(highest);
    let mut running = 0f64;
    let mut order = vec![];
    for (i, &probability) in probabilities.iter().enumerate() {
        if probability < share {
            running += probability;
            logits[i] = f32::NEG_INFINITY;
        } else {
            order.push(i);
        }
    }
    order.sort_by(|&a, &b| logits[a].total_cmp(&logits[b]));
    let Some((_, candidates)) = order.split_last() else {
        return;
    };
    for &i in candidates {
        running += probabilities[i];
        if running > limit {
            break;
        }
        logits[i] = f32::NEG_INFINITY;
    }
}

/// `MinPLogitsWarper`: removes what is less likely than `min_p` times the most likely.
pub fn min_p(logits: &mut [f32], min_p: f64) {
    if min_p <= 0. {
        return;
    }
    let probabilities = probabilities(logits);
    let highest = probabilities.iter().copied().fold(0., f64::max);
    let limit = highest * min_p.min(1.);
    for (logit, probability) in logits.iter_mut().zip(probabilities) {
        if probability < limit {
            *logit = f32::NEG_INFINITY;
        }
    }
}

fn remove(logits: &mut [f32], condition: impl Fn(f32) -> bool) {
    for logit in logits {
        if condition(*logit) {
            *logit = f32::NEG_INFINITY;
        }
    }
}

/// The softmax in f64. All zeros if no logit is above −∞.
pub fn probabilities(logits: &[f32]) -> Vec<f64> {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if highest == f32::NEG_INFINITY {
        return vec![0.; logits.len()];
    }
    let mut weights: Vec<f64> = logits
        .iter()
        .map(|&l| match l {
            l if l == f32::NEG_INFINITY || l.is_nan() => 0.,
            l if l == highest => 1., // also where both are +∞
            l => libm::exp(f64::from(l) - f64::from(highest)),
        })
        .collect();
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= total);
    weights
}

/// The index where the running sum of `probabilities`, in index order, passes `u` in [0, 1).
pub fn sample(probabilities: &[f64], u: f64) -> Option<Draw> {
    let total: f64 = probabilities.iter().sum();
    let (mut running, mut below) = (0., 0.);
    let mut last = None;
    for (i, &probability) in probabilities.iter().enumerate() {
        if probability > 0. {
            below = running;
            running += probability;
            last = Some(i);
            if running > u * total {
                break;
            }
        }
    }
    let index = last?;
    // The ends of the whole are no boundaries to another token.
    let lower = if below > 0. { u - below / total } else { f64::INFINITY };
    let more = probabilities[index + 1..].iter().any(|probability| *probability > 0.);
    let upper = if more { running / total - u } else { f64::INFINITY };
    Some(Draw { index, gap: lower.min(upper).max(0.) })
}

/// The highest logit; the first of equals.
pub fn greedy(logits: &[f32]) -> Option<usize> {
    let mut best: Option<(usize, f32)> = None;
    for (i, &logit) in logits.iter().enumerate() {
        if logit > best.map_or(f32::NEG_INFINITY, |(_, b)| b) {
            best = Some((i, logit));
        }
    }
    best.map(|(i, _)| i)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_walks_the_probabilities_in_index_order() {
        let p = [0.25, 0., 0.5, 0.25];
        let index = |u| sample(&p, u).map(|draw| draw.index);
        assert_eq!(index(0.), Some(0));
        assert_eq!(index(0.2499), Some(0));
        assert_eq!(index(0.25), Some(2));
        assert_eq!(index(0.75), Some(3));
        assert_eq!(index(0.999_999_999), Some(3));
        assert_eq!(sample(&[0., 0.], 0.5), None);
    }

    #[test]
    fn the_gap_says_how_near_another_outcome_was() {
        let p = [0.25, 0., 0.5, 0.25];
        let gap = |u| sample(&p, u).map(|draw| draw.gap);
        assert_eq!(gap(0.125), Some(0.125));
        assert_eq!(gap(0.), Some(0.25), "nothing lies below 0");
        assert_eq!(gap(0.25), Some(0.));
        assert_eq!(gap(0.5), Some(0.25));
        assert_eq!(sample(&[0., 1.], 0.3), Some(Draw { index: 1, gap: f64::INFINITY }));
        let cold = Settings { temperature: 0., ..Settings::default() };
        let gap = |logits: &[f32]| draw(&mut logits.to_vec(), &[], &cold, 0.).map(|draw| draw.gap);
        assert_eq!(gap(&[1., 3.5, 3.]), Some(0.5));
        assert_eq!(gap(&[3., 3.]), Some(0.));
        assert_eq!(gap(&[f32::INFINITY; 2]), Some(0.));
        assert_eq!(gap(&[1., f32::NEG_INFINITY]), Some(f64::INFINITY));
    }

    #[test]
    fn greedy_takes_the_first_of_equals() {
        assert_eq!(greedy(&[1., 3., 3.]), Some(1));
        assert_eq!(greedy(&[f32::NEG_INFINITY, f32::NAN]), None);
        let cold = Settings { temperature: 0., ..Settings::default() };
        assert_eq!(draw(&mut [0., 2., 1.], &[], &cold, 0.99).map(|draw| draw.index), Some(1));
        assert_eq!(draw(&mut [], &[], &cold, 0.5), None);
    }

    #[test]
    fn extremes_leave_something_to_draw() {
        let mut logits = [0., 1., 2.];
        top_p(&mut logits, 0.);
        assert_eq!(probabilities(&logits), [0., 0., 1.]);
        let mut masked = [f32::NEG_INFINITY; 3];
        assert_eq!(draw(&mut masked, &[0], &Settings::default(), 0.5), None);
        let certain = draw(&mut [0., f32::INFINITY], &[], &Settings::default(), 0.1);
        assert_eq!(certain.map(|draw| draw.index), Some(1));
        let mut logits = [1., 1., 0.];
        top_k(&mut logits, 1);
        assert_eq!(probabilities(&logits), [0.5, 0.5, 0.]);
    }

    #[test]
    fn the_penalty_counts_an_id_once_and_ignores_unknown_ones() {
        let mut logits = [2., -2., 1.];
        repetition_penalty(&mut logits, &[0, 0, 1, 9], 2.);
        assert_eq!(logits, [1., -4., 1.]);
    }
}
