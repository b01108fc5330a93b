//! Typed IR → plan: calls are inlined, templates become `Render`, `generate` becomes the two
//! stages `Generate` and `Decode`, and a medium in a prompt is encoded first.

use std::collections::HashMap;

use petgraph::graph::{DiGraph, NodeIndex};

use crate::base::{Diagnostic, Literal, Medium, Reply, Span};
use crate::lang::ir::{
    BinaryOp, Block, Evaluation, Expr, ExprKind, LocalId, Param, Pipeline, PipelineId, Program,
    Role, Segment, Test,
};
use crate::lang::types::Type;

mod generate;
mod prompt;

use super::graph::{Input, Node, Op, Plan, PluginCall, RenderTurn};

/// Calls are inlined, so a few lines could ask for an enormous graph.
const MAX_NODES: usize = 100_000;
/// Depth of calls inside calls; lowering recurses once per level.
const MAX_CALL_DEPTH: usize = 64;

/// Lowers one pipeline with all that it calls.
pub fn lower(program: &Program, entry: PipelineId) -> Result<Plan, Diagnostic> {
    lower_pipeline(program, &program.pipelines[entry.0 as usize])
}

/// Lowers a test: its result is a record of what is to be looked at.
pub fn lower_test(program: &Program, test: &Test) -> Result<Plan, Diagnostic> {
    lower_pipeline(program, &test.pipeline)
}

/// Lowers an evaluation: its inputs are a row's columns, its result a record of what is measured.
pub fn lower_evaluation(program: &Program, evaluation: &Evaluation) -> Result<Plan, Diagnostic> {
    lower_pipeline(program, &evaluation.pipeline)
}

fn lower_pipeline(program: &Program, pipeline: &Pipeline) -> Result<Plan, Diagnostic> {
    let mut lowering = Lowering {
        program,
        nodes: 0,
        depth: 0,
        paths: HashMap::new(),
        scope: vec![pipeline.name.clone()],
    };
    let mut frame = Frame::new(&pipeline.name);
    for param in &pipeline.params {
        lowering.input(&mut frame, param)?;
    }
    let result = lowering.block(&mut frame, &pipeline.body)?;
    frame.plan.result = result;
    Ok(frame.plan)
}

/// One plan under construction with the locals visible in it.
struct Frame {
    plan: Plan,
    locals: HashMap<LocalId, NodeIndex>,
}

impl Frame {
    fn new(name: &str) -> Self {
        let plan = Plan {
            name: name.to_string(),
            inputs: Vec::new(),
            graph: DiGraph::new(),
            result: NodeIndex::end(),
            keep: None,
        };
        Frame { plan, locals: HashMap::new() }
    }
}

struct Lowering<'p> {
    program: &'p Program,
    nodes: usize,
    depth: usize,
    /// How often each path was taken, to tell equal ones apart.
    paths: HashMap<String, usize>,
    scope: Vec<String>,
}

type Lowered = Result<NodeIndex, Diagnostic>;

