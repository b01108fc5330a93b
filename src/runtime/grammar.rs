//! What the language model may say next, so that every reply decodes.
//!
//! A reply in a medium is held to codes of that medium in the order of its codebooks, as many
//! as the layout demands (an image: exactly 32; music: whole frames of 4 codebooks in turn),
//! then the end token. A reply in text is held to the text part of the vocabulary and the
//! tokens that end a turn. The Python reference does neither.

use std::ops::Range;

use crate::models::sampling::Settings as Sampling;

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

/// The rules of one reply as it is written: what may follow, and how it is drawn.
pub trait Rules {
    fn next(&self) -> Next;

    /// How the next id is drawn.
    fn sampling(&self) -> &Sampling;

    /// Goes on by one id; false if that id ends the reply and is no part of it.
    fn take(&mut self, id: u32) -> bool;
}

/// A text that is one of several, given as ids. It ends where no longer one can follow.
pub struct OneOf {
    cases: Vec<Vec<u32>>,
    ends: Vec<u32>,
    sampling: Sampling,
    written: Vec<u32>,
}

impl OneOf {
    pub fn new(cases: Vec<Vec<u32>>, ends: Vec<u32>, sampling: Sampling) -> Self {
        OneOf { cases, ends, sampling, written: Vec::new() }
    }
}

impl Rules for OneOf {
    fn next(&self) -> Next {
        let open = self.cases.iter().filter(|case| case.starts_with(&self.written));
        let mut ids: Vec<u32> =
            open.clone().filter_map(|case| case.get(self.written.len()).copied()).collect();
        if ids.is_empty() {
            return Next::Done;
        }
        if open.clone().any(|case| case.len() == self.written.len()) {
            ids.extend(&self.ends);
        }
        ids.sort_unstable();
        ids.dedup();
        Next::Choose(ids.into_iter().map(|id| id..id.saturating_add(1)).collect())
    }

    fn sampling(&self) -> &Sampling {
        &self.sampling
    }

    fn take(&mut self, id: u32) -> bool {
        self.written.push(id);
        !self.ends.contains(&id)
    }
}

/// A reply in one medium.
pub struct Single {
    pub grammar: Grammar,
    pub sampling: Sampling,
    produced: usize,
}

impl Single {
    pub fn new(grammar: Grammar, sampling: Sampling) -> Self {
        Single { grammar, sampling, produced: 0 }
    }
}

impl Rules for Single {
    fn next(&self) -> Next {
        self.grammar.next(self.produced)
    }

    fn sampling(&self) -> &Sampling {
        &self.sampling
    }

    fn take(&mut self, id: u32) -> bool {
        self.produced += 1;
        !self.grammar.is_end(id)
    }
}

/// A medium that a mixed reply may switch to.
pub struct Inset {
    /// The tokens around it.
    pub start: u32,
    pub end: u32,
    pub codebooks: Vec<Range<u32>>,
    pub length: Length,
    pub sampling: Sampling,
}

impl Inset {
    fn least(&self) -> usize {
        match self.length {
            Length::Exactly(count) => count,
            Length::Between(least, _) => least.max(self.codebooks.len()),
        }
    }
}

/// A reply that switches between text and media at their start and end tokens; the sampling
/// settings switch with it. A medium is begun only where there is room for it, so every one that
/// is begun is whole.
pub struct Switching {
    pub text: Vec<Range<u32>>,
    pub ends: Vec<u32>,
    pub sampling: Sampling,
    pub insets: Vec<Inset>,
    /// The fewest and the most ids of the whole reply.
    pub least: usize,
    pub most: usize,
    produced: usize,
    /// The medium being written, how many of its codes are there, and how many there may be.
    within: Option<(usize, usize, Grammar)>,
}

impl Switching {
    pub fn new(
        text: Vec<Range<u32>>,
        ends: Vec<u32>,
        sampling: Sampling,
        insets: Vec<Inset>,
        (least, most): (usize, usize),
    ) -> Self {
        Switching { text, ends, sampling, insets, least, most, produced: 0, within: None }
    }

