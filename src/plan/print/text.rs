//! The plan as numbered lines, for people and snapshots.

use std::fmt::Write;

use crate::plan::graph::{Op, Plan};

use super::label::describe;

/// Every node on a line: its number, what it does, its type, and for nodes that sample the
/// address of their random stream.
pub fn text(plan: &Plan) -> String {
    let mut out = String::new();
    let params: Vec<String> = plan
        .inputs
        .iter()
        .map(|input| {
            let default =
                input.default.map_or(String::new(), |node| format!(" = %{}", node.index()));
            format!("{}: {}{default}", input.name, input.ty)
        })
        .collect();
    let ty = plan.graph.node_weight(plan.result).map(|node| node.ty.to_string());
    let _ =
        writeln!(out, "plan {}({}) -> {}", plan.name, params.join(", "), ty.unwrap_or_default());
    lines(plan, "  ", &mut out);
    out
}

fn lines(plan: &Plan, indent: &str, out: &mut String) {
    for index in plan.order() {
        let node = &plan.graph[index];
        let operands = plan.operands(index);
        let name = |port: usize| {
            operands.get(port).map_or("?".to_string(), |node| format!("%{}", node.index()))
        };
        let line = describe(plan, &node.op, operands.len(), &name);
        let _ = write!(out, "{indent}%{} = {line} : {}", index.index(), node.ty);
        if matches!(node.op, Op::Generate { .. } | Op::Decode { .. } | Op::Map(_)) {
            let _ = write!(out, "   @{}", node.path);
        }
        out.push('\n');
        if let Op::Map(body) = &node.op {
            lines(body, &format!("{indent}    "), out);
        }
    }
    if let Some(keep) = plan.keep {
        let _ = writeln!(out, "{indent}keep if %{}", keep.index());
    }
    let _ = writeln!(out, "{indent}result %{}", plan.result.index());
}
