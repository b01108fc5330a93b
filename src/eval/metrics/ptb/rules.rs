//! The rules of the lexer. Each gives the length of its match at the start of the rest of a text, 0
//! for none; the longest wins, and of equally long ones the first.

use super::addresses::{address, markup};
use super::is_space;
use super::numbers::{currency, fraction, number};

use super::words::{is_abbreviation, is_numbered, starts_sentences};

/// What is left of a text.
#[derive(Clone, Copy)]
pub(super) struct Rest<'a>(pub(super) &'a [char]);

impl<'a> Rest<'a> {
    pub(super) fn at(self, place: usize) -> Option<char> {
        self.0.get(place).copied()
    }

    pub(super) fn is(self, place: usize, test: impl Fn(char) -> bool) -> bool {
        self.at(place).is_some_and(test)
    }

    /// How many characters from `place` on pass a test.
    pub(super) fn run(self, place: usize, test: impl Fn(char) -> bool) -> usize {
        self.0.iter().skip(place).take_while(|c| test(**c)).count()
    }

    pub(super) fn text(self, from: usize, to: usize) -> String {
        self.0.get(from..to).unwrap_or_default().iter().collect()
    }

    /// Whether ASCII text stands at a place, in any case of letters.
    pub(super) fn says(self, place: usize, text: &str) -> bool {
        text.chars().enumerate().all(|(n, c)| self.is(place + n, |o| o.eq_ignore_ascii_case(&c)))
    }
}

/// Length of the token at the start, at least 1, and how it is written where it is rewritten.
pub(super) fn longest(rest: Rest<'_>) -> (usize, Option<String>) {
    let rules: [fn(Rest<'_>) -> Match; 16] = [
        assimilation,
        markup,
        contracted,
        word,
        apostrophe_word,
        address,
        clitic,
        number,
        fraction,
        currency,
        abbreviation,
        hyphened,
        joined,
        face,
        quote,
        sign,
    ];
    let mut best = Match::none();
    for rule in rules {
        let found = rule(rest);
        if found.seen > best.seen {
            best = found;
        }
    }
    (best.length.max(1), best.written)
}

/// A match. `seen` counts what had to be looked at too, which decides which rule wins.
pub(super) struct Match {
    pub(super) seen: usize,
    pub(super) length: usize,
    pub(super) written: Option<String>,
}

impl Match {
    pub(super) fn none() -> Self {
        Match::of(0)
    }

    pub(super) fn of(length: usize) -> Self {
        Match { seen: length, length, written: None }
    }

    pub(super) fn seeing(length: usize, more: usize) -> Self {
        Match { seen: length + more, length, written: None }
    }

    pub(super) fn written(length: usize, text: &str) -> Self {
        Match { seen: length, length, written: Some(text.to_owned()) }
    }
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}' | '\u{92}')
}

/// Letters and the marks on them.
pub(super) fn is_letter(c: char) -> bool {
    c.is_alphabetic() || matches!(c, '\u{300}'..='\u{36f}' | '\u{ad}')
}

fn is_thing(c: char) -> bool {
    c.is_alphanumeric()
        && !is_superscript(c)
        && !matches!(c, '¼' | '½' | '¾' | '\u{2150}'..='\u{215e}')
        || matches!(c, '\u{300}'..='\u{36f}' | '\u{ad}')
}

pub(super) fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

pub(super) fn is_superscript(c: char) -> bool {
    matches!(c, '²' | '³' | '¹' | '\u{2070}' | '\u{2074}'..='\u{2079}' | '\u{2080}'..='\u{2089}')
}

/// can-not, gon-na: words that are written as one and counted as two.
fn assimilation(rest: Rest<'_>) -> Match {
    for (word, first) in [
        ("cannot", 3),
        ("gonna", 3),
        ("gotta", 3),
        ("lemme", 3),
        ("gimme", 3),
        ("wanna", 3),
        ("'twas", 2),
        ("'tis", 2),
    ] {
        if rest.says(0, word) {
            return Match { seen: word.len(), length: first, written: None };
        }
    }
    Match::none()
}

