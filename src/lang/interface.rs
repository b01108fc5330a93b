//! What a module publishes, as far as its users can depend on it.

use std::collections::BTreeMap;

use super::ir::{self, Expr, ExprKind};
use super::types::Type;

/// By name: declarations that are `pub`, and what `pub use` publishes again.
pub type Interface = BTreeMap<String, Entry>;

#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    Template { params: Vec<Param>, result: Type },
    Pipeline { params: Vec<Param>, result: Type },
    Type(Type),
    Const { ty: Type, value: String },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    pub name: String,
    pub ty: Type,
    /// Written out.
    pub default: Option<String>,
}

impl Entry {
    pub fn what(&self) -> &'static str {
        match self {
            Entry::Template { .. } => "template",
            Entry::Pipeline { .. } => "pipeline",
            Entry::Type(_) => "type",
            Entry::Const { .. } => "constant",
        }
    }
}

impl Param {
    pub fn of(param: &ir::Param) -> Self {
        Param {
            name: param.name.clone(),
            ty: param.ty.clone(),
            default: param.default.as_ref().map(value),
        }
    }
}

/// A constant expression in full.
pub fn value(expr: &Expr) -> String {
    let list = |items: &[Expr]| items.iter().map(value).collect::<Vec<_>>().join(", ");
    match &expr.kind {
        ExprKind::Literal(literal) => literal.to_string(),
        ExprKind::Coerce(inner) => value(inner),
        ExprKind::List(items) => format!("[{}]", list(items)),
        ExprKind::Record(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, field)| format!("{name}: {}", value(field))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        _ => "…".to_string(),
    }
}
