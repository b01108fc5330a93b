//! The two stages: `Generate` writes tokens, `Decode` makes media of them.

use petgraph::graph::NodeIndex;

use crate::base::{Diagnostic, Literal, Medium, Pattern, Reply, Span};
use crate::lang::ir::{Generate, Setting};
use crate::lang::json;
use crate::lang::settings::Key;
use crate::lang::types::Type;
use crate::plan::graph::{Held, Op};

use super::{Frame, Lowered, Lowering, medium_of};

impl Lowering<'_> {
    pub(super) fn generate(
        &mut self,
        frame: &mut Frame,
        generate: &Generate,
        span: Span,
    ) -> Lowered {
        let prompt = self.scoped("prompt", |this| this.expr(frame, &generate.prompt))?;
        let semantic = self.settings(frame, &generate.semantic)?;
        let perceptual = self.settings(frame, &generate.perceptual)?;
        let Some(samples) = generate.samples else {
            return self.reply(frame, generate, prompt, &semantic, &perceptual, span);
        };
        // Each has its own path, and so its own stream of random numbers.
        let replies = (0..samples)
            .map(|_| self.reply(frame, generate, prompt, &semantic, &perceptual, span))
            .collect::<Result<Vec<_>, _>>()?;
        let ty = Type::List(Box::new(generate.out.clone()));
        self.add(frame, Op::List, &ty, span, &replies)
    }

    /// One reply: both stages, or what the first one's text says.
    fn reply(
        &mut self,
        frame: &mut Frame,
        generate: &Generate,
        prompt: NodeIndex,
        (keys, settings): &(Vec<Key>, Vec<NodeIndex>),
        perceptual: &(Vec<Key>, Vec<NodeIndex>),
        span: Span,
    ) -> Lowered {
        let out = &generate.out;
        let reply = match out {
            Type::Mixed => Reply::Mixed,
            out => Reply::Only(medium_of(out)),
        };
        let (held, json) = held(out, span)?;
        let ty = match (out, reply) {
            (Type::Union(_) | Type::Matching(_), _) => out.clone(),
            (_, Reply::Only(Medium::Text)) => Type::TEXT,
            (_, Reply::Only(medium)) => Type::Tokens(medium),
            (_, Reply::Mixed) => Type::Mixed,
        };
        let operands: Vec<NodeIndex> = [prompt].iter().chain(settings).copied().collect();
        let op = Op::Generate { reply, settings: keys.clone(), held };
        let tokens = self.add(frame, op, &ty, span, &operands)?;
        match out {
            _ if json => self.add(frame, Op::Parse, out, span, &[tokens]),
            Type::Medium(Medium::Text) | Type::Tokens(_) | Type::Union(_) | Type::Matching(_) => {
                Ok(tokens)
            }
            _ => self.decoded(frame, reply, tokens, perceptual, span),
        }
    }

    pub(super) fn decode(
        &mut self,
        frame: &mut Frame,
        reply: Reply,
        tokens: NodeIndex,
        perceptual: &[Setting],
        span: Span,
    ) -> Lowered {
        let settings = self.settings(frame, perceptual)?;
        self.decoded(frame, reply, tokens, &settings, span)
    }

    fn decoded(
        &mut self,
        frame: &mut Frame,
        reply: Reply,
        tokens: NodeIndex,
        (keys, settings): &(Vec<Key>, Vec<NodeIndex>),
        span: Span,
    ) -> Lowered {
        let operands: Vec<NodeIndex> = [tokens].iter().chain(settings).copied().collect();
        let op = Op::Decode { reply, settings: keys.clone() };
        let ty = match reply {
            Reply::Only(medium) => Type::Medium(medium),
            Reply::Mixed => Type::Mixed,
        };
        self.add(frame, op, &ty, span, &operands)
    }

    fn settings(
        &mut self,
        frame: &mut Frame,
        settings: &[Setting],
    ) -> Result<(Vec<Key>, Vec<NodeIndex>), Diagnostic> {
        let mut keys = Vec::new();
        let mut nodes = Vec::new();
        for setting in settings {
            let path = setting.key.to_string();
            let mut node = self.scoped(&path, |this| this.expr(frame, &setting.value))?;
            // The decoder stays away from an image by its codes, as it follows one by its codes.
            if setting.key.name == "negative" {
                node = self.encode(frame, node, setting.span)?;
            }
            keys.push(setting.key);
            nodes.push(node);
        }
        Ok((keys, nodes))
    }
}

/// What the reply of a `generate` is held to, and whether its text is JSON to be read.
fn held(out: &Type, span: Span) -> Result<(Held, bool), Diagnostic> {
    Ok(match out {
        Type::Union(cases) => {
            let texts = cases.iter().filter_map(|case| match case {
                Literal::Text(text) => Some(text.clone()),
                _ => None,
            });
            (Held::Cases(texts.collect()), false)
        }
        Type::Matching(pattern) => (Held::Pattern(pattern.clone()), false),
        Type::Lasting(_, seconds) => (Held::Lasting(*seconds), false),
        Type::Record(_) | Type::List(_) => {
            let pattern = json::pattern(out)
                .and_then(|source| Pattern::new(&source).map_err(|error| error.to_string()));
            let pattern = pattern.map_err(|why| {
                Diagnostic::error("E0603", format!("a model cannot be held to {out}"))
                    .label(span, why)
                    .help("use fewer fields, or shorter patterns in them")
            })?;
            (Held::Json { pattern, ty: out.clone() }, true)
        }
        _ => (Held::Free, false),
    })
}
