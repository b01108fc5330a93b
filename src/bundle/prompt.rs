//! From a conversation to the ids that the model was trained on, or is to be trained on.

use std::ops::Range;

use super::BundleError;
use super::manifest::PromptFormat;
use super::text_tokenizer::{Cut, Piece, TextTokenizer};
use super::vocabulary::Vocabulary;
use crate::base::{Medium, Role};

/// A part of what is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromptPart {
    /// Plain text: no token's name is recognised in it.
    Text(String),
    /// A whole medium as code values (over all codebooks); start and end are put around it.
    Tokens(Medium, Vec<u32>),
    /// Ids as a model wrote them.
    Ids(Vec<u32>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub role: Role,
    pub parts: Vec<PromptPart>,
}

/// What the model is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    pub ids: Vec<u32>,
    /// The same for people: `[image: 32 codes]` stands for a picture.
    pub text_for_people: String,
}

/// What a model learns from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    pub ids: Vec<u32>,
    /// Where the assistant's replies are, each with what ends it.
    pub replies: Vec<Range<usize>>,
}

/// Writes conversations in a bundle's prompt format.
pub struct PromptBuilder<'a> {
    pub format: &'a PromptFormat,
    pub tokenizer: &'a TextTokenizer,
    pub vocabulary: &'a Vocabulary,
}

/// A stretch of the prompt: text waits to be joined with its neighbours.
enum Segment {
    Piece(Piece),
    Ids(Vec<u32>),
}

#[derive(Default)]
struct Draft {
    segments: Vec<Segment>,
    people: String,
    /// Where replies begin and end: the segment, the byte in its text, and whether the ids in
    /// front must be those of the prompt alone.
    marks: Vec<(usize, usize, bool)>,
}

