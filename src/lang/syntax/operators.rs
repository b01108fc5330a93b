//! Ranks of operators: a flat run of operands and operators becomes a tree.

use std::collections::VecDeque;

use crate::base::{Diagnostic, Span};

use super::ast::{BinaryOp, Expr, ExprKind, UnaryOp};
use super::build::{Builder, Pair, Rule};
use super::scan::MAX_NESTING;

/// How tightly each binary operator holds; all of them group to the left.
fn rank(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::Or => 1,
        BinaryOp::And => 2,
        BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::Less
        | BinaryOp::LessEqual
        | BinaryOp::Greater
        | BinaryOp::GreaterEqual
        | BinaryOp::Contains => 4,
        BinaryOp::Coalesce => 5,
        BinaryOp::Add | BinaryOp::Subtract => 6,
        BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Remainder => 7,
    }
}

const COMPARISON: u8 = 4;
/// `not a == b` is `not (a == b)`.
const NOT: u8 = 3;
const NEGATE: u8 = 8;
const ENCODE: u8 = 9;

impl Builder<'_> {
    /// An `expr` or `tight` pair.
    pub fn expr(&mut self, pair: Pair<'_>) -> Expr {
        let span = self.span(&pair);
        let mut items: VecDeque<Pair<'_>> = pair.into_inner().collect();
        self.climb(&mut items, 0).unwrap_or_else(|| Expr::new(ExprKind::Error, span))
    }

    fn climb(&mut self, items: &mut VecDeque<Pair<'_>>, least: u8) -> Option<Expr> {
        let mut left = self.prefixed(items)?;
        while let Some(next) = items.front() {
            if next.as_rule() == Rule::operator && next.as_str().trim() == "between" {
                if COMPARISON < least {
                    break;
                }
                left = self.between(left, items)?;
                continue;
            }
            let (op, op_span) = (binary_op(next)?, self.span(next));
            let rank = rank(op);
            if rank < least {
                break;
            }
            let written = next.as_str().trim();
            if let Some(word) = match written {
                "&&" => Some("and"),
                "||" => Some("or"),
                _ => None,
            } {
                self.spell_out(op_span, written, word);
            }
            items.pop_front();
            let right = self.climb(items, rank + 1)?;
            let span = left.span.to(right.span);
            if rank == COMPARISON && self.refuse_chain(&left, op_span) {
                left = Expr::new(ExprKind::Error, span);
                continue;
            }
            let kind =
                ExprKind::Binary { op, op_span, left: Box::new(left), right: Box::new(right) };
            left = self.bounded(kind, span);
        }
        Some(left)
    }

    /// `x between a and b`: what stands after it, up to the second bound.
    fn between(&mut self, value: Expr, items: &mut VecDeque<Pair<'_>>) -> Option<Expr> {
        let op_span = self.span(&items.pop_front()?);
        let least = self.climb(items, COMPARISON + 1)?;
        let and = items.pop_front_if(|pair| pair.as_str().trim() == "and");
        if and.is_none() {
            self.error(
                Diagnostic::error("E0113", "`between` has two bounds")
                    .label(op_span, "between this and what?")
                    .help("write `x between a and b`"),
            );
            let span = value.span.to(least.span);
            return Some(Expr::new(ExprKind::Error, span));
        }
        let most = self.climb(items, COMPARISON + 1)?;
        let span = value.span.to(most.span);
        if self.refuse_chain(&value, op_span) {
            return Some(Expr::new(ExprKind::Error, span));
        }
        let kind = ExprKind::Between {
            op_span,
            value: Box::new(value),
            least: Box::new(least),
            most: Box::new(most),
        };
        Some(self.bounded(kind, span))
    }

    fn prefixed(&mut self, items: &mut VecDeque<Pair<'_>>) -> Option<Expr> {
        let Some(prefix) = items.pop_front_if(|pair| pair.as_rule() == Rule::prefix) else {
            return self.operand(items);
        };
        let at = self.span(&prefix);
        let run = items.iter().take_while(|pair| pair.as_rule() == Rule::prefix).count();
        if run > MAX_NESTING {
            items.clear();
            return Some(self.too_deep(at));
        }
        let word = prefix.as_str().trim();
        let inner = match word {
            "-" => self.climb(items, NEGATE)?,
            "encode" => self.climb(items, ENCODE)?,
            _ => {
                if word == "!" {
                    self.spell_out(at, "!", "not");
                }
                self.climb(items, NOT + 1)?
            }
        };
        let span = at.to(inner.span);
        let kind = match word {
            "-" => ExprKind::Unary(UnaryOp::Negate, Box::new(inner)),
            "encode" => ExprKind::Encode(Box::new(inner)),
            _ => ExprKind::Unary(UnaryOp::Not, Box::new(inner)),
        };
        Some(self.bounded(kind, span))
    }

    fn spell_out(&mut self, span: Span, symbol: &str, word: &str) {
        // `!x` has nothing between; a space more does no harm.
        let fixed = format!("{word}{}", if symbol == "!" { " " } else { "" });
        self.error(
            Diagnostic::error("E0108", format!("`{symbol}` is written `{word}`"))
                .label(span, format!("write `{word}`"))
                .help("agpt spells its logic out: and, or, not")
                .fix(span, fixed),
        );
    }

    fn refuse_chain(&mut self, left: &Expr, op_span: Span) -> bool {
        let ExprKind::Binary { op, op_span: first, .. } = &left.kind else { return false };
        let chained = rank(*op) == COMPARISON;
        if chained {
            self.error(
                Diagnostic::error("E0113", "comparisons cannot be chained")
                    .label(op_span, "a second comparison")
                    .label(*first, "of this one's answer, which is true or false")
                    .help("write `a < b and b < c`"),
            );
        }
        chained
    }
}

