//! Operands: from the grammar's pairs to expressions.

use std::collections::VecDeque;

use crate::base::{Diagnostic, Literal, Span};

use super::ast::{Arg, Arm, Expr, ExprKind, Ident, Pattern, Setting, Stage, StageValue};
use super::build::{Builder, Pair, Rule, content};

/// The highest expression tree that later walks have to bear.
const MAX_HEIGHT: u16 = 120;

impl Builder<'_> {
    /// A node, unless the tree gets too high: a long run of operators nests as brackets do.
    pub fn bounded(&mut self, kind: ExprKind, span: Span) -> Expr {
        let expr = Expr::new(kind, span);
        if expr.height <= MAX_HEIGHT { expr } else { self.too_deep(span) }
    }

    pub fn too_deep(&mut self, span: Span) -> Expr {
        if !self.too_deep {
            self.too_deep = true;
            let start = Span { end: (span.start + 1).min(span.end), ..span };
            self.error(
                Diagnostic::error("E0111", "this expression is too long")
                    .label(start, "too many operators in one expression")
                    .help("give parts of it names with `let` and use the names here"),
            );
        }
        Expr::new(ExprKind::Error, span)
    }

    /// A primary expression with the calls, indexes and fields after it.
    pub fn operand(&mut self, items: &mut VecDeque<Pair<'_>>) -> Option<Expr> {
        let mut expr = self.primary(items.pop_front()?);
        while let Some(next) = items
            .pop_front_if(|next| matches!(next.as_rule(), Rule::call | Rule::index | Rule::field))
        {
            let at = self.span(&next);
            let span = expr.span.to(at);
            let kind = match next.as_rule() {
                Rule::call => {
                    let args = content(next).filter_map(|arg| self.arg(arg)).collect();
                    ExprKind::Call { callee: Box::new(expr), args }
                }
                Rule::index => {
                    let index = self.expr(next.into_inner().next()?);
                    ExprKind::Index(Box::new(expr), Box::new(index))
                }
                _ => {
                    let name = self.ident(&next.into_inner().next()?);
                    ExprKind::Field(Box::new(expr), name)
                }
            };
            expr = self.bounded(kind, span);
        }
        Some(expr)
    }

    fn arg(&mut self, pair: Pair<'_>) -> Option<Arg> {
        let mut inner = pair.into_inner();
        let first = inner.next()?;
        if first.as_rule() == Rule::arg_name {
            let name = first.into_inner().next().map(|name| self.ident(&name));
            return Some(Arg { name, value: self.expr(inner.next()?) });
        }
        Some(Arg { name: None, value: self.expr(first) })
    }

    fn primary(&mut self, pair: Pair<'_>) -> Expr {
        let span = self.span(&pair);
        match pair.as_rule() {
            Rule::name => Expr::new(ExprKind::Name(pair.as_str().trim().to_string()), span),
            Rule::string => {
                let text = self.string(pair);
                self.bounded(ExprKind::Text(text), span)
            }
            Rule::paren => match content(pair).next() {
                Some(inner) => {
                    let inner = self.expr(inner);
                    self.bounded(ExprKind::Paren(Box::new(inner)), span)
                }
                None => Expr::new(ExprKind::Error, span),
            },
            Rule::record => {
                let fields = content(pair).filter_map(|pair| self.pair(pair)).collect();
                self.bounded(ExprKind::Record(fields), span)
            }
            Rule::list => self.list(pair, span),
            Rule::if_expr => self.if_expr(pair, span),
            Rule::match_expr => {
                self.match_expr(pair, span).unwrap_or_else(|| Expr::new(ExprKind::Error, span))
            }
            Rule::chat_expr => {
                let turns = pair.into_inner().find(|pair| pair.as_rule() == Rule::turns);
                let turns = turns.map(|turns| self.turns(turns)).unwrap_or_default();
                self.bounded(ExprKind::Chat(turns), span)
            }
            Rule::generate_expr => {
                self.generate(pair).unwrap_or_else(|| Expr::new(ExprKind::Error, span))
            }
            Rule::decode_expr => {
                self.decode(pair).unwrap_or_else(|| Expr::new(ExprKind::Error, span))
            }
            _ => {
                let literal = self.literal(&pair);
                Expr::new(literal.map_or(ExprKind::Error, ExprKind::Literal), span)
            }
        }
    }

    /// `name: e`, or `name` alone.
    fn pair(&mut self, pair: Pair<'_>) -> Option<(Ident, Option<Expr>)> {
        let mut inner = pair.into_inner();
        let name = self.ident(&inner.next()?);
        Some((name, inner.next().map(|value| self.expr(value))))
    }

    fn list(&mut self, pair: Pair<'_>, span: Span) -> Expr {
        let mut items = Vec::new();
        let mut clause = None;
        for inner in content(pair) {
            if inner.as_rule() == Rule::for_clause {
                clause = Some(inner);
            } else {
                items.push(self.expr(inner));
            }
        }
        let kind = match clause {
            None => ExprKind::List(items),
            Some(clause) => {
                let mut parts = clause
                    .into_inner()
                    .filter(|part| !matches!(part.as_rule(), Rule::kw_for | Rule::kw_in));
                let (Some(body), Some(item), Some(source)) =
                    (items.pop(), parts.next(), parts.next())
                else {
                    return Expr::new(ExprKind::Error, span);
                };
                let item = self.ident(&item);
                let source = Box::new(self.expr(source));
                let filter = parts
                    .next()
                    .and_then(|filter| filter.into_inner().find(|p| p.as_rule() == Rule::expr))
                    .map(|filter| Box::new(self.expr(filter)));
                ExprKind::For { body: Box::new(body), item, source, filter }
            }
        };
        self.bounded(kind, span)
    }

    fn if_expr(&mut self, pair: Pair<'_>, span: Span) -> Expr {
        let mut branches = Vec::new();
        let mut otherwise = None;
        let mut cond = None;
        let mut parts: VecDeque<Pair<'_>> = pair.into_inner().collect();
        let keyword = parts.front().map_or(span, |keyword| self.span(keyword));
        while let Some(part) = parts.pop_front() {
            match part.as_rule() {
                Rule::expr => cond = Some(self.expr(part)),
                Rule::block => {
                    let block = self.block(part, None);
                    match cond.take() {
                        Some(cond) => branches.push((cond, block)),
                        None => otherwise = Some(block),
                    }
                }
                Rule::else_if | Rule::else_part => {
                    for inner in part.into_inner().rev() {
                        parts.push_front(inner);
                    }
                }
                _ => {}
            }
        }
        match otherwise {
            Some(otherwise) => self.bounded(ExprKind::If { branches, otherwise }, span),
            None => {
                self.error(
                    Diagnostic::error("E0114", "this `if` has no `else`")
                        .label(keyword, "`if` is an expression: it needs a value either way")
                        .help("add `else { … }` with the other value; `none` if there is none"),
                );
                Expr::new(ExprKind::Error, span)
            }
        }
    }

    fn match_expr(&mut self, pair: Pair<'_>, span: Span) -> Option<Expr> {
        let mut parts = pair.into_inner();
        parts.next(); // the keyword
        let subject = Box::new(self.expr(parts.next()?));
        let arms = parts
            .filter(|part| part.as_rule() == Rule::arm)
            .filter_map(|arm| {
                let span = self.span(&arm);
                let (mut patterns, mut value) = (Vec::new(), None);
                for part in arm.into_inner() {
                    match part.as_rule() {
                        Rule::pattern => patterns.extend(self.pattern(part)),
                        Rule::arrow if part.as_str() != "=>" => {
                            self.error(
                                Diagnostic::error("E0108", "an arm is written with `=>`")
                                    .label(self.span(&part), "between a pattern and its value")
                                    .help("write `=>` here")
                                    .fix(self.span(&part), "=>"),
                            );
                        }
                        Rule::arrow => {}
                        _ => value = Some(self.expr(part)),
                    }
                }
                Some(Arm { patterns, value: value?, span })
            })
            .collect();
        Some(self.bounded(ExprKind::Match { subject, arms }, span))
    }

    /// A literal, `_` or a name.
    fn pattern(&mut self, pair: Pair<'_>) -> Option<Pattern> {
        let span = self.span(&pair);
        let negative = pair.as_str().starts_with('-');
        let inner = pair.into_inner().next()?;
        if inner.as_rule() == Rule::ident {
            let name = self.ident(&inner);
            return Some(match name.text.as_str() {
                "_" => Pattern::Rest(name.span),
                _ => Pattern::Name(name),
            });
        }
        let kind = match inner.as_rule() {
            Rule::string => ExprKind::Text(self.string(inner)),
            _ => match (self.literal(&inner), negative) {
                (Some(Literal::Int(value)), true) => ExprKind::Literal(Literal::Int(-value)),
                (Some(Literal::Float(value)), true) => ExprKind::Literal(Literal::Float(-value)),
                (Some(Literal::Duration(value)), true) => {
                    ExprKind::Literal(Literal::Duration(-value))
                }
                (Some(literal), _) => ExprKind::Literal(literal),
                (None, _) => ExprKind::Error,
            },
        };
        Some(Pattern::Value(self.bounded(kind, span)))
    }

    fn generate(&mut self, pair: Pair<'_>) -> Option<Expr> {
        let mut span = self.span(&pair);
        let mut parts = pair.into_inner();
        let keyword = self.span(&parts.next()?);
        let out = self.ty(parts.next()?);
        parts.next(); // from
        let prompt = self.expr(parts.next()?);
        let mut stages = Vec::new();
        match parts.next() {
            Some(pair) => {
                for stage in content(pair) {
                    stages.extend(self.stage(stage));
                }
            }
            None => span = keyword.to(prompt.span),
        }
        Some(self.bounded(ExprKind::Generate { out, prompt: Box::new(prompt), stages }, span))
    }

    fn stage(&mut self, pair: Pair<'_>) -> Option<Stage> {
        let whole = self.span(&pair);
        let mut inner = pair.into_inner();
        let name = self.ident(&inner.next()?);
        let value = inner.next()?;
        if value.as_rule() == Rule::settings {
            let value = StageValue::Settings(self.settings(value));
            return Some(Stage { name, value, span: whole });
        }
        let value = self.expr(value);
        let span = name.span.to(value.span);
        Some(Stage { name, value: StageValue::Bare(value), span })
    }

    pub fn settings(&mut self, pair: Pair<'_>) -> Vec<Setting> {
        content(pair)
            .filter_map(|pair| {
                let (name, value) = self.pair(pair)?;
                let span = value.as_ref().map_or(name.span, |value| name.span.to(value.span));
                Some(Setting { name, value, span })
            })
            .collect()
    }

    fn decode(&mut self, pair: Pair<'_>) -> Option<Expr> {
        let mut span = self.span(&pair);
        let mut parts = pair.into_inner();
        let keyword = self.span(&parts.next()?);
        let tokens = self.expr(parts.next()?);
        let settings = match parts.next().and_then(|settings| settings.into_inner().next()) {
            Some(settings) => self.settings(settings),
            None => {
                span = keyword.to(tokens.span);
                Vec::new()
            }
        };
        Some(self.bounded(ExprKind::Decode { tokens: Box::new(tokens), settings }, span))
    }

    /// Numbers, durations, truths and none; a malformed one is diagnosed.
    pub fn literal(&mut self, pair: &Pair<'_>) -> Option<Literal> {
        let span = self.span(pair);
        let written = pair.as_str().trim();
        let digits: String = written.chars().filter(|c| *c != '_').collect();
        match pair.as_rule() {
            Rule::boolean => Some(Literal::Bool(written == "true")),
            Rule::none => Some(Literal::None),
            Rule::int => match digits.parse() {
                Ok(value) => Some(Literal::Int(value)),
                Err(_) => {
                    self.error(
                        Diagnostic::error("E0106", "this number is too large")
                            .label(span, format!("the largest int is {}", i64::MAX)),
                    );
                    None
                }
            },
            Rule::float => match digits.parse::<f64>() {
                Ok(value) if value.is_finite() => Some(Literal::Float(value)),
                _ => {
                    self.error(
                        Diagnostic::error("E0106", "this number is too large").label(span, ""),
                    );
                    None
                }
            },
            Rule::duration => {
                let split = digits.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(digits.len());
                let (number, unit) = digits.split_at(split);
                let number: f64 = number.parse().ok()?;
                Some(Literal::Duration(match unit {
                    "ms" => number / 1000.0,
                    "min" => number * 60.0,
                    "h" => number * 3600.0,
                    _ => number,
                }))
            }
            _ => {
                self.error(
                    Diagnostic::error("E0106", format!("`{written}` is not a number"))
                        .label(span, "")
                        .help(
                            "numbers: 12, 1_000, 0.5, 1e-3; durations: 3s, 250ms, 2min, 1h; a \
                             name does not start with a digit",
                        ),
                );
                None
            }
        }
    }
}
