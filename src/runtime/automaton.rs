//! Text held to a pattern: which ids of a vocabulary may follow, so that the whole text matches
//! and is finished before its last token is spent.
//!
//! The pattern is an automaton over bytes. Every id stands for some bytes, so the automaton can
//! be walked id by id; how many ids a text needs from each place to its nearest end is worked
//! out once, and an id is allowed only if that many are left after it. So a reply is never cut
//! off in the middle of a match. (The idea of walking a vocabulary through an automaton is that
//! of Willard and Louf, "Efficient Guided Generation for Large Language Models", 2023.)

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::base::Pattern;
use crate::base::pattern::State;
use crate::models::sampling::Settings as Sampling;

use super::grammar::{Next, Rules};

/// The ids of a vocabulary by the bytes they stand for, so that shared beginnings are walked once.
pub struct Spelling {
    /// Sorted by bytes; the second number says how many bytes an entry shares with the one before.
    tokens: Vec<(u32, usize, Box<[u8]>)>,
}

impl Spelling {
    pub fn new(tokens: impl IntoIterator<Item = (u32, Vec<u8>)>) -> Self {
        let mut tokens: Vec<(u32, Vec<u8>)> = tokens.into_iter().collect();
        tokens.sort_by(|a, b| (&a.1, a.0).cmp(&(&b.1, b.0)));
        let mut before: Vec<u8> = Vec::new();
        let tokens = tokens
            .into_iter()
            .map(|(id, bytes)| {
                let shared = before.iter().zip(&bytes).take_while(|(a, b)| a == b).count();
                before.clone_from(&bytes);
                (id, shared, bytes.into_boxed_slice())
            })
            .collect();
        Spelling { tokens }
    }

    /// Every id that may follow `from`, with the place it leads to.
    fn walk(&self, pattern: &Pattern, from: State, mut visit: impl FnMut(u32, State)) {
        // The place after each byte of the entry, and after how many bytes it was lost.
        let mut places = vec![from];
        let mut lost: Option<usize> = None;
        for (id, shared, bytes) in &self.tokens {
            if lost.is_some_and(|lost| *shared >= lost) {
                continue;
            }
            lost = None;
            places.truncate(shared + 1);
            for (at, byte) in bytes.iter().enumerate().skip(*shared) {
                let place = places.last().copied().unwrap_or(from);
                match pattern.step(place, *byte) {
                    Some(next) => places.push(next),
                    None => {
                        lost = Some(at + 1);
                        break;
                    }
                }
            }
            if lost.is_none() {
                visit(*id, places.last().copied().unwrap_or(from));
            }
        }
    }
}

/// How a vocabulary spells text: the first id of a text loses the space in front of it.
pub struct Spellings {
    pub first: Spelling,
    pub later: Spelling,
}

/// A pattern over the ids of a vocabulary.
pub struct Automaton {
    pattern: Pattern,
    spellings: Arc<Spellings>,
    /// How many ids a text needs from a place to its nearest end; places from which none is
    /// reached are not in it.
    distance: HashMap<State, usize>,
}

impl Automaton {
    /// Walks all places that the vocabulary can reach.
    pub fn new(pattern: Pattern, spellings: Arc<Spellings>) -> Self {
        let start = pattern.start();
        let mut leads_to: HashMap<State, Vec<State>> = HashMap::new();
        let mut open = vec![start];
        // The first id may be spelled otherwise, so what it leads to is looked at as well.
        spellings.first.walk(&pattern, start, |_, next| open.push(next));
        open.sort_unstable();
        open.dedup();
        while let Some(place) = open.pop() {
            if leads_to.contains_key(&place) {
                continue;
            }
            let mut next = Vec::new();
            spellings.later.walk(&pattern, place, |_, to| next.push(to));
            next.sort_unstable();
            next.dedup();
            open.extend(next.iter().filter(|to| !leads_to.contains_key(*to)));
            leads_to.insert(place, next);
        }
        let distance = distances(&pattern, &leads_to);
        Automaton { pattern, spellings, distance }
    }

    /// How many ids the shortest text has; none if the vocabulary writes no text that matches.
    pub fn shortest(&self) -> Option<usize> {
        if self.pattern.accepts(self.pattern.start()) {
            return Some(0);
        }
        let mut least = None;
        self.spellings.first.walk(&self.pattern, self.pattern.start(), |_, next| {
            least = [least, self.distance.get(&next).copied()].into_iter().flatten().min();
        });
        least.map(|rest: usize| rest + 1)
    }

    /// Ids that may follow with `left` ids to spend, in rising order, and where each leads.
    fn allowed(&self, place: State, begun: bool, left: usize) -> Vec<(u32, State)> {
        let spelling = if begun { &self.spellings.later } else { &self.spellings.first };
        let mut out = Vec::new();
        spelling.walk(&self.pattern, place, |id, next| {
            if self.distance.get(&next).is_some_and(|rest| *rest < left) {
                out.push((id, next));
            }
        });
        out.sort_unstable();
        out
    }
}

