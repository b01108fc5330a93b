//! From values to the turns of a prompt, before they meet a bundle's format; with an answer, to
//! what a model learns from.

use crate::base::{Literal, Medium, Role};
use crate::bundle::{self, Bundle, Sample};
use crate::plan::arith;
use crate::plan::graph::{RenderPart, RenderTurn};

use super::error::Failure;
use super::value::{Piece, Prompt, PromptPart, PromptTurn, Text, Value};

/// The turns with `values` where their ports are.
pub fn turns(written: &[RenderTurn], values: &[Value]) -> Result<Vec<PromptTurn>, Failure> {
    let at = |port: u32| values.get(port as usize).ok_or(Failure::Defect("missing value", "value"));
    let mut turns = Vec::new();
    for turn in written {
        let (role, written) = match turn {
            RenderTurn::Says { role, parts } => (*role, parts),
            RenderTurn::History(port) => match at(*port)? {
                Value::Prompt(earlier) => {
                    turns.extend(earlier.turns.iter().cloned());
                    continue;
                }
                Value::List(earlier) => {
                    for earlier in earlier.iter() {
                        let Value::Prompt(earlier) = earlier else {
                            return Err(Failure::Defect(earlier.kind(), "conversation"));
                        };
                        turns.extend(earlier.turns.iter().cloned());
                    }
                    continue;
                }
                other => return Err(Failure::Defect(other.kind(), "conversation")),
            },
        };
        let mut parts = Vec::new();
        for part in written {
            match part {
                RenderPart::Text(text) => parts.push(PromptPart::Text(text.clone())),
                RenderPart::Port(port) => splice(at(*port)?, role, &mut parts)?,
            }
        }
        turns.push(PromptTurn { role, parts });
    }
    Ok(turns)
}

/// The prompt for a reply in a medium, as the language model reads it.
pub fn for_reply(
    bundle: &Bundle,
    prompt: &Prompt,
    reply: Medium,
) -> Result<bundle::Prompt, Failure> {
    Ok(bundle.prompt_builder()?.build(&said(prompt)?, reply)?)
}

/// A training sample: the prompt as the bundle writes it for generation, with `answer` as its
/// reply and the tokens that end one.
pub fn with_answer(
    bundle: &Bundle,
    prompt: &Prompt,
    answer: &[bundle::PromptPart],
) -> Result<Sample, Failure> {
    Ok(bundle.prompt_builder()?.sample(&said(prompt)?, Some(answer))?)
}

/// A prompt in the words of the bundle layer; something must be in it.
fn said(prompt: &Prompt) -> Result<Vec<bundle::Turn>, Failure> {
    let says_something = |part: &PromptPart| match part {
        PromptPart::Text(text) => !text.trim().is_empty(),
        PromptPart::Tokens(_, codes) | PromptPart::Ids(codes) => !codes.is_empty(),
    };
    if !prompt.turns.iter().any(|turn| turn.parts.iter().any(says_something)) {
        return Err(Failure::EmptyPrompt);
    }
    let spoken = prompt.turns.iter().enumerate().filter(|(index, turn)| {
        // The last turn of the assistant is empty where the reply is to stand.
        !(turn.role == Role::Assistant && turn.parts.is_empty() && index + 1 == prompt.turns.len())
    });
    Ok(spoken
        .map(|(_, turn)| bundle::Turn {
            role: turn.role,
            parts: turn
                .parts
                .iter()
                .map(|part| match part {
                    PromptPart::Text(text) => bundle::PromptPart::Text(text.clone()),
                    PromptPart::Tokens(medium, codes) => {
                        bundle::PromptPart::Tokens(*medium, codes.to_vec())
                    }
                    PromptPart::Ids(ids) => bundle::PromptPart::Ids(ids.to_vec()),
                })
                .collect(),
        })
        .collect())
}

/// A text in a turn: in the assistant's, what the language model wrote stays id by id.
fn text_part(text: &Text, role: Role) -> PromptPart {
    match &text.ids {
        Some(ids) if role == Role::Assistant => PromptPart::Ids(ids.clone()),
        _ => PromptPart::Text(text.to_string()),
    }
}

/// Puts a value into a turn: lists in order, another prompt's only turn as it stands.
pub fn splice(value: &Value, role: Role, parts: &mut Vec<PromptPart>) -> Result<(), Failure> {
    match value {
        Value::None => {}
        Value::Text(text) => parts.push(text_part(text, role)),
        Value::Mixed(pieces) => {
            for piece in pieces.iter() {
                parts.push(match piece {
                    Piece::Text(text) => text_part(text, role),
                    Piece::Tokens(medium, codes) => PromptPart::Tokens(*medium, codes.clone()),
                    Piece::Media(made) => {
                        let codes = made.codes.clone();
                        let codes = codes.ok_or(Failure::Defect("medium", "reply"))?;
                        PromptPart::Tokens(made.medium(), codes)
                    }
                });
            }
        }
        Value::Tokens(medium, codes) => parts.push(PromptPart::Tokens(*medium, codes.clone())),
        Value::List(items) => {
            for item in items.iter() {
                splice(item, role, parts)?;
            }
        }
        Value::Prompt(prompt) => match prompt.turns.as_slice() {
            [turn] => parts.extend(turn.parts.iter().cloned()),
            turns => {
                let spoken: Vec<_> = turns.iter().filter(|turn| !turn.parts.is_empty()).collect();
                match spoken.as_slice() {
                    [turn] => parts.extend(turn.parts.iter().cloned()),
                    _ => return Err(Failure::NestedTurns(turns.len())),
                }
            }
        },
        scalar => parts.push(PromptPart::Text(text_of(scalar)?)),
    }
    Ok(())
}

/// How a scalar reads inside of a text.
pub fn text_of(value: &Value) -> Result<String, Failure> {
    Ok(arith::display(&scalar(value)?))
}

pub fn scalar(value: &Value) -> Result<Literal, Failure> {
    value.literal().ok_or(Failure::Defect(value.kind(), "scalar"))
}
