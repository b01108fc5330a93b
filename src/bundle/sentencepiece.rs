//! SentencePiece models (`tokenizer.model`), as LLaMA's tokenizers are published: what is in the
//! file, and the same as the parts of a `tokenizer.json`.
//!
//! The file is a protobuf message (google/sentencepiece, src/sentencepiece_model.proto). Its BPE
//! joins, again and again, the pair whose piece has the highest score; the `tokenizers` crate
//! joins the pair that comes first in a list of merges. So the list is made of every way to cut a
//! piece in two, best piece first, as transformers converts slow tokenizers.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::tokenizer_file::AddedToken;

const BPE: u64 = 2;
/// Longer pieces are not made by any training; cutting them in all ways takes long.
const MAX_PIECE: usize = 1024;

/// What kind of piece it is: ModelProto.SentencePiece.Type.
const NORMAL: u64 = 1;
const UNKNOWN: u64 = 2;
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;

struct Piece {
    text: String,
    score: f32,
    kind: u64,
}

/// The model as parts of a `tokenizer.json`, and its pieces that are no text.
pub(super) struct Parts {
    pub normalizer: Value,
    pub decoder: Value,
    pub model: Value,
    pub added: Vec<AddedToken>,
}

/// Reads the bytes of a `tokenizer.model`.
pub(super) fn parts(bytes: &[u8]) -> Result<Parts, String> {
    let (mut pieces, mut kind, mut byte_fallback, mut dummy_prefix) = (Vec::new(), 1, false, true);
    for field in fields(bytes) {
        match field? {
            (1, Wire::Bytes(bytes)) => pieces.push(piece(bytes)?),
            (2, Wire::Bytes(trainer)) => {
                for field in fields(trainer) {
                    match field? {
                        (3, Wire::Number(number)) => kind = number,
                        (35, Wire::Number(number)) => byte_fallback = number != 0,
                        _ => {}
                    }
                }
            }
            (3, Wire::Bytes(normalizer)) => {
                // What is absent has the default of the message.
                let mut removes_spaces = true;
                for field in fields(normalizer) {
                    match field? {
                        (2, Wire::Bytes(map)) if !map.is_empty() => {
                            return Err("it rewrites characters, which is not supported".into());
                        }
                        (3, Wire::Number(number)) => dummy_prefix = number != 0,
                        (4, Wire::Number(number)) => removes_spaces = number != 0,
                        (5, Wire::Number(0)) => {
                            return Err(
                                "it keeps spaces as they are, which is not supported".into()
                            );
                        }
                        _ => {}
                    }
                }
                if removes_spaces {
                    return Err("it removes repeated spaces, which is not supported".into());
                }
            }
            _ => {}
        }
    }
    if pieces.is_empty() {
        return Err("it is no SentencePiece model".into());
    }
    if kind != BPE {
        return Err("it is a SentencePiece model of another kind than BPE".into());
    }
    build(&pieces, byte_fallback, dummy_prefix)
}

fn build(pieces: &[Piece], byte_fallback: bool, dummy_prefix: bool) -> Result<Parts, String> {
    let mut vocabulary = HashMap::new();
    for (id, piece) in pieces.iter().enumerate() {
        if vocabulary.insert(piece.text.as_str(), id).is_some() {
            return Err(format!("the piece `{}` is there twice", piece.text));
        }
    }
    let unknown = pieces.iter().find(|piece| piece.kind == UNKNOWN).map(|piece| &piece.text);
    let added = pieces.iter().enumerate().filter_map(|(id, piece)| {
        let special = matches!(piece.kind, UNKNOWN | CONTROL);
        let token = AddedToken { id: id as u32, content: piece.text.clone(), special };
        (special || piece.kind == USER_DEFINED).then_some(token)
    });
    let space = json!({ "type": "Replace", "pattern": { "String": " " }, "content": "▁" });
    let prefix = json!({ "type": "Prepend", "prepend": "▁" });
    let normalizers = if dummy_prefix { vec![prefix, space] } else { vec![space] };
    let strip =
        json!({ "type": "Strip", "content": " ", "start": usize::from(dummy_prefix), "stop": 0 });
    Ok(Parts {
        added: added.collect(),
        normalizer: json!({ "type": "Sequence", "normalizers": normalizers }),
        decoder: json!({ "type": "Sequence", "decoders": [
            { "type": "Replace", "pattern": { "String": "▁" }, "content": " " },
            { "type": "ByteFallback" },
            { "type": "Fuse" },
            strip,
        ]}),
        model: json!({
            "type": "BPE", "dropout": null, "unk_token": unknown, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": byte_fallback,
            "ignore_merges": false, "merges": merges(pieces, &vocabulary), "vocab": vocabulary,
        }),
    })
}

