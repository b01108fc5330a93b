//! From a conversation to the ids that the model was trained on.

use super::BundleError;
use super::manifest::PromptFormat;
use super::text_tokenizer::{Piece, TextTokenizer};
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
        let mut draft = Draft::default();
        let begin = self.begin()?;
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
            }
        }
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
            Role::Assistant => {
                self.trusted(draft, &self.format.assistant.before);
                if !matches!(parts.first(), None | Some(PromptPart::Ids(_))) {
                    self.trusted(draft, &self.format.assistant.lead);
                }
                self.parts(draft, parts)?;
            }
        }
        Ok(())
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

fn starts_with_system(turns: &[Turn]) -> bool {
    turns.first().is_some_and(|turn| turn.role == Role::System)
}

fn failed(reason: impl Into<String>) -> BundleError {
    BundleError::Prompt { reason: reason.into() }
}

fn no_medium(medium: Medium) -> BundleError {
    failed(format!("the model's vocabulary has no {medium} tokens"))
}
