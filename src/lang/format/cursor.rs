//! Walking the tokens of a source text beside its syntax tree. Each token is taken from the text
//! where the tree says that it stands; what stands between two tokens may only be space and
//! comments. So nothing can get lost: a tree that does not fit the text is an error.

use crate::lang::syntax::{Pair, Rule};

use super::document::Document;

/// The formatter and the grammar do not agree: a mistake of the program's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    pub message: String,
    /// Where in the text.
    pub at: usize,
}

pub type Done = Result<(), Mismatch>;

#[derive(Debug, Clone, Copy)]
pub struct Note<'a> {
    pub text: &'a str,
    /// Nothing stands before it on its line.
    pub own_line: bool,
    /// An empty line stands before it.
    pub blank: bool,
}

impl Note<'_> {
    pub fn is_doc(&self) -> bool {
        self.text.starts_with("///") && !self.text.starts_with("////")
    }
}

/// What stands between two tokens.
#[derive(Debug, Default)]
pub struct Gap<'a> {
    pub notes: Vec<Note<'a>>,
    /// A line ends before the first comment, or before the token if there is none.
    pub newline: bool,
    /// An empty line stands before the token.
    pub blank: bool,
    end: usize,
}

impl<'a> Gap<'a> {
    /// With the gap behind a comma that is left out or written elsewhere.
    pub fn join(&mut self, next: Gap<'a>) {
        self.blank = next.blank || (next.notes.is_empty() && self.blank);
        self.newline |= next.newline;
        self.notes.extend(next.notes);
        // Only the first comment can stand behind the token before.
        for note in self.notes.iter_mut().skip(1) {
            note.own_line = true;
        }
    }
}

pub struct Formatter<'a> {
    text: &'a str,
    /// What is before this is laid out.
    at: usize,
    /// Where the present declaration starts: the grammar counts from there.
    base: usize,
    pub document: Document<'a>,
}

impl<'a> Formatter<'a> {
    pub fn new(text: &'a str) -> Self {
        Formatter { text, at: 0, base: 0, document: Document::default() }
    }

    /// Goes on with the declaration that starts at an offset.
    pub fn enter(&mut self, base: usize) {
        self.base = base;
    }

    fn mismatch(&self, message: String, at: usize) -> Mismatch {
        Mismatch { message, at }
    }

    /// The error for a rule that no layout is written for.
    pub fn unknown(&self, pair: &Pair<'_>) -> Mismatch {
        let message = format!("there is no layout for the rule `{:?}`", pair.as_rule());
        self.mismatch(message, self.start(pair))
    }

    pub fn start(&self, pair: &Pair<'_>) -> usize {
        self.base + pair.as_span().start()
    }

