//! `match`: one value against patterns, first come first served. In the IR it is a chain of `if`s
//! over a value that is worked out once.

use crate::base::{Diagnostic, Literal, Span};
use crate::lang::ir::{self, BinaryOp, Expr, ExprKind};
use crate::lang::syntax::ast::{self, Arm, Pattern};
use crate::lang::types::Type;
use crate::lang::words::listing;

use super::body::Body;
use super::coerce::{coerce, join};
use super::operators::comparable;

/// What earlier arms left over.
struct Rest {
    /// The subject's type without `none`.
    inner: Type,
    /// `none` may still come.
    none: bool,
    /// The values that may still come, where they can be counted.
    cases: Option<Vec<Literal>>,
    /// Patterns met so far, with their places.
    seen: Vec<(Literal, Span)>,
    /// The pattern that takes everything.
    all: Option<Span>,
}

impl Rest {
    fn of(ty: &Type) -> Rest {
        let (inner, none) = match ty {
            Type::Option(inner) => (inner.as_ref().clone(), true),
            other => (other.clone(), false),
        };
        let cases = match &inner {
            Type::Union(cases) => Some(cases.clone()),
            Type::Bool => Some(vec![Literal::Bool(true), Literal::Bool(false)]),
            _ => None,
        };
        Rest { inner, none, cases, seen: Vec::new(), all: None }
    }

    fn take(&mut self, literal: &Literal) {
        if *literal == Literal::None {
            self.none = false;
        } else if let Some(cases) = &mut self.cases {
            cases.retain(|case| case != literal);
        }
    }

    /// The type of what is left.
    fn ty(&self) -> Type {
        let inner = match (&self.inner, &self.cases) {
            (Type::Union(_), Some(cases)) if !cases.is_empty() => Type::Union(cases.clone()),
            (inner, _) => inner.clone(),
        };
        if self.none { Type::Option(Box::new(inner)) } else { inner }
    }

    /// Whether the arms so far take every value.
    fn done(&self) -> bool {
        let counted = self.cases.as_ref().is_some_and(Vec::is_empty);
        self.all.is_some() || (!self.none && counted)
    }

    /// What no arm takes, in words.
    fn missing(&self) -> Vec<String> {
        let mut out: Vec<String> =
            self.cases.iter().flatten().map(|case| format!("`{case}`")).collect();
        if self.none {
            out.push("`none`".to_string());
        }
        if self.cases.is_none() {
            out.push(format!("every other {}", self.inner));
        }
        out
    }
}

/// An arm that was checked: when it is taken, and what it gives.
struct Checked {
    /// `None` where it takes all that is left.
    cond: Option<Expr>,
    block: ir::Block,
}

impl Body<'_, '_> {
    pub fn match_expr(
        &mut self,
        subject: &ast::Expr,
        arms: &[Arm],
        span: Span,
        want: Option<&Type>,
    ) -> Expr {
        let subject = self.expr(subject, None);
        if subject.ty == Type::None {
            self.error(
                Diagnostic::error("E0308", "`none` alone does not say what is missing")
                    .label(subject.span, "of what type?"),
            );
        }
        let local = self.hidden("matched", subject.ty.clone(), subject.span);
        let value =
            Expr { kind: ExprKind::Local(local), ty: subject.ty.clone(), span: subject.span };
        let mut rest = Rest::of(&subject.ty);
        let mut failed = matches!(subject.ty, Type::Error | Type::None);
        let mut checked: Vec<Checked> = Vec::new();
        for arm in arms {
            match self.arm(&value, arm, &mut rest, want) {
                Some(arm) => checked.push(arm),
                None => failed = true,
            }
        }
        failed |= checked.iter().any(|arm| arm.block.result.ty == Type::Error);
        if failed {
            return Self::error_expr(span);
        }
        if !rest.done() {
            let missing = rest.missing();
            self.error(
                Diagnostic::error("E0318", "this `match` does not say what to do with some values")
                    .label(value.span, format!("may also be {}", listing(&missing, "or")))
                    .help("add arms for them, or `_ => …` for all that is left"),
            );
            return Self::error_expr(span);
        }
        let ty = match want {
            Some(want) => Some(want.clone()),
            None => {
                let mut types = checked.iter().map(|arm| arm.block.result.ty.clone());
                let first = types.next();
                first.and_then(|first| types.try_fold(first, |ty, other| join(&ty, &other)))
            }
        };
        let Some(ty) = ty else {
            let mut diagnostic =
                Diagnostic::error("E0315", "the arms of this `match` have different types");
            for arm in &checked {
                let result = &arm.block.result;
                diagnostic = diagnostic.label(result.span, format!("is {}", result.ty));
            }
            self.error(diagnostic);
            return Self::error_expr(span);
        };
        let Some(chain) = self.chain(checked, &ty, span) else { return Self::error_expr(span) };
        let binding =
            ir::Let { local, name: "matched".to_string(), span: subject.span, value: subject };
        let block = ir::Block { lets: vec![binding], result: Box::new(chain) };
        Expr { kind: ExprKind::Bind(block), ty, span }
    }

