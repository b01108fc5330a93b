//! Lists: written out, walked through, indexed.

use crate::base::{Diagnostic, Literal, Span};
use crate::lang::ir::{Expr, ExprKind};
use crate::lang::syntax::ast::{self, Ident};
use crate::lang::types::Type;

use super::body::Body;
use super::coerce::join;
use super::expr::bare;

impl Body<'_, '_> {
    pub fn list(&mut self, items: &[ast::Expr], span: Span, want: Option<&Type>) -> Expr {
        if let Some(Type::List(inner)) = bare(want) {
            let inner = inner.as_ref().clone();
            let out: Vec<Expr> = items
                .iter()
                .map(|item| self.expect(item, &inner, "an item of this list"))
                .collect();
            if out.iter().any(|item| item.ty == Type::Error) {
                return Self::error_expr(span);
            }
            return Expr { kind: ExprKind::List(out), ty: Type::List(Box::new(inner)), span };
        }
        let out: Vec<Expr> = items.iter().map(|item| self.expr(item, None)).collect();
        let Some(first) = out.first() else {
            self.error(
                Diagnostic::error("E0308", "an empty list does not say what it is a list of")
                    .label(span, "of what?")
                    .help("give it a type, as in `let words: list<text> = []`"),
            );
            return Self::error_expr(span);
        };
        let mut ty = first.ty.clone();
        for item in &out[1..] {
            match join(&ty, &item.ty) {
                Some(joined) => ty = joined,
                None => {
                    self.error(
                        Diagnostic::error("E0315", "the items of a list are of one type")
                            .label(item.span, format!("is {}", item.ty))
                            .label(first.span, format!("is {}", first.ty)),
                    );
                    return Self::error_expr(span);
                }
            }
        }
        if ty == Type::Error {
            return Self::error_expr(span);
        }
        let out = out.into_iter().map(|item| self.fit(item, &ty, "an item of this list")).collect();
        Expr { kind: ExprKind::List(out), ty: Type::List(Box::new(ty)), span }
    }

    pub fn comprehension(
        &mut self,
        body: &ast::Expr,
        item: &Ident,
        source: &ast::Expr,
        filter: Option<&ast::Expr>,
        span: Span,
        want: Option<&Type>,
    ) -> Expr {
        let source = self.expr(source, None);
        let inner = match &source.ty {
            Type::List(inner) => inner.as_ref().clone(),
            Type::Error => Type::Error,
            other => {
                self.error(
                    Diagnostic::error("E0316", format!("{other} has no items to walk through"))
                        .label(source.span, "a list is wanted here"),
                );
                Type::Error
            }
        };
        let (local, before) = self.declare(item, inner, "value");
        let filter =
            filter.map(|filter| Box::new(self.expect(filter, &Type::Bool, "the condition")));
        let body = match bare(want) {
            Some(Type::List(wanted)) => {
                let wanted = wanted.as_ref().clone();
                self.expect(body, &wanted, "an item of this list")
            }
            _ => self.expr(body, None),
        };
        self.leave(&item.text, before);
        if body.ty == Type::Error || source.ty == Type::Error {
            return Self::error_expr(span);
        }
        let ty = Type::List(Box::new(body.ty.clone()));
        let (source, body) = (Box::new(source), Box::new(body));
        Expr { kind: ExprKind::For { item: local, source, filter, body }, ty, span }
    }

    pub fn index(&mut self, list: &ast::Expr, index: &ast::Expr, span: Span) -> Expr {
        let list = self.expr(list, None);
        let index = self.expect(index, &Type::Int, "an index");
        let inner = match &list.ty {
            Type::List(inner) => inner.as_ref().clone(),
            Type::Error => return Self::error_expr(span),
            other => {
                self.error(
                    Diagnostic::error("E0316", format!("{other} has no items to choose from"))
                        .label(list.span, "a list is wanted here"),
                );
                return Self::error_expr(span);
            }
        };
        if let ExprKind::Literal(Literal::Int(value)) = index.kind
            && value < 0
        {
            self.error(
                Diagnostic::error("E0316", "an index counts from 0 at the start of the list")
                    .label(index.span, "less than 0")
                    .help("the last item is at `length(list) - 1`"),
            );
            return Self::error_expr(span);
        }
        if index.ty == Type::Error {
            return Self::error_expr(span);
        }
        Expr { kind: ExprKind::Index(Box::new(list), Box::new(index)), ty: inner, span }
    }
}