    /// The gap from an offset to the next token.
    fn gap_from(&self, mut at: usize) -> Gap<'a> {
        let mut gap = Gap::default();
        let mut lines = 0;
        while let Some(next) = self.text[at..].chars().next() {
            match next {
                '\n' => lines += 1,
                ' ' | '\t' | '\r' => {}
                '/' if self.text[at..].starts_with("//") => {
                    let length = self.text[at..].find('\n').unwrap_or(self.text.len() - at);
                    let text = self.text[at..at + length].trim_end();
                    let (own_line, blank) = (lines > 0, lines > 1);
                    gap.newline |= own_line && gap.notes.is_empty();
                    gap.notes.push(Note { text, own_line, blank });
                    lines = 0;
                    at += length;
                    continue;
                }
                _ => break,
            }
            at += next.len_utf8();
        }
        gap.newline |= lines > 0 && gap.notes.is_empty();
        gap.blank = lines > 1;
        gap.end = at;
        gap
    }

    /// The gap before the next token.
    pub fn gap(&self) -> Gap<'a> {
        self.gap_from(self.at)
    }

    /// The gap before the next token; it is the caller's to lay out.
    pub fn take_gap(&mut self) -> Gap<'a> {
        let gap = self.gap();
        self.at = gap.end;
        gap
    }

    /// The gap behind the first character of a pair.
    pub fn gap_inside(&self, pair: &Pair<'_>) -> Gap<'a> {
        let start = self.start(pair);
        let first = self.text[start..].chars().next().map_or(0, char::len_utf8);
        self.gap_from(start + first)
    }

    /// Whether a comment stands right before a pair that is the only thing in brackets, or behind.
    pub fn has_comment_around(&self, pair: &Pair<'a>) -> bool {
        let open = self.gap().end + 1;
        // The pair's own end may be behind a comment; that of its last token is not.
        let mut last = pair.clone();
        while let Some(inner) = last.clone().into_inner().next_back() {
            last = inner;
        }
        let behind = self.gap_from(self.base + last.as_span().end());
        let comma = usize::from(self.text[behind.end..].starts_with(','));
        let gaps = [self.gap_from(open), self.gap_from(behind.end + comma), behind];
        gaps.iter().any(|gap| !gap.notes.is_empty())
    }

    /// Steps over a comma if it is next, without writing it.
    pub fn skip_comma(&mut self) -> bool {
        let found = self.text[self.at..].starts_with(',');
        self.at += usize::from(found);
        found
    }

    /// Whether a comma comes next.
    pub fn comma_next(&self) -> bool {
        self.text[self.gap().end..].starts_with(',')
    }

    /// Comments where the layout has no line's end: each on the line it is on, and then a new one.
    fn loose_notes(&mut self) {
        let gap = self.take_gap();
        for note in &gap.notes {
            if note.own_line {
                self.document.hard_line(note.blank);
            } else {
                self.document.text(" ");
            }
            self.document.comment(note.text);
        }
        if !gap.notes.is_empty() {
            self.document.hard_line(false);
        }
    }

    /// A symbol that the tree has no node for.
    pub fn token(&mut self, token: &'static str) -> Done {
        self.loose_notes();
        if !self.text[self.at..].starts_with(token) {
            return Err(self.mismatch(format!("`{token}` was expected"), self.at));
        }
        self.at += token.len();
        self.document.text(token);
        Ok(())
    }

    /// A word, a literal or a text, exactly as it is.
    pub fn leaf(&mut self, pair: &Pair<'a>) -> Done {
        self.loose_notes();
        let start = self.start(pair);
        if start != self.at {
            let message =
                format!("something stands before `{:?}` that is not laid out", pair.as_rule());
            return Err(self.mismatch(message, self.at));
        }
        let text = pair.as_str();
        self.at = start + text.len();
        self.document.text(text);
        Ok(())
    }

    /// The end of the file: all tokens were laid out.
    pub fn end(&self) -> Done {
        if self.at == self.text.len() {
            return Ok(());
        }
        Err(self.mismatch("the end of the file was expected".to_string(), self.at))
    }

    /// A space, or the comments that stand there instead.
    pub fn space(&mut self) {
        if self.gap().notes.is_empty() {
            self.document.text(" ");
        } else {
            self.loose_notes();
        }
    }

    /// A space and what follows it, further in where a comment stands between.
    pub fn spaced(&mut self, then: impl FnOnce(&mut Self) -> Done) -> Done {
        if self.gap().notes.is_empty() {
            self.document.text(" ");
            return then(self);
        }
        self.document.indent();
        self.loose_notes();
        let done = then(self);
        self.document.dedent();
        done
    }

    /// Comments and then a place where the line may end.
    pub fn line(&mut self, flat: &'static str) {
        let mut gap = self.take_gap();
        gap.blank = false;
        self.lines(&gap, flat);
    }

    /// The comments of a gap, and then a place where the line may end.
    pub fn lines(&mut self, gap: &Gap<'a>, flat: &'static str) {
        self.notes(gap, flat);
        if !self.document.is_empty() {
            self.break_line(gap.blank, flat);
        }
    }

    /// The comments of a gap where groups are broken by them; a line's end must come next.
    pub fn notes(&mut self, gap: &Gap<'a>, flat: &'static str) {
        for note in &gap.notes {
            if !self.document.is_empty() {
                if note.own_line {
                    self.break_line(note.blank, flat);
                } else {
                    self.document.text(" ");
                }
            }
            self.document.comment(note.text);
        }
    }

    fn break_line(&mut self, blank: bool, flat: &'static str) {
        if blank {
            self.document.blank_line(flat);
        } else {
            self.document.line(flat);
        }
    }
}

