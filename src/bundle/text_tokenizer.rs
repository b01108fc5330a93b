//! Text to ids and back.

use std::collections::HashMap;
use std::sync::Arc;

use tokenizers::Tokenizer;

use super::BundleError;
use super::tokenizer_file::TokenizerFile;

/// A part of a trusted string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// An added token.
    Special(u32),
    Text(String),
}

/// A place in a trusted string, whose place among its ids is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    /// The piece, and the byte in it if it is text; just behind the last piece is a place too.
    pub piece: usize,
    pub at: usize,
    /// What stands in front of a firm cut has the ids that it has alone.
    pub firm: bool,
}

/// Encodes plain text, and strings of the prompt format. Cheap to clone.
#[derive(Clone)]
pub struct TextTokenizer(Arc<Inner>);

struct Inner {
    path: String,
    plain: Tokenizer,
    legacy: bool,
    added: HashMap<String, u32>,
    /// Which ids are no text, and which of these transformers calls special.
    reserved: HashMap<u32, bool>,
    /// The lengths in bytes that added tokens have, longest first.
    lengths: Vec<usize>,
    /// An id that is one letter: what the decoder puts in front of later text.
    letter: Option<u32>,
    /// The tokens that are single bytes.
    bytes: HashMap<u32, u8>,
}

/// SentencePiece's sign for a space.
const SPACE: &str = "▁";

impl TextTokenizer {
    pub(super) fn new(file: TokenizerFile, legacy: bool) -> Self {
        let TokenizerFile { path, added, plain } = file;
        let mut lengths: Vec<usize> = added.iter().map(|token| token.content.len()).collect();
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        lengths.dedup();
        let reserved = added.iter().map(|token| (token.id, token.special)).collect();
        let added = added.into_iter().map(|token| (token.content, token.id)).collect();
        let (letter, bytes) = (find_letter(&plain), find_bytes(&plain));
        TextTokenizer(Arc::new(Inner {
            path,
            plain,
            legacy,
            added,
            reserved,
            lengths,
            letter,
            bytes,
        }))
    }

