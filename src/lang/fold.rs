//! Constant folding. The rules here are the language's arithmetic: a run computes the same.

use crate::base::Literal;

use super::ir::{BinaryOp, ExprKind, Segment, UnaryOp};

/// Texts made by folding stay below this, so that a chain of doublings cannot fill memory.
const MAX_TEXT: usize = 64 * 1024;

/// Why an operation on known values has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    #[error("the result does not fit an int")]
    Overflow,
    #[error("division by zero")]
    DivisionByZero,
    #[error("the result is not a finite number")]
    NotFinite,
}

/// How a value reads inside of a text.
pub fn text_of(literal: &Literal) -> String {
    match literal {
        Literal::Text(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The text, when all its holes are known.
pub fn interpolate(segments: &[Segment]) -> Option<String> {
    let mut out = String::new();
    for segment in segments {
        match segment {
            Segment::Text(text) => out.push_str(text),
            Segment::Hole(expr) => match &expr.kind {
                ExprKind::Literal(literal) => out.push_str(&text_of(literal)),
                _ => return None,
            },
        }
        let literal_only = segments.len() <= 1;
        if out.len() > MAX_TEXT && !literal_only {
            return None;
        }
    }
    Some(out)
}

pub fn unary(op: UnaryOp, value: &Literal) -> Result<Option<Literal>, FoldError> {
    Ok(match (op, value) {
        (UnaryOp::Not, Literal::Bool(value)) => Some(Literal::Bool(!value)),
        (UnaryOp::Negate, Literal::Int(value)) => {
            Some(Literal::Int(value.checked_neg().ok_or(FoldError::Overflow)?))
        }
        (UnaryOp::Negate, Literal::Float(value)) => Some(Literal::Float(-value)),
        _ => None,
    })
}

/// The value of an operation whose operands already have one type; nothing where it is not
/// worked out here.
pub fn binary(op: BinaryOp, left: &Literal, right: &Literal) -> Result<Option<Literal>, FoldError> {
    match (left, right) {
        (Literal::Int(a), Literal::Int(b)) => int(op, *a, *b),
        (Literal::Float(a), Literal::Float(b)) => float(op, *a, *b),
        (Literal::Text(a), Literal::Text(b)) if op == BinaryOp::Add => {
            Ok((a.len() + b.len() <= MAX_TEXT).then(|| Literal::Text(format!("{a}{b}"))))
        }
        (Literal::Duration(a), Literal::Duration(b)) => Ok(compare(op, a.partial_cmp(b))),
        (Literal::Bool(a), Literal::Bool(b)) => Ok(match op {
            BinaryOp::And => Some(Literal::Bool(*a && *b)),
            BinaryOp::Or => Some(Literal::Bool(*a || *b)),
            _ => compare(op, a.partial_cmp(b)),
        }),
        (Literal::Text(a), Literal::Text(b)) if op == BinaryOp::Contains => {
            Ok(Some(Literal::Bool(a.contains(b.as_str()))))
        }
        (Literal::Text(a), Literal::Text(b)) => Ok(compare(op, a.partial_cmp(b))),
        _ => Ok(None),
    }
}

fn int(op: BinaryOp, a: i64, b: i64) -> Result<Option<Literal>, FoldError> {
    let value = match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Subtract => a.checked_sub(b),
        BinaryOp::Multiply => a.checked_mul(b),
        BinaryOp::Divide | BinaryOp::Remainder if b == 0 => return Err(FoldError::DivisionByZero),
        BinaryOp::Divide => a.checked_div(b),
        BinaryOp::Remainder => a.checked_rem(b),
        _ => return Ok(compare(op, Some(a.cmp(&b)))),
    };
    value.map(|value| Some(Literal::Int(value))).ok_or(FoldError::Overflow)
}

fn float(op: BinaryOp, a: f64, b: f64) -> Result<Option<Literal>, FoldError> {
    let value = match op {
        BinaryOp::Add => a + b,
        BinaryOp::Subtract => a - b,
        BinaryOp::Multiply => a * b,
        BinaryOp::Divide | BinaryOp::Remainder if b == 0.0 => {
            return Err(FoldError::DivisionByZero);
        }
        BinaryOp::Divide => a / b,
        BinaryOp::Remainder => a % b,
        _ => return Ok(compare(op, a.partial_cmp(&b))),
    };
    if value.is_finite() { Ok(Some(Literal::Float(value))) } else { Err(FoldError::NotFinite) }
}

fn compare(op: BinaryOp, order: Option<std::cmp::Ordering>) -> Option<Literal> {
    let order = order?;
    let value = match op {
        BinaryOp::Equal => order.is_eq(),
        BinaryOp::NotEqual => order.is_ne(),
        BinaryOp::Less => order.is_lt(),
        BinaryOp::LessEqual => order.is_le(),
        BinaryOp::Greater => order.is_gt(),
        BinaryOp::GreaterEqual => order.is_ge(),
        _ => return None,
    };
    Some(Literal::Bool(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic() {
        let int = |op, a, b| binary(op, &Literal::Int(a), &Literal::Int(b));
        assert_eq!(int(BinaryOp::Divide, -7, 2), Ok(Some(Literal::Int(-3))));
        assert_eq!(int(BinaryOp::Remainder, -7, 2), Ok(Some(Literal::Int(-1))));
        assert_eq!(int(BinaryOp::Divide, 1, 0), Err(FoldError::DivisionByZero));
        assert_eq!(int(BinaryOp::Add, i64::MAX, 1), Err(FoldError::Overflow));
        assert_eq!(int(BinaryOp::Divide, i64::MIN, -1), Err(FoldError::Overflow));
        assert_eq!(int(BinaryOp::Less, 1, 2), Ok(Some(Literal::Bool(true))));
    }
}
