//! Constant folding: what needs neither an input nor a model is computed now.

use petgraph::graph::NodeIndex;

use crate::base::Literal;
use crate::plan::arith;
use crate::plan::graph::{Node, Op, Plan, RenderPart, RenderTurn};

use super::rewrite::{Rewrite, rebuild};

pub fn run(plan: &Plan) -> Plan {
    rebuild(plan, |new, _, node, operands| fold(new, node, operands))
}

fn literal(plan: &Plan, node: NodeIndex) -> Option<&Literal> {
    match &plan.graph[node].op {
        Op::Literal(value) => Some(value),
        _ => None,
    }
}

fn fold(plan: &Plan, node: &Node, operands: &[NodeIndex]) -> Rewrite {
    let known = |port: usize| operands.get(port).and_then(|node| literal(plan, *node));
    let constant =
        |value: Literal| Rewrite::Add(Node { op: Op::Literal(value), ..node.clone() }, Vec::new());
    let folded = match &node.op {
        Op::Unary(op) => known(0).and_then(|value| arith::unary(*op, value).ok()).map(constant),
        // Only as far as the language folds, which bounds the size of texts.
        Op::Binary(op) => match (known(0), known(1)) {
            (Some(left), Some(right)) => {
                crate::lang::fold::binary(*op, left, right).ok().flatten().map(constant)
            }
            _ => None,
        },
        Op::IsNone => known(0).map(|value| constant(Literal::Bool(*value == Literal::None))),
        Op::ToFloat => match known(0) {
            Some(Literal::Int(value)) => Some(constant(Literal::Float(*value as f64))),
            _ => None,
        },
        Op::Select => match known(0) {
            Some(Literal::Bool(cond)) => Some(Rewrite::Use(operands[if *cond { 1 } else { 2 }])),
            _ => None,
        },
        Op::Field(name) => match &plan.graph[operands[0]].op {
            Op::Record(names) => names
                .iter()
                .position(|other| other == name)
                .and_then(|port| plan.operands(operands[0]).get(port).copied())
                .map(Rewrite::Use),
            _ => None,
        },
        Op::Index => match (&plan.graph[operands[0]].op, known(1)) {
            (Op::List, Some(Literal::Int(index))) => usize::try_from(*index)
                .ok()
                .and_then(|index| plan.operands(operands[0]).get(index).copied())
                .map(Rewrite::Use),
            _ => None,
        },
        Op::Length => match &plan.graph[operands[0]].op {
            Op::List => {
                let length = plan.operands(operands[0]).len();
                i64::try_from(length).ok().map(|length| constant(Literal::Int(length)))
            }
            _ => None,
        },
        Op::Interpolate(texts) if known_length(plan, texts, operands) <= MAX_TEXT => {
            Some(interpolate(plan, node, texts, operands))
        }
        Op::Render { turns, out } => {
            let (turns, operands) = render(plan, turns, operands);
            let op = Op::Render { turns, out: out.clone() };
            Some(Rewrite::Add(Node { op, ..node.clone() }, operands))
        }
        Op::Map(body) => {
            let op = Op::Map(Box::new(run(body)));
            Some(Rewrite::Add(Node { op, ..node.clone() }, operands.to_vec()))
        }
        _ => None,
    };
    folded.unwrap_or_else(|| Rewrite::Add(node.clone(), operands.to_vec()))
}

/// Texts made before the run stay below this; longer ones are made by the run, if at all.
const MAX_TEXT: usize = 64 * 1024;

fn known_length(plan: &Plan, texts: &[String], operands: &[NodeIndex]) -> usize {
    let holes = operands.iter().filter_map(|node| literal(plan, *node)).map(|value| match value {
        Literal::Text(text) => text.len(),
        _ => 32,
    });
    texts.iter().map(String::len).chain(holes).sum()
}

fn interpolate(plan: &Plan, node: &Node, texts: &[String], operands: &[NodeIndex]) -> Rewrite {
    let mut kept_texts = vec![texts.first().cloned().unwrap_or_default()];
    let mut kept = Vec::new();
    for (operand, text) in operands.iter().zip(texts.iter().skip(1)) {
        match literal(plan, *operand) {
            Some(value) => {
                if let Some(last) = kept_texts.last_mut() {
                    last.push_str(&arith::display(value));
                    last.push_str(text);
                }
            }
            None => {
                kept.push(*operand);
                kept_texts.push(text.clone());
            }
        }
    }
    let op = if kept.is_empty() {
        Op::Literal(Literal::Text(kept_texts.concat()))
    } else {
        Op::Interpolate(kept_texts)
    };
    Rewrite::Add(Node { op, ..node.clone() }, kept)
}

/// Known texts become part of the turn; neighbouring texts are joined.
fn render(
    plan: &Plan,
    turns: &[RenderTurn],
    operands: &[NodeIndex],
) -> (Vec<RenderTurn>, Vec<NodeIndex>) {
    let mut kept = Vec::new();
    let turns = turns
        .iter()
        .map(|turn| {
            let (role, written) = match turn {
                RenderTurn::Says { role, parts } => (*role, parts),
                RenderTurn::History(port) => {
                    kept.push(operands[*port as usize]);
                    return RenderTurn::History(kept.len() as u32 - 1);
                }
            };
            let mut parts: Vec<RenderPart> = Vec::new();
            for part in written {
                let text = match part {
                    RenderPart::Text(text) => Some(text.clone()),
                    RenderPart::Port(port) => literal(plan, operands[*port as usize])
                        .filter(|value| **value != Literal::None)
                        .map(arith::display),
                };
                match (text, part, parts.last_mut()) {
                    (Some(text), _, Some(RenderPart::Text(last))) => last.push_str(&text),
                    (Some(text), _, _) => parts.push(RenderPart::Text(text)),
                    (None, RenderPart::Port(port), _) => {
                        kept.push(operands[*port as usize]);
                        parts.push(RenderPart::Port(kept.len() as u32 - 1));
                    }
                    (None, RenderPart::Text(_), _) => {}
                }
            }
            RenderTurn::Says { role, parts }
        })
        .collect();
    (turns, kept)
}
