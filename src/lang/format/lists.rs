//! Brackets with items in them. They stand on one line where they fit, unless the first item was
//! written on a line of its own: then each has one.

use crate::lang::syntax::{Pair, Rule};

use super::cursor::{Done, Formatter, Gap};

/// Where items are separated by commas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comma {
    /// On one line and on several, behind the last one too.
    Always,
    /// On one line; on several the line's end separates.
    OnOneLine,
    Never,
}

#[derive(Debug, Clone, Copy)]
pub struct List {
    pub open: &'static str,
    /// Spaces inside of the brackets.
    pub padded: bool,
    pub comma: Comma,
    /// Breaks with what is around it instead of on its own.
    pub joined: bool,
}

impl List {
    pub const PARENS: List = List { open: "(", padded: false, comma: Comma::Always, joined: false };
    pub const BRACKETS: List =
        List { open: "[", padded: false, comma: Comma::Always, joined: false };
    pub const BRACES: List = List { open: "{", padded: true, comma: Comma::Always, joined: false };
    /// Braces whose items have lines as statements do.
    pub const SETTINGS: List = List { comma: Comma::OnOneLine, ..List::BRACES };
    pub const LINES: List = List { comma: Comma::Never, ..List::BRACES };
}

impl<'a> Formatter<'a> {
    pub fn list(
        &mut self,
        (items, close): (Vec<Pair<'a>>, Pair<'a>),
        style: List,
        mut each: impl FnMut(&mut Self, Pair<'a>) -> Done,
    ) -> Done {
        self.token(style.open)?;
        if items.is_empty() && self.gap().notes.is_empty() {
            return self.leaf(&close);
        }
        if !style.joined {
            self.document.open();
        }
        let edge = if style.padded { " " } else { "" };
        self.document.indent();
        let mut gap = self.take_gap();
        if gap.newline {
            self.document.break_groups();
        }
        // No empty line at the head.
        match gap.notes.first_mut() {
            Some(first) => first.blank = false,
            None => gap.blank = false,
        }
        let mut items = items.into_iter().peekable();
        if items.peek().is_some() {
            self.lines(&gap, edge);
            gap = Gap::default();
        }
        while let Some(item) = items.next() {
            let documented = item.as_rule() == Rule::param;
            each(self, item)?;
            let next = items.peek();
            gap = self.separator(documented, next.is_some());
            match (style.comma, next) {
                (Comma::Always, Some(_)) => self.document.text(","),
                // On a line of its own it would be an operator of the item above.
                (Comma::OnOneLine, Some(next))
                    if ["contains", "between"]
                        .iter()
                        .any(|word| next.as_str().starts_with(word)) =>
                {
                    self.document.text(",");
                }
                (Comma::OnOneLine, Some(_)) => self.document.if_flat(","),
                (Comma::Always, None) => self.document.if_broken(","),
                (Comma::OnOneLine, None) | (Comma::Never, _) => {}
            }
            if next.is_some() {
                self.lines(&gap, " ");
            }
        }
        self.notes(&gap, edge);
        self.document.dedent();
        self.document.line(edge);
        self.leaf(&close)?;
        if !style.joined {
            self.document.close();
        }
        Ok(())
    }

    /// The gap behind an item, with the commas in it, which are written anew.
    fn separator(&mut self, documented: bool, more: bool) -> Gap<'a> {
        // `///` must not come to stand above the next parameter.
        let docs = self.gap().notes.iter().any(super::cursor::Note::is_doc);
        if documented && more && docs && self.comma_next() {
            self.line("");
            self.skip_comma();
            return self.take_gap();
        }
        let mut gap = self.take_gap();
        while self.skip_comma() {
            let next = self.take_gap();
            gap.join(next);
        }
        gap
    }
}
