//! A first walk over a source text: finds comments, texts without end and unbalanced brackets,
//! bounds nesting, and cuts the file into declarations.
//!
//! The grammar then reads each declaration alone, so one mistake hides no other; and the
//! recursive parser never meets input that could exhaust the stack.

use crate::base::{Diagnostic, SourceId, Span};

use super::ast::{Comment, CommentKind};
use super::characters;

/// How deep brackets and the words that nest may go.
pub const MAX_NESTING: usize = 48;

/// The longest file that is read, in bytes. Nobody writes as much by hand; what is generated
/// belongs into data.
pub const MAX_BYTES: usize = 4 << 20;

/// A file with more mistakes of this kind is no program.
const MAX_REPORTS: usize = 100;

/// A stretch of source that holds one declaration, from its first word to the next one's.
#[derive(Debug, Clone, Copy)]
pub struct Segment {
    pub start: usize,
    pub end: usize,
    /// A mistake was already reported in it.
    pub broken: bool,
}

#[derive(Debug, Default)]
pub struct Scan {
    pub comments: Vec<Comment>,
    pub segments: Vec<Segment>,
    pub diagnostics: Vec<Diagnostic>,
}

/// Words that start a declaration.
pub const STARTS: [&str; 9] =
    ["use", "pub", "const", "type", "template", "pipeline", "plugin", "test", "evaluation"];

#[derive(Debug, Clone, Copy)]
enum Frame {
    /// One of `( [ {`.
    Bracket { at: usize, open: u8, chain: usize },
    /// A text; `triple` for `"""`.
    Text { at: usize, triple: bool },
    /// A `{hole}` in a text.
    Hole { at: usize, chain: usize },
}

struct Scanner<'a> {
    text: &'a str,
    source: SourceId,
    at: usize,
    stack: Vec<Frame>,
    /// Nesting words at the outermost level and in all open frames together.
    base_chain: usize,
    chains: usize,
    /// `name<name<…` in a row: nested type arguments, which are no brackets to this scan.
    angles: usize,
    last_word_start: usize,
    last_word_end: usize,
    after_else: bool,
    too_deep: bool,
    out: Scan,
}

/// Scans a whole file.
pub fn scan(text: &str, source: SourceId) -> Scan {
    let mut scanner = Scanner::new(text, source);
    if text.len() > MAX_BYTES {
        let diagnostic = Diagnostic::error("E0116", "this file is too long")
            .label(scanner.span(0, 0), format!("more than {} MiB", MAX_BYTES >> 20))
            .help("cut it into modules, or keep long lists in a data set that an evaluation reads");
        scanner.out.diagnostics.push(diagnostic);
        return scanner.out;
    }
    scanner.run();
    scanner.close_all(text.len());
    scanner.out.diagnostics.extend(characters::reordering(text, source));
    scanner.out
}