impl PromptBuilder<'_> {
    /// The prompt for a reply in the medium `reply`.
    ///
    /// A text reply (and a mixed one) begins where the assistant's prefix ends, so that the
    /// model writes the separator itself; before another medium the separator and its start
    /// token are part of the prompt. If the last turn is the assistant's, the reply goes on
    /// from there. A turn of the assistant that begins with [`PromptPart::Ids`] gets no
    /// separator: the model wrote it as it is.
    pub fn build(&self, turns: &[Turn], reply: Medium) -> Result<Prompt, BundleError> {
        let begin = self.begin()?;
        let mut draft = self.conversation(turns)?;
        let prefilled = turns.last().filter(|turn| turn.role == Role::Assistant);
        if prefilled.is_none() {
            self.trusted(&mut draft, &self.format.assistant.before);
        }
        if reply != Medium::Text {
            self.start_medium(
                &mut draft,
                reply,
                prefilled.is_none_or(|turn| turn.parts.is_empty()),
            )?;
        }
        let mut ids = begin;
        ids.extend(self.encode(draft.segments)?);
        Ok(Prompt { ids, text_for_people: draft.people })
    }

    /// A finished conversation for training, with `answer` as the reply to `turns`; without one
    /// the last turn must be the assistant's.
    ///
    /// The prompt that [`Self::build`] makes of the same turns is exactly what the sample begins
    /// with: where the tokenizer would join its end with the answer's first letters, both are
    /// encoded apart.
    pub fn sample(
        &self,
        turns: &[Turn],
        answer: Option<&[PromptPart]>,
    ) -> Result<Sample, BundleError> {
        let mut draft = self.conversation(turns)?;
        let prefilled = turns.last().filter(|turn| turn.role == Role::Assistant);
        match (answer, prefilled) {
            (Some(answer), None) => self.reply(&mut draft, answer)?,
            (Some(answer), Some(turn)) => {
                // What is given at generation is not learned: the reply begins behind it.
                draft.marks.pop();
                draft.mark(is_text(answer));
                if turn.parts.is_empty() {
                    self.trusted(&mut draft, &self.format.assistant.lead);
                }
                self.parts(&mut draft, answer)?;
            }
            (None, Some(_)) => {}
            (None, None) => return Err(failed("the conversation does not end with a reply")),
        }
        self.trusted(&mut draft, &self.format.assistant.after);
        draft.mark(false);
        self.finish(draft)
    }

    /// Text with media for training, without roles.
    pub fn document(&self, parts: &[PromptPart]) -> Result<Vec<u32>, BundleError> {
        let mut draft = Draft::default();
        self.parts(&mut draft, parts)?;
        Ok(self.finish(draft)?.ids)
    }

    fn finish(&self, draft: Draft) -> Result<Sample, BundleError> {
        let mut ids = self.begin()?;
        let start = ids.len();
        let (mut pieces, mut first) = (Vec::new(), Vec::with_capacity(draft.segments.len()));
        for segment in draft.segments {
            first.push(pieces.len());
            match segment {
                Segment::Piece(piece) => pieces.push(piece),
                Segment::Ids(ids) => pieces.extend(ids.into_iter().map(Piece::Special)),
            }
        }
        let cuts: Vec<Cut> = draft
            .marks
            .iter()
            .map(|(segment, at, firm)| {
                let piece = first.get(*segment).copied().unwrap_or(pieces.len());
                Cut { piece, at: *at, firm: *firm }
            })
            .collect();
        let (encoded, places) = self.tokenizer.encode_cut(pieces, &cuts)?;
        ids.extend(encoded);
        let (pairs, _) = places.as_chunks::<2>();
        let replies = pairs.iter().map(|[from, to]| start + from..start + to).collect();
        Ok(Sample { ids, replies })
    }

    /// The turns, without what follows the last one.
    fn conversation(&self, turns: &[Turn]) -> Result<Draft, BundleError> {
        let mut draft = Draft::default();
        draft.people.push_str(&self.format.begin);
        if let (Some(text), false) = (&self.format.default_system, starts_with_system(turns)) {
            self.turn(&mut draft, Role::System, &[PromptPart::Text(text.clone())])?;
        }
        for (index, turn) in turns.iter().enumerate() {
            if turn.role == Role::System && index > 0 {
                return Err(failed("only the first turn of a conversation can be the system's"));
            }
            let previous = index.checked_sub(1).map(|previous| turns[previous].role);
            if previous == Some(turn.role) {
                return Err(failed(format!(
                    "two turns of the {} follow each other; make them one",
                    turn.role.name()
                )));
            }
            if previous == Some(Role::Assistant) {
                self.trusted(&mut draft, &self.format.between);
            }
            self.turn(&mut draft, turn.role, &turn.parts)?;
            let last = index + 1 == turns.len();
            if turn.role == Role::Assistant && !last {
                self.trusted(&mut draft, &self.format.assistant.after);
                draft.mark(false);
            }
        }
        Ok(draft)
    }

    /// The ids that end a reply.
    pub fn stop(&self) -> Result<Vec<u32>, BundleError> {
        self.format.stop.iter().map(|token| self.named(token)).collect()
    }

    /// The ids of the marks that a reply may hold between its words, in the manifest's order.
    pub fn marks(&self) -> Result<Vec<u32>, BundleError> {
        self.format.marks.iter().map(|token| self.named(token)).collect()
    }

    fn begin(&self) -> Result<Vec<u32>, BundleError> {
        let token = &self.format.begin;
        if token.is_empty() { Ok(Vec::new()) } else { Ok(vec![self.named(token)?]) }
    }

    fn named(&self, token: &str) -> Result<u32, BundleError> {
        self.tokenizer.added(token).ok_or_else(|| {
            failed(format!("the manifest names the token `{token}`, which the tokenizer lacks"))
        })
    }

    fn turn(&self, draft: &mut Draft, role: Role, parts: &[PromptPart]) -> Result<(), BundleError> {
        match role {
            Role::System => {
                let around = self.format.system.as_ref().ok_or_else(|| {
                    failed("this model knows no system turn; say it in the user's turn instead")
                })?;
                self.trusted(draft, &around.before);
                self.parts(draft, parts)?;
                self.trusted(draft, &around.after);
            }
            Role::User => {
                self.trusted(draft, &self.format.user.before);
                self.parts(draft, parts)?;
                self.trusted(draft, &self.format.user.after);
            }
            Role::Assistant => self.reply(draft, parts)?,
        }
        Ok(())
    }

    fn reply(&self, draft: &mut Draft, parts: &[PromptPart]) -> Result<(), BundleError> {
        self.trusted(draft, &self.format.assistant.before);
        draft.mark(is_text(parts));
        if !matches!(parts.first(), None | Some(PromptPart::Ids(_))) {
            self.trusted(draft, &self.format.assistant.lead);
        }
        self.parts(draft, parts)
    }

    fn parts(&self, draft: &mut Draft, parts: &[PromptPart]) -> Result<(), BundleError> {
        for part in parts {
            match part {
                PromptPart::Text(text) => draft.text(text),
                PromptPart::Tokens(medium, codes) => self.medium(draft, *medium, codes)?,
                PromptPart::Ids(ids) => {
                    self.check_ids(ids)?;
                    draft.people.push_str(&self.tokenizer.decode(ids));
                    draft.segments.push(Segment::Ids(ids.clone()));
                }
            }
        }
        Ok(())
    }

    fn check_ids(&self, ids: &[u32]) -> Result<(), BundleError> {
        match ids.iter().find(|id| **id as usize >= self.vocabulary.size()) {
            Some(id) => Err(failed(format!("the id {id} is outside the vocabulary"))),
            None => Ok(()),
        }
    }

    fn medium(&self, draft: &mut Draft, medium: Medium, codes: &[u32]) -> Result<(), BundleError> {
        let tokens = self.vocabulary.tokens(medium).ok_or_else(|| no_medium(medium))?;
        let mut ids = Vec::with_capacity(codes.len() + 2);
        ids.push(tokens.start);
        for code in codes {
            let id = self.vocabulary.id(medium, *code).ok_or_else(|| {
                let count = tokens.codes();
                failed(format!("the {medium} code {code} is not below {count}"))
            })?;
            ids.push(id);
        }
        ids.push(tokens.end);
        draft.segments.push(Segment::Ids(ids));
        draft.people.push_str(&format!("[{medium}: {} codes]", codes.len()));
        Ok(())
    }

    fn start_medium(
        &self,
        draft: &mut Draft,
        medium: Medium,
        lead: bool,
    ) -> Result<(), BundleError> {
        let tokens = self.vocabulary.tokens(medium).ok_or_else(|| no_medium(medium))?;
        if lead {
            self.trusted(draft, &self.format.assistant.lead);
        }
        draft.segments.push(Segment::Ids(vec![tokens.start]));
        draft.people.push_str(&format!("[{medium}:"));
        Ok(())
    }

    fn trusted(&self, draft: &mut Draft, format: &str) {
        for piece in self.tokenizer.split_format(format) {
            match piece {
                Piece::Special(_) => draft.segments.push(Segment::Piece(piece)),
                Piece::Text(text) => draft.join(&text),
            }
        }
        draft.people.push_str(format);
    }

    fn encode(&self, segments: Vec<Segment>) -> Result<Vec<u32>, BundleError> {
        let mut pieces = Vec::new();
        for segment in segments {
            match segment {
                Segment::Piece(piece) => pieces.push(piece),
                Segment::Ids(ids) => pieces.extend(ids.into_iter().map(Piece::Special)),
            }
        }
        self.tokenizer.encode_pieces(pieces)
    }
}

