//! Markup, web and mail addresses, names and tags.

use super::is_space;
use super::rules::{Match, Rest, is_digit, is_letter};

/// `<b>`, `</b>`, `<a href="x">`, `<!-- … >`.
pub(super) fn markup(rest: Rest<'_>) -> Match {
    if rest.at(0) != Some('<') {
        return Match::none();
    }
    let declared = rest.is(1, |c| c == '!' || c == '?');
    let start = if declared || rest.at(1) == Some('/') { 2 } else { 1 };
    if !rest.is(start, |c| c.is_ascii_alphabetic() || (declared && c == '-')) {
        return Match::none();
    }
    let mut end = if declared {
        start + rest.run(start, |c| c != '>')
    } else {
        start + name_length(rest, start)
    };
    while let Some(next) = attribute_end(rest, end).filter(|_| !declared) {
        end = next;
    }
    end += rest.run(end, is_space);
    end += usize::from(rest.at(end) == Some('/'));
    Match::of(if rest.at(end) == Some('>') { end + 1 } else { 0 })
}

fn name_length(rest: Rest<'_>, place: usize) -> usize {
    rest.run(place, |c| c.is_ascii_alphanumeric() || matches!(c, ':' | '.' | '-' | '_'))
}

/// Where the attribute after white space at a place ends.
fn attribute_end(rest: Rest<'_>, place: usize) -> Option<usize> {
    let start = place + rest.run(place, is_space);
    let name = name_length(rest, start);
    if start == place || name == 0 || !rest.is(start, |c| c.is_ascii_alphabetic()) {
        return None;
    }
    let end = start + name;
    if rest.at(end) != Some('=') {
        return Some(end);
    }
    match rest.at(end + 1)? {
        mark @ ('"' | '\'') => {
            let close = end + 2 + rest.run(end + 2, |c| c != mark);
            rest.at(close).map(|_| close + 1)
        }
        _ => Some(end + 1 + name_length(rest, end + 1)),
    }
}

fn ends_address(c: char) -> bool {
    is_space(c) || matches!(c, '"' | '<' | '>' | '|' | '(' | ')')
}

/// Web and mail addresses, @names and #tags.
pub(super) fn address(rest: Rest<'_>) -> Match {
    let whole = rest.run(0, |c| !ends_address(c));
    let trimmed = |mut end: usize| {
        while end > 0 && rest.is(end - 1, |c| ".!?(){},-".contains(c)) {
            end -= 1;
        }
        end
    };
    for scheme in ["http://", "https://"] {
        if rest.says(0, scheme) && trimmed(whole) > scheme.len() + 1 {
            return Match::of(trimmed(whole));
        }
    }
    if let Some(end) = mail_end(rest, whole) {
        return Match::of(end);
    }
    if rest.is(0, |c| c == '@') {
        let name = rest.run(1, |c| c.is_ascii_alphanumeric() || c == '_');
        let good = rest.is(1, |c| c.is_ascii_alphabetic() || c == '_');
        return Match::of(if good { 1 + name } else { 0 });
    }
    if rest.is(0, |c| c == '#') && rest.is(1, is_letter) {
        return Match::of(1 + rest.run(1, |c| is_letter(c) || is_digit(c)));
    }
    Match::of(host_length(rest, whole, trimmed))
}

/// Where a mail address at the start ends; whatever has an `@` inside counts as one.
fn mail_end(rest: Rest<'_>, whole: usize) -> Option<usize> {
    let at = (1..whole).rev().find(|place| rest.at(*place) == Some('@'))?;
    if !rest.is(0, |c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let host =
        |place: usize| rest.run(place, |c| !ends_address(c) && !matches!(c, '.' | '{' | '}'));
    let mut end = at + 1 + host(at + 1);
    while rest.at(end) == Some('.') && host(end + 1) > 0 {
        end += 1 + host(end + 1);
    }
    (end > at + 1).then_some(end)
}

/// `www.a.org` and `a.com/path`.
fn host_length(rest: Rest<'_>, whole: usize, trimmed: impl Fn(usize) -> usize) -> usize {
    let inside = |c: char| !ends_address(c) && !"`'.!?{},-_$/".contains(c);
    let mut end = 0;
    let mut best = 0;
    loop {
        let part = rest.run(end, inside);
        if part == 0 {
            break;
        }
        let name = rest.text(end, end + part);
        let first = rest.text(0, 4) == "www.";
        let known = end > 0 && ["com", "net", "org", "edu"].contains(&name.as_str());
        let generic = first
            && end > 4
            && (2..=4).contains(&part)
            && name.chars().all(|c| c.is_ascii_alphabetic());
        end += part;
        if known || generic {
            best = end;
        }
        if rest.at(end) != Some('.') {
            break;
        }
        end += 1;
    }
    if best > 0 && rest.at(best) == Some('/') && trimmed(whole) > best + 1 {
        trimmed(whole)
    } else {
        best
    }
}