/// The bracket (or hole, as `{`) that is open at the end of a piece of code.
pub fn innermost(text: &str) -> Option<(usize, char)> {
    let mut scanner = Scanner::new(text, SourceId(0));
    scanner.run();
    match scanner.stack.last()? {
        Frame::Bracket { at, open, .. } => Some((*at, char::from(*open))),
        Frame::Hole { at, .. } => Some((*at, '{')),
        Frame::Text { .. } => None,
    }
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str, source: SourceId) -> Self {
        Scanner {
            text,
            source,
            at: 0,
            stack: Vec::new(),
            base_chain: 0,
            chains: 0,
            angles: 0,
            last_word_start: 0,
            last_word_end: usize::MAX,
            after_else: false,
            too_deep: false,
            out: Scan::default(),
        }
    }

    fn run(&mut self) {
        if self.text.starts_with('\u{feff}') {
            self.at = '\u{feff}'.len_utf8();
        }
        let mut line_start = true;
        while self.at < self.text.len() {
            match self.stack.last() {
                Some(&Frame::Text { triple, .. }) => self.in_text(triple),
                _ => line_start = self.in_code(line_start),
            }
        }
    }

    fn byte(&self, offset: usize) -> u8 {
        self.text.as_bytes().get(self.at + offset).copied().unwrap_or(0)
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.source, start, end)
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        if let Some(segment) = self.out.segments.last_mut() {
            segment.broken = true;
        }
        if self.out.diagnostics.len() < MAX_REPORTS {
            self.out.diagnostics.push(diagnostic);
        }
    }

    /// One token of code; gives whether the next one is the first of its line.
    fn in_code(&mut self, line_start: bool) -> bool {
        let start = self.at;
        let byte = self.byte(0);
        match byte {
            b'\n' => {
                self.at += 1;
                if self.single_line_text_open() {
                    self.unterminated(start);
                }
                return true;
            }
            b' ' | b'\t' | b'\r' => {
                self.at += 1;
                return line_start;
            }
            b'/' if self.byte(1) == b'/' => {
                self.comment();
                return line_start;
            }
            b'"' => {
                let triple = self.text[self.at..].starts_with("\"\"\"");
                self.ensure_segment(start);
                self.push(Frame::Text { at: start, triple });
                self.at += if triple { 3 } else { 1 };
            }
            b'(' | b'[' | b'{' => {
                self.ensure_segment(start);
                self.push(Frame::Bracket { at: start, open: byte, chain: 0 });
                self.at += 1;
            }
            b')' | b']' | b'}' => self.closing(byte),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                self.word(line_start);
                return false;
            }
            b'<' => {
                self.ensure_segment(start);
                self.angles = if start == self.last_word_end { self.angles + 1 } else { 0 };
                self.at += 1;
                self.check_depth(start);
                return false;
            }
            b',' | b':' => {
                self.ensure_segment(start);
                self.reset_chain();
                self.at += 1;
            }
            b'=' => {
                self.ensure_segment(start);
                let pair = matches!(self.byte(1), b'=');
                self.at += if pair { 2 } else { 1 };
                if !pair {
                    self.reset_chain();
                }
            }
            b'0'..=b'9' => {
                self.ensure_segment(start);
                while self.byte(0).is_ascii_alphanumeric() || self.byte(0) == b'_' {
                    self.at += 1;
                }
            }
            b'-' | b'+' | b'*' | b'/' | b'%' | b'>' | b'!' | b'?' | b'&' | b'|' | b'.' | b';' => {
                self.ensure_segment(start);
                self.at += 1;
            }
            _ => self.stray(),
        }
        self.angles = 0;
        self.after_else = false;
        false
    }

    fn stray(&mut self) {
        let mut start = self.at;
        let found = self.text[start..].chars().next().unwrap_or(' ');
        self.at += found.len_utf8();
        if found.is_whitespace() {
            let diagnostic = Diagnostic::error("E0101", "this kind of space is not part of agpt")
                .label(self.span(start, self.at), format!("U+{:04X}", u32::from(found)))
                .help("write an ordinary space");
            self.ensure_segment(start);
            self.report(diagnostic);
            return;
        }
        // A run of letters of another script is one mistake.
        if found.is_alphanumeric() {
            if start == self.last_word_end {
                start = self.last_word_start;
            }
            while let Some(next) = self.text[self.at..].chars().next()
                && (next.is_alphanumeric() || next == '_')
            {
                self.at += next.len_utf8();
            }
        }
        let help = match found {
            '\'' | '“' | '”' | '‘' | '’' | '„' | '«' | '»' | '`' => {
                "texts stand in straight double quotes: \"like this\""
            }
            '#' => "comments start with //",
            '^' | '~' | '\\' | '$' | '@' => "agpt has no such operator",
            _ if found.is_alphanumeric() => "names are made of a-z, A-Z, 0-9 and _",
            _ => "inside a text every character is allowed: put it in double quotes",
        };
        let words = &self.text[start..self.at];
        let alike = words.chars().find_map(|c| characters::lookalike(c).map(|letter| (c, letter)));
        let help = match alike {
            Some((c, letter)) => {
                format!("`{c}` is U+{:04X}, which only looks like `{letter}`: {help}", u32::from(c))
            }
            None => help.to_string(),
        };
        let diagnostic = Diagnostic::error("E0101", format!("`{words}` is not part of agpt"))
            .label(self.span(start, self.at), "not expected here")
            .help(help);
        self.ensure_segment(start);
        self.report(diagnostic);
    }

    fn comment(&mut self) {
        let start = self.at;
        let end = self.text[start..].find('\n').map_or(self.text.len(), |length| start + length);
        let body = &self.text[start..end];
        let kind = if body.starts_with("///") && !body.starts_with("////") {
            CommentKind::Doc
        } else if body.starts_with("//!") {
            CommentKind::Module
        } else {
            CommentKind::Plain
        };
        self.out.comments.push(Comment { kind, span: self.span(start, end) });
        self.at = end;
    }

    fn word(&mut self, line_start: bool) {
        let start = self.at;
        while self.byte(0).is_ascii_alphanumeric() || self.byte(0) == b'_' {
            self.at += 1;
        }
        let word = &self.text[start..self.at];
        if line_start && STARTS.contains(&word) && self.starts_declaration(start) {
            self.close_all(start);
            // `pub` and what it publishes are one declaration.
            if let Some(last) = self.out.segments.last_mut() {
                last.end = start;
            }
            self.out.segments.push(Segment { start, end: self.text.len(), broken: false });
            self.base_chain = 0;
            self.chains = 0;
            self.too_deep = false;
        } else {
            self.ensure_segment(start);
        }
        match word {
            "if" if self.after_else => {}
            "generate" | "decode" | "if" => self.lengthen_chain(start),
            "let" | "return" => self.reset_chain(),
            _ => {}
        }
        if word == "matching" {
            self.regex();
        }
        self.after_else = word == "else";
        self.last_word_start = start;
        self.last_word_end = self.at;
    }

    /// A pattern behind `matching`: what looks like brackets and quotes in it is none.
    fn regex(&mut self) {
        let rest = &self.text[self.at..];
        let body = rest.trim_start_matches([' ', '\t']);
        if !body.starts_with('/') || body.starts_with("//") {
            return;
        }
        let mut escaped = false;
        let end = body.char_indices().skip(1).find(|(_, c)| match c {
            '\n' => true,
            _ if escaped => {
                escaped = false;
                false
            }
            '\\' => {
                escaped = true;
                false
            }
            c => *c == '/',
        });
        // Without an end the grammar says so.
        if let Some((length, '/')) = end {
            self.at += rest.len() - body.len() + length + 1;
        }
    }

    /// Whether the word at the head of a line opens a declaration. Outside of brackets it does;
    /// inside, only a word at the left margin that nothing but a declaration could start with:
    /// then a bracket above was left open.
    fn starts_declaration(&self, start: usize) -> bool {
        if self.stack.is_empty() {
            return true;
        }
        let margin = start == 0 || self.text.as_bytes()[start - 1] == b'\n';
        let rest = &self.text[self.at..];
        let next = rest.trim_start_matches([' ', '\t']);
        let texts = self.stack.iter().any(|frame| matches!(frame, Frame::Text { .. }));
        margin
            && !texts
            && next.len() < rest.len()
            && next.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '.' | '"'))
    }

    fn push(&mut self, frame: Frame) {
        self.stack.push(frame);
        self.check_depth(self.at);
    }

    fn pop(&mut self) -> Option<Frame> {
        let frame = self.stack.pop();
        if let Some(Frame::Bracket { chain, .. } | Frame::Hole { chain, .. }) = frame {
            self.chains -= chain;
        }
        frame
    }

    fn chain(&mut self) -> &mut usize {
        match self.stack.last_mut() {
            Some(Frame::Bracket { chain, .. } | Frame::Hole { chain, .. }) => chain,
            _ => &mut self.base_chain,
        }
    }

    fn lengthen_chain(&mut self, at: usize) {
        *self.chain() += 1;
        self.chains += 1;
        self.check_depth(at);
    }

    fn reset_chain(&mut self) {
        let chain = std::mem::take(self.chain());
        self.chains -= chain;
    }

    fn check_depth(&mut self, at: usize) {
        let deep = self.stack.len() + self.chains > MAX_NESTING || self.angles > MAX_NESTING;
        if deep && !self.too_deep {
            self.too_deep = true;
            let diagnostic = Diagnostic::error("E0111", "this is nested too deeply")
                .label(self.span(at, at + 1), format!("more than {MAX_NESTING} levels"))
                .help("give an inner part a name with `let` and use the name here");
            self.report(diagnostic);
        }
    }

    fn closing(&mut self, close: u8) {
        let at = self.at;
        self.at += 1;
        let shown = char::from(close);
        match self.stack.last().copied() {
            Some(Frame::Hole { .. }) if close == b'}' => {
                self.pop();
            }
            Some(Frame::Bracket { open, .. }) if closer(open) == close => {
                self.pop();
            }
            Some(Frame::Bracket { at: opened, open, .. }) => {
                let diagnostic = Diagnostic::error(
                    "E0103",
                    format!("`{}` is closed by `{shown}`", char::from(open)),
                )
                .label(self.span(at, at + 1), format!("expected `{}`", char::from(closer(open))))
                .label(self.span(opened, opened + 1), "opened here");
                self.report(diagnostic);
                // If an outer bracket fits, the inner one was forgotten.
                let fits = |frame: &Frame| matches!(frame, Frame::Bracket { open, .. } if closer(*open) == close);
                let depth = self.stack.iter().rposition(fits);
                let text = self.stack.iter().rposition(|f| matches!(f, Frame::Text { .. }));
                if depth.is_some() && depth > text {
                    while self.stack.len() > depth.unwrap_or(0) {
                        self.pop();
                    }
                } else {
                    self.pop();
                }
            }
            Some(Frame::Hole { at: opened, .. }) => {
                let diagnostic =
                    Diagnostic::error("E0103", format!("`{shown}` does not close the hole"))
                        .label(self.span(at, at + 1), "expected `}`")
                        .label(self.span(opened, opened + 1), "the hole opens here");
                self.report(diagnostic);
            }
            Some(Frame::Text { .. }) | None => {
                self.ensure_segment(at);
                let diagnostic = Diagnostic::error("E0103", format!("`{shown}` closes nothing"))
                    .label(self.span(at, at + 1), "no bracket is open here")
                    .help("remove it, or look above for a bracket that is closed too early");
                self.report(diagnostic);
            }
        }
    }

    /// One step inside of a text.
    fn in_text(&mut self, triple: bool) {
        let rest = &self.text[self.at..];
        let stop = rest.find(['"', '\\', '{', '\n']).unwrap_or(rest.len());
        self.at += stop;
        match self.byte(0) {
            b'"' if triple && self.text[self.at..].starts_with("\"\"\"") => {
                self.at += 3;
                self.pop();
            }
            b'"' if !triple => {
                self.at += 1;
                self.pop();
            }
            b'\\' => {
                self.at += 1;
                if let Some(next) = self.text[self.at..].chars().next()
                    && next != '\n'
                {
                    self.at += next.len_utf8();
                }
            }
            b'{' => {
                self.push(Frame::Hole { at: self.at, chain: 0 });
                self.at += 1;
            }
            b'\n' if !triple => self.unterminated(self.at),
            _ if self.at < self.text.len() => self.at += 1,
            // The end of the file: close_all reports it.
            _ => {}
        }
    }

    fn single_line_text_open(&self) -> bool {
        self.stack.iter().any(|frame| matches!(frame, Frame::Text { triple: false, .. }))
    }

    /// A text in single quotes is still open at the end of a line: close it there.
    fn unterminated(&mut self, line_end: usize) {
        let outermost =
            self.stack.iter().position(|frame| matches!(frame, Frame::Text { triple: false, .. }));
        let Some(outermost) = outermost else { return };
        let hole = self.stack.iter().skip(outermost).find_map(|frame| match frame {
            Frame::Hole { at, .. } => Some(*at),
            _ => None,
        });
        let Frame::Text { at, .. } = self.stack[outermost] else { return };
        let start = self.span(at, at + 1);
        let diagnostic = match hole {
            Some(hole) => Diagnostic::error("E0102", "this hole in a text has no end")
                .label(self.span(hole, line_end), "`}` is missing on this line")
                .label(start, "the text starts here")
                .help("close the hole with }, or write \\{ for a brace in the text"),
            None => Diagnostic::error("E0102", "this text has no end")
                .label(self.span(at, line_end), "a closing \" is missing")
                .help("add the closing \"; a text over several lines stands in \"\"\""),
        };
        while self.stack.len() > outermost {
            self.pop();
        }
        self.report(diagnostic);
    }

    /// Reports what is still open where a declaration ends, and closes it.
    fn close_all(&mut self, at: usize) {
        if self.single_line_text_open() {
            self.unterminated(at);
        }
        // The innermost open one is the best guess at what was forgotten.
        if let Some(frame) = self.stack.last().copied() {
            let diagnostic = match frame {
                Frame::Text { at, .. } => Diagnostic::error("E0102", "this text has no end")
                    .label(self.span(at, at + 3), "opened here")
                    .help("add the closing \"\"\""),
                Frame::Hole { at, .. } => {
                    Diagnostic::error("E0102", "this hole in a text has no end")
                        .label(self.span(at, at + 1), "opened here")
                        .help("close the hole with }, or write \\{ for a brace in the text")
                }
                Frame::Bracket { at, open, .. } => Diagnostic::error(
                    "E0103",
                    format!("this `{}` is never closed", char::from(open)),
                )
                .label(self.span(at, at + 1), "opened here")
                .help(format!("add the missing `{}`", char::from(closer(open)))),
            };
            self.report(diagnostic);
        }
        while self.pop().is_some() {}
    }

    /// Code before the first declaration belongs to a segment as well, to be reported there.
    fn ensure_segment(&mut self, start: usize) {
        if self.out.segments.is_empty() {
            self.out.segments.push(Segment { start, end: self.text.len(), broken: false });
        }
    }
}

