//! Dead nodes: what neither the result nor a filter needs is dropped, and with it the values
//! that a comprehension captured without using them.

use petgraph::graph::NodeIndex;

use crate::plan::graph::{Node, Op, Plan};

use super::rewrite::{Rewrite, rebuild};

pub fn run(plan: &Plan) -> Plan {
    // First the bodies: what they do not use is not wanted here either.
    let plan = rebuild(plan, |_, _, node, operands| match &node.op {
        Op::Map(body) => {
            let (body, operands) = prune_captures(run(body), operands);
            Rewrite::Add(Node { op: Op::Map(Box::new(body)), ..node.clone() }, operands)
        }
        _ => Rewrite::Add(node.clone(), operands.to_vec()),
    });
    let mut live = vec![false; plan.graph.node_count()];
    let mut pending = plan.roots();
    while let Some(node) = pending.pop() {
        if !std::mem::replace(&mut live[node.index()], true) {
            pending.extend(plan.operands(node));
        }
    }
    rebuild(&plan, |_, index, node, operands| {
        if live[index.index()] {
            Rewrite::Add(node.clone(), operands.to_vec())
        } else {
            Rewrite::Drop
        }
    })
}

/// Removes captured inputs that the body does not read. The item, input 0, stays.
fn prune_captures(body: Plan, operands: &[NodeIndex]) -> (Plan, Vec<NodeIndex>) {
    let mut used = vec![false; body.inputs.len()];
    for node in body.graph.node_weights() {
        if let Op::Input(index) = node.op {
            used[index] = true;
        }
    }
    used[0] = true;
    let renumbered: Vec<usize> = used
        .iter()
        .scan(0, |next, used| {
            let index = *next;
            *next += usize::from(*used);
            Some(index)
        })
        .collect();
    let mut pruned = rebuild(&body, |_, _, node, operands| {
        let op = match node.op {
            Op::Input(index) => Op::Input(renumbered[index]),
            _ => node.op.clone(),
        };
        Rewrite::Add(Node { op, ..node.clone() }, operands.to_vec())
    });
    let mut keep = used.iter();
    pruned.inputs.retain(|_| keep.next().copied().unwrap_or(true));
    let operands =
        operands.iter().zip(&used).filter(|(_, used)| **used).map(|(node, _)| *node).collect();
    (pruned, operands)
}
