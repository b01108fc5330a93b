//! Operators.

use crate::base::{Diagnostic, Literal, Span};
use crate::lang::fold;
use crate::lang::ir::{self, BinaryOp, Expr, ExprKind, UnaryOp};
use crate::lang::syntax::ast;
use crate::lang::types::Type;

use super::body::Body;
use super::coerce::{coerce, join, widens};
use super::expr::bare;

/// Names the value that `between` compares twice.
pub const BETWEEN: &str = "between";

fn number(ty: &Type) -> bool {
    *ty == Type::Float || widens(ty, &Type::Int)
}

/// Whether two values of a type can be told apart by `==`.
pub fn comparable(ty: &Type) -> bool {
    match ty {
        Type::Int
        | Type::Float
        | Type::Bool
        | Type::Duration
        | Type::Union(_)
        | Type::Matching(_)
        | Type::None => true,
        Type::Option(inner) => comparable(inner),
        other => *other == Type::TEXT,
    }
}

impl Body<'_, '_> {
    pub fn unary(&mut self, op: UnaryOp, inner: &ast::Expr, span: Span) -> Expr {
        let value = match op {
            UnaryOp::Not => self.expect(inner, &Type::Bool, "the operand of `not`"),
            UnaryOp::Negate => {
                let value = self.expr(inner, None);
                if widens(&value.ty, &Type::Int) {
                    self.fit(value, &Type::Int, "a number")
                } else if value.ty == Type::Float {
                    value
                } else {
                    self.error(
                        Diagnostic::error("E0306", format!("{} has no negative", value.ty))
                            .label(value.span, "a number is wanted here"),
                    );
                    return Self::error_expr(span);
                }
            }
        };
        if value.ty == Type::Error {
            return Self::error_expr(span);
        }
        let ty = value.ty.clone();
        if let ExprKind::Literal(literal) = &value.kind {
            match fold::unary(op, literal) {
                Ok(Some(literal)) => return Expr { kind: ExprKind::Literal(literal), ty, span },
                Ok(None) => {}
                Err(error) => return self.no_value(error, span),
            }
        }
        Expr { kind: ExprKind::Unary(op, Box::new(value)), ty, span }
    }

    fn no_value(&mut self, error: fold::FoldError, span: Span) -> Expr {
        self.error(Diagnostic::error("E0310", "this has no value").label(span, error.to_string()));
        Self::error_expr(span)
    }

    pub fn binary(
        &mut self,
        op: BinaryOp,
        op_span: Span,
        left: &ast::Expr,
        right: &ast::Expr,
        span: Span,
        want: Option<&Type>,
    ) -> Expr {
        match op {
            BinaryOp::And | BinaryOp::Or => {
                let place = format!("an operand of `{}`", op.symbol());
                let left = self.expect(left, &Type::Bool, &place);
                let right = self.expect(right, &Type::Bool, &place);
                self.finish(op, left, right, Type::Bool, span)
            }
            BinaryOp::Contains => {
                let left = self.expect(left, &Type::TEXT, "what contains something");
                let right = self.expect(right, &Type::TEXT, "what is contained");
                self.finish(op, left, right, Type::Bool, span)
            }
            BinaryOp::Coalesce => self.coalesce(left, right, span, want),
            BinaryOp::Equal | BinaryOp::NotEqual => self.equality(op, op_span, left, right, span),
            _ => {
                let hint = match bare(want) {
                    Some(list @ Type::List(_)) if op == BinaryOp::Add => Some(list.clone()),
                    _ => None,
                };
                let left = self.expr(left, hint.as_ref());
                let right = self.expr(right, hint.as_ref());
                self.arithmetic(op, op_span, left, right, span)
            }
        }
    }