    /// The ids of one piece of plain text; an added token's name in it is just letters.
    ///
    /// With `legacy` every piece gets SentencePiece's dummy prefix, else none does.
    pub fn encode_text(&self, text: &str) -> Result<Vec<u32>, BundleError> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let encoding = self.0.plain.encode_fast(text, false).map_err(|error| {
            BundleError::Tokenizer { path: self.0.path.clone(), reason: error.to_string() }
        })?;
        let ids = encoding.get_ids().to_vec();
        // A model that keeps whole words could hold a control token's name as one.
        if let Some(id) = ids.iter().find(|id| self.0.reserved.contains_key(id)) {
            return Err(BundleError::Prompt {
                reason: format!("the text {text:?} contains the reserved token {id}"),
            });
        }
        Ok(ids)
    }

    /// Splits a string of the bundle at added tokens, the longest first.
    pub fn split_format(&self, format: &str) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let (mut plain, mut at) = (0, 0);
        while at < format.len() {
            let Some((length, id)) = self.added_at(&format[at..]) else {
                at += format[at..].chars().next().map_or(1, char::len_utf8);
                continue;
            };
            if plain < at {
                pieces.push(Piece::Text(format[plain..at].to_string()));
            }
            pieces.push(Piece::Special(id));
            at += length;
            plain = at;
        }
        if plain < format.len() {
            pieces.push(Piece::Text(format[plain..].to_string()));
        }
        pieces
    }

    fn added_at(&self, text: &str) -> Option<(usize, u32)> {
        self.0.lengths.iter().find_map(|length| {
            let id = self.0.added.get(text.get(..*length)?)?;
            Some((*length, *id))
        })
    }

    /// The ids of a whole trusted string, as transformers' slow LLaMA tokenizer gives them
    /// (without `<s>`): split at added tokens, every piece encoded by itself.
    pub fn encode_format(&self, format: &str) -> Result<Vec<u32>, BundleError> {
        self.encode_pieces(self.split_format(format))
    }

    /// The ids of pieces that together are one string.
    pub(super) fn encode_pieces(&self, pieces: Vec<Piece>) -> Result<Vec<u32>, BundleError> {
        Ok(self.encode_cut(pieces, &[])?.0)
    }

    /// The same, with the place among the ids that each cut has. Cuts are in order.
    pub(super) fn encode_cut(
        &self,
        mut pieces: Vec<Piece>,
        cuts: &[Cut],
    ) -> Result<(Vec<u32>, Vec<usize>), BundleError> {
        let count = pieces.len();
        let begun = matches!(pieces.first(), Some(Piece::Text(_)));
        if !self.0.legacy {
            self.put_space_in_front(&mut pieces);
        }
        // What stands in front moved the places of what follows.
        let (added, shift) =
            (pieces.len() - count, if begun && !self.0.legacy { SPACE.len() } else { 0 });
        let place = |cut: &Cut| match (cut.piece, cut.at) {
            (0, at) if at > 0 => Cut { at: at + shift, ..*cut },
            _ => Cut { piece: cut.piece + added, ..*cut },
        };
        let cuts: Vec<Cut> = cuts.iter().map(place).collect();
        let (mut ids, mut places) = (Vec::new(), Vec::with_capacity(cuts.len()));
        for (index, piece) in pieces.iter().enumerate() {
            let within: Vec<&Cut> = cuts.iter().filter(|cut| cut.piece == index).collect();
            match piece {
                Piece::Special(id) => {
                    places.extend(within.iter().map(|_| ids.len()));
                    ids.push(*id);
                }
                Piece::Text(text) => {
                    let (encoded, found) = self.encode_text_cut(text, &within)?;
                    places.extend(found.into_iter().map(|at| ids.len() + at));
                    ids.extend(encoded);
                }
            }
        }
        places.resize(cuts.len(), ids.len());
        Ok((ids, places))
    }

    /// One piece of text: in one go, or in stretches where a firm cut would not hold otherwise.
    fn encode_text_cut(
        &self,
        text: &str,
        cuts: &[&Cut],
    ) -> Result<(Vec<u32>, Vec<usize>), BundleError> {
        let whole = self.encode_text(text)?;
        let mut places = Vec::with_capacity(cuts.len());
        for cut in cuts {
            let head = self.encode_text(&text[..cut.at])?;
            let common = whole.iter().zip(&head).take_while(|(a, b)| a == b).count();
            if cut.firm && common < head.len() {
                return self.encode_apart(text, cuts);
            }
            places.push(common);
        }
        Ok((whole, places))
    }

    fn encode_apart(
        &self,
        text: &str,
        cuts: &[&Cut],
    ) -> Result<(Vec<u32>, Vec<usize>), BundleError> {
        let (mut ids, mut places, mut done) = (Vec::new(), Vec::with_capacity(cuts.len()), 0);
        for cut in cuts {
            ids.extend(self.encode_text(&text[done..cut.at])?);
            places.push(ids.len());
            done = cut.at;
        }
        ids.extend(self.encode_text(&text[done..])?);
        Ok((ids, places))
    }

    /// Without `legacy`, one `▁` stands before the string as a whole. In front of an added
    /// token it is a piece of its own, unless that token is a special one.
    fn put_space_in_front(&self, pieces: &mut Vec<Piece>) {
        match pieces.first_mut() {
            Some(Piece::Text(text)) => text.insert_str(0, SPACE),
            Some(Piece::Special(id)) if self.0.reserved.get(id) != Some(&true) => {
                pieces.insert(0, Piece::Text(SPACE.to_string()));
            }
            _ => {}
        }
    }

    /// The id of an added token by its exact text.
    pub fn added(&self, token: &str) -> Option<u32> {
        self.0.added.get(token).copied()
    }

    /// The text of a reply: added tokens are left out, and the space in front of the first word
    /// (the tokenizer's own decoder takes it away).
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut stream = self.stream();
        let mut text: String = ids.iter().map(|id| stream.push(*id)).collect();
        text.push_str(&stream.finish());
        text
    }

    /// The bytes that an id adds to a text, at its start or behind other ids. None for ids that
    /// are no text, that add nothing behind others, or whose bytes depend on their neighbours.
    pub fn bytes_of(&self, id: u32, begun: bool) -> Option<Vec<u8>> {
        if self.0.reserved.contains_key(&id) {
            return None;
        }
        if let Some(byte) = self.0.bytes.get(&id) {
            return Some(vec![*byte]);
        }
        let stream = TextStream { waiting: vec![id], begun, ..self.stream() };
        let text = stream.text();
        let adds_nothing = begun && text.is_empty();
        let uncertain = text.contains(char::REPLACEMENT_CHARACTER);
        (!adds_nothing && !uncertain).then(|| text.into_bytes())
    }

    /// A decoder for a reply that arrives id by id; it gives the same text as [`Self::decode`].
    pub fn stream(&self) -> TextStream {
        TextStream { tokenizer: self.clone(), bytes: Vec::new(), waiting: Vec::new(), begun: false }
    }
}

