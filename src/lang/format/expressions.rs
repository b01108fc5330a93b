//! Expressions.

use crate::lang::syntax::{Pair, Rule, rank_of};

use super::cursor::{Done, Formatter, Parts};
use super::lists::{Comma, List};

impl<'a> Formatter<'a> {
    /// An `expr` or `tight` pair: operands with operators between.
    pub fn expr(&mut self, expr: Pair<'a>) -> Done {
        if !matches!(expr.as_rule(), Rule::expr | Rule::tight) {
            return Err(self.unknown(&expr));
        }
        let mut operands = vec![Vec::new()];
        let mut operators = Vec::new();
        // The `and` that belongs to a `between` holds as it does.
        let mut between = None;
        for pair in expr.into_inner() {
            if let Some(mut rank) = rank_of(&pair) {
                match pair.as_str() {
                    "between" => between = Some(rank),
                    "and" => rank = between.take().unwrap_or(rank),
                    _ => {}
                }
                operators.push((rank, pair));
                operands.push(Vec::new());
            } else if let Some(operand) = operands.last_mut() {
                operand.push(pair);
            }
        }
        self.chain(&operands, &operators)
    }

    /// Breaks at the operators that hold loosest, inner ones only where that is not enough.
    fn chain(&mut self, operands: &[Vec<Pair<'a>>], operators: &[(u8, Pair<'a>)]) -> Done {
        let Some(loosest) = operators.iter().map(|(rank, _)| *rank).min() else {
            return operands.first().map_or(Ok(()), |operand| self.operand(operand));
        };
        let mut cuts: Vec<usize> = (0..operators.len())
            .filter(|index| operators.get(*index).is_some_and(|(rank, _)| *rank == loosest))
            .collect();
        cuts.push(operators.len());
        self.document.open();
        self.chain(&operands[..=cuts[0]], &operators[..cuts[0]])?;
        self.document.indent();
        for pair in cuts.windows(2) {
            let (cut, end) = (pair[0], pair[1]);
            self.operator(&operators[cut].1)?;
            self.chain(&operands[cut + 1..=end], &operators[cut + 1..end])?;
        }
        self.document.dedent();
        self.document.close();
        Ok(())
    }

    fn operator(&mut self, operator: &Pair<'a>) -> Done {
        match operator.as_rule() {
            // At the head of a line it would be a sign.
            Rule::minus => {
                self.document.text(" ");
                self.token("-")?;
                self.line(" ");
                Ok(())
            }
            Rule::operator => {
                self.line(" ");
                self.leaf(operator)?;
                self.space();
                Ok(())
            }
            _ => Err(self.unknown(operator)),
        }
    }

    fn operand(&mut self, parts: &[Pair<'a>]) -> Done {
        for part in parts {
            match part.as_rule() {
                Rule::prefix => match part.clone().into_inner().next() {
                    Some(word) => {
                        self.leaf(&word)?;
                        self.document.text(" ");
                    }
                    None => self.token("-")?,
                },
                Rule::call => self.call(part.clone())?,
                Rule::index => {
                    let mut parts = Parts::of(self, part.clone());
                    self.token("[")?;
                    let inner = parts.next()?;
                    self.enclosed(|this| this.expr(inner))?;
                    self.leaf(&parts.next()?)?;
                    parts.end()?;
                }
                Rule::field => {
                    let mut parts = Parts::of(self, part.clone());
                    self.token(".")?;
                    self.leaf(&parts.next()?)?;
                    parts.end()?;
                }
                _ => self.primary(part.clone())?,
            }
        }
        Ok(())
    }

    fn call(&mut self, call: Pair<'a>) -> Done {
        let (items, close) = Parts::of(self, call).items()?;
        // A single argument in brackets of its own needs no lines around it.
        if let [only] = items.as_slice()
            && is_bracketed(only)
            && !self.has_comment_around(only)
        {
            self.token("(")?;
            self.arg(only.clone())?;
            self.take_gap();
            self.skip_comma();
            return self.leaf(&close);
        }
        self.list((items, close), List::PARENS, Self::arg)
    }

    fn arg(&mut self, arg: Pair<'a>) -> Done {
        let mut parts = Parts::of(self, arg);
        if let Some(name) = parts.next_if(Rule::arg_name) {
            let mut name = Parts::of(self, name);
            self.leaf(&name.next()?)?;
            name.end()?;
            self.token(":")?;
            let value = parts.next()?;
            self.spaced(|this| this.expr(value))?;
        } else {
            self.expr(parts.next()?)?;
        }
        parts.end()
    }

    fn primary(&mut self, primary: Pair<'a>) -> Done {
        let rule = primary.as_rule();
        match rule {
            Rule::string
            | Rule::duration
            | Rule::float
            | Rule::int
            | Rule::boolean
            | Rule::none => return self.leaf(&primary),
            Rule::record => return self.settings(primary, List::BRACES),
            Rule::list => return self.list_expr(primary),
            Rule::if_expr => return self.if_expr(primary),
            _ => {}
        }
        let unknown = self.unknown(&primary);
        let mut parts = Parts::of(self, primary);
        match rule {
            Rule::name => self.leaf(&parts.next()?)?,
            Rule::paren => {
                self.token("(")?;
                let inner = parts.next()?;
                self.enclosed(|this| this.expr(inner))?;
                self.leaf(&parts.next()?)?;
            }
            Rule::match_expr => return self.match_expr(parts),
            Rule::chat_expr => {
                self.leaf(&parts.next()?)?;
                self.document.text(" ");
                self.turns(parts.next()?)?;
            }
            Rule::generate_expr => self.generate(&mut parts)?,
            Rule::decode_expr => {
                self.leaf(&parts.next()?)?;
                self.document.text(" ");
                self.expr(parts.next()?)?;
                if let Some(settings) = parts.next_if(Rule::decode_settings) {
                    let mut inner = Parts::of(self, settings);
                    self.document.text(" ");
                    // With commas: after a name alone the grammar needs one to know them.
                    self.settings(inner.next()?, List::BRACES)?;
                    inner.end()?;
                }
            }
            _ => return Err(unknown),
        }
        parts.end()
    }

    fn list_expr(&mut self, list: Pair<'a>) -> Done {
        let (mut items, close) = Parts::of(self, list).items()?;
        let Some(clause) = items.pop_if(|item| item.as_rule() == Rule::for_clause) else {
            return self.list((items, close), List::BRACKETS, Self::expr);
        };
        let Some(body) = items.pop() else { return Err(self.unknown(&clause)) };
        self.token("[")?;
        self.document.open();
        self.document.indent();
        if self.gap().newline {
            self.document.break_groups();
        }
        self.line("");
        self.expr(body)?;
        self.line(" ");
        let mut parts = Parts::of(self, clause);
        self.leaf(&parts.next()?)?; // for
        self.document.text(" ");
        self.leaf(&parts.next()?)?;
        self.document.text(" ");
        self.leaf(&parts.next()?)?; // in
        let source = parts.next()?;
        self.spaced(|this| this.expr(source))?;
        if let Some(filter) = parts.next_if(Rule::filter) {
            self.line(" ");
            let mut filter = Parts::of(self, filter);
            self.leaf(&filter.next()?)?;
            self.document.text(" ");
            self.expr(filter.next()?)?;
            filter.end()?;
        }
        parts.end()?;
        let gap = self.take_gap();
        self.notes(&gap, "");
        self.document.dedent();
        self.document.line("");
        self.document.close();
        self.leaf(&close)
    }

    /// All branches on one line, or all on several.
    fn if_expr(&mut self, pair: Pair<'a>) -> Done {
        self.document.open();
        let mut parts = Parts::of(self, pair);
        self.branch(&mut parts)?;
        while let Some(branch) = parts.next_if(Rule::else_if) {
            self.space();
            let mut branch = Parts::of(self, branch);
            self.leaf(&branch.next()?)?; // else
            self.document.text(" ");
            self.branch(&mut branch)?;
            branch.end()?;
        }
        if let Some(branch) = parts.next_if(Rule::else_part) {
            self.space();
            let mut branch = Parts::of(self, branch);
            self.leaf(&branch.next()?)?;
            self.document.text(" ");
            self.block(branch.next()?, true)?;
            branch.end()?;
        }
        self.document.close();
        parts.end()
    }

    /// `if c { … }`
    fn branch(&mut self, parts: &mut Parts<'a>) -> Done {
        self.leaf(&parts.next()?)?;
        self.document.text(" ");
        self.expr(parts.next()?)?;
        self.document.text(" ");
        self.block(parts.next()?, true)
    }

    fn match_expr(&mut self, mut parts: Parts<'a>) -> Done {
        self.leaf(&parts.next()?)?;
        self.document.text(" ");
        self.expr(parts.next()?)?;
        self.space();
        self.list(parts.items()?, List::SETTINGS, |this, arm| {
            if arm.as_rule() != Rule::arm {
                return Err(this.unknown(&arm));
            }
            let mut parts = Parts::of(this, arm);
            let mut patterns = Vec::new();
            while let Some(pattern) = parts.next_if(Rule::pattern) {
                patterns.push(pattern);
            }
            this.alternatives(patterns, |this, pattern| {
                let negative = pattern.as_str().starts_with('-');
                let mut parts = Parts::of(this, pattern);
                this.literal(&mut parts, negative)?;
                parts.end()
            })?;
            this.space();
            this.leaf(&parts.next()?)?; // the arrow
            let value = parts.next()?;
            this.spaced(|this| this.expr(value))?;
            parts.end()
        })
    }

    fn generate(&mut self, parts: &mut Parts<'a>) -> Done {
        self.leaf(&parts.next()?)?;
        self.document.text(" ");
        self.ty(parts.next()?)?;
        self.space();
        self.leaf(&parts.next()?)?; // from
        let prompt = parts.next()?;
        self.spaced(|this| this.expr(prompt))?;
        let Some(stages) = parts.next_if(Rule::stages) else { return Ok(()) };
        self.document.text(" ");
        let items = Parts::of(self, stages).items()?;
        self.list(items, List::SETTINGS, |this, stage| {
            if stage.as_rule() != Rule::stage {
                return Err(this.unknown(&stage));
            }
            let mut parts = Parts::of(this, stage);
            this.leaf(&parts.next()?)?;
            this.token(":")?;
            let value = parts.next()?;
            this.spaced(|this| match value.as_rule() {
                Rule::settings => this.settings(value, List::SETTINGS),
                _ => this.expr(value),
            })?;
            parts.end()
        })
    }

    /// Names with values, or alone: a record or the settings of something.
    pub fn settings(&mut self, pair: Pair<'a>, style: List) -> Done {
        let items = Parts::of(self, pair).items()?;
        self.list(items, style, |this, pair| {
            if pair.as_rule() != Rule::pair {
                return Err(this.unknown(&pair));
            }
            let mut parts = Parts::of(this, pair);
            this.leaf(&parts.next()?)?;
            if let Some(value) = parts.next_if(Rule::expr) {
                this.token(":")?;
                // A medium's settings among others look as they do.
                let mut inner = value.clone().into_inner();
                let nested = match (inner.next(), inner.next()) {
                    (Some(only), None) if style.comma == Comma::OnOneLine => {
                        (only.as_rule() == Rule::record).then_some(only)
                    }
                    _ => None,
                };
                this.spaced(|this| match nested {
                    Some(record) => this.settings(record, style),
                    None => this.expr(value),
                })?;
            }
            parts.end()
        })
    }
}

/// Whether an argument is a list, a record, a `chat` or a `match`.
fn is_bracketed(arg: &Pair<'_>) -> bool {
    let only = |pair: Pair<'_>| {
        let mut inner = pair.into_inner();
        inner.next().map(|first| (first.as_rule(), inner.next().is_none()))
    };
    let Some((Rule::expr, true)) = only(arg.clone()) else { return false };
    let Some(expr) = arg.clone().into_inner().next() else { return false };
    let brackets = [Rule::list, Rule::record, Rule::chat_expr, Rule::match_expr];
    matches!(only(expr), Some((rule, true)) if brackets.contains(&rule))
}
