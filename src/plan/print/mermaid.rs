//! The plan for Mermaid, which code hosts draw inside Markdown.

use std::fmt::Write;

use petgraph::visit::EdgeRef;

use crate::plan::graph::{Op, Plan};

use super::label::{describe, shorten};

pub fn mermaid(plan: &Plan) -> String {
    let mut out = String::from("flowchart LR\n");
    nodes(plan, "n", "  ", &mut out);
    let _ = writeln!(out, "  n{} --> result([result])", plan.result.index());
    out
}

fn nodes(plan: &Plan, prefix: &str, indent: &str, out: &mut String) {
    for index in plan.order() {
        let node = &plan.graph[index];
        let count = plan.operands(index).len();
        let label = describe(plan, &node.op, count, &|port| format!("#{port}"));
        let _ =
            writeln!(out, "{indent}{prefix}{}[\"{}\"]", index.index(), escape(&shorten(&label)));
        if let Op::Map(body) = &node.op {
            let inner = format!("{prefix}{}_", index.index());
            let _ = writeln!(out, "{indent}subgraph {inner}body [for each item]");
            nodes(body, &inner, &format!("{indent}  "), out);
            let _ = writeln!(out, "{indent}end");
            let _ = writeln!(
                out,
                "{indent}{inner}{} -.-> {prefix}{}",
                body.result.index(),
                index.index()
            );
        }
    }
    for edge in plan.graph.edge_references() {
        let _ = writeln!(
            out,
            "{indent}{prefix}{} -->|\"{}\"| {prefix}{}",
            edge.source().index(),
            escape(&plan.graph[edge.source()].ty.to_string()),
            edge.target().index(),
        );
    }
}

/// Mermaid's own escapes: entity codes without the ampersand.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("#quot;"),
            '#' => out.push_str("#35;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '\n' => out.push(' '),
            other => out.push(other),
        }
    }
    out
}
