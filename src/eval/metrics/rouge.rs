//! ROUGE-L (Lin, 2004, "ROUGE: A Package for Automatic Evaluation of Summaries", section 3), as
//! COCO's caption evaluation computes it: the longest common subsequence with each reference gives a
//! precision and a recall; the best precision and the best recall (not always of one reference) are
//! joined to an F score with beta 1.2. Range [0, 1]; the corpus score is the mean.

use super::tokens::check;
use super::{MetricError, TokenItem};

/// Weight of recall against precision in COCO's evaluation.
const BETA: f64 = 1.2;

/// ROUGE-L of every item, in [0, 1].
///
/// An empty text counts as one empty token, as it does in COCO's evaluation: two empty texts score
/// 1, an empty and a full one score 0.
pub fn rouge_l(items: &[TokenItem]) -> Result<Vec<f64>, MetricError> {
    check(items)?;
    Ok(items.iter().map(score).collect())
}

fn score(item: &TokenItem) -> f64 {
    let (mut precision, mut recall) = (0.0_f64, 0.0_f64);
    for reference in &item.references {
        let common = match (item.prediction.is_empty(), reference.is_empty()) {
            (true, true) => 1,
            _ => longest_common(&item.prediction, reference),
        } as f64;
        precision = precision.max(common / item.prediction.len().max(1) as f64);
        recall = recall.max(common / reference.len().max(1) as f64);
    }
    if precision == 0.0 || recall == 0.0 {
        return 0.0;
    }
    let square = BETA * BETA;
    (1.0 + square) * precision * recall / (recall + square * precision)
}

/// Length of the longest common subsequence, in one row of the shorter text.
fn longest_common(left: &[String], right: &[String]) -> usize {
    let (long, short) = if left.len() < right.len() { (right, left) } else { (left, right) };
    let mut row = vec![0; short.len() + 1];
    for token in long {
        let mut diagonal = 0;
        for (column, other) in short.iter().enumerate() {
            let above = row[column + 1];
            row[column + 1] = if token == other { diagonal + 1 } else { above.max(row[column]) };
            diagonal = above;
        }
    }
    row[short.len()]
}