/// Every way to join two pieces into a third, the best third piece first.
fn merges(pieces: &[Piece], vocabulary: &HashMap<&str, usize>) -> Vec<[String; 2]> {
    let mut order: Vec<&Piece> = pieces.iter().filter(|piece| piece.kind == NORMAL).collect();
    // Stable: of equal scores the earlier piece is better.
    order.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut merges = Vec::new();
    for piece in order {
        let cuts = piece.text.char_indices().skip(1).map(|(at, _)| piece.text.split_at(at));
        let mut known: Vec<_> = cuts
            .filter_map(|(left, right)| {
                let ids = (vocabulary.get(left)?, vocabulary.get(right)?);
                Some((ids, [left.to_string(), right.to_string()]))
            })
            .collect();
        known.sort_by_key(|(ids, _)| *ids);
        merges.extend(known.into_iter().map(|(_, pair)| pair));
    }
    merges
}

fn piece(bytes: &[u8]) -> Result<Piece, String> {
    let mut piece = Piece { text: String::new(), score: 0.0, kind: NORMAL };
    for field in fields(bytes) {
        match field? {
            (1, Wire::Bytes(text)) if text.len() <= MAX_PIECE => {
                piece.text = String::from_utf8(text.to_vec()).map_err(|_| "a piece is no text")?;
            }
            (1, _) => return Err("a piece is too long".into()),
            (2, Wire::Fixed(bits)) => piece.score = f32::from_bits(bits),
            (3, Wire::Number(kind)) => piece.kind = kind,
            _ => {}
        }
    }
    match piece.text.is_empty() {
        true => Err("a piece is empty".into()),
        false => Ok(piece),
    }
}

// ---- protobuf -----------------------------------------------------------------------------

enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// 32 bits.
    Fixed(u32),
    /// 64 bits, of which no field here has use.
    Long,
}

/// The fields of a message: number and value.
fn fields(bytes: &[u8]) -> impl Iterator<Item = Result<(u64, Wire<'_>), String>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = field(&mut rest);
        if field.is_none() {
            rest = &[];
        }
        Some(field.ok_or_else(|| "it is no SentencePiece model, or is cut".to_string()))
    })
}

fn field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Wire<'a>)> {
    let key = number(rest)?;
    let value = match key & 7 {
        0 => Wire::Number(number(rest)?),
        1 => {
            take(rest, 8)?;
            Wire::Long
        }
        2 => {
            let length = usize::try_from(number(rest)?).ok()?;
            Wire::Bytes(take(rest, length)?)
        }
        5 => Wire::Fixed(u32::from_le_bytes(take(rest, 4)?.try_into().ok()?)),
        _ => return None,
    };
    Some((key >> 3, value))
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(count)?;
    *rest = behind;
    Some(taken)
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take(rest, 1)?[0];
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused() {
        for bytes in [
            b"".as_slice(),
            b"\x0a",
            b"\x0a\x05ab",
            b"hello",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert!(parts(bytes).is_err(), "{bytes:?}");
        }
    }
}
