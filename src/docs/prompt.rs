//! What a template says, without a model: its plan with the defaults put in.

use petgraph::graph::NodeIndex;

use crate::base::{Literal, Role};
use crate::lang::ir::{Block, Expr, ExprKind, LocalId, Pipeline, PipelineId, Program, TemplateId};
use crate::lang::types::Type;
use crate::plan::graph::{Op, Plan, RenderPart, RenderTurn};
use crate::plan::{arith, lower, passes};

/// Prompts inside of prompts are followed so far.
const MAX_DEPTH: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Text(String),
    /// Something that only a run knows: `image: picture`.
    Chip(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub role: &'static str,
    pub pieces: Vec<Piece>,
}

/// The turns of a template; nothing where its plan is no plain prompt.
pub fn rendered(program: &Program, template: TemplateId) -> Option<Vec<Turn>> {
    let declared = program.templates.get(template.0 as usize)?;
    let mut params = Vec::new();
    let mut args = Vec::new();
    for (place, param) in declared.params.iter().enumerate() {
        let local = LocalId(u32::try_from(place).ok()?);
        args.push(match &param.default {
            Some(default) => default.clone(),
            None => {
                let mut param = param.clone();
                param.local = local;
                params.push(param);
                Expr {
                    kind: ExprKind::Local(local),
                    ty: declared.params[place].ty.clone(),
                    span: declared.span,
                }
            }
        });
    }
    let ty = Type::Prompt(Box::new(declared.out.clone()));
    let prompt =
        Expr { kind: ExprKind::Prompt { template, args }, ty: ty.clone(), span: declared.span };
    let pipeline = Pipeline {
        name: declared.name.clone(),
        module: String::new(),
        doc: None,
        params,
        ret: ty,
        body: Block { lets: Vec::new(), result: Box::new(prompt) },
        span: declared.span,
    };
    let mut program = program.clone();
    let entry = PipelineId(u32::try_from(program.pipelines.len()).ok()?);
    program.pipelines.push(pipeline);
    let plan = passes::optimise(&lower(&program, entry).ok()?).0;
    let Op::Render { turns, .. } = &plan.graph[plan.result].op else { return None };
    let mut said = self::turns(&plan, plan.result, turns, 0);
    let reply = Piece::Chip(format!("{}: the reply", declared.out));
    match said.last_mut() {
        Some(last) if last.role == Role::Assistant.name() => last.pieces.push(reply),
        _ => said.push(Turn { role: Role::Assistant.name(), pieces: vec![reply] }),
    }
    Some(said)
}

fn turns(plan: &Plan, node: NodeIndex, written: &[RenderTurn], depth: usize) -> Vec<Turn> {
    let operands = plan.operands(node);
    let at = |port: u32| operands.get(port as usize).copied();
    let mut said = Vec::new();
    for turn in written {
        match turn {
            RenderTurn::History(port) => {
                let mut pieces = Vec::new();
                at(*port).into_iter().for_each(|node| piece(plan, node, &mut pieces, depth + 1));
                said.push(Turn { role: "earlier turns", pieces });
            }
            RenderTurn::Says { role, parts } => {
                let mut pieces = Vec::new();
                for part in parts {
                    match part {
                        RenderPart::Text(text) => text_piece(text.clone(), &mut pieces),
                        RenderPart::Port(port) => {
                            at(*port).into_iter().for_each(|n| piece(plan, n, &mut pieces, depth));
                        }
                    }
                }
                said.push(Turn { role: role.name(), pieces });
            }
        }
    }
    said
}

fn text_piece(text: String, pieces: &mut Vec<Piece>) {
    match pieces.last_mut() {
        Some(Piece::Text(last)) => last.push_str(&text),
        _ => pieces.push(Piece::Text(text)),
    }
}

fn piece(plan: &Plan, node: NodeIndex, pieces: &mut Vec<Piece>, depth: usize) {
    let operands = plan.operands(node);
    let first = operands.first().copied();
    let known = &plan.graph[node];
    match &known.op {
        _ if depth > MAX_DEPTH => pieces.push(Piece::Chip("…".into())),
        Op::Literal(Literal::None) => {}
        Op::Literal(literal) => text_piece(arith::display(literal), pieces),
        Op::Input(index) => {
            let input = &plan.inputs[*index];
            pieces.push(Piece::Chip(format!("{}: {}", input.ty, input.name)));
        }
        Op::File { path, medium } => pieces.push(Piece::Chip(format!("{medium}: {path}"))),
        Op::Encode(_) | Op::Recall(_) | Op::ToFloat => {
            first.into_iter().for_each(|node| piece(plan, node, pieces, depth + 1));
        }
        Op::Interpolate(texts) => {
            for (place, text) in texts.iter().enumerate() {
                text_piece(text.clone(), pieces);
                operands.get(place).into_iter().for_each(|n| piece(plan, *n, pieces, depth + 1));
            }
        }
        Op::List => operands.iter().for_each(|node| piece(plan, *node, pieces, depth + 1)),
        Op::Render { turns: written, .. } => match turns(plan, node, written, depth + 1).as_slice()
        {
            [turn] => pieces.extend(turn.pieces.iter().cloned()),
            _ => pieces.push(Piece::Chip("another prompt".into())),
        },
        Op::Pick => {
            // A pool of instructions: the first stands for all.
            let pool = first.filter(|node| plan.graph[*node].op == Op::List);
            let items = pool.map(|pool| plan.operands(pool)).unwrap_or_default();
            match items.first() {
                Some(item) => {
                    piece(plan, *item, pieces, depth + 1);
                    pieces.push(Piece::Chip(format!("1 of {}, drawn by the seed", items.len())));
                }
                None => pieces.push(Piece::Chip("one of a list, drawn by the seed".into())),
            }
        }
        _ => pieces.push(Piece::Chip(format!("{}: computed", known.ty))),
    }
}
