//! Loops for the widest vectors of the processor at hand.

/// Lanes of sums: as many on every processor, so that rounding is the same.
const LANES: usize = 16;

/// Runs `work` compiled for the instructions that this processor has. What it calls must be
/// inlined into it.
#[inline(always)]
pub fn wide<T>(work: impl FnOnce() -> T) -> T {
    pulp::Arch::new().dispatch(work)
}

/// `eˣ` within 2 units in the last place; 1.2e-38 below −87.3, where it would be subnormal.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Adding and taking away 1.5 · 2²³ rounds to an integer, which the low bits then hold.
    const ROUND: f32 = 12_582_912.;
    // ln 2 in two parts: the product with the first is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.3, 88.3);
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let exponent = rounded.to_bits().wrapping_sub(ROUND.to_bits());
    let n = rounded - ROUND;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    // Taylor's series: |r| ≤ ln 2 / 2, so the eighth power is below half a unit.
    let mut power = 1. / 5040.;
    for factor in [1. / 720., 1. / 120., 1. / 24., 1. / 6., 0.5, 1., 1.] {
        power = power * r + factor;
    }
    power * f32::from_bits(exponent.wrapping_add(127) << 23)
}

#[inline(always)]
pub fn sum(x: &[f32]) -> f32 {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut lanes = [0f32; LANES];
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += x;
        }
    }
    total(lanes) + rest.iter().sum::<f32>()
}

#[inline(always)]
pub fn dot(x: &[f32], y: &[f32]) -> f32 {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let (others, other_rest) = y.as_chunks::<LANES>();
    let mut lanes = [0f32; LANES];
    for (x, y) in chunks.iter().zip(others) {
        for (lane, (x, y)) in lanes.iter_mut().zip(x.iter().zip(y)) {
            *lane += x * y;
        }
    }
    total(lanes) + rest.iter().zip(other_rest).map(|(x, y)| x * y).sum::<f32>()
}

#[inline(always)]
pub fn max(x: &[f32]) -> f32 {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let larger = |a: f32, b: f32| if a > b { a } else { b };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*x, *lane);
        }
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |a, &b| larger(b, a))
}

#[inline(always)]
fn total(lanes: [f32; LANES]) -> f32 {
    let mut lanes = lanes;
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Turns scores into `exp(scale · (score − largest))`; their sum and the log-sum-exp of the
/// scaled scores.
#[inline(always)]
pub fn exp_all(scores: &mut [f32], scale: f32) -> (f32, f32) {
    let largest = max(scores);
    for score in scores.iter_mut() {
        *score = exp((*score - largest) * scale);
    }
    let total = sum(scores);
    (total, largest * scale + libm::log(f64::from(total)) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_exact_to_two_units() {
        for i in -8700..8800 {
            let x = i as f32 / 100.;
            let want = libm::exp(f64::from(x));
            let error = (f64::from(wide(|| exp(x))) - want).abs() / want;
            assert!(error < 2.4e-7, "{x}: {error}");
        }
        assert!(exp(f32::NEG_INFINITY) < 1e-37);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn sums_of_any_length() {
        for len in [0, 1, 15, 16, 17, 100] {
            let x: Vec<f32> = (1..=len).map(|i| i as f32).collect();
            assert_eq!(sum(&x), (len * (len + 1) / 2) as f32);
            assert_eq!(dot(&x, &x), (len * (len + 1) * (2 * len + 1) / 6) as f32);
            assert_eq!(max(&x), if len == 0 { f32::NEG_INFINITY } else { len as f32 });
        }
    }
}
