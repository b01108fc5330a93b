//! Common sub-expressions: equal pure operations on equal inputs are done once, so that the
//! same picture in two prompts is encoded once.

use std::collections::HashMap;

use petgraph::graph::NodeIndex;

use crate::plan::graph::{Node, Op, Plan};

use super::rewrite::{Rewrite, rebuild};

pub fn run(plan: &Plan) -> Plan {
    let mut seen: HashMap<(String, Vec<NodeIndex>), NodeIndex> = HashMap::new();
    rebuild(plan, |new, _, node, operands| {
        if let Op::Map(body) = &node.op {
            let op = Op::Map(Box::new(run(body)));
            return Rewrite::Add(Node { op, ..node.clone() }, operands.to_vec());
        }
        if !node.op.is_pure() {
            return Rewrite::Add(node.clone(), operands.to_vec());
        }
        // The printed form tells operations apart exactly, floats included.
        let key = (format!("{:?} {:?}", node.op, node.ty), operands.to_vec());
        match seen.get(&key) {
            Some(same) => Rewrite::Use(*same),
            None => {
                seen.insert(key, NodeIndex::new(new.graph.node_count()));
                Rewrite::Add(node.clone(), operands.to_vec())
            }
        }
    })
}
