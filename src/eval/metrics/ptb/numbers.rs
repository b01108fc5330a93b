//! Numbers, fractions, telephone numbers and money.

use super::rules::{Match, Rest, escaped, is_digit, is_superscript};

/// `1,000`, `12:30`, `-5`, `.5`.
pub(super) fn number(rest: Rest<'_>) -> Match {
    if rest.is(0, is_superscript) {
        return Match::of(rest.run(0, is_superscript));
    }
    let sign = usize::from(rest.is(0, |c| c == '-' || c == '+'));
    let mut end = sign + rest.run(sign, is_digit);
    while rest.is(end, |c| matches!(c, '.' | ':' | ',')) && rest.is(end + 1, is_digit) {
        end += 1 + rest.run(end + 1, is_digit);
    }
    if end == sign {
        return Match::none();
    }
    Match::of(end)
}

/// `1/2`, `1 1/2`, ½, telephone numbers.
pub(super) fn fraction(rest: Rest<'_>) -> Match {
    if let Some(text) = rest.at(0).and_then(|c| match c {
        '½' => Some("1/2"),
        '¼' => Some("1/4"),
        '¾' => Some("3/4"),
        '⅓' => Some("1/3"),
        '⅔' => Some("2/3"),
        _ => None,
    }) {
        return Match::written(1, text);
    }
    let digits = |place| rest.run(place, is_digit);
    let part = |place: usize| -> usize {
        let upper = digits(place);
        let lower = digits(place + upper + 1).min(4);
        let good = (1..=4).contains(&upper) && rest.at(place + upper) == Some('/') && lower > 0;
        if good { upper + 1 + lower } else { 0 }
    };
    let whole = digits(0);
    if (1..=4).contains(&whole) && rest.is(whole, |c| c == ' ' || c == '-') && part(whole + 1) > 0 {
        return Match::of(whole + 1 + part(whole + 1));
    }
    let plain = part(0);
    if plain > 0 && (1..=2).contains(&whole) && rest.at(plain) == Some('/') {
        let year = digits(plain + 1).min(4);
        return Match::of(if year >= 2 { plain + 1 + year } else { plain });
    }
    match telephone(rest) {
        length if length > plain => Match::written(length, &escaped(&rest.text(0, length))),
        _ => Match::of(plain),
    }
}

/// `(555) 123-4567`: an area in brackets, which stays one token with what follows.
fn telephone(rest: Rest<'_>) -> usize {
    let area = if rest.at(0) == Some('(') { rest.run(1, is_digit) } else { 0 };
    if !(2..=3).contains(&area) || rest.at(1 + area) != Some(')') {
        return 0;
    }
    let start = area + 2 + rest.run(area + 2, |c| c == ' ').min(1);
    let first = rest.run(start, is_digit);
    if !(3..=4).contains(&first) || !rest.is(start + first, |c| c == '-' || c == ' ') {
        return 0;
    }
    let second = rest.run(start + first + 1, is_digit);
    if (3..=5).contains(&second) { start + first + 1 + second } else { 0 }
}

pub(super) fn currency(rest: Rest<'_>) -> Match {
    let code = rest.run(0, |c| c.is_ascii_uppercase());
    if rest.at(code) == Some('$') {
        return Match::of(code + 1);
    }
    match rest.at(0) {
        Some('£') => Match::written(1, "#"),
        Some('€' | '\u{20a0}' | '\u{80}') => Match::written(1, "$"),
        Some('¢') => Match::written(1, "cents"),
        Some('#') => Match::of(rest.run(0, |c| c == '#')),
        _ => Match::none(),
    }
}
