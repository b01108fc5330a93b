//! Operators on known values for passes and runs: the language's own rules (`lang::fold`), and
//! what that leaves to the run.

use crate::base::Literal;
use crate::lang::fold::{self, FoldError};
use crate::lang::ir::{BinaryOp, UnaryOp};

pub use crate::lang::fold::text_of as display;

/// Bytes that a text made by a run may have, and elements of a list: doublings in a chain of
/// `let`s would otherwise fill any memory.
pub const MAX_TEXT: usize = 16 << 20;
pub const MAX_LIST: usize = 1 << 20;

/// Why an operator has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArithError {
    #[error(transparent)]
    Fold(#[from] FoldError),
    #[error("the text would be longer than {MAX_TEXT} bytes")]
    LongText,
    #[error("the list would be longer than {MAX_LIST} elements")]
    LongList,
    #[error("this operator does not take these values")]
    Unsupported,
}

pub fn unary(op: UnaryOp, value: &Literal) -> Result<Literal, ArithError> {
    fold::unary(op, value)?.ok_or(ArithError::Unsupported)
}

pub fn binary(op: BinaryOp, left: &Literal, right: &Literal) -> Result<Literal, ArithError> {
    if let Some(value) = fold::binary(op, left, right)? {
        return Ok(value);
    }
    match (op, left, right) {
        (BinaryOp::Add, Literal::Text(left), Literal::Text(right)) => {
            if left.len() + right.len() > MAX_TEXT {
                return Err(ArithError::LongText);
            }
            Ok(Literal::Text(format!("{left}{right}")))
        }
        // `none` beside a value of the option.
        (BinaryOp::Equal, _, _) => Ok(Literal::Bool(left == right)),
        (BinaryOp::NotEqual, _, _) => Ok(Literal::Bool(left != right)),
        _ => Err(ArithError::Unsupported),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_values_not_panics() {
        let int = Literal::Int;
        let zero = ArithError::Fold(FoldError::DivisionByZero);
        assert_eq!(binary(BinaryOp::Divide, &int(1), &int(0)), Err(zero));
        assert_eq!(unary(UnaryOp::Negate, &Literal::None), Err(ArithError::Unsupported));
    }

    #[test]
    fn none_is_equal_to_none_only() {
        let text = Literal::Text(String::new());
        assert_eq!(binary(BinaryOp::Equal, &Literal::None, &text), Ok(Literal::Bool(false)));
        assert_eq!(binary(BinaryOp::NotEqual, &Literal::None, &text), Ok(Literal::Bool(true)));
    }

    #[test]
    fn texts_do_not_grow_without_end() {
        let half = Literal::Text("x".repeat(MAX_TEXT / 2 + 1));
        assert_eq!(binary(BinaryOp::Add, &half, &half), Err(ArithError::LongText));
    }
}
