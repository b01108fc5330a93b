//! The learning rate over a training, as a factor of the recipe's rate.

use super::recipe::Schedule;

/// The factor at `step`, which counts from 0, of a training of `steps`.
///
/// The warm-up lasts `ceil(warmup_ratio * steps)` steps, as in HuggingFace's Trainer, and rises to 1 in
/// equal parts; its first step has a rate too, where HuggingFace's has none. Then half a cosine falls
/// from 1 towards `min_rate` (Loshchilov & Hutter 2017, equation 5).
pub fn factor(schedule: &Schedule, step: u64, steps: u64) -> f64 {
    let warmup = libm::ceil(schedule.warmup_ratio * steps as f64) as u64;
    if step < warmup {
        return (step + 1) as f64 / warmup as f64;
    }
    let progress = (step - warmup) as f64 / (steps - warmup).max(1) as f64;
    let cosine = 0.5 * (1.0 + libm::cos(std::f64::consts::PI * progress));
    schedule.min_rate + (1.0 - schedule.min_rate) * cosine
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_and_falls() {
        let schedule = Schedule { warmup_ratio: 0.1, min_rate: 0.02 };
        let at = |step| factor(&schedule, step, 100);
        assert_eq!((at(0), at(9), at(10)), (0.1, 1.0, 1.0));
        assert!((at(55) - 0.51).abs() < 1e-12);
        assert!((10..99).all(|step| at(step) > at(step + 1)));
        assert!(at(99) >= 0.02 && at(99) < 0.021);
    }

    #[test]
    fn there_may_be_no_warm_up_or_nothing_else() {
        assert_eq!(factor(&Schedule { warmup_ratio: 0.0, min_rate: 0.0 }, 0, 1), 1.0);
        assert_eq!(factor(&Schedule { warmup_ratio: 1.0, min_rate: 0.0 }, 3, 4), 1.0);
    }
}
