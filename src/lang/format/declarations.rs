//! Declarations, statements and turns.

use crate::lang::syntax::{Pair, Rule};

use super::cursor::{Done, Formatter, Parts};
use super::lists::List;

impl<'a> Formatter<'a> {
    pub fn item(&mut self, item: Pair<'a>) -> Done {
        let mut parts = Parts::of(self, item);
        let mut declaration = Parts::of(self, parts.next()?);
        parts.next_if(Rule::EOI);
        parts.end()?;
        if let Some(word) = declaration.next_if(Rule::kw_pub) {
            self.leaf(&word)?;
            self.document.text(" ");
        }
        let body = declaration.next()?;
        declaration.end()?;
        let rule = body.as_rule();
        let unknown = self.unknown(&body);
        let mut parts = Parts::of(self, body);
        let layout = match rule {
            Rule::use_decl => Self::use_decl,
            Rule::const_decl => Self::binding,
            Rule::type_decl => Self::type_decl,
            Rule::template_decl | Rule::pipeline_decl => Self::callable,
            Rule::plugin_decl => Self::plugin_decl,
            Rule::test_decl => Self::test_decl,
            Rule::evaluation_decl => Self::evaluation_decl,
            _ => return Err(unknown),
        };
        self.leaf(&parts.next()?)?;
        self.document.text(" ");
        layout(self, &mut parts)?;
        parts.end()
    }

    fn use_decl(&mut self, parts: &mut Parts<'a>) -> Done {
        self.leaf(&parts.next()?)?;
        if let Some(list) = parts.next_if(Rule::use_list) {
            self.document.text(" ");
            let items = Parts::of(self, list).items()?;
            self.list(items, List::BRACES, |this, name| {
                let mut parts = Parts::of(this, name);
                this.leaf(&parts.next()?)?;
                this.alias(&mut parts)?;
                parts.end()
            })?;
        }
        self.alias(parts)
    }

    fn alias(&mut self, parts: &mut Parts<'a>) -> Done {
        let Some(alias) = parts.next_if(Rule::use_alias) else { return Ok(()) };
        let mut parts = Parts::of(self, alias);
        self.document.text(" ");
        self.leaf(&parts.next()?)?;
        self.document.text(" ");
        self.leaf(&parts.next()?)?;
        parts.end()
    }

    /// A name, its type if it has one, and its value: of a constant, a `let`, a parameter.
    fn binding(&mut self, parts: &mut Parts<'a>) -> Done {
        self.leaf(&parts.next()?)?;
        if let Some(mark) = parts.next_if(Rule::type_mark) {
            self.type_mark(mark)?;
        }
        let Some(value) = parts.next_if(Rule::expr) else { return Ok(()) };
        self.document.text(" ");
        self.token("=")?;
        self.spaced(|this| this.expr(value))
    }

    fn type_decl(&mut self, parts: &mut Parts<'a>) -> Done {
        self.leaf(&parts.next()?)?;
        self.document.text(" ");
        self.token("=")?;
        let ty = parts.next()?;
        self.spaced(|this| this.ty(ty))
    }

    /// What a template or a pipeline says after its keyword.
    fn callable(&mut self, parts: &mut Parts<'a>) -> Done {
        self.leaf(&parts.next()?)?;
        let params = parts.next()?;
        let result = parts.next_if(Rule::result_mark);
        // Parameters go on lines of their own before the fields of the result do, unless the
        // fields were written so.
        let apart = result.as_ref().is_some_and(|result| self.is_open_record(result));
        if !apart {
            self.document.open();
        }
        let items = Parts::of(self, params).items()?;
        let style = List { joined: !apart, ..List::PARENS };
        self.list(items, style, |this, param| {
            let mut parts = Parts::of(this, param);
            this.binding(&mut parts)?;
            parts.end()
        })?;
        if let Some(result) = result {
            self.space();
            let mut parts = Parts::of(self, result);
            self.token("->")?;
            let ty = parts.next()?;
            self.spaced(|this| this.ty(ty))?;
            parts.end()?;
        }
        if !apart {
            self.document.close();
        }
        self.space();
        let body = parts.next()?;
        match body.as_rule() {
            Rule::block => self.block(body, false),
            Rule::turns => self.turns(body),
            _ => Err(self.unknown(&body)),
        }
    }

    /// Whether a result is a record whose first field stands on a line of its own.
    fn is_open_record(&self, result: &Pair<'a>) -> bool {
        let mut inner = result.clone();
        for rule in [Rule::ty, Rule::ty_term, Rule::ty_record] {
            let mut parts = inner.into_inner();
            match (parts.next(), parts.next()) {
                (Some(only), None) if only.as_rule() == rule => inner = only,
                _ => return false,
            }
        }
        let gap = self.gap_inside(&inner);
        gap.newline || !gap.notes.is_empty()
    }

