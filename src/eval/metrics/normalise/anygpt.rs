//! A normaliser after AnyGPT's evaluation of speech recognition.

use super::contractions::{WHISPER, write_out};
use super::numbers::standardise;
use super::text::{single_spaces, without_diacritics};

/// Short forms that Whisper's table leaves as they are. The order matters: long ones first.
const MORE: &[(bool, &str, &str)] = &[
    (true, "o'clock", "of the clock"),
    (true, "'cause", "because"),
    (true, "'twas", "it was"),
    (true, "'tis", "it is"),
    (true, "shan't", "shall not"),
    (true, "ain't", "are not"),
    (true, "kinda", "kind of"),
    (true, "sorta", "sort of"),
    (true, "dunno", "do not know"),
    (true, "gimme", "give me"),
    (true, "lemme", "let me"),
];

/// Lower case, short forms written out, number words as digits, letters without diacritics, no
/// punctuation, single spaces, none at the ends.
///
/// The published code of AnyGPT (`pre_post_process/speech_utils`) lower-cases with the package
/// clean-text, writes out short forms by a table and turns spoken numbers into written ones with the
/// grammars of NeMo. This follows those three steps with rules of its own; dates, times and measures,
/// which NeMo rewrites too, stay words here. It is therefore near to but not equal to the original.
pub fn anygpt(text: &str) -> String {
    let straight: String = text
        .to_lowercase()
        .chars()
        .map(|c| if matches!(c, '’' | '‘' | '´') { '\'' } else { c })
        .collect();
    let general = WHISPER
        .iter()
        .filter(|(whole, short, _)| !whole || short.contains('\'') || short.ends_with('a'));
    let general: Vec<(bool, &str, &str)> = general.copied().collect();
    let written = write_out(&write_out(&straight, MORE), &general);
    let numbers = standardise(&without_diacritics(&written.replace(',', " "), ".%$¢€£"));
    let kept: String = numbers
        .char_indices()
        .map(|(place, c)| {
            let digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
            let point = c == '.'
                && digit(&numbers[place + 1..])
                && numbers[..place].ends_with(|c: char| c.is_ascii_digit());
            if c == '.' && !point { ' ' } else { c }
        })
        .collect();
    single_spaces(&kept).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_numbers_and_punctuation() {
        assert_eq!(anygpt("He's won’t, GONNA go."), "he is will not going to go");
        assert_eq!(anygpt("Twenty-three dogs, at five o'clock!"), "23 dogs at 5 of the clock");
        assert_eq!(anygpt("Mr. Café isn't 2.5 m"), "mr cafe is not 2.5 m");
        assert_eq!(anygpt(" … "), "");
    }
}