fn closer(open: u8) -> u8 {
    match open {
        b'(' => b')',
        b'[' => b']',
        _ => b'}',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<&str> {
        let scan = scan(text, SourceId(0));
        scan.segments.iter().map(|segment| text[segment.start..segment.end].trim()).collect()
    }

    fn codes(text: &str) -> Vec<&'static str> {
        scan(text, SourceId(0)).diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
    }

    #[test]
    fn cuts_at_declarations_only() {
        assert_eq!(
            cut("use a\nconst X = \"\n\"\npub type T = {\n  use: int\n}\n"),
            ["use a", "const X = \"\n\"", "pub type T = {\n  use: int\n}"]
        );
    }

    #[test]
    fn nothing_before_the_first_declaration_is_passed_over() {
        for stray in [",", ":", "=", "==", "<", "-", "1"] {
            assert_eq!(cut(&format!("{stray}const A = 1")), [stray.to_string() + "const A = 1"]);
            assert_eq!(cut(&format!("{stray}\nconst A = 1")), [stray, "const A = 1"]);
        }
    }

    #[test]
    fn an_open_bracket_ends_at_the_next_declaration() {
        let text = "pipeline a( {\nconst X = 1\n";
        assert_eq!(cut(text), ["pipeline a( {", "const X = 1"]);
        assert_eq!(codes(text), ["E0103"]);
    }

    #[test]
    fn texts_hide_brackets_and_holes_nest() {
        assert_eq!(codes(r#"const A = "( [ \{ \" {f("}" + "x")} )""#), Vec::<&str>::new());
        assert_eq!(codes("const A = \"abc\nconst B = 1"), ["E0102"]);
        assert_eq!(codes("const A = \"abc {x\nconst B = 1"), ["E0102"]);
        assert_eq!(codes("const A = \"\"\"abc"), ["E0102"]);
    }

    #[test]
    fn nesting_is_bounded() {
        assert_eq!(codes(&format!("const A = {}", "(".repeat(100_000))), ["E0111", "E0103"]);
        assert_eq!(codes(&format!("const A = {}", "decode ".repeat(1000))), ["E0111"]);
        assert_eq!(codes(&format!("const A: {}", "list<".repeat(1000))), ["E0111"]);
    }
}
