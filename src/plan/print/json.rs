//! The plan for other programs: docs/schemas/plan.json describes it.

use serde_json::{Value, json};

use crate::plan::graph::{Op, Plan};

use super::label::describe;

pub fn json(plan: &Plan) -> Value {
    let inputs = plan.inputs.iter().map(|input| {
        json!({
            "name": input.name,
            "type": input.ty.to_string(),
            "default": input.default.map(|node| node.index()),
        })
    });
    let nodes = plan.order().map(|index| {
        let node = &plan.graph[index];
        let operands = plan.operands(index);
        let name = |port: usize| {
            operands.get(port).map_or("?".to_string(), |node| format!("%{}", node.index()))
        };
        let settings: Vec<String> = match &node.op {
            Op::Generate { settings, .. } | Op::Decode { settings, .. } => {
                settings.iter().map(ToString::to_string).collect()
            }
            _ => Vec::new(),
        };
        let body = match &node.op {
            Op::Map(body) => json(body),
            _ => Value::Null,
        };
        json!({
            "id": index.index(),
            "op": node.op.word(),
            "does": describe(plan, &node.op, operands.len(), &name),
            "type": node.ty.to_string(),
            "path": node.path,
            "operands": operands.iter().map(|node| node.index()).collect::<Vec<_>>(),
            "settings": settings,
            "runs_model": node.op.runs_model(),
            "body": body,
        })
    });
    json!({
        "name": plan.name,
        "inputs": inputs.collect::<Vec<_>>(),
        "nodes": nodes.collect::<Vec<_>>(),
        "keep": plan.keep.map(|node| node.index()),
        "result": plan.result.index(),
    })
}