/// What is in a pair, taken in order; nothing may be left over.
pub struct Parts<'a> {
    rule: Rule,
    at: usize,
    inner: std::iter::Peekable<pest::iterators::Pairs<'a, Rule>>,
}

impl<'a> Parts<'a> {
    pub fn of(formatter: &Formatter<'a>, pair: Pair<'a>) -> Self {
        let (rule, at) = (pair.as_rule(), formatter.start(&pair));
        Parts { rule, at, inner: pair.into_inner().peekable() }
    }

    pub fn next(&mut self) -> Result<Pair<'a>, Mismatch> {
        self.inner.next().ok_or_else(|| Mismatch {
            message: format!("`{:?}` has fewer parts than its layout", self.rule),
            at: self.at,
        })
    }

    pub fn next_if(&mut self, rule: Rule) -> Option<Pair<'a>> {
        self.inner.next_if(|pair| pair.as_rule() == rule)
    }

    /// Items and the bracket that closes them.
    pub fn items(mut self) -> Result<(Vec<Pair<'a>>, Pair<'a>), Mismatch> {
        let mut items: Vec<_> = self.inner.by_ref().collect();
        let closing = |pair: &Pair<'_>| {
            matches!(pair.as_rule(), Rule::close_brace | Rule::close_paren | Rule::close_bracket)
        };
        match items.pop().filter(closing) {
            Some(close) => Ok((items, close)),
            None => {
                let message = format!("`{:?}` does not end with a bracket", self.rule);
                Err(Mismatch { message, at: self.at })
            }
        }
    }

    pub fn end(mut self) -> Done {
        match self.inner.next() {
            None => Ok(()),
            Some(pair) => {
                let rule = pair.as_rule();
                let message = format!("there is no layout for `{rule:?}` in `{:?}`", self.rule);
                Err(Mismatch { message, at: self.at })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::syntax::Grammar;
    use pest::Parser as _;

    /// The first pair of a rule in a text.
    fn pair(rule: Rule, text: &str) -> Pair<'_> {
        Grammar::parse(rule, text).expect("a text of the rule").next().expect("a pair")
    }

    #[test]
    fn a_rule_without_a_layout_is_an_error_that_names_it() {
        let text = "3s";
        let error = Formatter::new(text).expr(pair(Rule::bound, text)).unwrap_err();
        assert_eq!(error.message, "there is no layout for the rule `bound`");
    }

    #[test]
    fn text_that_the_tree_does_not_have_is_an_error() {
        let text = "x y";
        let mut formatter = Formatter::new(text);
        formatter.leaf(&pair(Rule::ident, "x")).unwrap();
        let message = formatter.end().unwrap_err().message;
        assert_eq!(message, "the end of the file was expected");
        let mut formatter = Formatter::new(text);
        formatter.enter(2);
        let message = formatter.leaf(&pair(Rule::ident, "y")).unwrap_err().message;
        assert_eq!(message, "something stands before `ident` that is not laid out");
        let message = Formatter::new(text).token("{").unwrap_err().message;
        assert_eq!(message, "`{` was expected");
    }

    #[test]
    fn parts_that_are_left_over_are_an_error() {
        let text = "a.b";
        let formatter = Formatter::new(text);
        let mut parts = Parts::of(&formatter, pair(Rule::ty_named, text));
        parts.next().unwrap();
        let message = parts.end().unwrap_err().message;
        assert_eq!(message, "there is no layout for `ident` in `ty_named`");
    }
}