/// Letters and digits, and full stops, `!` and `?` between letters: `a.b`, `hello!world`.
fn word_length(rest: Rest<'_>) -> usize {
    let mut length = 0;
    while rest.is(length, is_letter) {
        length += rest.run(length, |c| is_letter(c) || is_digit(c));
        if !(rest.is(length, |c| matches!(c, '.' | '!' | '?')) && rest.is(length + 1, is_letter)) {
            return length;
        }
        length += 1;
    }
    length
}

fn word(rest: Rest<'_>) -> Match {
    Match::of(word_length(rest))
}

/// Length of `'s`, `'re` and their like at a place.
fn clitic_length(rest: Rest<'_>, place: usize) -> usize {
    if !rest.is(place, is_apostrophe) {
        return 0;
    }
    if ["re", "ve", "ll"].iter().any(|end| rest.says(place + 1, end)) {
        return 3;
    }
    if rest.is(place + 1, |c| matches!(c.to_ascii_lowercase(), 'm' | 's' | 'd')) { 2 } else { 0 }
}

/// The part of a word before `'s` or `n't`.
fn contracted(rest: Rest<'_>) -> Match {
    let letters = rest.run(0, |c| c.is_ascii_alphabetic());
    let negated = letters >= 2
        && rest.says(letters - 1, "n")
        && rest.is(letters, is_apostrophe)
        && rest.says(letters + 1, "t")
        && !rest.says(letters - 2, "n");
    if negated {
        return Match::seeing(letters - 1, 3);
    }
    let length = word_length(rest);
    match clitic_length(rest, length) {
        more if length > 0 && more > 0 => Match::seeing(length, more),
        _ => Match::none(),
    }
}

/// `'s` or `n't` itself.
fn clitic(rest: Rest<'_>) -> Match {
    let negation = rest.says(0, "n") && rest.is(1, is_apostrophe) && rest.says(2, "t");
    let length = if negation { 3 } else { clitic_length(rest, 0) };
    if length == 0 || rest.is(length, |c| c.is_ascii_alphabetic()) {
        return Match::none();
    }
    let text = rest.text(0, length).replace(is_apostrophe, "'");
    Match { seen: length + 1, length, written: Some(text) }
}

/// `'em`, `'90s`, `c'mon`, `ma'am`: words with an apostrophe inside that stay whole.
fn apostrophe_word(rest: Rest<'_>) -> Match {
    let mut length = 0;
    let whole = [
        "cont'd.",
        "cont'd",
        "nor'easter",
        "c'mon",
        "e'er",
        "s'mores",
        "ev'ry",
        "li'l",
        "nat'l",
        "dunkin'",
        "somethin'",
        "ol'",
        "'cause",
        "'till",
        "'til",
        "'em",
        "'n'",
        "'n",
    ];
    for text in whole {
        if rest.says(0, text) || rest.says(0, &text.replace('\'', "\u{2019}")) {
            length = length.max(text.chars().count());
        }
    }
    if rest.is(0, is_apostrophe) && rest.is(1, is_digit) && rest.is(2, is_digit) {
        // '90s whole; '90 as a year
        if rest.says(3, "s") && rest.at(2) == Some('0') {
            length = length.max(4);
        } else if rest.at(3).is_none_or(is_space) {
            length = length.max(3);
        }
    }
    if rest.is(0, |c| "lLdDjJ".contains(c)) && rest.is(1, is_apostrophe) {
        length = length.max(2);
    }
    let letters = rest.run(0, is_letter);
    if letters >= 2
        && rest.is(letters - 1, |c| "aeiouyAEIOUY".contains(c))
        && rest.is(letters, is_apostrophe)
        && rest.is(letters + 1, |c| "aeiou".contains(c) || c.is_ascii_uppercase())
    {
        length = length.max(letters + 1 + rest.run(letters + 1, is_letter));
    }
    if letters == 1
        && rest.is(0, |c| matches!(c, 'A'..='H' | 'J'..='X' | 'Z' | 'n'))
        && rest.is(1, is_apostrophe)
    {
        let after = rest.run(2, is_letter);
        length = length.max(if after >= 2 { 2 + after } else { 0 });
    }
    if rest.says(0, "y'") && rest.is(2, is_letter) && length < 3 {
        return Match::seeing(2, 1);
    }
    Match::of(length)
}

