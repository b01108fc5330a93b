//! What the normalisers share: categories of characters, replacing at the boundaries of words.

use icu_normalizer::{ComposingNormalizer, DecomposingNormalizer};
use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};

/// A letter, digit or `_`: what makes a word in a pattern.
pub(super) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// A decimal digit of any script.
pub(super) fn is_digit(character: char) -> bool {
    let categories = CodePointMapData::<GeneralCategory>::new();
    categories.get(character) == GeneralCategory::DecimalNumber
}

/// Replaces every occurrence of `from` that ends at the end of a word and, if `whole`, starts at the
/// start of one.
pub(super) fn replace_word(text: &str, from: &str, to: &str, whole: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(found) = rest.find(from) {
        let (before, after) = (&rest[..found], &rest[found + from.len()..]);
        out.push_str(before);
        let starts = !whole || !out.chars().next_back().is_some_and(is_word);
        let ends = !after.chars().next().is_some_and(is_word);
        if starts && ends {
            out.push_str(to);
            rest = after;
        } else {
            let first = from.chars().next().map_or(0, char::len_utf8);
            out.push_str(&from[..first]);
            rest = &rest[found + first..];
        }
    }
    out.push_str(rest);
    out
}

/// Leaves out `<…>`, `[…]` (either end closes either) and `(…)`.
pub(super) fn without_brackets(text: &str) -> String {
    let angled = cut(text, |c| matches!(c, '<' | '['), |c| matches!(c, '>' | ']'), 0);
    cut(&angled, |c| c == '(', |c| c == ')', 1)
}

/// Leaves out stretches between an opening and the next closing sign with at least `least` between.
fn cut(text: &str, opens: fn(char) -> bool, closes: fn(char) -> bool, least: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(opens) {
        out.push_str(&rest[..start]);
        let inside = &rest[start + 1..];
        match inside.find(closes) {
            Some(end) if end >= least => rest = &inside[end + 1..],
            Some(_) => {
                out.push_str(&rest[start..start + 1]);
                rest = inside;
            }
            None => {
                rest = &rest[start..];
                break;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Runs of white space as one space.
pub(super) fn single_spaces(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if !character.is_whitespace() {
            out.push(character);
        } else if !out.ends_with(' ') {
            out.push(' ');
        }
    }
    out
}

/// Letters with a sign of their own that decomposition leaves whole.
fn plain(character: char) -> Option<&'static str> {
    Some(match character {
        'œ' => "oe",
        'Œ' => "OE",
        'ø' => "o",
        'Ø' => "O",
        'æ' => "ae",
        'Æ' => "AE",
        'ß' => "ss",
        'ẞ' => "SS",
        'đ' | 'ð' => "d",
        'Đ' | 'Ð' => "D",
        'þ' | 'Þ' => "th",
        'ł' => "l",
        'Ł' => "L",
        _ => return None,
    })
}

/// Marks, symbols and punctuation.
fn is_sign(category: GeneralCategory) -> bool {
    GeneralCategoryGroup::Mark.contains(category)
        || GeneralCategoryGroup::Symbol.contains(category)
        || GeneralCategoryGroup::Punctuation.contains(category)
}

/// NFKD without diacritics; other marks, symbols and punctuation become spaces, but for `keep`.
pub(super) fn without_diacritics(text: &str, keep: &str) -> String {
    let categories = CodePointMapData::<GeneralCategory>::new();
    let mut out = String::with_capacity(text.len());
    for character in DecomposingNormalizer::new_nfkd().normalize(text).chars() {
        let category = categories.get(character);
        if keep.contains(character) {
            out.push(character);
        } else if let Some(plain) = plain(character) {
            out.push_str(plain);
        } else if is_sign(category) {
            if category != GeneralCategory::NonspacingMark {
                out.push(' ');
            }
        } else {
            out.push(character);
        }
    }
    out
}

/// Whisper's `BasicTextNormalizer` (Radford et al., 2022, "Robust Speech Recognition via Large-Scale
/// Weak Supervision", appendix C). It may begin or end with a space, as Whisper's does.
pub fn whisper_basic(text: &str) -> String {
    let categories = CodePointMapData::<GeneralCategory>::new();
    let lower = without_brackets(&text.to_lowercase());
    let composed = ComposingNormalizer::new_nfkc().normalize(&lower).into_owned();
    let clean: String =
        composed.chars().map(|c| if is_sign(categories.get(c)) { ' ' } else { c }).collect();
    single_spaces(&clean.to_lowercase())
}