    /// The rules of a medium that begins now.
    fn begin(&self, inset: &Inset) -> Grammar {
        // The end token needs room as well.
        let room = self.most.saturating_sub(self.produced + 1);
        let books = inset.codebooks.len().max(1);
        let length = match inset.length {
            Length::Exactly(count) => Length::Exactly(count),
            Length::Between(least, most) => {
                Length::Between(least.max(books), (most.min(room) / books * books).max(books))
            }
        };
        Grammar::medium(&inset.codebooks, inset.end, length)
    }
}

fn one(id: u32) -> Range<u32> {
    id..id.saturating_add(1)
}

impl Rules for Switching {
    fn next(&self) -> Next {
        if let Some((place, count, grammar)) = &self.within {
            return match grammar.next(*count) {
                // In between, the end token is written, since more follows.
                Next::Done => Next::Choose(vec![one(self.insets[*place].end)]),
                next => next,
            };
        }
        let room = self.most.saturating_sub(self.produced);
        if room == 0 {
            return Next::Done;
        }
        let mut allowed = self.text.clone();
        if self.produced >= self.least {
            allowed.extend(self.ends.iter().copied().map(one));
        }
        let fitting = self.insets.iter().filter(|inset| inset.least() + 2 <= room);
        allowed.extend(fitting.map(|inset| one(inset.start)));
        Next::Choose(allowed)
    }

    fn sampling(&self) -> &Sampling {
        match &self.within {
            Some((place, ..)) => &self.insets[*place].sampling,
            None => &self.sampling,
        }
    }

    fn take(&mut self, id: u32) -> bool {
        self.produced += 1;
        match &mut self.within {
            Some((place, ..)) if self.insets[*place].end == id => self.within = None,
            Some((_, count, _)) => *count += 1,
            None if self.ends.contains(&id) => return false,
            None => {
                let place = self.insets.iter().position(|inset| inset.start == id);
                self.within = place.map(|place| (place, 0, self.begin(&self.insets[place])));
            }
        }
        true
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

    fn switching(most: usize) -> Switching {
        let (image, speech) = (Sampling { top_k: 1, ..Sampling::default() }, Sampling::default());
        let insets = vec![
            Inset {
                start: 90,
                end: 91,
                codebooks: only(100..110),
                length: Length::Exactly(3),
                sampling: image,
            },
            Inset {
                start: 92,
                end: 93,
                codebooks: only(110..120),
                length: Length::Between(1, 100),
                sampling: speech,
            },
        ];
        Switching::new(only(0..50), vec![99], Sampling::default(), insets, (1, most))
    }

    #[test]
    fn a_mixed_reply_switches_with_its_settings_and_every_medium_is_whole() {
        let mut rules = switching(12);
        assert_eq!(rules.next(), Next::Choose(vec![0..50, 90..91, 92..93]));
        assert!(rules.take(7));
        assert_eq!(rules.next(), Next::Choose(vec![0..50, 99..100, 90..91, 92..93]));
        assert!(rules.take(90));
        assert_eq!(rules.sampling().top_k, 1);
        for code in 100..103 {
            assert_eq!(rules.next(), Next::Choose(only(100..110)));
            assert!(rules.take(code));
        }
        assert_eq!(rules.next(), Next::Choose(only(91..92)), "the end is written");
        assert!(rules.take(91));
        assert_eq!(rules.sampling().top_k, 0);
        // Six are written, six are left: speech of four at most.
        assert!(rules.take(92));
        assert_eq!(rules.next(), Next::Choose(only(110..120)));
        for code in 110..114 {
            assert!(rules.take(code));
        }
        assert_eq!(rules.next(), Next::Choose(only(93..94)));
        assert!(rules.take(93));
        assert_eq!(rules.next(), Next::Done, "twelve ids are all there may be");
    }

    #[test]
    fn a_medium_without_room_is_not_begun() {
        let mut rules = switching(4);
        assert_eq!(rules.next(), Next::Choose(vec![0..50, 92..93]));
        assert!(rules.take(92) && rules.take(110));
        assert_eq!(rules.next(), Next::Choose(vec![110..120, 93..94]));
        assert!(rules.take(111));
        assert_eq!(rules.next(), Next::Choose(only(93..94)));
        assert!(rules.take(93));
        assert!(!switching(4).take(99), "an end is no part of the reply");
    }
}