fn binary_op(pair: &Pair<'_>) -> Option<BinaryOp> {
    if pair.as_rule() == Rule::minus {
        return Some(BinaryOp::Subtract);
    }
    if pair.as_rule() != Rule::operator {
        return None;
    }
    Some(match pair.as_str().trim() {
        "==" => BinaryOp::Equal,
        "!=" => BinaryOp::NotEqual,
        "<=" => BinaryOp::LessEqual,
        ">=" => BinaryOp::GreaterEqual,
        "<" => BinaryOp::Less,
        ">" => BinaryOp::Greater,
        "??" => BinaryOp::Coalesce,
        "contains" => BinaryOp::Contains,
        "+" => BinaryOp::Add,
        "*" => BinaryOp::Multiply,
        "/" => BinaryOp::Divide,
        "%" => BinaryOp::Remainder,
        "&&" | "and" => BinaryOp::And,
        "||" | "or" => BinaryOp::Or,
        _ => return None,
    })
}

/// How tightly the operator of a pair holds; none if it is no binary operator.
pub(in crate::lang) fn rank_of(pair: &Pair<'_>) -> Option<u8> {
    match pair.as_rule() {
        Rule::operator if pair.as_str().trim() == "between" => Some(COMPARISON),
        _ => binary_op(pair).map(rank),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ast::{ExprKind, ItemKind};
    use super::super::parse;
    use super::*;
    use crate::base::SourceId;

    /// The expression with all its parentheses.
    fn grouped(expr: &str) -> String {
        let parsed = parse(&format!("const A = {expr}"), SourceId(0));
        assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
        match &parsed.file.items[0].kind {
            ItemKind::Const(item) => show(&item.value),
            other => panic!("{other:?}"),
        }
    }

    fn show(expr: &Expr) -> String {
        match &expr.kind {
            ExprKind::Name(name) => name.clone(),
            ExprKind::Unary(UnaryOp::Not, inner) => format!("(not {})", show(inner)),
            ExprKind::Unary(UnaryOp::Negate, inner) => format!("(-{})", show(inner)),
            ExprKind::Encode(inner) => format!("(encode {})", show(inner)),
            ExprKind::Binary { op, left, right, .. } => {
                format!("({} {} {})", show(left), op.symbol(), show(right))
            }
            ExprKind::Field(inner, name) => format!("{}.{}", show(inner), name.text),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn ranks() {
        assert_eq!(grouped("a or b and not c == d"), "(a or (b and (not (c == d))))");
        assert_eq!(grouped("not not a and b"), "((not (not a)) and b)");
        assert_eq!(grouped("a - b - c * -d"), "((a - b) - (c * (-d)))");
        assert_eq!(grouped("a ?? b + c > d"), "((a ?? (b + c)) > d)");
        assert_eq!(grouped("a ?? b ?? c"), "((a ?? b) ?? c)");
        assert_eq!(grouped("encode a.b + c"), "((encode a.b) + c)");
        assert_eq!(grouped("- encode a == b"), "((-(encode a)) == b)");
    }

    #[test]
    fn lines_go_on_at_operators() {
        assert_eq!(grouped("a +\n  b // why\n  // more\n  * c"), "(a + (b * c))");
        assert_eq!(grouped("a\n  .b\n  ?? c"), "(a.b ?? c)");
    }
}
