//! Who calls whom: recursion is refused, and callees are put before their callers.

use std::collections::HashMap;

use crate::base::Diagnostic;
use crate::lang::ir::{self, Block, Expr, ExprKind, Part, PipelineId, Segment, Spoken, TemplateId};
use crate::lang::resolve::ItemRef;

use super::{Callable, Checker};

/// What the program holds, callees first, and what a user can run.
pub struct Order {
    callables: Vec<Callable>,
    entries: Vec<PipelineId>,
}

/// Orders what the root file declares or reaches; reports circles.
pub fn order(checker: &mut Checker<'_>) -> Order {
    let mut roots: Vec<ItemRef> = checker.signatures.keys().copied().collect();
    roots.extend(checker.tests.iter().map(|(item, _)| *item));
    roots.extend(checker.evaluations.iter().map(|(item, _)| *item));
    roots.sort_unstable();
    let mut done: HashMap<ItemRef, bool> = HashMap::new();
    let mut sorted: Vec<ItemRef> = Vec::new();
    let mut needed = 0;
    let calls = std::mem::take(&mut checker.calls);
    for root in roots {
        // Modules come after the root file: what only they use is checked, but left out.
        if root.module == 0 || !done.contains_key(&root) {
            walk(checker, &calls, root, &mut done, &mut sorted);
        }
        if root.module == 0 {
            needed = sorted.len();
        }
    }
    sorted.truncate(needed);
    let callables: Vec<Callable> =
        sorted.iter().filter_map(|item| Some(checker.signatures.get(item)?.callable)).collect();
    let mut entries: Vec<(usize, PipelineId)> = checker
        .signatures
        .values()
        .filter(|signature| signature.item.module == 0)
        .filter_map(|signature| match signature.callable {
            Callable::Pipeline(id) => Some((signature.item.item, id)),
            Callable::Template(_) | Callable::Plugin => None,
        })
        .collect();
    entries.sort_unstable();
    Order { callables, entries: entries.into_iter().map(|(_, id)| id).collect() }
}

/// Depth first without recursion: chains of calls are as long as the user likes.
fn walk(
    checker: &mut Checker<'_>,
    calls: &HashMap<ItemRef, Vec<(ItemRef, crate::base::Span)>>,
    root: ItemRef,
    done: &mut HashMap<ItemRef, bool>,
    sorted: &mut Vec<ItemRef>,
) {
    if done.contains_key(&root) {
        return;
    }
    let mut path: Vec<(ItemRef, usize)> = vec![(root, 0)];
    done.insert(root, false);
    while let Some((at, next)) = path.last_mut() {
        let edge = calls.get(at).and_then(|edges| edges.get(*next)).copied();
        let Some((callee, span)) = edge else {
            done.insert(*at, true);
            sorted.push(*at);
            path.pop();
            continue;
        };
        *next += 1;
        match done.get(&callee) {
            None => {
                done.insert(callee, false);
                path.push((callee, 0));
            }
            Some(true) => {}
            Some(false) => {
                let first = path.iter().position(|(item, _)| *item == callee).unwrap_or(0);
                let name = |item: &ItemRef| {
                    checker.signatures.get(item).map_or(String::new(), |s| format!("`{}`", s.name))
                };
                let mut names: Vec<String> =
                    path[first..].iter().map(|(item, _)| name(item)).collect();
                names.push(name(&callee));
                let message = format!("{} calls itself", names[0]);
                let diagnostic = if names.len() == 2 {
                    Diagnostic::error("E0208", message)
                        .label(span, "inside of itself")
                        .help("a program of agpt always ends, so nothing calls itself")
                } else {
                    Diagnostic::error("E0208", format!("{message} through others"))
                        .label(span, "leads back to it")
                        .help(format!(
                            "the circle: {}; a program of agpt always ends, so nothing calls \
                             itself",
                            names.join(" → ")
                        ))
                };
                checker.error(diagnostic);
            }
        }
    }
}