/// Words with their full stop.
fn abbreviation(rest: Rest<'_>) -> Match {
    let mut length = word_length(rest);
    if length == 0 || rest.at(length) != Some('.') {
        return Match::none();
    }
    let text = rest.text(0, length);
    let initials = text.split('.').all(|part| {
        part.chars().count() == 1
            && part.is_ascii()
            && part.starts_with(|c: char| c.is_ascii_alphabetic())
    });
    let doctor = ["ph.d", "ed.d"].contains(&text.to_ascii_lowercase().as_str());
    length += 1;
    let spaces = rest.run(length, is_space);
    let next = rest.run(length + spaces, |c| c.is_ascii_alphabetic());
    if initials && !text.contains('.') {
        let ends = spaces > 0
            && starts_sentences(&rest.text(length + spaces, length + spaces + next))
            && rest.at(length + spaces + next).is_none_or(is_space);
        return if ends { Match::none() } else { Match::of(length) };
    }
    if initials || doctor || is_abbreviation(&text) {
        return Match::of(length);
    }
    let before_number = is_numbered(&text) && rest.is(length + spaces.min(1), is_digit);
    let before_comma = rest.is(length, |c| matches!(c, ',' | ';' | ':' | '、'));
    if before_number || before_comma { Match::of(length) } else { Match::none() }
}

/// `U.S.-based`, `1,000-foot`, `state-of-the-art`.
fn hyphened(rest: Rest<'_>) -> Match {
    if !rest.is(0, |c| c.is_ascii_alphanumeric()) {
        return Match::none();
    }
    let mut end = rest.run(0, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | ','));
    let mut parts = 0;
    while rest.at(end) == Some('-') {
        let mut initials = initials_length(rest, end + 1);
        let after = end + 1 + initials;
        if rest.is(after, |c| c.is_ascii_alphanumeric() || c == '.' || c == '+') {
            initials = 0; // `Ctrl-C...` is no abbreviation
        }
        let plain = rest.run(end + 1, |c| c.is_ascii_alphanumeric());
        let part = initials.max(plain);
        if part == 0 {
            break;
        }
        end += 1 + part;
        parts += 1;
    }
    Match::of(if parts > 0 { end } else { 0 })
}

/// Length of `U.S.` at a place.
fn initials_length(rest: Rest<'_>, place: usize) -> usize {
    let mut end = place;
    while rest.is(end, |c| c.is_ascii_alphabetic()) && rest.at(end + 1) == Some('.') {
        end += 2;
    }
    end - place
}

/// `x-ray`, `o'clock`, `B&W`, `his/her`, `C++`, `2x4`.
fn joined(rest: Rest<'_>) -> Match {
    let mut best = 0;
    let mut end = 0;
    loop {
        let elided = rest.is(end, |c| "dDoOlL".contains(c))
            && rest.is(end + 1, is_apostrophe)
            && rest.is(end + 2, is_thing);
        let start = end + if elided { 2 } else { 0 };
        let part = rest.run(start, is_thing);
        if part == 0 {
            break;
        }
        end = start + part;
        best = end;
        if !rest.is(end, |c| matches!(c, '-' | '_' | '\u{2010}' | '\u{2011}')) {
            break;
        }
        end += 1;
    }
    let capitals = rest.run(0, |c| c.is_ascii_uppercase());
    let mut sum = capitals;
    while sum > 0 && rest.is(sum, |c| c == '&' || c == '+') {
        let part = rest.run(sum + 1, |c| c.is_ascii_uppercase());
        if part == 0 {
            break;
        }
        sum += 1 + part;
    }
    best = best.max(if sum > capitals { sum } else { 0 }).max(alternatives(rest));
    if rest.is(0, |c| c == 'c' || c == 'C') && (rest.says(1, "++") || rest.says(1, "#")) {
        best = best.max(if rest.at(1) == Some('#') { 2 } else { 3 });
    }
    Match::of(best)
}

/// `and/or`, `a/b/c`.
fn alternatives(rest: Rest<'_>) -> usize {
    let part = |place: usize| {
        let mut end = rest.run(place, |c| c.is_ascii_alphanumeric());
        for _ in 0..2 {
            let letters = rest.run(place + end + 1, |c| c.is_ascii_alphabetic());
            if end == 0 || rest.at(place + end) != Some('-') || letters == 0 {
                break;
            }
            end += 1 + letters;
        }
        end
    };
    let mut end = part(0);
    let mut parts = 0;
    while parts < 2 && end > 0 && rest.at(end) == Some('/') && part(end + 1) > 0 {
        end += 1 + part(end + 1);
        parts += 1;
    }
    if parts > 0 { end } else { 0 }
}

