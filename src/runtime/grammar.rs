//! What the language model may say next, so that every reply decodes.
//!
//! A reply in a medium is held to codes of that medium in the order of its codebooks, as many
//! as the layout demands (an image: exactly 32; music: whole frames of 4 codebooks in turn),
//! then the end token. A reply in text is held to the text part of the vocabulary and the
//! tokens that end a turn. The Python reference does neither.

use std::ops::Range;

/// How many codes a reply holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    Exactly(usize),
    /// At least and at most, both inclusive.
    Between(usize, usize),
}

/// The rules of one reply.
#[derive(Debug, Clone)]
pub struct Grammar {
    /// Ids allowed at position `i` are those of `cycle[i % cycle.len()]`: the codebooks in turn.
    cycle: Vec<Vec<Range<u32>>>,
    /// Ids that end the reply.
    ends: Vec<u32>,
    length: Length,
}

/// What may follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// One of these ids.
    Choose(Vec<Range<u32>>),
    Done,
}

impl Grammar {
    /// A medium: one id range per codebook.
    pub fn medium(codebooks: &[Range<u32>], end: u32, length: Length) -> Self {
        let cycle = codebooks.iter().map(|range| vec![range.clone()]).collect();
        Grammar { cycle, ends: vec![end], length }
    }

    /// Text: any text token, until one of `ends`.
    pub fn text(text: Vec<Range<u32>>, ends: Vec<u32>, length: Length) -> Self {
        Grammar { cycle: vec![text], ends, length }
    }

    pub fn is_end(&self, id: u32) -> bool {
        self.ends.contains(&id)
    }

    /// What may follow after `produced` ids.
    pub fn next(&self, produced: usize) -> Next {
        let (least, most) = match self.length {
            Length::Exactly(count) => (count, count),
            Length::Between(least, most) => (least, most),
        };
        if produced >= most || self.cycle.is_empty() {
            return Next::Done;
        }
        let mut allowed = self.cycle[produced % self.cycle.len()].clone();
        // A medium may only end between frames.
        if produced >= least && produced.is_multiple_of(self.cycle.len()) {
            allowed.extend(self.ends.iter().map(|end| *end..end.saturating_add(1)));
        }
        Next::Choose(allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(range: Range<u32>) -> Vec<Range<u32>> {
        std::iter::once(range).collect()
    }

    #[test]
    fn an_image_is_exactly_its_codes() {
        let codebook = 100..200;
        let grammar = Grammar::medium(std::slice::from_ref(&codebook), 201, Length::Exactly(32));
        for produced in 0..32 {
            assert_eq!(grammar.next(produced), Next::Choose(vec![codebook.clone()]));
        }
        assert_eq!(grammar.next(32), Next::Done);
    }

    #[test]
    fn music_cycles_codebooks_and_ends_between_frames() {
        let books = [0..10, 10..20, 20..30, 30..40];
        let grammar = Grammar::medium(&books, 99, Length::Between(4, 40));
        assert_eq!(grammar.next(5), Next::Choose(only(10..20)));
        assert_eq!(grammar.next(0), Next::Choose(only(0..10)));
        assert_eq!(grammar.next(4), Next::Choose(vec![0..10, 99..100]));
        assert_eq!(grammar.next(40), Next::Done);
    }

    #[test]
    fn text_ends_only_after_the_least_length() {
        let grammar = Grammar::text(vec![3..50, 60..70], vec![2, 55], Length::Between(1, 5));
        assert_eq!(grammar.next(0), Next::Choose(vec![3..50, 60..70]));
        assert_eq!(grammar.next(1), Next::Choose(vec![3..50, 60..70, 2..3, 55..56]));
        assert!(grammar.is_end(55));
    }
}
