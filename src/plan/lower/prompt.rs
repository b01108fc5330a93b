//! Prompts: templates become `Render`, and media in them are encoded.

use petgraph::graph::NodeIndex;

use crate::base::{Diagnostic, Literal, Medium, Span};
use crate::lang::ir::{Expr, ExprKind, Part, Role, Spoken, TemplateId};
use crate::lang::types::Type;
use crate::plan::graph::{Op, RenderPart, RenderTurn};

use super::{Frame, Lowered, Lowering};

impl Lowering<'_> {
    pub(super) fn prompt(
        &mut self,
        frame: &mut Frame,
        id: TemplateId,
        args: &[Expr],
        expr: &Expr,
    ) -> Lowered {
        let program = self.program;
        let template = &program.templates[id.0 as usize];
        self.enter(expr.span)?;
        let result = self.scoped(&template.name, |this| {
            let values = this.exprs(frame, args)?;
            this.with_locals(frame, &template.params, &values, |this, frame| {
                let mut ports = Vec::new();
                let turns = this.turns(frame, &template.turns, &mut ports)?;
                let op = Op::Render { turns, out: template.out.clone() };
                this.add(frame, op, &expr.ty, expr.span, &ports)
            })
        });
        self.depth -= 1;
        result
    }

    pub(super) fn turns(
        &mut self,
        frame: &mut Frame,
        turns: &[Spoken],
        ports: &mut Vec<NodeIndex>,
    ) -> Result<Vec<RenderTurn>, Diagnostic> {
        let mut out = Vec::new();
        for spoken in turns {
            let turn = match spoken {
                Spoken::Turn(turn) => turn,
                Spoken::History(earlier) => {
                    ports.push(self.expr(frame, earlier)?);
                    out.push(RenderTurn::History(ports.len() as u32 - 1));
                    continue;
                }
            };
            let mut parts = Vec::new();
            for part in &turn.parts {
                match part {
                    Part::Text(text) => parts.push(RenderPart::Text(text.clone())),
                    Part::Hole(hole) => parts.push(self.hole(frame, hole, turn.role, ports)?),
                    Part::Out => {}
                }
            }
            out.push(RenderTurn::Says { role: turn.role, parts });
        }
        Ok(out)
    }

    /// A value in a prompt: media are encoded, text literals become text.
    pub(super) fn hole(
        &mut self,
        frame: &mut Frame,
        hole: &Expr,
        role: Role,
        ports: &mut Vec<NodeIndex>,
    ) -> Result<RenderPart, Diagnostic> {
        if let ExprKind::Literal(Literal::Text(text)) = &hole.kind {
            return Ok(RenderPart::Text(text.clone()));
        }
        let value = self.expr(frame, hole)?;
        let value = match encoded(&frame.plan.graph[value].ty) {
            Some((medium, ty)) if role == Role::Assistant => {
                self.add(frame, Op::Recall(medium), &ty, hole.span, &[value])?
            }
            _ => self.encode(frame, value, hole.span)?,
        };
        ports.push(value);
        Ok(RenderPart::Port(ports.len() as u32 - 1))
    }

    /// Encodes media (also in options and lists); other values pass as they are.
    pub(super) fn encode(&mut self, frame: &mut Frame, value: NodeIndex, span: Span) -> Lowered {
        // The node's own type: a coercion to an option must not hide that it is the same image.
        match encoded(&frame.plan.graph[value].ty) {
            Some((medium, ty)) => self.add(frame, Op::Encode(medium), &ty, span, &[value]),
            None => Ok(value),
        }
    }
}

/// The type after encoding, when it holds a medium that has to be encoded.
fn encoded(ty: &Type) -> Option<(Medium, Type)> {
    match ty {
        Type::Medium(Medium::Text) => None,
        Type::Medium(medium) | Type::Lasting(medium, _) => Some((*medium, Type::Tokens(*medium))),
        Type::Option(inner) => {
            encoded(inner).map(|(medium, ty)| (medium, Type::Option(Box::new(ty))))
        }
        Type::List(inner) => encoded(inner).map(|(medium, ty)| (medium, Type::List(Box::new(ty)))),
        _ => None,
    }
}
