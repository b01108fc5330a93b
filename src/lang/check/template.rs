//! Templates: roles, holes, and the one hole that the model fills.

use crate::base::{Diagnostic, Span};
use crate::lang::fold::text_of;
use crate::lang::ir::{self, Expr, ExprKind, Part, Role, Segment, Spoken};
use crate::lang::syntax::ast::{self, ExprKind as Ast};
use crate::lang::types::Type;

use super::body::{Body, Mode};
use super::coerce::widens;
use super::{Checker, Signature, did_you_mean};

/// The name of the hole that the model fills.
const OUT: &str = "out";
const ROLES: [(&str, Role); 3] =
    [("system", Role::System), ("user", Role::User), ("assistant", Role::Assistant)];

impl Checker<'_> {
    pub fn template(
        &mut self,
        signature: &Signature,
        item: &ast::Item,
        declared: &ast::Template,
    ) -> ir::Template {
        let module = signature.item.module;
        let mut body = Body::new(self, module, Mode::Template(signature.item));
        body.params(&signature.params);
        let out_param = signature.params.iter().find(|param| param.name == OUT);
        if let Some(param) = out_param {
            body.error(
                Diagnostic::error("E0502", "a parameter of a template cannot be named `out`")
                    .label(param.span, "`{out}` is the hole that the model fills")
                    .help("choose another name"),
            );
        }
        let mut outs: Vec<Span> = Vec::new();
        let mut turns = body.spoken(&declared.turns, &mut outs);
        if let Some((first, more)) = outs.split_first()
            && let Some(second) = more.first()
        {
            body.error(
                Diagnostic::error("E0502", "`{out}` stands in this template twice")
                    .label(*second, "again here")
                    .label(*first, "first here")
                    .help("the model fills one hole"),
            );
        }
        if declared.turns.is_empty() {
            body.error(
                Diagnostic::error("E0510", format!("template `{}` is empty", signature.name))
                    .label(signature.span, "says nothing to the model")
                    .help("give it a turn, as in user { \"…\" }"),
            );
        }
        match turns.last() {
            Some(Spoken::Turn(last)) if last.role == Role::Assistant && outs.is_empty() => {
                let span = last.span;
                body.error(
                    Diagnostic::error("E0501", "this turn leaves nothing for the model to say")
                        .label(span, "`{out}` is missing at its end")
                        .help("end the turn with {out}, or let the template end with a user turn"),
                );
            }
            // What is left to say is the assistant's: the hole is all of its turn.
            Some(_) if outs.is_empty() => {
                turns.push(Spoken::Turn(ir::Turn {
                    role: Role::Assistant,
                    parts: vec![Part::Out],
                    span: signature.span,
                }));
            }
            _ => {}
        }
        body.warn_unused();
        ir::Template {
            name: signature.name.clone(),
            module: self.resolved.modules[module].path.clone(),
            doc: item.doc.clone(),
            params: signature.params.clone(),
            out: signature.result.clone(),
            turns,
            span: signature.span,
        }
    }
}

impl Body<'_, '_> {
    /// `chat { … }`: turns without a hole for the model to fill.
    pub fn chat(&mut self, turns: &[ast::Spoken], span: Span) -> Expr {
        if let Mode::Constant(place) = self.mode {
            self.error(
                Diagnostic::error("E0309", format!("a conversation has no place in {place}"))
                    .label(span, "made at run time only")
                    .help(format!("{place} is made of literals and constants only")),
            );
            return Self::error_expr(span);
        }
        if turns.is_empty() {
            self.error(
                Diagnostic::error("E0510", "this conversation is empty")
                    .label(span, "says nothing to the model")
                    .help("give it a turn, as in chat { user { \"…\" } }"),
            );
            return Self::error_expr(span);
        }
        let mut outs = Vec::new();
        let turns = self.spoken(turns, &mut outs);
        if let Some(out) = outs.first() {
            self.error(
                Diagnostic::error("E0502", "`{out}` stands in a conversation")
                    .label(*out, "only templates have this hole")
                    .help("leave it out: `generate T from` the conversation asks for the reply"),
            );
        }
        Expr { kind: ExprKind::Chat(turns), ty: Type::Chat, span }
    }

    fn spoken(&mut self, turns: &[ast::Spoken], outs: &mut Vec<Span>) -> Vec<Spoken> {
        let mut out = Vec::new();
        for (place, spoken) in turns.iter().enumerate() {
            match spoken {
                ast::Spoken::Turn(turn) => {
                    let Some(role) = self.role(&turn.role, place) else { continue };
                    let parts = self.parts(turn, role, place + 1 == turns.len(), outs);
                    out.push(Spoken::Turn(ir::Turn { role, parts, span: turn.span }));
                }
                ast::Spoken::History(earlier) => {
                    let earlier = self.expr(earlier, None);
                    match &earlier.ty {
                        Type::Chat => out.push(Spoken::History(earlier)),
                        // Several, one after the other: examples of what is wanted.
                        Type::List(inner) if **inner == Type::Chat => {
                            out.push(Spoken::History(earlier));
                        }
                        Type::Error => {}
                        other => self.error(
                            Diagnostic::error(
                                "E0503",
                                format!("{other} is no earlier conversation"),
                            )
                            .label(earlier.span, format!("is {other}"))
                            .help(
                                "only a `chat` stands between turns; put anything else into \
                                     one, as in user { {…} }",
                            ),
                        ),
                    }
                }
            }
        }
        out
    }