    /// `value between least and most`: two comparisons of a value that is worked out once.
    pub fn between(
        &mut self,
        op_span: Span,
        value: &ast::Expr,
        least: &ast::Expr,
        most: &ast::Expr,
        span: Span,
    ) -> Expr {
        let value = self.expr(value, None);
        let (ty, at) = (value.ty.clone(), value.span);
        let local = self.hidden("between", ty.clone(), at);
        let used = || Expr { kind: ExprKind::Local(local), ty: ty.clone(), span: at };
        let (least, most) = (self.expr(least, None), self.expr(most, None));
        let least = self.arithmetic(BinaryOp::GreaterEqual, op_span, used(), least, span);
        let most = self.arithmetic(BinaryOp::LessEqual, op_span, used(), most, span);
        let both = self.finish(BinaryOp::And, least, most, Type::Bool, span);
        if both.ty == Type::Error {
            return both;
        }
        let binding = ir::Let { local, name: BETWEEN.to_string(), value, span: at };
        let block = ir::Block { lets: vec![binding], result: Box::new(both) };
        Expr { kind: ExprKind::Bind(block), ty: Type::Bool, span }
    }

    /// Builds the operation, or its value where both sides are known.
    pub fn finish(&mut self, op: BinaryOp, left: Expr, right: Expr, ty: Type, span: Span) -> Expr {
        if left.ty == Type::Error || right.ty == Type::Error {
            return Self::error_expr(span);
        }
        if let (ExprKind::Literal(a), ExprKind::Literal(b)) = (&left.kind, &right.kind) {
            match fold::binary(op, a, b) {
                Ok(Some(literal)) => return Expr { kind: ExprKind::Literal(literal), ty, span },
                Ok(None) => {}
                Err(error) => return self.no_value(error, span),
            }
        }
        let kind = ExprKind::Binary(op, Box::new(left), Box::new(right));
        Expr { kind, ty, span }
    }

    fn arithmetic(
        &mut self,
        op: BinaryOp,
        op_span: Span,
        left: Expr,
        right: Expr,
        span: Span,
    ) -> Expr {
        if left.ty == Type::Error || right.ty == Type::Error {
            return Self::error_expr(span);
        }
        let ordering = matches!(
            op,
            BinaryOp::Less | BinaryOp::LessEqual | BinaryOp::Greater | BinaryOp::GreaterEqual
        );
        let operands = if number(&left.ty) && number(&right.ty) {
            let float = left.ty == Type::Float || right.ty == Type::Float;
            Some(if float { Type::Float } else { Type::Int })
        } else if ordering && left.ty == Type::Duration && right.ty == Type::Duration {
            Some(Type::Duration)
        } else if op == BinaryOp::Add {
            match (&left.ty, &right.ty) {
                (a, b) if widens(a, &Type::TEXT) && widens(b, &Type::TEXT) => Some(Type::TEXT),
                (Type::List(_), Type::List(_)) => join(&left.ty, &right.ty),
                _ => None,
            }
        } else {
            None
        };
        let Some(operands) = operands else {
            self.no_such_operation(op, op_span, &left, &right);
            return Self::error_expr(span);
        };
        match (coerce(left, &operands), coerce(right, &operands)) {
            (Ok(left), Ok(right)) => {
                let ty = if ordering { Type::Bool } else { operands };
                self.finish(op, left, right, ty, span)
            }
            _ => Self::error_expr(span),
        }
    }

    fn no_such_operation(&mut self, op: BinaryOp, op_span: Span, left: &Expr, right: &Expr) {
        let sign = op.symbol();
        let mut diagnostic = Diagnostic::error(
            "E0306",
            format!("`{sign}` does not work on {} and {}", left.ty, right.ty),
        )
        .label(op_span, "")
        .label(left.span, format!("is {}", left.ty))
        .label(right.span, format!("is {}", right.ty));
        let either = |wanted: &dyn Fn(&Type) -> bool| wanted(&left.ty) || wanted(&right.ty);
        if either(&|ty| matches!(ty, Type::Option(_) | Type::None)) {
            diagnostic =
                diagnostic.help("one side may be none: write `(… ?? other)` to say what to take");
        } else if either(&|ty| *ty == Type::TEXT) && op == BinaryOp::Add {
            diagnostic = diagnostic.help("to put a value in a text, use a hole: \"{…}\"");
        } else if either(&|ty| *ty == Type::Duration) {
            diagnostic = diagnostic.help("arithmetic on durations is not in this version of agpt");
        }
        self.error(diagnostic);
    }

