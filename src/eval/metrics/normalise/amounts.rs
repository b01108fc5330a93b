//! Amounts before and after number words are read: spaces at numbers, cents.

use super::text::is_word;

/// A space between letters and digits, except before the ending of an ordinal or a decade.
pub(super) fn spaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut last: Option<char> = None;
    for character in text.chars() {
        let border = last.is_some_and(|last| {
            (last.is_ascii_lowercase() && character.is_ascii_digit())
                || (last.is_ascii_digit() && character.is_ascii_lowercase())
        });
        if border {
            out.push(' ');
        }
        out.push(character);
        last = Some(character);
    }
    let mut joined = String::with_capacity(out.len());
    let mut rest = out.as_str();
    while let Some(place) = rest.find(char::is_whitespace) {
        let (before, after) = rest.split_at(place);
        let next = after.trim_start();
        let ending = ["st", "nd", "rd", "th", "s"].into_iter().find(|ending| {
            next.strip_prefix(ending).is_some_and(|more| !more.chars().next().is_some_and(is_word))
        });
        joined.push_str(before);
        let number = joined.ends_with(|c: char| c.is_ascii_digit());
        match ending.filter(|_| number) {
            Some(ending) => {
                joined.push_str(ending);
                rest = &next[ending.len()..];
            }
            None => {
                joined.push_str(&after[..after.len() - next.len()]);
                rest = next;
            }
        }
    }
    joined + rest
}

fn is_currency(character: char) -> bool {
    matches!(character, '€' | '£' | '$')
}

/// Length of the digits at the start of a text.
fn digits_at(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// One or two digits that end a word.
fn cents_at(text: &str) -> Option<(usize, u8)> {
    let length = digits_at(text);
    let ends = !text[length..].chars().next().is_some_and(is_word);
    if !(1..=2).contains(&length) || !ends {
        return None;
    }
    text[..length].parse().ok().map(|cents| (length, cents))
}

/// `$2 and ¢7` is `$2.07`.
pub(super) fn with_cents(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find(is_currency) {
        let sign = rest[place..].chars().next().map_or(1, char::len_utf8);
        let after = &rest[place + sign..];
        let whole = digits_at(after);
        let more = after[whole..].strip_prefix(' ').filter(|_| whole > 0);
        let cents =
            more.and_then(|more| more.strip_prefix("and ").unwrap_or(more).strip_prefix('¢'));
        out.push_str(&rest[..place + sign]);
        match cents.and_then(|tail| cents_at(tail).map(|cents| (tail, cents))) {
            Some((tail, (length, cents))) => {
                out.push_str(&format!("{}.{cents:02}", &after[..whole]));
                rest = &tail[length..];
            }
            None => rest = after,
        }
    }
    out + rest
}

/// `$0.07` is `¢7`.
pub(super) fn without_zero_amounts(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find(is_currency) {
        let sign = rest[place..].chars().next().map_or(1, char::len_utf8);
        let after = &rest[place + sign..];
        // The pattern of the original takes any character for the point.
        let point = after
            .strip_prefix('0')
            .and_then(|tail| tail.chars().next().map(|c| &tail[c.len_utf8()..]));
        match point.and_then(|tail| cents_at(tail).map(|cents| (tail, cents))) {
            Some((tail, (length, cents))) => {
                out.push_str(&format!("{}¢{cents}", &rest[..place]));
                rest = &tail[length..];
            }
            None => {
                out.push_str(&rest[..place + sign]);
                rest = after;
            }
        }
    }
    out + rest
}