/// The program in its order; ids become places in it.
pub fn program(
    pipelines: Vec<ir::Pipeline>,
    templates: Vec<ir::Template>,
    tests: Vec<ir::Test>,
    evaluations: Vec<ir::Evaluation>,
    order: Order,
) -> ir::Program {
    let mut renumber = Renumber { pipelines: HashMap::new(), templates: HashMap::new() };
    for callable in &order.callables {
        match callable {
            Callable::Pipeline(id) => {
                let new = PipelineId(renumber.pipelines.len() as u32);
                renumber.pipelines.insert(*id, new);
            }
            Callable::Plugin => {}
            Callable::Template(id) => {
                let new = TemplateId(renumber.templates.len() as u32);
                renumber.templates.insert(*id, new);
            }
        }
    }
    let mut pipelines: Vec<Option<ir::Pipeline>> = pipelines.into_iter().map(Some).collect();
    let mut templates: Vec<Option<ir::Template>> = templates.into_iter().map(Some).collect();
    let mut out = ir::Program::default();
    for callable in &order.callables {
        match callable {
            Callable::Pipeline(id) => {
                if let Some(mut pipeline) = pipelines[id.0 as usize].take() {
                    renumber.block(&mut pipeline.body);
                    out.pipelines.push(pipeline);
                }
            }
            Callable::Plugin => {}
            Callable::Template(id) => {
                if let Some(mut template) = templates[id.0 as usize].take() {
                    renumber.spoken(&mut template.turns);
                    out.templates.push(template);
                }
            }
        }
    }
    let entries = order.entries.iter().filter_map(|id| renumber.pipelines.get(id).copied());
    out.entries = entries.collect();
    out.tests = tests;
    for test in &mut out.tests {
        renumber.block(&mut test.pipeline.body);
    }
    out.evaluations = evaluations;
    for evaluation in &mut out.evaluations {
        renumber.block(&mut evaluation.pipeline.body);
    }
    out
}

struct Renumber {
    pipelines: HashMap<PipelineId, PipelineId>,
    templates: HashMap<TemplateId, TemplateId>,
}

impl Renumber {
    fn block(&self, block: &mut Block) {
        for binding in &mut block.lets {
            self.expr(&mut binding.value);
        }
        self.expr(&mut block.result);
    }

    fn spoken(&self, turns: &mut [Spoken]) {
        for spoken in turns {
            match spoken {
                Spoken::History(earlier) => self.expr(earlier),
                Spoken::Turn(turn) => {
                    for part in &mut turn.parts {
                        if let Part::Hole(hole) = part {
                            self.expr(hole);
                        }
                    }
                }
            }
        }
    }

    fn exprs<'e>(&self, exprs: impl IntoIterator<Item = &'e mut Expr>) {
        for expr in exprs {
            self.expr(expr);
        }
    }

    fn expr(&self, expr: &mut Expr) {
        match &mut expr.kind {
            ExprKind::Literal(_) | ExprKind::Local(_) | ExprKind::File { .. } => {}
            ExprKind::Record(fields) => self.exprs(fields.iter_mut().map(|(_, value)| value)),
            ExprKind::List(items) => self.exprs(items),
            ExprKind::Field(inner, _)
            | ExprKind::Unary(_, inner)
            | ExprKind::PromptOf(inner)
            | ExprKind::Encode(inner)
            | ExprKind::Length(inner)
            | ExprKind::Measure(_, inner)
            | ExprKind::Pick(inner)
            | ExprKind::Coerce(inner) => self.expr(inner),
            ExprKind::Chat(turns) => self.spoken(turns),
            ExprKind::Index(a, b)
            | ExprKind::Binary(_, a, b)
            | ExprKind::Cut { text: a, mark: b, .. } => {
                self.exprs([a.as_mut(), b.as_mut()]);
            }
            ExprKind::Interpolate(segments) => {
                self.exprs(segments.iter_mut().filter_map(|segment| match segment {
                    Segment::Text(_) => None,
                    Segment::Hole(hole) => Some(hole),
                }));
            }
            ExprKind::If { cond, then, otherwise } => {
                self.expr(cond);
                self.block(then);
                self.block(otherwise);
            }
            ExprKind::Bind(block) => self.block(block),
            ExprKind::For { source, filter, body, .. } => {
                self.exprs([source.as_mut(), body.as_mut()]);
                self.exprs(filter.as_deref_mut());
            }
            ExprKind::Call { pipeline, args } => {
                *pipeline = self.pipelines.get(pipeline).copied().unwrap_or(*pipeline);
                self.exprs(args);
            }
            ExprKind::Plugin { args, .. } => self.exprs(args),
            ExprKind::Prompt { template, args } => {
                *template = self.templates.get(template).copied().unwrap_or(*template);
                self.exprs(args);
            }
            ExprKind::Generate(generate) => {
                self.expr(&mut generate.prompt);
                let settings = generate.semantic.iter_mut().chain(&mut generate.perceptual);
                self.exprs(settings.map(|setting| &mut setting.value));
            }
            ExprKind::Decode { tokens, perceptual } => {
                self.expr(tokens);
                self.exprs(perceptual.iter_mut().map(|setting| &mut setting.value));
            }
        }
    }
}