/// Breadth first from the ends, against the direction of writing.
fn distances(pattern: &Pattern, leads_to: &HashMap<State, Vec<State>>) -> HashMap<State, usize> {
    let mut comes_from: HashMap<State, Vec<State>> = HashMap::new();
    for (from, to) in leads_to {
        for to in to {
            comes_from.entry(*to).or_default().push(*from);
        }
    }
    let mut layer: Vec<State> =
        leads_to.keys().copied().filter(|place| pattern.accepts(*place)).collect();
    let mut distance: HashMap<State, usize> = layer.iter().map(|place| (*place, 0)).collect();
    let mut steps = 0;
    while !layer.is_empty() {
        steps += 1;
        let mut next = Vec::new();
        for from in layer.iter().filter_map(|place| comes_from.get(place)).flatten() {
            distance.entry(*from).or_insert_with(|| {
                next.push(*from);
                steps
            });
        }
        layer = next;
    }
    distance
}

/// A text that must match a pattern.
pub struct Matching {
    automaton: Arc<Automaton>,
    ends: Vec<u32>,
    sampling: Sampling,
    place: State,
    written: usize,
    most: usize,
}

impl Matching {
    pub fn new(automaton: Arc<Automaton>, ends: Vec<u32>, sampling: Sampling, most: usize) -> Self {
        let place = automaton.pattern.start();
        Matching { automaton, ends, sampling, place, written: 0, most }
    }
}

impl Rules for Matching {
    fn next(&self) -> Next {
        let left = self.most.saturating_sub(self.written);
        let allowed = self.automaton.allowed(self.place, self.written > 0, left);
        let mut ids: Vec<u32> = allowed.into_iter().map(|(id, _)| id).collect();
        // Where the text can only end, nothing has to be asked.
        if ids.is_empty() {
            return Next::Done;
        }
        if self.automaton.pattern.accepts(self.place) {
            ids.extend(&self.ends);
            ids.sort_unstable();
            ids.dedup();
        }
        Next::Choose(ranges(&ids))
    }

    fn sampling(&self) -> &Sampling {
        &self.sampling
    }

    fn take(&mut self, id: u32) -> bool {
        if self.ends.contains(&id) {
            return false;
        }
        let left = self.most.saturating_sub(self.written);
        let allowed = self.automaton.allowed(self.place, self.written > 0, left);
        if let Ok(found) = allowed.binary_search_by_key(&id, |(id, _)| *id) {
            self.place = allowed[found].1;
        }
        self.written += 1;
        true
    }
}

/// Rising ids as ranges.
fn ranges(ids: &[u32]) -> Vec<Range<u32>> {
    ids.chunk_by(|a, b| a.checked_add(1) == Some(*b))
        .map(|run| run[0]..run[run.len() - 1].saturating_add(1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids 0–4: `1`, `12`, `-`, `a`, ` 1`, and 9 ends.
    fn spellings() -> Arc<Spellings> {
        let later = [(0, "1"), (1, "12"), (2, "-"), (3, "a"), (4, " 1")];
        let first = [(0, "1"), (1, "12"), (2, "-"), (3, "a"), (4, "1")];
        let spelling = |tokens: [(u32, &str); 5]| {
            Spelling::new(tokens.map(|(id, text)| (id, text.as_bytes().to_vec())))
        };
        Arc::new(Spellings { first: spelling(first), later: spelling(later) })
    }

    fn only(range: Range<u32>) -> Vec<Range<u32>> {
        std::iter::once(range).collect()
    }

    fn automaton(pattern: &str) -> Arc<Automaton> {
        Arc::new(Automaton::new(Pattern::new(pattern).unwrap(), spellings()))
    }

    fn matching(pattern: &str, most: usize) -> Matching {
        Matching::new(automaton(pattern), vec![9], Sampling::default(), most)
    }

    #[test]
    fn ids_follow_the_pattern_across_their_borders() {
        let mut rules = matching("1(12|2)*-", 10);
        // `1`, `12`, and ` 1`, whose space goes in front of a text.
        assert_eq!(rules.next(), Next::Choose(vec![0..2, 4..5]));
        assert!(rules.take(1));
        assert_eq!(rules.next(), Next::Choose(only(1..3)), "12, but neither 1 alone nor a space");
        assert!(rules.take(2));
        assert_eq!(rules.next(), Next::Done, "it can only end");
    }

    #[test]
    fn an_end_is_offered_where_the_text_matches() {
        let mut rules = matching("1+", 10);
        assert_eq!(rules.next(), Next::Choose(vec![0..1, 4..5]));
        assert!(rules.take(4));
        assert_eq!(rules.next(), Next::Choose(vec![0..1, 9..10]));
        assert!(!rules.take(9));
    }

    #[test]
    fn a_text_is_finished_before_its_last_id_is_spent() {
        let mut rules = matching("[12]*-a", 4);
        assert!(rules.take(0) && rules.take(1));
        assert_eq!(rules.next(), Next::Choose(only(2..3)), "two are left, both are needed");
        assert!(rules.take(2));
        assert_eq!(rules.next(), Next::Choose(only(3..4)));
        assert!(rules.take(3));
        assert_eq!(rules.next(), Next::Done);
        assert_eq!(automaton("[12]*-a").shortest(), Some(2));
    }

    #[test]
    fn what_the_vocabulary_cannot_write_is_known() {
        assert_eq!(automaton("1x").shortest(), None);
        assert_eq!(automaton("x*").shortest(), Some(0));
        // A way that leads nowhere is not taken.
        assert_eq!(matching("1x|a", 5).next(), Next::Choose(only(3..4)));
    }
}
