//! Texts: escapes, holes, and the common indentation of `"""` blocks.

use crate::base::{Diagnostic, Span};

use super::ast::{Expr, ExprKind, Segment, StringLit};
use super::build::{Builder, Pair, Rule, content};

impl Builder<'_> {
    /// A `string` pair.
    pub fn string(&mut self, pair: Pair<'_>) -> StringLit {
        let span = self.span(&pair);
        let Some(body) = pair.into_inner().next() else {
            return StringLit { segments: Vec::new(), span };
        };
        let triple = body.as_rule() == Rule::triple_text;
        let mut parts: Vec<Piece> = Vec::new();
        for part in body.into_inner() {
            match part.as_rule() {
                Rule::escape => {
                    if let Some(character) = self.escape(&part) {
                        parts.push(Piece::Escape(character));
                    }
                }
                Rule::hole => parts.push(Piece::Hole(self.hole(part))),
                _ => {
                    self.lone_brace(&part);
                    parts.push(Piece::Raw(part.as_str().replace("\r\n", "\n")));
                }
            }
        }
        if triple {
            unindent(&mut parts);
        }
        StringLit { segments: join(parts), span }
    }

    /// `{ expr }` in a text or in a template's turn.
    pub fn hole(&mut self, pair: Pair<'_>) -> Expr {
        let span = self.span(&pair);
        if let Some(inner) = content(pair).next() {
            return self.expr(inner);
        }
        self.error(
            Diagnostic::error("E0107", "this hole is empty")
                .label(span, "put a name or an expression here")
                .help("for braces in a text write \\{ and \\}"),
        );
        Expr::new(ExprKind::Error, span)
    }

    fn escape(&mut self, pair: &Pair<'_>) -> Option<char> {
        let written = pair.as_str();
        let found = match written.as_bytes().get(1)? {
            b'n' => Some('\n'),
            b't' => Some('\t'),
            b'r' => Some('\r'),
            b'"' => Some('"'),
            b'\\' => Some('\\'),
            b'{' => Some('{'),
            b'}' => Some('}'),
            b'u' if written.len() > 2 => {
                let digits = written.get(3..written.len() - 1).unwrap_or("");
                u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)
            }
            _ => None,
        };
        if found.is_none() {
            let span = self.span(pair);
            let (message, help) = if written.starts_with("\\u{") {
                (
                    format!("`{written}` is not a Unicode character"),
                    "write its number in hexadecimal digits, as in \\u{1F600}",
                )
            } else {
                (
                    format!("`{written}` is not an escape"),
                    "the escapes are \\n \\t \\r \\\" \\\\ \\{ \\} and \\u{…}",
                )
            };
            self.error(Diagnostic::error("E0107", message).label(span, "").help(help));
        }
        found
    }

    fn lone_brace(&mut self, pair: &Pair<'_>) {
        if let Some(at) = pair.as_str().find('}') {
            let start = self.base + pair.as_span().start() + at;
            let span = Span::new(self.source, start, start + 1);
            self.error(
                Diagnostic::error("E0107", "this `}` closes no hole")
                    .label(span, "")
                    .help("write \\} for a brace in a text")
                    .fix(span, "\\}"),
            );
        }
    }
}

enum Piece {
    /// As written.
    Raw(String),
    Escape(char),
    Hole(Expr),
}

fn join(parts: Vec<Piece>) -> Vec<Segment> {
    let mut out: Vec<Segment> = Vec::new();
    for part in parts {
        let text = match part {
            Piece::Hole(expr) => {
                out.push(Segment::Hole(expr));
                continue;
            }
            Piece::Raw(text) => text,
            Piece::Escape(character) => character.to_string(),
        };
        match out.last_mut() {
            Some(Segment::Text(last)) => last.push_str(&text),
            _ if text.is_empty() => {}
            _ => out.push(Segment::Text(text)),
        }
    }
    out
}

/// Takes the first line break, the indentation that all lines share, and a last line of only
/// spaces out of a `"""` text. Escapes and holes count as characters of the text.
fn unindent(parts: &mut [Piece]) {
    let Some(Piece::Raw(first)) = parts.first() else { return };
    let Some(break_at) = first.find('\n') else { return };
    if !first[..break_at].trim().is_empty() {
        return;
    }
    let mut shared: Option<usize> = None;
    let count = parts.len();
    for (index, part) in parts.iter().enumerate() {
        let Piece::Raw(text) = part else { continue };
        let mut lines = text.split('\n').skip(1).peekable();
        while let Some(line) = lines.next() {
            let spaces = line.len() - line.trim_start_matches([' ', '\t']).len();
            // A line of spaces counts where an escape or a hole follows it on the same line.
            let ends_text = lines.peek().is_none();
            let blank = spaces == line.len() && !(ends_text && index + 1 < count);
            if !blank {
                shared = Some(shared.map_or(spaces, |shared| shared.min(spaces)));
            }
        }
    }
    let shared = shared.unwrap_or(0);
    for (index, part) in parts.iter_mut().enumerate() {
        let Piece::Raw(text) = part else { continue };
        let mut out = String::with_capacity(text.len());
        let last_line = text.matches('\n').count();
        for (number, line) in text.split('\n').enumerate() {
            if number == 0 {
                if index > 0 {
                    out.push_str(line);
                }
                continue;
            }
            let closing = index + 1 == count && number == last_line;
            if closing && line.trim().is_empty() {
                continue;
            }
            if !(index == 0 && number == 1) {
                out.push('\n');
            }
            let spaces = line.len() - line.trim_start_matches([' ', '\t']).len();
            out.push_str(&line[spaces.min(shared)..]);
        }
        *text = out;
    }
}

#[cfg(test)]
mod tests {
    use super::super::ast::{ExprKind, ItemKind, Segment};
    use super::super::parse;
    use crate::base::SourceId;

    /// The text, with `<hole>` for each hole.
    fn text(literal: &str) -> String {
        let parsed = parse(&format!("const A = {literal}"), SourceId(0));
        assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
        let ItemKind::Const(item) = &parsed.file.items[0].kind else { panic!("no constant") };
        let ExprKind::Text(text) = &item.value.kind else { panic!("no text") };
        let show = |segment: &Segment| match segment {
            Segment::Text(text) => text.clone(),
            Segment::Hole(_) => "<hole>".to_string(),
        };
        text.segments.iter().map(show).collect()
    }

    #[test]
    fn escapes() {
        assert_eq!(text(r#""a\n\t\"\\\{\}\u{e9}""#), "a\n\t\"\\{}é");
        assert_eq!(text(r#""// no comment {f("\}" + "x")}!""#), "// no comment <hole>!");
    }

    #[test]
    fn triple_quotes_lose_their_common_indentation() {
        assert_eq!(text("\"\"\"one \"word\" two\"\"\""), "one \"word\" two");
        assert_eq!(
            text("\"\"\"\n    one\n      two\n\n    three\n  \"\"\""),
            "one\n  two\n\nthree"
        );
        assert_eq!(text("\"\"\"\n  {x}\n    {y} b\n  \"\"\""), "<hole>\n  <hole> b");
        assert_eq!(text("\"\"\"\r\n  a\r\n  b\r\n  \"\"\""), "a\nb");
    }
}
