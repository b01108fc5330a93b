//! Which type fits where, and what is done to a value so that it does.

use crate::base::Literal;
use crate::lang::ir::{Expr, ExprKind};
use crate::lang::types::Type;

/// Whether a value of one type is, unchanged, one of the other.
pub fn widens(from: &Type, to: &Type) -> bool {
    match (from, to) {
        (Type::Error, _) | (_, Type::Error) => true,
        (Type::None, Type::Option(_)) => true,
        (Type::Option(from), Type::Option(to)) | (Type::List(from), Type::List(to)) => {
            widens(from, to)
        }
        (from, Type::Option(to)) => widens(from, to),
        (Type::Union(from), Type::Union(to)) => from.iter().all(|case| to.contains(case)),
        (Type::Union(cases), to) if *to == Type::TEXT => {
            matches!(cases.first(), Some(Literal::Text(_)))
        }
        (Type::Union(cases), Type::Matching(pattern)) => {
            cases.iter().all(|case| matches!(case, Literal::Text(text) if pattern.matches(text)))
        }
        (Type::Matching(_), to) if *to == Type::TEXT => true,
        (Type::Lasting(medium, _), Type::Medium(to)) => medium == to,
        (Type::Lasting(medium, from), Type::Lasting(other, to)) => {
            medium == other && from.within(to)
        }
        (Type::Union(cases), Type::Int) => matches!(cases.first(), Some(Literal::Int(_))),
        (Type::Record(from), Type::Record(to)) => {
            from.len() == to.len()
                && to.iter().all(|(name, to)| {
                    from.iter().any(|(known, from)| known == name && widens(from, to))
                })
        }
        (from, to) => from == to,
    }
}

/// Makes a value fit a type; gives it back where it does not.
pub fn coerce(expr: Expr, to: &Type) -> Result<Expr, Box<Expr>> {
    if expr.ty == *to || expr.ty == Type::Error || *to == Type::Error {
        return Ok(expr);
    }
    if widens(&expr.ty, to) {
        return Ok(retype(expr, to.clone()));
    }
    // The one change of representation: int → float, also on the way to an option.
    let inner = match to {
        Type::Option(inner) => inner.as_ref(),
        other => other,
    };
    if *inner == Type::Float && widens(&expr.ty, &Type::Int) {
        let int = retype(expr, Type::Int);
        let float = match int.kind {
            ExprKind::Literal(Literal::Int(value)) => Expr {
                kind: ExprKind::Literal(Literal::Float(value as f64)),
                ty: Type::Float,
                span: int.span,
            },
            _ => retype(int, Type::Float),
        };
        return Ok(retype(float, to.clone()));
    }
    Err(Box::new(expr))
}

fn retype(expr: Expr, ty: Type) -> Expr {
    if expr.ty == ty {
        return expr;
    }
    let span = expr.span;
    match expr.kind {
        // A literal is what it is under every wider type.
        ExprKind::Literal(literal) if ty != Type::Float => {
            Expr { kind: ExprKind::Literal(literal), ty, span }
        }
        _ => Expr { kind: ExprKind::Coerce(Box::new(expr)), ty, span },
    }
}

/// The narrowest type that both fit.
pub fn join(a: &Type, b: &Type) -> Option<Type> {
    if *a == Type::Error || *b == Type::Error {
        return Some(Type::Error);
    }
    if widens(a, b) {
        return Some(b.clone());
    }
    if widens(b, a) {
        return Some(a.clone());
    }
    match (a, b) {
        (Type::None, other) | (other, Type::None) => Some(Type::Option(Box::new(other.clone()))),
        // What is in an option keeps its representation.
        (Type::Option(inner), Type::Option(other)) => {
            let joined = join(inner, other)?;
            (widens(inner, &joined) && widens(other, &joined))
                .then(|| Type::Option(Box::new(joined)))
        }
        (Type::Option(inner), other) | (other, Type::Option(inner)) => {
            let joined = join(inner, other)?;
            widens(inner, &joined).then(|| Type::Option(Box::new(joined)))
        }
        (Type::Int | Type::Union(_), Type::Float) if widens(a, &Type::Int) => Some(Type::Float),
        (Type::Float, Type::Int | Type::Union(_)) if widens(b, &Type::Int) => Some(Type::Float),
        (Type::Lasting(medium, _), Type::Lasting(other, _)) if medium == other => {
            Some(Type::Medium(*medium))
        }
        (Type::Union(cases), Type::Union(more)) => match (cases.first(), more.first()) {
            (Some(Literal::Text(_)), Some(Literal::Text(_)))
            | (Some(Literal::Int(_)), Some(Literal::Int(_))) => {
                let new = more.iter().filter(|case| !cases.contains(case));
                Some(Type::Union(cases.iter().chain(new).cloned().collect()))
            }
            _ => None,
        },
        // Of two patterns, or a pattern and cases, no more is known than that both are texts.
        (a, b) if widens(a, &Type::TEXT) && widens(b, &Type::TEXT) => Some(Type::TEXT),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Medium;

    fn option(ty: Type) -> Type {
        Type::Option(Box::new(ty))
    }

    fn union(cases: &[&str]) -> Type {
        Type::Union(cases.iter().map(|case| Literal::Text((*case).to_string())).collect())
    }

    #[test]
    fn joins() {
        assert_eq!(join(&Type::Int, &Type::Float), Some(Type::Float));
        assert_eq!(join(&Type::None, &Type::Int), Some(option(Type::Int)));
        assert_eq!(join(&option(Type::Float), &Type::Int), Some(option(Type::Float)));
        assert_eq!(join(&option(Type::Int), &Type::Float), None);
        assert_eq!(join(&union(&["a"]), &union(&["b"])), Some(union(&["a", "b"])));
        assert_eq!(join(&union(&["a"]), &Type::TEXT), Some(Type::TEXT));
        assert_eq!(join(&Type::TEXT, &Type::Medium(Medium::Image)), None);
    }

    #[test]
    fn only_whole_values_change_representation() {
        let ints = Type::List(Box::new(Type::Int));
        let floats = Type::List(Box::new(Type::Float));
        assert!(!widens(&ints, &floats));
        assert!(widens(&union(&["a"]), &option(Type::TEXT)));
        assert!(!widens(&Type::TEXT, &union(&["a"])));
    }
}