    fn role(&mut self, name: &ast::Ident, place: usize) -> Option<Role> {
        match ROLES.iter().find(|(known, _)| *known == name.text) {
            Some((_, Role::System)) if place > 0 => {
                self.error(
                    Diagnostic::error("E0508", "the system's turn comes first, and once")
                        .label(name.span, "after other turns")
                        .help("move it to the top of the template"),
                );
                Some(Role::System)
            }
            Some((_, role)) => Some(*role),
            None => {
                let diagnostic =
                    Diagnostic::error("E0504", format!("there is no role `{}`", name.text))
                        .label(name.span, "not a role");
                let roles = ROLES.iter().map(|(name, _)| *name);
                let mut diagnostic = match name.text.as_str() {
                    "human" => diagnostic.did_you_mean("user"),
                    "model" | "bot" | "ai" => diagnostic.did_you_mean("assistant"),
                    other => did_you_mean(diagnostic, other, roles),
                };
                if diagnostic.help.is_none() {
                    diagnostic = diagnostic.help("the roles are system, user and assistant");
                }
                self.error(diagnostic);
                None
            }
        }
    }

    fn parts(
        &mut self,
        turn: &ast::Turn,
        role: Role,
        last_turn: bool,
        outs: &mut Vec<Span>,
    ) -> Vec<Part> {
        let mut parts = Vec::new();
        for part in &turn.parts {
            match part {
                ast::Part::Hole(hole) => self.part(hole, &mut parts, outs),
                ast::Part::Text(text) => {
                    for segment in &text.segments {
                        match segment {
                            ast::Segment::Text(text) => push_text(&mut parts, text),
                            ast::Segment::Hole(hole) => self.part(hole, &mut parts, outs),
                        }
                    }
                }
            }
        }
        let here = parts.iter().filter(|part| matches!(part, Part::Out)).count();
        let misplaced = here > 0
            && (role != Role::Assistant || !last_turn || !matches!(parts.last(), Some(Part::Out)));
        if misplaced && let Some(span) = outs.last() {
            let why = if role != Role::Assistant {
                "in a turn that the model does not say"
            } else if !last_turn {
                "in a turn before the last one"
            } else {
                "something follows it"
            };
            let diagnostic =
                Diagnostic::error("E0502", "`{out}` is not at the end of the template")
                    .label(*span, why)
                    .help("the model goes on where the prompt ends: end with assistant { {out} }");
            self.error(diagnostic);
        }
        parts
    }

    fn part(&mut self, hole: &ast::Expr, parts: &mut Vec<Part>, outs: &mut Vec<Span>) {
        if matches!(&hole.kind, Ast::Name(name) if name == OUT) {
            outs.push(hole.span);
            parts.push(Part::Out);
            return;
        }
        let value = self.expr(hole, None);
        let help = match &value.ty {
            Type::Error => return,
            Type::Medium(_)
            | Type::Lasting(..)
            | Type::Tokens(_)
            | Type::Prompt(_)
            | Type::Mixed => {
                return push_value(parts, value);
            }
            Type::Int
            | Type::Float
            | Type::Bool
            | Type::Duration
            | Type::Union(_)
            | Type::Matching(_) => {
                let span = value.span;
                if let ExprKind::Literal(literal) = &value.kind {
                    return push_text(parts, &text_of(literal));
                }
                let kind = ExprKind::Interpolate(vec![Segment::Hole(value)]);
                return parts.push(Part::Hole(Expr { kind, ty: Type::TEXT, span }));
            }
            Type::List(inner) => match inner.as_ref() {
                Type::Medium(_)
                | Type::Lasting(..)
                | Type::Tokens(_)
                | Type::Prompt(_)
                | Type::Mixed => {
                    return parts.push(Part::Hole(value));
                }
                inner if widens(inner, &Type::TEXT) => {
                    let texts = self.fit(value, &Type::List(Box::new(Type::TEXT)), "a turn");
                    return parts.push(Part::Hole(texts));
                }
                _ => "a list in a turn holds texts, media, tokens or prompts",
            },
            Type::Chat => {
                "an earlier conversation stands alone between the turns: { {…} user { … } }"
            }
            Type::Record(_) => "take a field of it: {….name}",
            Type::Option(_) => "this may be none: write {… ?? \"\"} to say what to put then",
            Type::None => "leave the hole out",
        };
        self.error(
            Diagnostic::error("E0503", format!("{} cannot stand in a turn", value.ty))
                .label(value.span, format!("is {}", value.ty))
                .help(help),
        );
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        Some(Part::Text(last)) => last.push_str(text),
        _ if text.is_empty() => {}
        _ => parts.push(Part::Text(text.to_string())),
    }
}

fn push_value(parts: &mut Vec<Part>, value: Expr) {
    match &value.kind {
        ExprKind::Literal(literal) if value.ty == Type::TEXT => push_text(parts, &text_of(literal)),
        _ => parts.push(Part::Hole(value)),
    }
}
