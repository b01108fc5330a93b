//! The plan for Graphviz: `agpt plan FILE --format dot | dot -Tsvg`.

use std::fmt::Write;

use petgraph::visit::EdgeRef;

use crate::plan::graph::{Op, Plan};

use super::label::{describe, shorten};

pub fn dot(plan: &Plan) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "digraph {} {{", quote(&plan.name));
    out.push_str("  rankdir=LR;\n  node [shape=box, style=\"rounded,filled\", fontname=\"Helvetica\", fillcolor=\"#f5f5f5\"];\n  edge [fontname=\"Helvetica\", fontsize=10];\n");
    nodes(plan, "n", "  ", &mut out);
    let _ = writeln!(out, "  result [shape=oval, fillcolor=\"#d9ead3\"];");
    let _ = writeln!(out, "  n{} -> result;", plan.result.index());
    out.push_str("}\n");
    out
}

fn nodes(plan: &Plan, prefix: &str, indent: &str, out: &mut String) {
    for index in plan.order() {
        let node = &plan.graph[index];
        let count = plan.operands(index).len();
        let label = describe(plan, &node.op, count, &|port| format!("#{port}"));
        let _ = writeln!(
            out,
            "{indent}{prefix}{} [label={}, fillcolor=\"{}\"];",
            index.index(),
            quote(&shorten(&label)),
            colour(&node.op),
        );
        if let Op::Map(body) = &node.op {
            let inner = format!("{prefix}{}_", index.index());
            let _ = writeln!(out, "{indent}subgraph cluster_{inner} {{");
            let _ = writeln!(out, "{indent}  label=\"for each item\";");
            nodes(body, &inner, &format!("{indent}  "), out);
            let _ = writeln!(out, "{indent}}}");
            let _ = writeln!(
                out,
                "{indent}{inner}{} -> {prefix}{} [style=dashed];",
                body.result.index(),
                index.index()
            );
        }
    }
    for edge in plan.graph.edge_references() {
        let _ = writeln!(
            out,
            "{indent}{prefix}{} -> {prefix}{} [label={}];",
            edge.source().index(),
            edge.target().index(),
            quote(&plan.graph[edge.source()].ty.to_string()),
        );
    }
}

/// Models stand out; the rest is grey.
fn colour(op: &Op) -> &'static str {
    match op {
        Op::Input(_) | Op::File { .. } => "#cfe2f3",
        Op::Encode(_) | Op::Recall(_) => "#fff2cc",
        Op::Generate { .. } => "#f9cb9c",
        Op::Decode { .. } => "#ead1dc",
        _ => "#f5f5f5",
    }
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
