//! Types.

use crate::lang::syntax::{Pair, Rule};

use super::cursor::{Done, Formatter, Parts};
use super::lists::List;

impl<'a> Formatter<'a> {
    /// `: type`
    pub fn type_mark(&mut self, mark: Pair<'a>) -> Done {
        let mut parts = Parts::of(self, mark);
        self.token(":")?;
        let ty = parts.next()?;
        self.spaced(|this| this.ty(ty))?;
        parts.end()
    }

    pub fn ty(&mut self, ty: Pair<'a>) -> Done {
        let terms: Vec<_> = ty.into_inner().collect();
        self.alternatives(terms, Self::ty_term)
    }

    /// `a | b | c`
    pub fn alternatives(
        &mut self,
        terms: Vec<Pair<'a>>,
        mut each: impl FnMut(&mut Self, Pair<'a>) -> Done,
    ) -> Done {
        let several = terms.len() > 1;
        if several {
            self.document.open();
        }
        for (index, term) in terms.into_iter().enumerate() {
            if index == 1 {
                self.document.indent();
            }
            if index > 0 {
                self.line(" ");
                self.token("|")?;
                self.space();
            }
            each(self, term)?;
        }
        if several {
            self.document.dedent();
            self.document.close();
        }
        Ok(())
    }

    fn ty_term(&mut self, term: Pair<'a>) -> Done {
        if term.as_rule() != Rule::ty_term {
            return Err(self.unknown(&term));
        }
        let mut parts = Parts::of(self, term);
        self.ty_primary(parts.next()?)?;
        loop {
            if parts.next_if(Rule::question).is_some() {
                self.token("?")?;
            } else if let Some(refinement) = parts.next_if(Rule::refinement) {
                self.refinement(refinement)?;
            } else {
                return parts.end();
            }
        }
    }

    /// `[3s..5s]`
    fn refinement(&mut self, refinement: Pair<'a>) -> Done {
        self.token("[")?;
        for part in refinement.into_inner() {
            match part.as_rule() {
                Rule::bound => self.leaf(&part)?,
                Rule::dots => self.token("..")?,
                _ => return Err(self.unknown(&part)),
            }
        }
        self.token("]")
    }

    fn ty_primary(&mut self, primary: Pair<'a>) -> Done {
        let rule = primary.as_rule();
        let unknown = self.unknown(&primary);
        let negative = primary.as_str().starts_with('-');
        let mut parts = Parts::of(self, primary);
        match rule {
            Rule::ty_literal => return self.literal(&mut parts, negative),
            Rule::ty_record => {
                return self.list(parts.items()?, List::BRACES, |this, field| {
                    let mut parts = Parts::of(this, field);
                    this.leaf(&parts.next()?)?;
                    this.type_mark(parts.next()?)?;
                    parts.end()
                });
            }
            Rule::ty_paren => {
                self.token("(")?;
                let inner = parts.next()?;
                self.enclosed(|this| this.ty(inner))?;
                self.leaf(&parts.next()?)?;
            }
            Rule::ty_matching => {
                self.leaf(&parts.next()?)?;
                self.space();
                self.leaf(&parts.next()?)?;
                self.space();
                self.leaf(&parts.next()?)?;
            }
            Rule::ty_generic => {
                self.leaf(&parts.next()?)?;
                self.token("<")?;
                let inner = parts.next()?;
                self.enclosed(|this| this.ty(inner))?;
                self.token(">")?;
            }
            Rule::ty_named => {
                self.leaf(&parts.next()?)?;
                if let Some(name) = parts.next_if(Rule::ident) {
                    self.token(".")?;
                    self.leaf(&name)?;
                }
            }
            _ => return Err(unknown),
        }
        parts.end()
    }

    /// A literal as types and patterns have it, with its sign.
    pub fn literal(&mut self, parts: &mut Parts<'a>, negative: bool) -> Done {
        if negative {
            self.token("-")?;
        }
        let literal = parts.next()?;
        match literal.as_rule() {
            Rule::string
            | Rule::duration
            | Rule::float
            | Rule::int
            | Rule::boolean
            | Rule::none
            | Rule::ident => self.leaf(&literal),
            _ => Err(self.unknown(&literal)),
        }
    }
}