    /// `plugin name = wasm "file.wasm" { memory: 64MiB }`
    fn plugin_decl(&mut self, parts: &mut Parts<'a>) -> Done {
        self.leaf(&parts.next()?)?;
        self.document.text(" ");
        self.leaf(&parts.next()?)?;
        let kind = parts.next()?;
        self.spaced(|this| this.leaf(&kind))?;
        self.document.text(" ");
        self.leaf(&parts.next()?)?;
        let Some(settings) = parts.next_if(Rule::plugin_settings) else { return Ok(()) };
        self.document.text(" ");
        let items = Parts::of(self, settings).items()?;
        self.list(items, List::SETTINGS, |this, setting| {
            let mut parts = Parts::of(this, setting);
            this.leaf(&parts.next()?)?;
            this.token(":")?;
            let value = parts.next()?;
            this.spaced(|this| match value.as_rule() {
                Rule::size => this.leaf(&value),
                _ => this.expr(value),
            })?;
            parts.end()
        })
    }

    fn test_decl(&mut self, parts: &mut Parts<'a>) -> Done {
        self.leaf(&parts.next()?)?;
        self.with_and_block(parts)
    }

    /// `evaluation name(columns) with { … } { … }`
    fn evaluation_decl(&mut self, parts: &mut Parts<'a>) -> Done {
        self.leaf(&parts.next()?)?;
        let columns = parts.next()?;
        let items = Parts::of(self, columns).items()?;
        self.list(items, List::PARENS, |this, column| {
            let mut parts = Parts::of(this, column);
            this.binding(&mut parts)?;
            parts.end()
        })?;
        self.with_and_block(parts)
    }

    fn with_and_block(&mut self, parts: &mut Parts<'a>) -> Done {
        if let Some(with) = parts.next_if(Rule::test_with) {
            self.space();
            let mut with = Parts::of(self, with);
            self.leaf(&with.next()?)?;
            self.space();
            self.settings(with.next()?, List::SETTINGS)?;
            with.end()?;
        }
        self.space();
        self.block(parts.next()?, false)
    }

    /// Statements in braces; `joined` where they break with what is around them.
    pub fn block(&mut self, block: Pair<'a>, joined: bool) -> Done {
        let items = Parts::of(self, block).items()?;
        let several = items.0.len() > 1;
        self.list(items, List { joined, ..List::LINES }, |this, statement| {
            if several {
                this.document.break_groups();
            }
            this.statement(statement)
        })
    }

    fn statement(&mut self, statement: Pair<'a>) -> Done {
        let rule = statement.as_rule();
        if rule == Rule::expr {
            return self.expr(statement);
        }
        let unknown = self.unknown(&statement);
        let mut parts = Parts::of(self, statement);
        match rule {
            Rule::let_stmt => {
                self.leaf(&parts.next()?)?;
                self.document.text(" ");
                self.binding(&mut parts)?;
            }
            Rule::return_stmt | Rule::expect_stmt | Rule::snapshot_stmt => {
                self.leaf(&parts.next()?)?;
                self.document.text(" ");
                self.expr(parts.next()?)?;
            }
            Rule::measure_stmt => {
                self.leaf(&parts.next()?)?;
                self.document.text(" ");
                self.leaf(&parts.next()?)?;
                let measured = parts.next()?;
                let items = Parts::of(self, measured).items()?;
                self.list(items, List::PARENS, |this, arg| this.expr(arg))?;
                if let Some(name) = parts.next_if(Rule::measure_name) {
                    let mut name = Parts::of(self, name);
                    self.document.text(" ");
                    self.leaf(&name.next()?)?;
                    self.document.text(" ");
                    self.leaf(&name.next()?)?;
                    name.end()?;
                }
            }
            _ => return Err(unknown),
        }
        parts.end()
    }

    /// The turns of a template or of a `chat`.
    pub fn turns(&mut self, turns: Pair<'a>) -> Done {
        let items = Parts::of(self, turns).items()?;
        self.list(items, List::LINES, |this, spoken| match spoken.as_rule() {
            Rule::bare_hole => this.hole(spoken),
            Rule::turn => {
                let mut parts = Parts::of(this, spoken);
                this.leaf(&parts.next()?)?;
                this.space();
                this.list(parts.items()?, List::LINES, |this, part| match part.as_rule() {
                    Rule::string => this.leaf(&part),
                    Rule::bare_hole => this.hole(part),
                    _ => Err(this.unknown(&part)),
                })
            }
            _ => Err(this.unknown(&spoken)),
        })
    }

    /// `{expr}` between the texts of a turn.
    fn hole(&mut self, hole: Pair<'a>) -> Done {
        let (mut items, close) = Parts::of(self, hole.clone()).items()?;
        let (Some(expr), true) = (items.pop(), items.is_empty()) else {
            return Err(self.unknown(&hole));
        };
        self.token("{")?;
        self.enclosed(|this| this.expr(expr))?;
        self.leaf(&close)
    }

    /// What is between two brackets, on lines of its own where it does not fit.
    pub fn enclosed(&mut self, then: impl FnOnce(&mut Self) -> Done) -> Done {
        self.document.open();
        self.document.indent();
        self.line("");
        then(self)?;
        let gap = self.take_gap();
        self.notes(&gap, "");
        self.document.dedent();
        self.document.line("");
        self.document.close();
        Ok(())
    }
}
