//! Leaves media as their codes where nothing looks into them: for runs that compare what the
//! language model wrote and not what was made of it.

use petgraph::graph::NodeIndex;

use crate::base::Reply;
use crate::plan::graph::{Node, Op, Plan};

use super::rewrite::{Rewrite, rebuild};

/// The same plan, in which a generated medium that is only handed on (into results, snapshots and
/// conversations) stays tokens. One that is measured, encoded anew, compared or given to a plugin
/// is decoded as before.
pub fn undecoded(plan: &Plan) -> Plan {
    leave(plan, false).0
}

/// Also which inputs of the plan are looked into.
fn leave(plan: &Plan, result: bool) -> (Plan, Vec<bool>) {
    let mut seen = vec![false; plan.graph.node_count()];
    let mut inputs = vec![false; plan.inputs.len()];
    mark(&mut seen, plan.result, result);
    for default in plan.inputs.iter().filter_map(|input| input.default) {
        mark(&mut seen, default, true);
    }
    // Consumers first, so that a node is judged when all that use it are.
    for index in plan.order().rev() {
        let operands = plan.operands(index);
        let looked = seen[index.index()];
        let mut look = |port: usize, into: bool| {
            if let Some(operand) = operands.get(port) {
                mark(&mut seen, *operand, into);
            }
        };
        match &plan.graph[index].op {
            Op::Record(_) | Op::List | Op::Field(_) | Op::Index | Op::Select | Op::Pick => {
                // A mixed reply's fields are parted by what its pieces are.
                let parts = matches!(plan.graph[index].op, Op::Field(_))
                    && operands.first().is_some_and(|of| {
                        matches!(plan.graph[*of].op, Op::Decode { reply: Reply::Mixed, .. })
                    });
                (0..operands.len()).for_each(|port| look(port, looked || parts));
            }
            Op::Recall(_) | Op::Length | Op::IsNone => {}
            // What is not decoded needs no voice.
            Op::Decode { .. } => (1..operands.len()).for_each(|port| look(port, looked)),
            Op::Map(body) => {
                let (_, of_body) = leave(body, looked);
                of_body.iter().enumerate().for_each(|(port, into)| look(port, *into));
            }
            Op::Input(place) => {
                if let Some(input) = inputs.get_mut(*place) {
                    *input |= looked;
                }
            }
            _ => (0..operands.len()).for_each(|port| look(port, true)),
        }
    }
    let plan = rebuild(plan, |_, index, node, operands| match &node.op {
        Op::Decode { .. } if !seen[index.index()] => {
            operands.first().map_or(Rewrite::Drop, |tokens| Rewrite::Use(*tokens))
        }
        Op::Map(body) => {
            let body = leave(body, seen[index.index()]).0;
            let op = Op::Map(Box::new(body));
            Rewrite::Add(Node { op, ..node.clone() }, operands.to_vec())
        }
        _ => Rewrite::Add(node.clone(), operands.to_vec()),
    });
    (plan, inputs)
}

fn mark(seen: &mut [bool], node: NodeIndex, into: bool) {
    if let Some(seen) = seen.get_mut(node.index()) {
        *seen |= into;
    }
}
