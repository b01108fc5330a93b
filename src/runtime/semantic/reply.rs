//! What a reply is: ids as text, codes or both.

use std::sync::Arc;

use crate::base::{Medium, Pattern, Reply};
use crate::bundle::{Bundle, Vocabulary};
use crate::plan::graph::Held as To;
use crate::runtime::error::Failure;
use crate::runtime::value::{Piece, Text, Value};

use super::Request;

/// What a reply is, as its type says.
pub fn value(bundle: &Bundle, request: &Request<'_>, ids: Vec<u32>) -> Result<Value, Failure> {
    match request.reply {
        Reply::Only(Medium::Text) => {
            let text = match request.held {
                To::Cases(cases) => case_of(bundle, cases, &ids)?,
                // As its bytes were counted, without marks between words.
                To::Pattern(pattern) | To::Json { pattern, .. } => held_to(bundle, pattern, &ids)?,
                _ => in_words(bundle, &ids)?,
            };
            Ok(Value::Text(Text::written(text, ids)))
        }
        Reply::Only(medium) => {
            codes(bundle.vocabulary()?, medium, &ids).map(|codes| Value::Tokens(medium, codes))
        }
        Reply::Mixed => pieces(bundle, &ids).map(|pieces| Value::Mixed(pieces.into())),
    }
}

/// The case that was written.
fn case_of(bundle: &Bundle, cases: &[String], ids: &[u32]) -> Result<String, Failure> {
    let tokenizer = bundle.text_tokenizer()?;
    for case in cases {
        if tokenizer.encode_text(case)? == ids {
            return Ok(case.clone());
        }
    }
    Err(Failure::Defect("another text", "case"))
}

/// A text that matches a pattern, as its bytes were counted.
fn held_to(bundle: &Bundle, pattern: &Pattern, ids: &[u32]) -> Result<String, Failure> {
    let text = bundle.text_tokenizer()?.decode(ids);
    match pattern.matches(&text) {
        true => Ok(text),
        false => Err(Failure::Defect("another text", "text that matches")),
    }
}

/// A text as people read it: marks stand where they were written.
fn in_words(bundle: &Bundle, ids: &[u32]) -> Result<String, Failure> {
    let (tokenizer, marks) = (bundle.text_tokenizer()?, bundle.prompt_builder()?.marks()?);
    let mut text = String::new();
    for stretch in ids.chunk_by(|before, id| !marks.contains(before) && !marks.contains(id)) {
        match stretch {
            [id] if marks.contains(id) => {
                let place = marks.iter().position(|mark| mark == id).unwrap_or_default();
                text.push_str(&bundle.manifest().prompt.marks[place]);
                text.push(' ');
            }
            words => text.push_str(&tokenizer.decode(words)),
        }
    }
    Ok(text)
}

/// A mixed reply, cut at the start and end tokens of its media.
fn pieces(bundle: &Bundle, ids: &[u32]) -> Result<Vec<Piece>, Failure> {
    let vocabulary = bundle.vocabulary()?;
    let mut out = Vec::new();
    let mut text: Vec<u32> = Vec::new();
    let mut rest = ids.iter().copied();
    while let Some(id) = rest.next() {
        let Some(medium) = vocabulary.started_by(id) else {
            text.push(id);
            continue;
        };
        if !text.is_empty() {
            let ids = std::mem::take(&mut text);
            out.push(Piece::Text(Text::written(in_words(bundle, &ids)?, ids)));
        }
        let end = vocabulary.tokens(medium).map(|tokens| tokens.end);
        let inside: Vec<u32> = rest.by_ref().take_while(|id| Some(*id) != end).collect();
        out.push(Piece::Tokens(medium, codes(vocabulary, medium, &inside)?));
    }
    if !text.is_empty() {
        out.push(Piece::Text(Text::written(in_words(bundle, &text)?, text)));
    }
    Ok(out)
}

fn codes(vocabulary: &Vocabulary, medium: Medium, ids: &[u32]) -> Result<Arc<[u32]>, Failure> {
    ids.iter()
        .map(|id| match vocabulary.medium_of(*id) {
            Some((other, code)) if other == medium => Ok(code),
            _ => Err(Failure::Defect("token", "code of the medium")),
        })
        .collect()
}
