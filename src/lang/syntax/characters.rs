//! Characters that make a source read otherwise than it is.

use crate::base::{Diagnostic, SourceId, Span};

/// At most so many are told of in a file.
const MAX_REPORTS: usize = 20;

/// Controls that change the order in which a line is shown, wherever they stand: with them a
/// reviewer sees another program than the compiler (Boucher and Anderson 2021, "Trojan Source").
pub fn reordering(text: &str, source: SourceId) -> Vec<Diagnostic> {
    // All begin with this byte, which most sources have nowhere.
    if !text.as_bytes().contains(&0xE2) {
        return Vec::new();
    }
    let controls = text.char_indices().filter(|(_, c)| reorders(*c));
    let told = controls.take(MAX_REPORTS).map(|(at, control)| {
        let number = u32::from(control);
        let span = Span::new(source, at, at + control.len_utf8());
        Diagnostic::error("E0115", "a control character changes the order in which this is shown")
            .label(span, format!("U+{number:04X}"))
            .help(format!("remove it; a text that needs it has it as \\u{{{number:04X}}}"))
    });
    told.collect()
}

/// Embeddings, overrides and isolates of the bidirectional algorithm, and their ends.
fn reorders(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The letter of a name that another script's letter looks like.
pub fn lookalike(c: char) -> Option<char> {
    // Fullwidth forms stand in the order of ASCII.
    if let '\u{FF01}'..='\u{FF5E}' = c {
        return char::from_u32(u32::from(c) - 0xFEE0);
    }
    let pairs = [
        ('а', 'a'),
        ('е', 'e'),
        ('о', 'o'),
        ('р', 'p'),
        ('с', 'c'),
        ('у', 'y'),
        ('х', 'x'),
        ('і', 'i'),
        ('ј', 'j'),
        ('ѕ', 's'),
        ('ԁ', 'd'),
        ('һ', 'h'),
        ('ԛ', 'q'),
        ('ԝ', 'w'),
        ('А', 'A'),
        ('В', 'B'),
        ('Е', 'E'),
        ('К', 'K'),
        ('М', 'M'),
        ('Н', 'H'),
        ('О', 'O'),
        ('Р', 'P'),
        ('С', 'C'),
        ('Т', 'T'),
        ('Х', 'X'),
        ('І', 'I'),
        ('Ј', 'J'),
        ('Ѕ', 'S'),
        ('α', 'a'),
        ('ο', 'o'),
        ('ν', 'v'),
        ('ρ', 'p'),
        ('ι', 'i'),
        ('κ', 'k'),
        ('υ', 'u'),
        ('Α', 'A'),
        ('Β', 'B'),
        ('Ε', 'E'),
        ('Ζ', 'Z'),
        ('Η', 'H'),
        ('Ι', 'I'),
        ('Κ', 'K'),
        ('Μ', 'M'),
        ('Ν', 'N'),
        ('Ο', 'O'),
        ('Ρ', 'P'),
        ('Τ', 'T'),
        ('Υ', 'Y'),
        ('Χ', 'X'),
        ('ı', 'i'),
        ('ɑ', 'a'),
        ('ɡ', 'g'),
    ];
    pairs.iter().find(|(other, _)| *other == c).map(|(_, letter)| *letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_found_wherever_they_stand() {
        let text = "// a\u{202E}b\nconst x = \"\u{2066}\" // café “quoted”";
        let found = reordering(text, SourceId(0));
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].labels[0].span, Span::new(SourceId(0), 4, 7));
        assert!(reordering("\"שלום\" “ ” …", SourceId(0)).is_empty());
        assert_eq!(reordering(&"\u{202D}".repeat(99), SourceId(0)).len(), MAX_REPORTS);
    }

    #[test]
    fn letters_that_look_like_others() {
        assert_eq!(lookalike('а'), Some('a'), "Cyrillic");
        assert_eq!(lookalike('ｐ'), Some('p'));
        assert_eq!(lookalike('é'), None);
    }
}