impl Draft {
    fn text(&mut self, text: &str) {
        self.join(text);
        self.people.push_str(text);
    }

    fn mark(&mut self, firm: bool) {
        self.marks.push(match self.segments.last() {
            Some(Segment::Piece(Piece::Text(text))) => (self.segments.len() - 1, text.len(), firm),
            _ => (self.segments.len(), 0, firm),
        });
    }

    /// Text of the format and of the user that meet are one piece, as in training.
    fn join(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.segments.last_mut() {
            Some(Segment::Piece(Piece::Text(before))) => before.push_str(text),
            _ => self.segments.push(Segment::Piece(Piece::Text(text.to_string()))),
        }
    }
}

/// Whether a reply begins with words: the prompt for it ends where the assistant's prefix does,
/// and not behind the separator.
fn is_text(parts: &[PromptPart]) -> bool {
    !matches!(parts.first(), Some(PromptPart::Tokens(..)))
}

fn starts_with_system(turns: &[Turn]) -> bool {
    turns.first().is_some_and(|turn| turn.role == Role::System)
}

fn failed(reason: impl Into<String>) -> BundleError {
    BundleError::Prompt { reason: reason.into() }
}

fn no_medium(medium: Medium) -> BundleError {
    failed(format!("the model's vocabulary has no {medium} tokens"))
}
