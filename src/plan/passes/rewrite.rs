//! Rebuilding a plan node by node: the shape that all passes share.

use petgraph::graph::{DiGraph, NodeIndex};

use crate::plan::graph::{Input, Node, Plan};

/// What becomes of a node.
pub enum Rewrite {
    /// It is there in the new plan, perhaps changed, on the given operands.
    Add(Node, Vec<NodeIndex>),
    /// Its users take this node of the new plan instead.
    Use(NodeIndex),
    /// It is gone; nothing may use it.
    Drop,
}

/// Visits every node with its operands already in the new plan.
pub fn rebuild(
    old: &Plan,
    mut visit: impl FnMut(&Plan, NodeIndex, &Node, &[NodeIndex]) -> Rewrite,
) -> Plan {
    let mut new = Plan {
        name: old.name.clone(),
        inputs: Vec::new(),
        graph: DiGraph::new(),
        result: NodeIndex::end(),
        keep: None,
    };
    let mut moved: Vec<Option<NodeIndex>> = vec![None; old.graph.node_count()];
    for index in old.order() {
        let operands: Option<Vec<NodeIndex>> =
            old.operands(index).into_iter().map(|operand| moved[operand.index()]).collect();
        // An operand is only missing where the node itself is dropped too.
        let operands = operands.unwrap_or_default();
        moved[index.index()] = match visit(&new, index, &old.graph[index], &operands) {
            Rewrite::Add(node, operands) => Some(new.add(node, &operands)),
            Rewrite::Use(node) => Some(node),
            Rewrite::Drop => None,
        };
    }
    let find = |node: NodeIndex| moved.get(node.index()).copied().flatten();
    new.result = find(old.result).unwrap_or(NodeIndex::end());
    new.keep = old.keep.and_then(find);
    new.inputs = old
        .inputs
        .iter()
        .map(|input| Input { default: input.default.and_then(find), ..input.clone() })
        .collect();
    new
}
