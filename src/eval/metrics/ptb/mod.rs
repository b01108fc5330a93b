//! Penn Treebank tokens of captions, as COCO's evaluation makes them.
//!
//! COCO's caption evaluation runs `PTBTokenizer` of Stanford CoreNLP 3.4.1 with `-preserveLines
//! -lowerCase` and then leaves out tokens of punctuation. The rules here were written from that
//! program's behaviour, and are compared with it on the texts of
//! `tests/fixtures/metrics/ptb.json`. Like the lexer they reproduce, they take the longest match at
//! each place.
//!
//! What is kept of its particular habits: brackets stay, as `-lrb-` and `-rrb-`, because the list of
//! removed tokens has them in upper case only; so do runs such as `!!`; `£` becomes `#` and `€`
//! becomes `$`; a full stop after an abbreviation stays with it. What is not: `<a href="…">` with
//! more than a page of attributes, e-mail addresses and telephone numbers of unusual form, faces made
//! of more than three signs, and full stops that depend on the next caption of the file.

mod addresses;
mod numbers;
mod rules;
mod words;

use rules::{Rest, longest};

/// Tokens that COCO's evaluation leaves out.
const REMOVED: [&str; 13] = ["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"];

/// The tokens of a caption: Penn Treebank, lower case, without punctuation.
pub fn caption_tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for token in tokens_of(text) {
        // A fraction or a telephone number holds a no-break space, at which the metrics split.
        for part in token.split_whitespace() {
            let lower = part.to_lowercase();
            if !REMOVED.contains(&lower.as_str()) {
                tokens.push(lower);
            }
        }
    }
    tokens
}

/// Every token, in the case of the text.
fn tokens_of(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().map(|c| if is_break(c) { ' ' } else { c }).collect();
    let mut tokens = Vec::new();
    let mut place = 0;
    while let Some(first) = characters.get(place) {
        if is_space(*first) {
            place += 1;
            continue;
        }
        let (length, written) = longest(Rest(&characters[place..]));
        match written {
            Some(text) => tokens.push(text),
            None => tokens.push(characters[place..place + length].iter().collect()),
        }
        place += length;
    }
    tokens
}

/// Ends of lines, which the evaluation writes as spaces, and controls.
fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{2028}' | '\u{2029}' | '\u{b}' | '\u{c}')
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{3000}')
        || character.is_control()
        || is_dropped(character)
}

/// What the original cannot tokenize and leaves out: pictographs beyond the basic plane and the
/// selectors of their form.
fn is_dropped(character: char) -> bool {
    character > '\u{ffff}' || matches!(character, '\u{fe00}'..='\u{fe0f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> String {
        caption_tokens(text).join(" ")
    }

    #[test]
    fn contractions_are_split_and_punctuation_left_out() {
        assert_eq!(
            tokens("A man's dog isn't \"running\" -- it's sleeping..."),
            "a man 's dog is n't running it 's sleeping"
        );
        assert_eq!(tokens("I can't, we cannot (ever)!"), "i ca n't we can not -lrb- ever -rrb-");
        assert_eq!(
            tokens("Mr. Smith at 5 p.m. on 3rd street."),
            "mr. smith at 5 p.m. on 3rd street"
        );
    }

    #[test]
    fn nothing_comes_of_nothing() {
        assert!(caption_tokens("").is_empty());
        assert!(caption_tokens(" .\n,\u{a0}").is_empty());
    }
}