impl Lowering<'_> {
    fn input(&mut self, frame: &mut Frame, param: &Param) -> Result<(), Diagnostic> {
        let default = match &param.default {
            Some(value) => Some(self.expr(frame, value)?),
            None => None,
        };
        let index = frame.plan.inputs.len();
        frame.plan.inputs.push(Input {
            name: param.name.clone(),
            ty: param.ty.clone(),
            doc: param.doc.clone(),
            default,
            span: param.span,
        });
        let node = self.add(frame, Op::Input(index), &param.ty, param.span, &[])?;
        frame.locals.insert(param.local, node);
        Ok(())
    }

    fn add(
        &mut self,
        frame: &mut Frame,
        op: Op,
        ty: &Type,
        span: Span,
        operands: &[NodeIndex],
    ) -> Lowered {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Diagnostic::error(
                "E0601",
                format!("the plan needs more than {MAX_NODES} operations"),
            )
            .label(span, "the limit is reached here")
            .help("calls of pipelines are copied into the caller: call fewer of them, or use a comprehension over a list"));
        }
        let mut path = self.scope.join("/");
        path.push('/');
        path.push_str(op.word());
        let count = self.paths.entry(path.clone()).or_insert(0);
        *count += 1;
        if *count > 1 {
            path.push_str(&format!("#{count}"));
        }
        Ok(frame.plan.add(Node { op, ty: ty.clone(), span, path }, operands))
    }

    fn scoped<T>(&mut self, name: &str, inner: impl FnOnce(&mut Self) -> T) -> T {
        self.scope.push(name.to_string());
        let result = inner(self);
        self.scope.pop();
        result
    }

    fn block(&mut self, frame: &mut Frame, block: &Block) -> Lowered {
        for binding in &block.lets {
            let node = self.scoped(&binding.name, |this| this.expr(frame, &binding.value))?;
            frame.locals.insert(binding.local, node);
        }
        self.expr(frame, &block.result)
    }

    fn exprs<'e>(
        &mut self,
        frame: &mut Frame,
        exprs: impl IntoIterator<Item = &'e Expr>,
    ) -> Result<Vec<NodeIndex>, Diagnostic> {
        exprs.into_iter().map(|expr| self.expr(frame, expr)).collect()
    }

    fn expr(&mut self, frame: &mut Frame, expr: &Expr) -> Lowered {
        let (ty, span) = (&expr.ty, expr.span);
        match &expr.kind {
            ExprKind::Literal(literal) => {
                self.add(frame, Op::Literal(literal.clone()), ty, span, &[])
            }
            ExprKind::Local(local) => frame.locals.get(local).copied().ok_or_else(|| {
                Diagnostic::error("E0699", "a variable has no value here (a defect of agpt)")
                    .label(span, "this one")
                    .help("please report it with the source file")
            }),
            ExprKind::Record(fields) => {
                let mut operands = Vec::with_capacity(fields.len());
                for (name, value) in fields {
                    operands.push(self.scoped(name, |this| this.expr(frame, value))?);
                }
                let names = fields.iter().map(|(name, _)| name.clone()).collect();
                self.add(frame, Op::Record(names), ty, span, &operands)
            }
            ExprKind::Field(record, name) => {
                let record = self.expr(frame, record)?;
                self.add(frame, Op::Field(name.clone()), ty, span, &[record])
            }
            ExprKind::List(items) => {
                let operands = self.exprs(frame, items)?;
                self.add(frame, Op::List, ty, span, &operands)
            }
            ExprKind::Index(list, index) => {
                let operands = [self.expr(frame, list)?, self.expr(frame, index)?];
                self.add(frame, Op::Index, ty, span, &operands)
            }
            ExprKind::Interpolate(segments) => self.interpolate(frame, segments, expr),
            ExprKind::Unary(op, inner) => {
                let inner = self.expr(frame, inner)?;
                self.add(frame, Op::Unary(*op), ty, span, &[inner])
            }
            ExprKind::Binary(op, left, right) => self.binary(frame, *op, left, right, expr),
            ExprKind::If { cond, then, otherwise } => {
                let cond = self.expr(frame, cond)?;
                let then = self.scoped("then", |this| this.block(frame, then))?;
                let otherwise = self.scoped("else", |this| this.block(frame, otherwise))?;
                self.add(frame, Op::Select, ty, span, &[cond, then, otherwise])
            }
            ExprKind::Bind(block) => self.block(frame, block),
            ExprKind::For { item, source, filter, body } => {
                self.map(frame, *item, source, filter.as_deref(), body, expr)
            }
            ExprKind::Call { pipeline, args } => self.call(frame, *pipeline, args, span),
            ExprKind::Prompt { template, args } => self.prompt(frame, *template, args, expr),
            ExprKind::PromptOf(content) => {
                let mut ports = Vec::new();
                let part = self.hole(frame, content, Role::User, &mut ports)?;
                let turns = vec![RenderTurn::Says { role: Role::User, parts: vec![part] }];
                let out = prompt_out(ty);
                self.add(frame, Op::Render { turns, out }, ty, span, &ports)
            }
            ExprKind::Generate(generate) => self.generate(frame, generate, span),
            ExprKind::Encode(value) => {
                let operand = self.expr(frame, value)?;
                self.encode(frame, operand, span)
            }
            ExprKind::Decode { tokens, perceptual } => {
                let medium = medium_of(&tokens.ty);
                let tokens = self.expr(frame, tokens)?;
                self.decode(frame, Reply::Only(medium), tokens, perceptual, span)
            }
            ExprKind::File { path, medium } => {
                let op = Op::File { path: path.clone(), medium: *medium };
                self.add(frame, op, ty, span, &[])
            }
            ExprKind::Measure(what, medium) => {
                let medium = self.expr(frame, medium)?;
                self.add(frame, Op::Measure(*what), ty, span, &[medium])
            }
            ExprKind::Length(list) => {
                let list = self.expr(frame, list)?;
                self.add(frame, Op::Length, ty, span, &[list])
            }
            ExprKind::Pick(list) => {
                let list = self.expr(frame, list)?;
                self.add(frame, Op::Pick, ty, span, &[list])
            }
            ExprKind::Cut { after, text, mark } => {
                let operands = [self.expr(frame, text)?, self.expr(frame, mark)?];
                self.add(frame, Op::Cut { after: *after }, ty, span, &operands)
            }
            ExprKind::Plugin { plugin, function, args } => {
                let operands = self.exprs(frame, args)?;
                let call = PluginCall { plugin: plugin.clone(), function: *function };
                self.add(frame, Op::Plugin(call), ty, span, &operands)
            }
            ExprKind::Chat(turns) => {
                let mut ports = Vec::new();
                let turns = self.turns(frame, turns, &mut ports)?;
                self.add(frame, Op::Render { turns, out: Type::Chat }, ty, span, &ports)
            }
            ExprKind::Coerce(inner) => {
                let node = self.expr(frame, inner)?;
                if inner.ty == Type::Int && matches!(strip_option(ty), Type::Float) {
                    return self.add(frame, Op::ToFloat, ty, span, &[node]);
                }
                Ok(node)
            }
        }
    }

    fn interpolate(&mut self, frame: &mut Frame, segments: &[Segment], expr: &Expr) -> Lowered {
        let mut texts = vec![String::new()];
        let mut operands = Vec::new();
        for segment in segments {
            match segment {
                Segment::Text(text) => {
                    if let Some(last) = texts.last_mut() {
                        last.push_str(text);
                    }
                }
                Segment::Hole(hole) => {
                    operands.push(self.expr(frame, hole)?);
                    texts.push(String::new());
                }
            }
        }
        self.add(frame, Op::Interpolate(texts), &expr.ty, expr.span, &operands)
    }

    /// `and`, `or` and `??` evaluate their right side only when it is needed.
    fn binary(
        &mut self,
        frame: &mut Frame,
        op: BinaryOp,
        left: &Expr,
        right: &Expr,
        expr: &Expr,
    ) -> Lowered {
        let (ty, span) = (&expr.ty, expr.span);
        let left = self.expr(frame, left)?;
        let right = self.expr(frame, right)?;
        let operands = match op {
            BinaryOp::And => {
                let no = Op::Literal(Literal::Bool(false));
                [left, right, self.add(frame, no, &Type::Bool, span, &[])?]
            }
            BinaryOp::Or => {
                let yes = Op::Literal(Literal::Bool(true));
                [left, self.add(frame, yes, &Type::Bool, span, &[])?, right]
            }
            BinaryOp::Coalesce => {
                let absent = self.add(frame, Op::IsNone, &Type::Bool, span, &[left])?;
                [absent, right, left]
            }
            _ => return self.add(frame, Op::Binary(op), ty, span, &[left, right]),
        };
        self.add(frame, Op::Select, ty, span, &operands)
    }

    /// The body becomes a plan of its own; outer locals that it uses become its inputs.
    fn map(
        &mut self,
        frame: &mut Frame,
        item: LocalId,
        source: &Expr,
        filter: Option<&Expr>,
        body: &Expr,
        expr: &Expr,
    ) -> Lowered {
        let source_node = self.expr(frame, source)?;
        let item_ty = match &source.ty {
            Type::List(inner) => inner.as_ref().clone(),
            other => other.clone(),
        };
        let mut inner = Frame::new("map");
        let mut operands = vec![source_node];
        self.capture(&mut inner, "item", item, &item_ty, source.span)?;
        let mut outer: Vec<(LocalId, NodeIndex)> =
            frame.locals.iter().map(|(local, node)| (*local, *node)).collect();
        outer.sort_unstable();
        for (local, node) in outer {
            let outside = &frame.plan.graph[node];
            let (ty, span) = (outside.ty.clone(), outside.span);
            self.capture(&mut inner, &format!("captured{}", local.0), local, &ty, span)?;
            operands.push(node);
        }
        self.scoped("each", |this| {
            if let Some(filter) = filter {
                inner.plan.keep = Some(this.scoped("if", |this| this.expr(&mut inner, filter))?);
            }
            inner.plan.result = this.expr(&mut inner, body)?;
            Ok::<(), Diagnostic>(())
        })?;
        self.add(frame, Op::Map(Box::new(inner.plan)), &expr.ty, expr.span, &operands)
    }

    fn capture(
        &mut self,
        inner: &mut Frame,
        name: &str,
        local: LocalId,
        ty: &Type,
        span: Span,
    ) -> Result<(), Diagnostic> {
        let index = inner.plan.inputs.len();
        let input =
            Input { name: name.to_string(), ty: ty.clone(), doc: None, default: None, span };
        inner.plan.inputs.push(input);
        let node = self.add(inner, Op::Input(index), ty, span, &[])?;
        inner.locals.insert(local, node);
        Ok(())
    }

    fn call(&mut self, frame: &mut Frame, id: PipelineId, args: &[Expr], span: Span) -> Lowered {
        let program = self.program;
        let pipeline = &program.pipelines[id.0 as usize];
        self.enter(span)?;
        let result = self.scoped(&pipeline.name, |this| {
            let values = this.exprs(frame, args)?;
            this.with_locals(frame, &pipeline.params, &values, |this, frame| {
                this.block(frame, &pipeline.body)
            })
        });
        self.depth -= 1;
        result
    }

    fn enter(&mut self, span: Span) -> Result<(), Diagnostic> {
        if self.depth == MAX_CALL_DEPTH {
            return Err(Diagnostic::error(
                "E0602",
                format!("calls are nested more than {MAX_CALL_DEPTH} deep"),
            )
            .label(span, "this call is one too many")
            .help("let one pipeline call the others in turn instead of through each other"));
        }
        self.depth += 1;
        Ok(())
    }

    /// Runs `inner` with only the callee's parameters visible, in the same plan.
    fn with_locals(
        &mut self,
        frame: &mut Frame,
        params: &[Param],
        values: &[NodeIndex],
        inner: impl FnOnce(&mut Self, &mut Frame) -> Lowered,
    ) -> Lowered {
        let callee = params.iter().map(|param| param.local).zip(values.iter().copied()).collect();
        let saved = std::mem::replace(&mut frame.locals, callee);
        let result = inner(self, frame);
        frame.locals = saved;
        result
    }
}

fn strip_option(ty: &Type) -> &Type {
    match ty {
        Type::Option(inner) => inner,
        other => other,
    }
}

fn prompt_out(ty: &Type) -> Type {
    match ty {
        Type::Prompt(out) => out.as_ref().clone(),
        other => other.clone(),
    }
}

/// The medium of a medium or of its tokens; anything else generates text.
pub(super) fn medium_of(ty: &Type) -> Medium {
    match ty {
        Type::Medium(medium) | Type::Tokens(medium) | Type::Lasting(medium, _) => *medium,
        _ => Medium::Text,
    }
}
