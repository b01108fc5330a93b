//! Pieces of text with places where lines may end, and the choice of where they do: a group stands
//! on one line where it fits, or breaks at all of its own places (Wadler, "A prettier printer").

/// Columns that a line may fill.
const WIDTH: usize = 100;
const INDENT: usize = 2;

#[derive(Debug, Clone, Copy)]
enum Piece<'a> {
    /// As it is, line ends included.
    Text(&'a str),
    /// A line's end where the group is broken, otherwise this text.
    Line {
        flat: &'static str,
        blank: bool,
    },
    IfBroken(&'static str),
    IfFlat(&'static str),
    Open(usize),
    Close,
    Indent,
    Dedent,
}

/// Built from front to back; what is always broken marks the groups that are open around it.
#[derive(Debug, Default)]
pub struct Document<'a> {
    pieces: Vec<Piece<'a>>,
    /// Whether each group is broken whatever its width.
    broken: Vec<bool>,
    open: Vec<usize>,
}

impl<'a> Document<'a> {
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub fn text(&mut self, text: &'a str) {
        self.pieces.push(Piece::Text(text));
    }

    /// A comment: its line ends after it, so a line's end must be put next.
    pub fn comment(&mut self, text: &'a str) {
        self.text(text);
        self.break_groups();
    }

    /// A line's end in a broken group, and `flat` in one that stands on a line.
    pub fn line(&mut self, flat: &'static str) {
        self.pieces.push(Piece::Line { flat, blank: false });
    }

    /// As `line`, after an empty line.
    pub fn blank_line(&mut self, flat: &'static str) {
        self.pieces.push(Piece::Line { flat, blank: true });
    }

    /// A line's end in any case.
    pub fn hard_line(&mut self, blank: bool) {
        self.break_groups();
        self.pieces.push(Piece::Line { flat: "", blank });
    }

    pub fn if_broken(&mut self, text: &'static str) {
        self.pieces.push(Piece::IfBroken(text));
    }

    pub fn if_flat(&mut self, text: &'static str) {
        self.pieces.push(Piece::IfFlat(text));
    }

    pub fn open(&mut self) {
        self.open.push(self.broken.len());
        self.pieces.push(Piece::Open(self.broken.len()));
        self.broken.push(false);
    }

    pub fn close(&mut self) {
        self.open.pop();
        self.pieces.push(Piece::Close);
    }

    pub fn indent(&mut self) {
        self.pieces.push(Piece::Indent);
    }

    pub fn dedent(&mut self) {
        self.pieces.push(Piece::Dedent);
    }

    /// Breaks all groups that are open.
    pub fn break_groups(&mut self) {
        for group in &self.open {
            self.broken[*group] = true;
        }
    }

    pub fn print(&self) -> String {
        let mut out = String::new();
        let mut column = 0;
        let mut depth = 0_usize;
        // Outside of groups lines always end.
        let mut modes = vec![true];
        let put = |out: &mut String, column: &mut usize, depth: usize, text: &str| {
            if text.is_empty() {
                return;
            }
            if *column == 0 {
                *column = depth * INDENT;
                out.extend(std::iter::repeat_n(' ', *column));
            }
            out.push_str(text);
            *column = match text.rfind('\n') {
                // Never 0: indentation must not come after the text's own line ends.
                Some(end) => width(&text[end + 1..]).max(1),
                None => *column + width(text),
            };
        };
        for (at, piece) in self.pieces.iter().enumerate() {
            let broken = modes.last().copied().unwrap_or(true);
            match *piece {
                Piece::Text(text) => put(&mut out, &mut column, depth, text),
                Piece::IfBroken(text) if broken => put(&mut out, &mut column, depth, text),
                Piece::IfFlat(text) if !broken => put(&mut out, &mut column, depth, text),
                Piece::IfBroken(_) | Piece::IfFlat(_) => {}
                Piece::Line { blank, .. } if broken => {
                    out.push_str(if blank { "\n\n" } else { "\n" });
                    column = 0;
                }
                Piece::Line { flat, .. } => put(&mut out, &mut column, depth, flat),
                Piece::Open(group) => {
                    let start = if column == 0 { depth * INDENT } else { column };
                    modes.push(broken && (self.broken[group] || !self.fits(at + 1, start)));
                }
                Piece::Close => {
                    modes.pop();
                }
                Piece::Indent => depth += 1,
                Piece::Dedent => depth = depth.saturating_sub(1),
            }
        }
        out
    }

    /// Whether a group whose pieces start at `from` fits on the present line, with what follows it
    /// up to the next place where the line may end.
    fn fits(&self, from: usize, mut column: usize) -> bool {
        // Groups open since `from`; below 0 the group itself is over.
        let mut inside = 0_isize;
        for piece in &self.pieces[from..] {
            let text = match *piece {
                Piece::Text(text) => text,
                Piece::Line { .. } | Piece::IfBroken(_) if inside >= 0 => match *piece {
                    Piece::Line { flat, .. } => flat,
                    _ => "",
                },
                Piece::Line { .. } => return column <= WIDTH,
                Piece::IfBroken(text) => text,
                Piece::IfFlat(text) => {
                    if inside >= 0 {
                        text
                    } else {
                        ""
                    }
                }
                // Once over, always over: a group that comes next may break.
                Piece::Open(_) if inside >= 0 => {
                    inside += 1;
                    ""
                }
                Piece::Close if inside >= 0 => {
                    inside -= 1;
                    ""
                }
                Piece::Open(_) | Piece::Close | Piece::Indent | Piece::Dedent => "",
            };
            if let Some(end) = text.find('\n') {
                return column + width(&text[..end]) <= WIDTH;
            }
            column += width(text);
            if column > WIDTH {
                return false;
            }
        }
        true
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `f(` words `)` in a group.
    fn call<'a>(document: &mut Document<'a>, words: &[&'a str]) {
        document.text("f(");
        document.open();
        document.indent();
        for (index, word) in words.iter().enumerate() {
            document.line(if index == 0 { "" } else { " " });
            document.text(word);
            if index + 1 < words.len() {
                document.text(",");
            } else {
                document.if_broken(",");
            }
        }
        document.dedent();
        document.line("");
        document.text(")");
        document.close();
    }

    #[test]
    fn a_group_breaks_where_it_is_too_wide() {
        let words = "x".repeat(WIDTH - 10);
        let mut document = Document::default();
        call(&mut document, &["a", "b"]);
        assert_eq!(document.print(), "f(a, b)");
        let mut document = Document::default();
        call(&mut document, &[&words, "123"]);
        assert_eq!(document.print().len(), WIDTH - 2);
        document.text(" {");
        assert_eq!(document.print().len(), WIDTH);
        document.text("!");
        assert_eq!(document.print(), format!("f(\n  {words},\n  123,\n) {{!"));
    }

    #[test]
    fn a_comment_breaks_the_groups_around_it_and_no_others() {
        let mut document = Document::default();
        call(&mut document, &["a"]);
        document.open();
        document.line(" ");
        document.open();
        document.line(" ");
        document.close();
        document.comment("// c");
        document.line(" ");
        document.close();
        assert_eq!(document.print(), "f(a)\n // c\n");
    }
}