    fn equality(
        &mut self,
        op: BinaryOp,
        op_span: Span,
        left: &ast::Expr,
        right: &ast::Expr,
        span: Span,
    ) -> Expr {
        let mut left = self.expr(left, None);
        let mut right = self.expr(right, None);
        // A literal beside a union must be one of its cases, else they are never equal.
        if matches!(bare(Some(&left.ty)), Some(Type::Union(_))) {
            right = self.literal_case(right, Some(&left.ty));
        } else if matches!(bare(Some(&right.ty)), Some(Type::Union(_))) {
            left = self.literal_case(left, Some(&right.ty));
        }
        if left.ty == Type::Error || right.ty == Type::Error {
            return Self::error_expr(span);
        }
        // Whether there is a value can be asked of every option.
        let with_none = left.ty == Type::None || right.ty == Type::None;
        let joined = join(&left.ty, &right.ty).filter(|ty| match ty {
            Type::Option(_) if with_none => {
                matches!(left.ty, Type::Option(_)) || matches!(right.ty, Type::Option(_))
            }
            other => comparable(other),
        });
        let Some(joined) = joined else {
            let same = left.ty == right.ty;
            let message = if same {
                format!("values of type {} cannot be compared", left.ty)
            } else {
                format!("{} and {} are never equal", left.ty, right.ty)
            };
            self.error(
                Diagnostic::error("E0306", message)
                    .label(op_span, "")
                    .label(left.span, format!("is {}", left.ty))
                    .label(right.span, format!("is {}", right.ty)),
            );
            return Self::error_expr(span);
        };
        match (coerce(left, &joined), coerce(right, &joined)) {
            (Ok(left), Ok(right)) => self.finish(op, left, right, Type::Bool, span),
            _ => Self::error_expr(span),
        }
    }

    fn coalesce(
        &mut self,
        left: &ast::Expr,
        right: &ast::Expr,
        span: Span,
        want: Option<&Type>,
    ) -> Expr {
        // `file("…") ?? x` makes no sense, but a nested `??` wants the option of the whole.
        let hint = bare(want).map(|inner| Type::Option(Box::new(inner.clone())));
        let left = self.expr(left, hint.as_ref());
        let inner = match &left.ty {
            Type::Option(inner) => inner.as_ref().clone(),
            Type::Error => {
                self.expr(right, want);
                return Self::error_expr(span);
            }
            Type::None => {
                self.error(
                    Diagnostic::error("E0306", "the left side of `??` is always none")
                        .label(left.span, "")
                        .help("remove it with the `??`"),
                );
                return Self::error_expr(span);
            }
            other => {
                let diagnostic = Diagnostic::error(
                    "E0306",
                    format!("{other} is never none, so `??` does nothing"),
                )
                .label(left.span, format!("is {other}"))
                .help("remove the `??` and what follows");
                self.error(diagnostic);
                return Self::error_expr(span);
            }
        };
        let right = self.expr(right, Some(&inner));
        if right.ty == Type::Error {
            return Self::error_expr(span);
        }
        let Some(ty) =
            join(&inner, &right.ty).filter(|ty| widens(&inner, bare(Some(ty)).unwrap_or(ty)))
        else {
            self.error(
                Diagnostic::error("E0315", "both sides of `??` have one type")
                    .label(left.span, format!("is {}", left.ty))
                    .label(right.span, format!("is {}", right.ty)),
            );
            return Self::error_expr(span);
        };
        let option = match &ty {
            Type::Option(_) => ty.clone(),
            other => Type::Option(Box::new(other.clone())),
        };
        match (coerce(left, &option), coerce(right, &ty)) {
            (Ok(left), Ok(right)) => {
                if let ExprKind::Literal(Literal::None) = left.kind {
                    return Expr { span, ..right };
                }
                let kind = ExprKind::Binary(BinaryOp::Coalesce, Box::new(left), Box::new(right));
                Expr { kind, ty, span }
            }
            _ => Self::error_expr(span),
        }
    }
}