    /// The last arm takes what is left, as the arms take everything.
    fn chain(&mut self, arms: Vec<Checked>, ty: &Type, span: Span) -> Option<Expr> {
        let mut last: Option<ir::Block> = None;
        for arm in arms.into_iter().rev() {
            let result = self.fit(*arm.block.result, ty, "this arm");
            let then = ir::Block { lets: arm.block.lets, result: Box::new(result) };
            last = Some(match (arm.cond, last) {
                (Some(cond), Some(otherwise)) => {
                    let kind = ExprKind::If { cond: Box::new(cond), then, otherwise };
                    let result = Box::new(Expr { kind, ty: ty.clone(), span });
                    ir::Block { lets: Vec::new(), result }
                }
                (_, _) => then,
            });
        }
        let last = last?;
        let failed = last.result.ty == Type::Error;
        match last.lets.is_empty() {
            _ if failed => None,
            true => Some(*last.result),
            false => Some(Expr { kind: ExprKind::Bind(last), ty: ty.clone(), span }),
        }
    }

    fn arm(
        &mut self,
        value: &Expr,
        arm: &Arm,
        rest: &mut Rest,
        want: Option<&Type>,
    ) -> Option<Checked> {
        let mut cond: Option<Expr> = None;
        let mut name = None;
        let mut all = false;
        let mut failed = false;
        for pattern in &arm.patterns {
            if rest.done() {
                self.unreachable(pattern.span(), rest);
                failed = true;
                continue;
            }
            match pattern {
                Pattern::Value(literal) => match self.pattern_value(value, literal, rest) {
                    Some(test) => {
                        cond = Some(match cond {
                            None => test,
                            Some(before) => {
                                let span = before.span.to(test.span);
                                self.finish(BinaryOp::Or, before, test, Type::Bool, span)
                            }
                        });
                    }
                    None => failed = true,
                },
                Pattern::Rest(_) | Pattern::Name(_) => {
                    all = true;
                    if let Pattern::Name(written) = pattern {
                        if arm.patterns.len() > 1 {
                            self.error(
                                Diagnostic::error("E0319", "a name takes everything by itself")
                                    .label(written.span, "beside other patterns")
                                    .help("write `_`, or give the name an arm of its own"),
                            );
                            failed = true;
                        }
                        name = Some((written, rest.ty()));
                    }
                    rest.all = Some(pattern.span());
                }
            }
        }
        let mut lets = Vec::new();
        let mut scope = None;
        if let Some((written, ty)) = name {
            let (local, before) = self.declare(written, ty.clone(), "value");
            // The value is the same under the narrower type that is left.
            let kind = ExprKind::Coerce(Box::new(value.clone()));
            let inner = Expr { kind, ty, span: written.span };
            lets.push(ir::Let {
                local,
                name: written.text.clone(),
                value: inner,
                span: written.span,
            });
            scope = Some((&written.text, before));
        }
        let result = match want {
            Some(want) => self.expect(&arm.value, want, "this arm"),
            None => self.expr(&arm.value, None),
        };
        if let Some((name, before)) = scope {
            self.leave(name, before);
        }
        let cond = if all { None } else { cond };
        let block = ir::Block { lets, result: Box::new(result) };
        (!failed && !arm.patterns.is_empty()).then_some(Checked { cond, block })
    }

    /// The test of a literal; marks it as taken.
    fn pattern_value(
        &mut self,
        value: &Expr,
        pattern: &ast::Expr,
        rest: &mut Rest,
    ) -> Option<Expr> {
        if value.ty == Type::Error {
            return None;
        }
        let found = self.expr(pattern, Some(&rest.inner));
        if found.ty == Type::Error {
            return None;
        }
        let ExprKind::Literal(literal) = &found.kind else {
            self.error(
                Diagnostic::error("E0319", "a pattern is a literal, `_` or a name")
                    .label(found.span, "worked out while running")
                    .help("compare with `if … == …` instead"),
            );
            return None;
        };
        let literal = literal.clone();
        let span = found.span;
        let optional = matches!(value.ty, Type::Option(_));
        let is_none = literal == Literal::None;
        if (is_none && !optional) || (!is_none && !comparable(&rest.inner)) {
            let what = if is_none { "is never none" } else { "has no literals" };
            self.error(
                Diagnostic::error("E0319", format!("{} {what}", rest.inner))
                    .label(span, "can never be met")
                    .label(value.span, format!("is {}", value.ty))
                    .help("remove this pattern, or match something else"),
            );
            return None;
        }
        let seen = rest.seen.iter().find(|(known, _)| *known == literal).map(|(_, at)| *at);
        if let Some(first) = seen {
            self.error(
                Diagnostic::error("E0319", format!("{literal} is taken by an earlier pattern"))
                    .label(span, "never reached")
                    .label(first, "taken here")
                    .help("remove one of them"),
            );
            return None;
        }
        let place = format!("a pattern for {}", value.ty);
        let found = if is_none { found } else { self.fit(found, &rest.inner, &place) };
        if found.ty == Type::Error {
            return None;
        }
        rest.seen.push((literal.clone(), span));
        rest.take(&literal);
        let right = coerce(found, &value.ty).ok()?;
        Some(self.finish(BinaryOp::Equal, value.clone(), right, Type::Bool, span))
    }

    fn unreachable(&mut self, at: Span, rest: &Rest) {
        let mut diagnostic = Diagnostic::error("E0319", "this pattern is never reached")
            .label(at, "earlier arms take every value");
        if let Some(all) = rest.all {
            diagnostic = diagnostic
                .label(all, "takes all that is left")
                .help("a bare word is a name for whatever comes; a text stands in quotes");
        } else {
            diagnostic = diagnostic.help("remove it");
        }
        self.error(diagnostic);
    }
}
