//! Regular expressions that a whole text must match, walked byte by byte: the language model
//! is held to them while it writes.

use std::fmt;
use std::sync::Arc;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::{Anchored, MatchKind, util::start};
use regex_syntax::hir::{Class, Hir, HirKind};

/// Bounds on the automaton, in bytes: a short pattern can ask for an enormous one.
const MAX_NFA: usize = 1 << 20;
const MAX_DFA: usize = 8 << 20;

/// A compiled pattern. Cheap to clone.
#[derive(Clone)]
pub struct Pattern(Arc<Inner>);

struct Inner {
    source: String,
    dfa: dense::DFA<Vec<u32>>,
    start: StateID,
}

/// A place in a text that may still come to match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct State(StateID);

/// Why a pattern is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// With the byte range of the mistake in the pattern.
    #[error("{0}")]
    Syntax(String, std::ops::Range<usize>),
    #[error("the whole text is matched, so `^`, `$` and `\\b` have no place")]
    Anchors,
    #[error("no text matches it")]
    Nothing,
    #[error("it is too large: repetitions of long parts need too many states")]
    TooLarge,
}

impl Pattern {
    pub fn new(source: &str) -> Result<Self, PatternError> {
        let hir = parse(source)?;
        let syntax = |_| PatternError::TooLarge;
        let nfa = thompson::Compiler::new()
            .configure(
                thompson::Config::new()
                    .nfa_size_limit(Some(MAX_NFA))
                    .which_captures(thompson::WhichCaptures::None),
            )
            .build_from_hir(&hir)
            .map_err(syntax)?;
        // All matches, not the one a search would prefer: `a|ab` must get past `a`.
        let config = dense::Config::new()
            .match_kind(MatchKind::All)
            .start_kind(StartKind::Anchored)
            .dfa_size_limit(Some(MAX_DFA))
            .determinize_size_limit(Some(MAX_DFA));
        let dfa = dense::Builder::new()
            .configure(config)
            .build_from_nfa(&nfa)
            .map_err(|_| PatternError::TooLarge)?;
        let start = dfa
            .start_state(&start::Config::new().anchored(Anchored::Yes))
            .map_err(|_| PatternError::TooLarge)?;
        Ok(Pattern(Arc::new(Inner { source: source.to_string(), dfa, start })))
    }

    /// As written.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    pub fn start(&self) -> State {
        State(self.0.start)
    }

    /// The place after one more byte; none if no text that goes on like this matches.
    pub fn step(&self, state: State, byte: u8) -> Option<State> {
        let next = self.0.dfa.next_state(state.0, byte);
        (!self.0.dfa.is_dead_state(next) && !self.0.dfa.is_quit_state(next)).then_some(State(next))
    }

    /// Whether a text that ends here matches.
    pub fn accepts(&self, state: State) -> bool {
        self.0.dfa.is_match_state(self.0.dfa.next_eoi_state(state.0))
    }

    pub fn matches(&self, text: &str) -> bool {
        let end = text.bytes().try_fold(self.start(), |state, byte| self.step(state, byte));
        end.is_some_and(|state| self.accepts(state))
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.0.source)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.source == other.0.source
    }
}

fn parse(source: &str) -> Result<Hir, PatternError> {
    let hir = regex_syntax::parse(source).map_err(|error| match &error {
        regex_syntax::Error::Parse(error) => {
            PatternError::Syntax(error.kind().to_string(), range(error.span()))
        }
        regex_syntax::Error::Translate(error) => {
            PatternError::Syntax(error.kind().to_string(), range(error.span()))
        }
        other => PatternError::Syntax(other.to_string(), 0..source.len()),
    })?;
    if !hir.properties().look_set().is_empty() {
        return Err(PatternError::Anchors);
    }
    if hir.properties().minimum_len().is_none() {
        return Err(PatternError::Nothing);
    }
    Ok(hir)
}

fn range(span: &regex_syntax::ast::Span) -> std::ops::Range<usize> {
    span.start.offset..span.end.offset
}

/// Whether some text that matches holds one of the characters.
pub fn may_hold(source: &str, wanted: impl Fn(char, char) -> bool + Copy) -> bool {
    parse(source).is_ok_and(|hir| hir_may_hold(&hir, wanted))
}

/// `wanted` says whether a range of characters, both ends included, holds one that counts.
fn hir_may_hold(hir: &Hir, wanted: impl Fn(char, char) -> bool + Copy) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => text.chars().any(|c| wanted(c, c)),
            Err(_) => true,
        },
        HirKind::Class(Class::Unicode(class)) => {
            class.ranges().iter().any(|range| wanted(range.start(), range.end()))
        }
        HirKind::Class(Class::Bytes(class)) => class
            .ranges()
            .iter()
            .any(|range| wanted(char::from(range.start()), char::from(range.end()))),
        HirKind::Repetition(inner) => hir_may_hold(&inner.sub, wanted),
        HirKind::Capture(inner) => hir_may_hold(&inner.sub, wanted),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().any(|part| hir_may_hold(part, wanted))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(source: &str) -> Pattern {
        Pattern::new(source).unwrap()
    }

    #[test]
    fn the_whole_text_must_match() {
        let date = pattern(r"\d{4}-\d{2}");
        assert!(date.matches("2026-11"));
        assert!(!date.matches("2026-11-"));
        assert!(!date.matches("on 2026-11"));
        let either = pattern("a|ab");
        assert!(either.matches("a") && either.matches("ab") && !either.matches("b"));
        assert!(pattern("é+").matches("éé"));
        assert!(pattern("a*").matches(""));
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        assert!(
            matches!(Pattern::new("(a"), Err(PatternError::Syntax(_, range)) if range == (0..1))
        );
        assert_eq!(Pattern::new("^a$").unwrap_err(), PatternError::Anchors);
        assert_eq!(Pattern::new(r"a\b").unwrap_err(), PatternError::Anchors);
        assert_eq!(Pattern::new(r"[^\s\S]").unwrap_err(), PatternError::Nothing);
        assert_eq!(Pattern::new(r"\w{400}{400}").unwrap_err(), PatternError::TooLarge);
        assert!(matches!(Pattern::new(r"(a)\1"), Err(PatternError::Syntax(..))));
    }

    #[test]
    fn characters_are_found_wherever_they_may_stand() {
        let quote = |from: char, to: char| (from..=to).contains(&'"');
        assert!(may_hold(".", quote));
        assert!(may_hold("a(b\"|c)*", quote));
        assert!(!may_hold("[a-z]+( [0-9]+)?", quote));
    }
}
