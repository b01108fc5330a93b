//! A curve of losses in a line of text.

const WIDTH: usize = 40;
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The means of a series, in at most so many parts as a line has room for: when it is full,
/// neighbours become one, so that the curve is always of the whole series.
#[derive(Debug, Default)]
pub struct Curve {
    /// Sums and counts; all but the last are of `each` values.
    parts: Vec<(f64, u64)>,
    each: u64,
}

impl Curve {
    pub fn add(&mut self, value: f64) {
        let each = self.each.max(1);
        match self.parts.last_mut() {
            Some((sum, count)) if *count < each => {
                *sum += value;
                *count += 1;
            }
            _ => self.parts.push((value, 1)),
        }
        if self.parts.len() > WIDTH {
            let pairs = self.parts.chunks(2);
            let joined =
                pairs.map(|pair| pair.iter().fold((0.0, 0), |a, b| (a.0 + b.0, a.1 + b.1)));
            self.parts = joined.collect();
            self.each = each * 2;
        }
    }

    /// Blocks from the least to the greatest of the means; nothing without two of them.
    pub fn drawn(&self) -> String {
        let means: Vec<f64> = self.parts.iter().map(|(sum, count)| sum / *count as f64).collect();
        if means.len() < 2 {
            return String::new();
        }
        let least = means.iter().copied().fold(f64::INFINITY, f64::min);
        let range = means.iter().copied().fold(f64::NEG_INFINITY, f64::max) - least;
        let top = (BLOCKS.len() - 1) as f64;
        let height = |mean: f64| if range > 0.0 { (mean - least) / range * top } else { 0.0 };
        means.iter().map(|mean| BLOCKS[(height(*mean).round() as usize).min(7)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_falling_loss_falls_and_stays_within_the_line() {
        let mut curve = Curve::default();
        assert_eq!(curve.drawn(), "");
        for at in 0..8 {
            curve.add(f64::from(7 - at));
        }
        assert_eq!(curve.drawn(), "█▇▆▅▄▃▂▁");
        let mut long = Curve::default();
        for at in 0..1000 {
            long.add(1.0 / f64::from(at + 1));
            assert!(long.drawn().chars().count() <= WIDTH);
        }
        let drawn: Vec<char> = long.drawn().chars().collect();
        assert!(drawn.len() >= WIDTH / 2 && drawn[0] == '█' && drawn.is_sorted_by(|a, b| a >= b));
        let total: u64 = long.parts.iter().map(|(_, count)| count).sum();
        assert_eq!(total, 1000);
    }

    #[test]
    fn what_stays_the_same_is_flat() {
        let mut curve = Curve::default();
        curve.add(2.0);
        curve.add(2.0);
        assert_eq!(curve.drawn(), "▁▁");
    }
}
