//! Literal values: what source texts and command lines can spell out.

use std::fmt;

/// A value that needs no model to be known.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    None,
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// In seconds.
    Duration(f64),
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::None => f.write_str("none"),
            Literal::Text(text) => write!(f, "{text:?}"),
            Literal::Int(value) => write!(f, "{value}"),
            Literal::Float(value) => write!(f, "{value:?}"),
            Literal::Bool(value) => write!(f, "{value}"),
            Literal::Duration(seconds) => write!(f, "{seconds}s"),
        }
    }
}
