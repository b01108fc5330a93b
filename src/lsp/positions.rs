//! Places in a text: the protocol counts UTF-16 units in lines, the compiler counts bytes.

use lsp_types::{Position, Range};

use crate::base::Span;

/// A text with the starts of its lines.
#[derive(Debug, Clone)]
pub struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
        Lines { text, starts: starts.collect() }
    }

    /// A line without its end.
    fn line(&self, line: usize) -> Option<(usize, &'a str)> {
        let start = *self.starts.get(line)?;
        let end = self.starts.get(line + 1).map_or(self.text.len(), |next| next - 1);
        let text = self.text.get(start..end)?;
        Some((start, text.strip_suffix('\r').unwrap_or(text)))
    }

    /// The byte at a position. Beyond the end of a line is its end, beyond the last line is the
    /// end of the text, and inside of a character is its start, as the protocol wants it.
    pub fn offset(&self, position: Position) -> usize {
        let Some((start, line)) = self.line(position.line as usize) else {
            return self.text.len();
        };
        let mut left = position.character as usize;
        for (at, character) in line.char_indices() {
            let units = character.len_utf16();
            if left < units {
                return start + at;
            }
            left -= units;
        }
        start + line.len()
    }

    /// The position of a byte; inside of a character it is that character's.
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0);
        let before = self.text[start..]
            .char_indices()
            .take_while(|(at, character)| start + at + character.len_utf8() <= offset);
        let units: usize = before.map(|(_, character)| character.len_utf16()).sum();
        let count = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Position { line: count(line), character: count(units) }
    }

    pub fn range(&self, span: Span) -> Range {
        Range { start: self.position(span.start as usize), end: self.position(span.end as usize) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // One unit and one byte, one unit and two bytes, two units and four bytes.
    const TEXT: &str = "aä😀b\r\n😀😀\n\nend";

    fn at(line: u32, character: u32) -> Position {
        Position { line, character }
    }

    #[test]
    fn characters_beyond_the_basic_plane_are_two_units() {
        let lines = Lines::new(TEXT);
        assert_eq!(lines.position(TEXT.find('b').unwrap()), at(0, 4));
        assert_eq!(lines.offset(at(0, 4)), TEXT.find('b').unwrap());
        assert_eq!(lines.position(TEXT.find("😀😀").unwrap() + 4), at(1, 2));
    }

    #[test]
    fn every_character_goes_there_and_back() {
        let lines = Lines::new(TEXT);
        for (offset, character) in TEXT.char_indices() {
            // The end of a line is before its `\r`: there is no position behind that.
            if character != '\n' {
                assert_eq!(lines.offset(lines.position(offset)), offset, "{character:?}");
            }
        }
        assert_eq!(lines.offset(lines.position(TEXT.len())), TEXT.len());
    }

    #[test]
    fn impossible_positions_are_moved_to_possible_ones() {
        let lines = Lines::new(TEXT);
        assert_eq!(lines.offset(at(0, 3)), TEXT.find('😀').unwrap());
        assert_eq!(lines.offset(at(0, 99)), TEXT.find('\r').unwrap());
        assert_eq!(lines.offset(at(99, 0)), TEXT.len());
        assert_eq!(lines.offset(at(u32::MAX, u32::MAX)), TEXT.len());
        assert_eq!(lines.position(TEXT.find('😀').unwrap() + 2), at(0, 2));
        assert_eq!(lines.position(usize::MAX), at(3, 3));
    }
}