/// An incremental decoder: never half a character.
pub struct TextStream {
    tokenizer: TextTokenizer,
    /// Bytes of a character that is not whole yet, from tokens that are bytes.
    bytes: Vec<u8>,
    /// Other ids whose text is not told yet.
    waiting: Vec<u32>,
    begun: bool,
}

/// A character is at most this many tokens; more that make none are damage, told as such.
const LONGEST_CHARACTER: usize = 4;

impl TextStream {
    /// The text that is certain after one more id; often empty.
    pub fn push(&mut self, id: u32) -> String {
        if self.tokenizer.0.reserved.contains_key(&id) {
            return String::new();
        }
        if let Some(byte) = self.tokenizer.0.bytes.get(&id).copied() {
            let mut text = self.take_waiting();
            self.bytes.push(byte);
            self.begun = true;
            text.push_str(&whole_characters(&mut self.bytes));
            return text;
        }
        let mut text = self.take_bytes();
        self.waiting.push(id);
        let last = self.text();
        // Tokenizers that cut characters without having byte tokens show it like this.
        if !last.ends_with(char::REPLACEMENT_CHARACTER) || self.waiting.len() >= LONGEST_CHARACTER {
            self.waiting.clear();
            self.begun = true;
            text.push_str(&last);
        }
        text
    }

    /// What is left when no more ids come.
    pub fn finish(mut self) -> String {
        let text = self.take_bytes();
        text + &self.take_waiting()
    }

    fn take_bytes(&mut self) -> String {
        let bytes = std::mem::take(&mut self.bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn take_waiting(&mut self) -> String {
        if self.waiting.is_empty() {
            return String::new();
        }
        let text = self.text();
        self.waiting.clear();
        self.begun = true;
        text
    }

    /// The text of the waiting ids. A decoder treats the start of a text specially, so later
    /// ids are decoded behind a letter.
    fn text(&self) -> String {
        let inner = &self.tokenizer.0;
        match inner.letter.filter(|_| self.begun) {
            None => inner.decode(&self.waiting),
            Some(letter) => {
                let text = inner.decode(&[&[letter], &self.waiting[..]].concat());
                text.get(1..).unwrap_or("").to_string()
            }
        }
    }
}

/// Takes what is certain from the front of `bytes`: an unfinished character stays.
fn whole_characters(bytes: &mut Vec<u8>) -> String {
    let mut text = String::new();
    loop {
        match std::str::from_utf8(bytes) {
            Ok(rest) => {
                text.push_str(rest);
                bytes.clear();
                return text;
            }
            Err(error) => {
                let valid: Vec<u8> = bytes.drain(..error.valid_up_to()).collect();
                text.push_str(&String::from_utf8_lossy(&valid));
                let Some(length) = error.error_len() else { return text };
                bytes.drain(..length);
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }
}

/// The tokens that are single bytes, such as `<0x0A>`, if the tokenizer decodes them so.
fn find_bytes(plain: &Tokenizer) -> HashMap<u32, u8> {
    let id = |byte: u8| plain.token_to_id(&format!("<0x{byte:02X}>"));
    let is_used =
        id(b'A').is_some_and(|id| plain.decode(&[id], false).is_ok_and(|text| text == "A"));
    let all = (0..=u8::MAX).filter_map(|byte| Some((id(byte)?, byte)));
    if is_used { all.collect() } else { HashMap::new() }
}

impl Inner {
    fn decode(&self, ids: &[u32]) -> String {
        self.plain.decode(ids, false).unwrap_or_default()
    }
}

/// An id that is one ASCII letter and nothing else.
fn find_letter(plain: &Tokenizer) -> Option<u32> {
    ["a", "e", "x", "0"].into_iter().find_map(|letter| {
        let id = plain.token_to_id(letter)?;
        (plain.decode(&[id], false).ok()? == letter).then_some(id)
    })
}
