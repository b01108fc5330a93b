//! Word and character error rates, with the counts and alignments of jiwer 4.
//!
//! Rate = (substitutions + deletions + insertions) / tokens of the references; 0 is best, and there is
//! no upper bound, since a hypothesis may insert as much as it likes. The rate of a corpus is the
//! ratio of the sums. Normalise texts first ([`normalise`](super::normalise)): the counts here are of
//! words that are equal as strings.

use super::statistic::{Statistic, total};
use super::{Chunk, Edit, MetricError, align};

/// Edits that turn references into hypotheses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ErrorCounts {
    pub hits: u64,
    pub substitutions: u64,
    pub deletions: u64,
    pub insertions: u64,
}

impl ErrorCounts {
    /// Counts of an alignment.
    pub fn of(chunks: &[Chunk]) -> Self {
        let mut counts = ErrorCounts::default();
        for chunk in chunks {
            let of_reference = (chunk.reference.1 - chunk.reference.0) as u64;
            let of_hypothesis = (chunk.hypothesis.1 - chunk.hypothesis.0) as u64;
            match chunk.edit {
                Edit::Equal => counts.hits += of_reference,
                Edit::Substitute => counts.substitutions += of_reference,
                Edit::Delete => counts.deletions += of_reference,
                Edit::Insert => counts.insertions += of_hypothesis,
            }
        }
        counts
    }

    pub fn errors(&self) -> u64 {
        self.substitutions + self.deletions + self.insertions
    }

    pub fn reference_tokens(&self) -> u64 {
        self.hits + self.substitutions + self.deletions
    }

    pub fn hypothesis_tokens(&self) -> u64 {
        self.hits + self.substitutions + self.insertions
    }

    /// The error rate; `None` when the references hold no token (jiwer gives the number of
    /// insertions there, which is no rate).
    pub fn rate(&self) -> Option<f64> {
        let tokens = self.reference_tokens();
        (tokens > 0).then(|| self.errors() as f64 / tokens as f64)
    }

    /// Match error rate: errors of all edits and hits, in [0, 1]. 0 for two empty sides.
    pub fn match_error_rate(&self) -> f64 {
        let all = self.errors() + self.hits;
        if all == 0 { 0.0 } else { self.errors() as f64 / all as f64 }
    }

    /// Word information lost, in [0, 1] (Morris, Maier and Green, 2004): one less the product of the
    /// shares of hits in reference and hypothesis. 0 for two empty sides.
    pub fn information_lost(&self) -> f64 {
        let (reference, hypothesis) = (self.reference_tokens(), self.hypothesis_tokens());
        match (reference, hypothesis) {
            (0, 0) => 0.0,
            (0, _) | (_, 0) => 1.0,
            _ => {
                let hits = self.hits as f64;
                1.0 - hits / reference as f64 * (hits / hypothesis as f64)
            }
        }
    }
}

impl Statistic for ErrorCounts {
    fn zero() -> Self {
        ErrorCounts::default()
    }

    fn add(&mut self, other: &Self) {
        self.hits += other.hits;
        self.substitutions += other.substitutions;
        self.deletions += other.deletions;
        self.insertions += other.insertions;
    }

    fn score(&self) -> Option<f64> {
        self.rate()
    }
}

/// A reference and a hypothesis as tokens, with their alignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aligned {
    pub reference: Vec<String>,
    pub hypothesis: Vec<String>,
    pub chunks: Vec<Chunk>,
    pub counts: ErrorCounts,
}

/// Aligns words, as jiwer does by default: words lie between single spaces, after runs of white
/// space became one space.
pub fn words(reference: &str, hypothesis: &str) -> Result<Aligned, MetricError> {
    let split = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    aligned(split(reference), split(hypothesis))
}

/// Aligns characters (Unicode scalar values), spaces between words among them, as jiwer does by
/// default: only white space at the ends is left out.
pub fn characters(reference: &str, hypothesis: &str) -> Result<Aligned, MetricError> {
    let split = |text: &str| text.trim().chars().map(String::from).collect();
    aligned(split(reference), split(hypothesis))
}

fn aligned(reference: Vec<String>, hypothesis: Vec<String>) -> Result<Aligned, MetricError> {
    let chunks = align(&reference, &hypothesis)?;
    let counts = ErrorCounts::of(&chunks);
    Ok(Aligned { reference, hypothesis, chunks, counts })
}

/// The error rate of a corpus, with its sums.
pub fn corpus_rate(items: &[ErrorCounts]) -> Result<(f64, ErrorCounts), MetricError> {
    if items.is_empty() {
        return Err(MetricError::NoItems);
    }
    let sums = total(items);
    let empty = MetricError::EmptyReferences { items: items.len(), insertions: sums.insertions };
    Ok((sums.rate().ok_or(empty)?, sums))
}

impl Aligned {
    /// Two or three lines for people, columns padded to one width:
    ///
    /// ```text
    /// REF: the cat sat on the ***
    /// HYP: the cat *** on the mat
    ///              D          I
    /// ```
    ///
    /// `*` fills what one side lacks; the last line is left out when nothing differs.
    pub fn lines(&self) -> String {
        let (mut top, mut bottom, mut marks) =
            ("REF:".to_owned(), "HYP:".to_owned(), "    ".to_owned());
        for chunk in &self.chunks {
            let mut reference = self.reference[chunk.reference.0..chunk.reference.1].iter();
            let mut hypothesis = self.hypothesis[chunk.hypothesis.0..chunk.hypothesis.1].iter();
            loop {
                let (left, right) = (reference.next(), hypothesis.next());
                let width = |text: Option<&String>| text.map_or(0, |t| t.chars().count());
                let wide = width(left).max(width(right));
                if left.is_none() && right.is_none() {
                    break;
                }
                let mark = match chunk.edit {
                    Edit::Equal => "",
                    Edit::Substitute => "S",
                    Edit::Insert => "I",
                    Edit::Delete => "D",
                };
                let stars = "*".repeat(wide);
                for (line, text) in [
                    (&mut top, left.unwrap_or(&stars).as_str()),
                    (&mut bottom, right.unwrap_or(&stars).as_str()),
                    (&mut marks, mark),
                ] {
                    line.push_str(&format!(" {text:wide$}"));
                }
            }
        }
        let lines = [top, bottom, marks];
        let kept = lines.iter().map(|line| line.trim_end()).filter(|line| !line.is_empty());
        kept.collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_show_every_kind_of_edit() {
        let aligned = words("the cat sat on the", "the cat on the mat").unwrap();
        assert_eq!(
            aligned.lines(),
            "REF: the cat sat on the ***\nHYP: the cat *** on the mat\n             D          I"
        );
        assert_eq!(words("a", "a").unwrap().lines(), "REF: a\nHYP: a");
    }

    #[test]
    fn references_without_words_have_no_rate() {
        let counts = words(" ", "two words").unwrap().counts;
        assert_eq!(counts.rate(), None);
        let error = MetricError::EmptyReferences { items: 1, insertions: 2 };
        assert_eq!(corpus_rate(&[counts]), Err(error));
        assert_eq!(corpus_rate(&[]), Err(MetricError::NoItems));
    }
}
