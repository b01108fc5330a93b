//! The semantic stage: the language model writes a reply under a grammar.

use std::ops::Range;

use crate::base::rng::Stream;
use crate::models::Session;
use crate::models::sampling;

use super::error::Failure;
use super::events::Events;
use super::grammar::{Next, Rules};

/// What the language model wrote.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Written {
    /// Ids of the joint vocabulary, without the one that ended the reply.
    pub ids: Vec<u32>,
    /// For each of them, how near another was ([`sampling::Draw`]).
    pub gaps: Vec<f32>,
}

/// Draws a reply token by token.
///
/// `session` has read the first `read` ids of the prompt already, and at least one less than
/// all. `on_token` sees every id as it comes.
pub fn reply(
    session: &mut dyn Session,
    prompt: &[u32],
    read: usize,
    rules: &mut dyn Rules,
    stream: &mut Stream,
    events: &mut dyn Events,
    mut on_token: impl FnMut(u32, usize, &mut dyn Events),
) -> Result<Written, Failure> {
    let mut seen = prompt.to_vec();
    let mut written = Written::default();
    let mut pending = prompt[read..].to_vec();
    while let Next::Choose(allowed) = rules.next() {
        if events.cancelled() {
            return Err(Failure::Cancelled);
        }
        let mut logits = session.append(&pending)?;
        let settings = rules.sampling();
        // The penalty looks at ids of the whole vocabulary, so it comes before the narrowing.
        sampling::repetition_penalty(&mut logits, &seen, settings.repetition_penalty);
        let (id, gap) = choose(&logits, &allowed, settings, stream)?;
        if !rules.take(id) {
            break;
        }
        written.ids.push(id);
        written.gaps.push(gap as f32);
        seen.push(id);
        on_token(id, written.ids.len(), events);
        pending = vec![id];
    }
    Ok(written)
}

/// Draws one of the allowed ids. Only their logits are looked at, which is what a mask over the
/// whole vocabulary would give, in less time.
fn choose(
    logits: &[f32],
    allowed: &[Range<u32>],
    settings: &sampling::Settings,
    stream: &mut Stream,
) -> Result<(u32, f64), Failure> {
    let mut ids = Vec::new();
    let mut candidates = Vec::new();
    for range in allowed {
        let (start, end) = (range.start as usize, (range.end as usize).min(logits.len()));
        if start < end {
            candidates.extend_from_slice(&logits[start..end]);
            ids.extend(range.start..end as u32);
        }
    }
    let without_penalty = sampling::Settings { repetition_penalty: 1.0, ..*settings };
    let drawn = sampling::draw(&mut candidates, &[], &without_penalty, stream.uniform());
    let drawn = drawn.and_then(|draw| Some((*ids.get(draw.index)?, draw.gap)));
    drawn.ok_or(Failure::NoCandidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Result;
    use crate::runtime::events::Silent;
    use crate::runtime::grammar::{Grammar, Length, Single};

    /// Always prefers one id, and remembers what it was given.
    struct Stubborn {
        favourite: u32,
        read: Vec<u32>,
    }

    impl Session for Stubborn {
        fn append(&mut self, ids: &[u32]) -> Result<Vec<f32>> {
            self.read.extend_from_slice(ids);
            let mut logits: Vec<f32> = (0..100u8).map(|id| f32::from(id) * 0.01).collect();
            logits[self.favourite as usize] = 50.0;
            Ok(logits)
        }

        fn len(&self) -> usize {
            self.read.len()
        }

        fn truncate(&mut self, len: usize) {
            self.read.truncate(len);
        }
    }

    fn run(
        favourite: u32,
        grammar: &Grammar,
        settings: sampling::Settings,
    ) -> (Vec<u32>, Vec<u32>) {
        let mut session = Stubborn { favourite, read: Vec::new() };
        let mut stream = Stream::new(1, "test");
        let ids = reply(
            &mut session,
            &[1, 2, 3],
            0,
            &mut Single::new(grammar.clone(), settings),
            &mut stream,
            &mut Silent,
            |_, _, _| {},
        );
        (ids.unwrap().ids, session.read)
    }

    fn only(range: Range<u32>) -> Vec<Range<u32>> {
        std::iter::once(range).collect()
    }

    fn greedy() -> sampling::Settings {
        sampling::Settings { temperature: 0.0, ..Default::default() }
    }

    #[test]
    fn a_model_that_wants_something_else_is_held_to_the_grammar() {
        let codes = 40..60;
        let image = Grammar::medium(std::slice::from_ref(&codes), 90, Length::Exactly(32));
        for favourite in [0, 45, 90, 99] {
            let (ids, read) = run(favourite, &image, sampling::Settings::default());
            assert_eq!(ids.len(), 32);
            assert!(ids.iter().all(|id| codes.contains(id)), "{ids:?}");
            // Every id but the last was read once, after the prompt.
            assert_eq!(read[..3], [1, 2, 3]);
            assert_eq!(read[3..], ids[..31]);
        }
    }

    #[test]
    fn text_ends_at_a_stop_token_which_is_not_part_of_it() {
        let text = Grammar::text(only(10..20), vec![90], Length::Between(2, 8));
        let (ids, _) = run(90, &text, greedy());
        assert_eq!(ids, [19, 19], "the least length holds the stop back");
    }

    #[test]
    fn the_penalty_counts_the_prompt_and_the_reply() {
        let text = Grammar::text(only(10..20), vec![90], Length::Between(3, 3));
        let settings = sampling::Settings { repetition_penalty: 2.0, ..greedy() };
        assert_eq!(run(0, &text, settings).0, [19, 18, 17]);
    }

    #[test]
    fn an_allowed_range_beyond_the_vocabulary_is_an_error() {
        let text = Grammar::text(only(200..300), vec![], Length::Exactly(1));
        let mut session = Stubborn { favourite: 0, read: Vec::new() };
        let result = reply(
            &mut session,
            &[1],
            0,
            &mut Single::new(text, greedy()),
            &mut Stream::new(0, ""),
            &mut Silent,
            |_, _, _| {},
        );
        assert!(matches!(result, Err(Failure::NoCandidate)));
    }
}