/// `:-)`, `;D`.
fn face(rest: Rest<'_>) -> Match {
    let hat = usize::from(rest.is(0, |c| c == '<' || c == '>'));
    if !rest.is(hat, |c| matches!(c, ':' | ';' | '=')) {
        return Match::none();
    }
    let nose = hat + 1 + usize::from(rest.is(hat + 1, |c| "-o*'".contains(c)));
    for mouth in [nose, hat + 1] {
        let good = rest.is(mouth, |c| "()DPdpO\\{@|[]".contains(c));
        if good && !rest.is(mouth + 1, |c| c.is_ascii_alphanumeric()) {
            let text = rest.text(0, mouth + 1);
            let written = text.replace('(', "-LRB-").replace(')', "-RRB-");
            return Match { seen: mouth + 2, length: mouth + 1, written: Some(written) };
        }
    }
    Match::none()
}

/// Brackets as the treebank writes them.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '(' => out.push_str("-LRB-"),
            ')' => out.push_str("-RRB-"),
            '[' => out.push_str("-LSB-"),
            ']' => out.push_str("-RSB-"),
            '{' => out.push_str("-LCB-"),
            '}' => out.push_str("-RCB-"),
            _ => out.push(c),
        }
    }
    out
}

/// Quotation marks, which become `` and '' or ` and '.
fn quote(rest: Rest<'_>) -> Match {
    let opens = rest.is(1, |c| c.is_ascii_alphabetic()) && rest.at(2).is_some_and(|c| !is_space(c));
    match (rest.at(0), rest.at(1)) {
        (Some('"'), _) => {
            let left = rest.is(1, |c| c.is_ascii_alphanumeric() || c == '$');
            Match::written(1, if left { "``" } else { "''" })
        }
        (Some('\''), Some('\'')) => Match::of(2),
        (Some('`'), Some('`')) => Match::of(2),
        (Some(c), _) if is_apostrophe(c) && opens => {
            Match { seen: 3, length: 1, written: Some("`".to_owned()) }
        }
        (Some(c), _) if is_apostrophe(c) => Match::written(1, "'"),
        (Some('`' | '‘' | '‹' | '\u{201b}'), _) => Match::written(1, "`"),
        (Some('›'), _) => Match::written(1, "'"),
        (Some('“' | '«' | '\u{201f}'), _) => Match::written(1, "``"),
        (Some('”' | '»'), _) => Match::written(1, "''"),
        _ => Match::none(),
    }
}

/// Every other sign.
fn sign(rest: Rest<'_>) -> Match {
    let Some(first) = rest.at(0) else { return Match::none() };
    let run = rest.run(0, |c| c == first);
    for (entity, text) in
        [("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "''"), ("&apos;", "'")]
    {
        if first == '&' && rest.says(0, entity) {
            return Match::written(entity.len(), text);
        }
    }
    match first {
        '(' | ')' | '[' | ']' | '{' | '}' => Match::written(1, &escaped(&first.to_string())),
        '!' | '?' => Match::of(rest.run(0, |c| c == '!' || c == '?')),
        '…' => Match::written(1, "..."),
        '.' if (3..=5).contains(&run) => Match::written(run, "..."),
        '.' => spaced_dots(rest),
        '\u{2011}'..='\u{2015}' => Match::written(1, "--"),
        '-' if (2..=4).contains(&run) => Match::written(run, "--"),
        '-' | '*' | '@' | '_' => Match::of(run),
        '<' | '>' => Match::of(run.min(2)),
        _ => Match::of(1),
    }
}

/// `. . .` is one ellipsis.
fn spaced_dots(rest: Rest<'_>) -> Match {
    let mut dots = 1;
    while dots < 5 && rest.is(2 * dots - 1, |c| c == ' ') && rest.at(2 * dots) == Some('.') {
        dots += 1;
    }
    if dots >= 3 { Match::written(2 * dots - 1, "...") } else { Match::of(1) }
}
