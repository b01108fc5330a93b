//! Whisper's `EnglishTextNormalizer` (Radford et al., 2022, appendix C).

use super::contractions::{WHISPER, write_out};
use super::numbers::standardise;
use super::spelling::american;
use super::text::{is_digit, replace_word, single_spaces, without_brackets, without_diacritics};

/// Words that say nothing.
const FILLERS: [&str; 6] = ["hmm", "mm", "mhm", "mmm", "uh", "um"];

const MONEY: &str = "$¢€£";

/// Normalises an English transcript as Whisper's evaluation does: without contents of brackets, without
/// fillers, contractions and titles written out, number words and amounts as digits ("ten thousand
/// dollars" is `$10000`; but 1 is "one"), British spellings as American ones, without diacritics,
/// symbols and punctuation. It may begin or end with a space, as Whisper's does.
///
/// The rules are the original's, and equal it on the sentences of `tests/fixtures/metrics/whisper.json`.
/// The table of spellings is our own ([`american`]) and knows families of words where the original
/// lists single ones, so rare words may differ.
pub fn whisper_english(text: &str) -> String {
    let mut text = without_brackets(&text.to_lowercase());
    for filler in FILLERS {
        text = replace_word(&text, filler, "", true);
    }
    text = write_out(&before_apostrophes(&text), WHISPER);
    text = without_full_stops(&without_thousands(&text));
    text = standardise(&without_diacritics(&text, ".%$¢€£"));
    let words: Vec<String> = text
        .split_whitespace()
        .map(|word| american(word).unwrap_or_else(|| word.to_owned()))
        .collect();
    single_spaces(&without_stray_signs(&words.join(" ")))
}

/// No white space before an apostrophe.
fn before_apostrophes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '\'' {
            out.truncate(out.trim_end().len());
        }
        out.push(character);
    }
    out
}

/// `1,000` without the comma. Like the pattern it follows, it does not see the second comma of `1,2,3`.
fn without_thousands(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut place = 0;
    while let Some(character) = characters.get(place) {
        out.push(*character);
        place += 1;
        let digit = |at: usize| characters.get(at).filter(|c| is_digit(**c));
        if is_digit(*character)
            && characters.get(place) == Some(&',')
            && let Some(next) = digit(place + 1)
        {
            out.push(*next);
            place += 2;
        }
    }
    out
}

/// Full stops that are followed by no digit become spaces; of two in a row the second stays, for the
/// pattern takes them as one match.
fn without_full_stops(text: &str) -> String {
    pairs(text, |sign, next| {
        (sign == '.').then_some(()).filter(|()| !next.is_some_and(|c| c.is_ascii_digit()))
    })
}

/// Signs that stand beside no number.
fn without_stray_signs(text: &str) -> String {
    let before = pairs(text, |sign, next| {
        let stray = sign == '.' || MONEY.contains(sign);
        (stray && next.is_some_and(|c| !c.is_ascii_digit())).then_some(())
    });
    let mut out = String::with_capacity(before.len());
    // A match takes the character before `%` too, so a `%` that was just replaced counts as none.
    let mut free: Option<char> = None;
    for character in before.chars() {
        if character == '%' && free.is_some_and(|c| !c.is_ascii_digit()) {
            out.push(' ');
            free = None;
        } else {
            out.push(character);
            free = Some(character);
        }
    }
    out
}

/// Replaces signs by a space and goes on after the character behind them.
fn pairs(text: &str, stray: impl Fn(char, Option<char>) -> Option<()>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let next = characters.clone().next();
        if stray(character, next).is_some() {
            out.push(' ');
            if let Some(next) = characters.next() {
                out.push(next);
            }
        } else {
            out.push(character);
        }
    }
    out
}
