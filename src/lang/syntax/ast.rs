//! The syntax tree: what was written, with spans, before any name is looked up.

use crate::base::{Literal, Span};

/// A file's declarations in source order, with what a formatter needs beside them.
#[derive(Debug, Clone, Default)]
pub struct File {
    /// The `//!` comment at its head.
    pub doc: Option<String>,
    pub items: Vec<Item>,
    /// Names of declarations that could not be read: they exist, but nothing is known of them.
    pub broken: Vec<Ident>,
    /// Every comment, in source order, documentation included.
    pub comments: Vec<Comment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommentKind {
    /// `//`
    Plain,
    /// `///`
    Doc,
    /// `//!`
    Module,
}

#[derive(Debug, Clone, Copy)]
pub struct Comment {
    pub kind: CommentKind,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub struct Ident {
    pub text: String,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub struct Item {
    pub doc: Option<String>,
    /// The word `pub`.
    pub public: Option<Span>,
    pub kind: ItemKind,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub enum ItemKind {
    Use(Use),
    Const(Const),
    Type(TypeDecl),
    Template(Template),
    Pipeline(Pipeline),
    Plugin(Plugin),
    Test(Test),
    Evaluation(Evaluation),
}

impl Item {
    /// The name it declares; `use` declares others.
    pub fn name(&self) -> Option<&Ident> {
        match &self.kind {
            // Nothing can use them, so their names are not of the module.
            ItemKind::Use(_) | ItemKind::Test(_) | ItemKind::Evaluation(_) => None,
            ItemKind::Const(item) => Some(&item.name),
            ItemKind::Type(item) => Some(&item.name),
            ItemKind::Template(item) => Some(&item.name),
            ItemKind::Pipeline(item) => Some(&item.name),
            ItemKind::Plugin(item) => Some(&item.name),
        }
    }

    /// What it is, in a sentence.
    pub fn what(&self) -> &'static str {
        match &self.kind {
            ItemKind::Use(_) => "import",
            ItemKind::Const(_) => "constant",
            ItemKind::Type(_) => "type",
            ItemKind::Template(_) => "template",
            ItemKind::Pipeline(_) => "pipeline",
            ItemKind::Plugin(_) => "plugin",
            ItemKind::Test(_) => "test",
            ItemKind::Evaluation(_) => "evaluation",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Use {
    pub path: String,
    pub path_span: Span,
    /// `{ a, b as c }`; without it the module itself is named.
    pub names: Option<Vec<UseName>>,
    /// `use a/b as c`
    pub alias: Option<Ident>,
}

#[derive(Debug, Clone)]
pub struct UseName {
    pub name: Ident,
    pub alias: Option<Ident>,
}

#[derive(Debug, Clone)]
pub struct Const {
    pub name: Ident,
    pub ty: Option<TypeExpr>,
    pub value: Expr,
}

#[derive(Debug, Clone)]
pub struct TypeDecl {
    pub name: Ident,
    pub ty: TypeExpr,
}

#[derive(Debug, Clone)]
pub struct Param {
    pub doc: Option<String>,
    pub name: Ident,
    pub ty: TypeExpr,
    pub default: Option<Expr>,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub struct Template {
    pub name: Ident,
    pub params: Vec<Param>,
    pub out: TypeExpr,
    pub turns: Vec<Spoken>,
}

/// A piece of a conversation.
#[derive(Debug, Clone)]
pub enum Spoken {
    Turn(Turn),
    /// `{earlier}`: all turns of a conversation.
    History(Expr),
}

#[derive(Debug, Clone)]
pub struct Turn {
    pub role: Ident,
    pub parts: Vec<Part>,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub enum Part {
    Text(StringLit),
    Hole(Expr),
}

#[derive(Debug, Clone)]
pub struct Pipeline {
    pub name: Ident,
    pub params: Vec<Param>,
    pub ret: TypeExpr,
    pub body: Block,
}

/// `plugin name = wasm "file.wasm" { … }`
#[derive(Debug, Clone)]
pub struct Plugin {
    pub name: Ident,
    /// The word before the path.
    pub format: Ident,
    pub path: StringLit,
    pub settings: Vec<PluginSetting>,
}

#[derive(Debug, Clone)]
pub struct PluginSetting {
    pub name: Ident,
    pub value: PluginValue,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub enum PluginValue {
    /// `64MiB`, in bytes.
    Size(u64, Span),
    Expr(Expr),
}

/// `test "…" with { … } { … }`
#[derive(Debug, Clone)]
pub struct Test {
    pub title: StringLit,
    pub settings: Vec<Setting>,
    pub steps: Vec<TestStep>,
}

#[derive(Debug, Clone)]
pub enum TestStep {
    Let(Let),
    Expect(Expr),
    Snapshot(Expr),
}

/// `evaluation name(columns) with { … } { … }`
#[derive(Debug, Clone)]
pub struct Evaluation {
    pub name: Ident,
    pub params: Vec<Param>,
    pub settings: Vec<Setting>,
    pub steps: Vec<EvaluationStep>,
}

#[derive(Debug, Clone)]
pub enum EvaluationStep {
    Let(Let),
    Measure(Measured),
}

/// `measure metric(a, b) as name`
#[derive(Debug, Clone)]
pub struct Measured {
    pub metric: Ident,
    pub args: Vec<Expr>,
    pub name: Option<Ident>,
    pub span: Span,
}

/// `let` bindings, then a value: `return e` in a pipeline, a bare expression elsewhere.
#[derive(Debug, Clone)]
pub struct Block {
    pub lets: Vec<Let>,
    pub result: Box<Expr>,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub struct Let {
    pub name: Ident,
    pub ty: Option<TypeExpr>,
    pub value: Expr,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub struct TypeExpr {
    pub kind: TypeKind,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub enum TypeKind {
    /// `name` or `module.name`
    Named {
        module: Option<Ident>,
        name: Ident,
    },
    /// `list<T>`, `tokens<image>`
    Generic(Ident, Box<TypeExpr>),
    Literal(Literal),
    Option(Box<TypeExpr>),
    Union(Vec<TypeExpr>),
    Record(Vec<(Ident, TypeExpr)>),
    /// `text matching /…/`, with the place of what stands between the slashes.
    Matching(String, Span),
    /// `speech[3s..]`, `list<text>[4]`, with the place of the brackets.
    Sized(Box<TypeExpr>, Bounds, Span),
    /// Already diagnosed.
    Error,
}

/// Both ends included; `[4]` has equal ones.
#[derive(Debug, Clone)]
pub struct Bounds {
    pub least: Option<Literal>,
    pub most: Option<Literal>,
}

#[derive(Debug, Clone)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
    /// One more than the highest child's; bounded by the parser, so that every later walk of
    /// the tree may recurse.
    pub height: u16,
}

#[derive(Debug, Clone)]
pub enum ExprKind {
    Literal(Literal),
    Text(StringLit),
    Name(String),
    /// `value between least and most`, both included.
    Between {
        op_span: Span,
        value: Box<Expr>,
        least: Box<Expr>,
        most: Box<Expr>,
    },
    /// `{ a: e, b }`, where `b` alone means `b: b`.
    Record(Vec<(Ident, Option<Expr>)>),
    List(Vec<Expr>),
    For {
        body: Box<Expr>,
        item: Ident,
        source: Box<Expr>,
        filter: Option<Box<Expr>>,
    },
    Field(Box<Expr>, Ident),
    Index(Box<Expr>, Box<Expr>),
    Call {
        callee: Box<Expr>,
        args: Vec<Arg>,
    },
    Unary(UnaryOp, Box<Expr>),
    Binary {
        op: BinaryOp,
        op_span: Span,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `(e)`, kept for the formatter and for chained comparisons.
    Paren(Box<Expr>),
    /// One branch or more, then the `else`.
    If {
        branches: Vec<(Expr, Block)>,
        otherwise: Block,
    },
    /// `match e { a | b => x, _ => y }`
    Match {
        subject: Box<Expr>,
        arms: Vec<Arm>,
    },
    Generate {
        out: TypeExpr,
        prompt: Box<Expr>,
        stages: Vec<Stage>,
    },
    /// `chat { … }`
    Chat(Vec<Spoken>),
    Encode(Box<Expr>),
    Decode {
        tokens: Box<Expr>,
        settings: Vec<Setting>,
    },
    /// Already diagnosed.
    Error,
}

/// `"plain" | "dry" => 0.2`
#[derive(Debug, Clone)]
pub struct Arm {
    pub patterns: Vec<Pattern>,
    pub value: Expr,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub enum Pattern {
    /// A literal; an expression so that it is checked as one is.
    Value(Expr),
    /// `_`
    Rest(Span),
    /// Whatever is left, under a name.
    Name(Ident),
}

impl Pattern {
    pub fn span(&self) -> Span {
        match self {
            Pattern::Value(value) => value.span,
            Pattern::Rest(span) => *span,
            Pattern::Name(name) => name.span,
        }
    }
}

pub use crate::lang::ir::{BinaryOp, UnaryOp};

#[derive(Debug, Clone)]
pub struct Arg {
    pub name: Option<Ident>,
    pub value: Expr,
}

/// `semantic: { … }`
#[derive(Debug, Clone)]
pub struct Stage {
    pub name: Ident,
    pub value: StageValue,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub enum StageValue {
    Settings(Vec<Setting>),
    /// A setting written outside of its stage.
    Bare(Expr),
}

/// `steps: 4`, or `voice` alone for `voice: voice`.
#[derive(Debug, Clone)]
pub struct Setting {
    pub name: Ident,
    pub value: Option<Expr>,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub struct StringLit {
    pub segments: Vec<Segment>,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub enum Segment {
    Text(String),
    Hole(Expr),
}

impl StringLit {
    /// The text, if there is no hole in it.
    pub fn plain(&self) -> Option<String> {
        let mut out = String::new();
        for segment in &self.segments {
            match segment {
                Segment::Text(text) => out.push_str(text),
                Segment::Hole(_) => return None,
            }
        }
        Some(out)
    }
}

impl Block {
    fn height(&self) -> u16 {
        self.lets.iter().map(|binding| binding.value.height).fold(self.result.height, u16::max)
    }
}

/// The highest expression in a conversation.
pub fn spoken_height(turns: &[Spoken]) -> u16 {
    let segment = |segment: &Segment| match segment {
        Segment::Text(_) => 0,
        Segment::Hole(expr) => expr.height,
    };
    let part = |part: &Part| match part {
        Part::Text(text) => text.segments.iter().map(segment).max().unwrap_or(0),
        Part::Hole(expr) => expr.height,
    };
    let spoken = |spoken: &Spoken| match spoken {
        Spoken::Turn(turn) => turn.parts.iter().map(part).max().unwrap_or(0),
        Spoken::History(expr) => expr.height,
    };
    turns.iter().map(spoken).max().unwrap_or(0)
}

fn highest<'a>(exprs: impl IntoIterator<Item = &'a Expr>) -> u16 {
    exprs.into_iter().map(|expr| expr.height).max().unwrap_or(0)
}

impl Expr {
    pub fn new(kind: ExprKind, span: Span) -> Expr {
        let below = match &kind {
            ExprKind::Literal(_) | ExprKind::Name(_) | ExprKind::Error => 0,
            ExprKind::Text(text) => text
                .segments
                .iter()
                .map(|segment| match segment {
                    Segment::Text(_) => 0,
                    Segment::Hole(expr) => expr.height,
                })
                .max()
                .unwrap_or(0),
            ExprKind::Record(fields) => highest(fields.iter().filter_map(|(_, e)| e.as_ref())),
            ExprKind::List(items) => highest(items),
            ExprKind::For { body, source, filter, .. } => {
                highest([body.as_ref(), source.as_ref()].into_iter().chain(filter.as_deref()))
            }
            ExprKind::Field(inner, _)
            | ExprKind::Unary(_, inner)
            | ExprKind::Paren(inner)
            | ExprKind::Encode(inner) => inner.height,
            ExprKind::Index(list, index) => highest([list.as_ref(), index.as_ref()]),
            ExprKind::Call { callee, args } => {
                highest(args.iter().map(|arg| &arg.value)).max(callee.height)
            }
            ExprKind::Binary { left, right, .. } => highest([left.as_ref(), right.as_ref()]),
            ExprKind::Between { value, least, most, .. } => {
                highest([value.as_ref(), least.as_ref(), most.as_ref()])
                    // In the IR the comparisons stand in a block.
                    .saturating_add(2)
            }
            ExprKind::If { branches, otherwise } => branches
                .iter()
                .map(|(cond, block)| cond.height.max(block.height()))
                .fold(otherwise.height(), u16::max)
                // Each `else if` is one level more in the IR.
                .saturating_add(u16::try_from(branches.len()).unwrap_or(u16::MAX)),
            ExprKind::Match { subject, arms } => arms
                .iter()
                .map(|arm| arm.value.height)
                .fold(subject.height, u16::max)
                // Each arm is one level more in the IR.
                .saturating_add(u16::try_from(arms.len()).unwrap_or(u16::MAX)),
            ExprKind::Generate { prompt, stages, .. } => stages
                .iter()
                .map(|stage| match &stage.value {
                    StageValue::Settings(settings) => settings_height(settings),
                    StageValue::Bare(expr) => expr.height,
                })
                .fold(prompt.height, u16::max),
            ExprKind::Chat(turns) => spoken_height(turns),
            ExprKind::Decode { tokens, settings } => tokens.height.max(settings_height(settings)),
        };
        Expr { kind, span, height: below.saturating_add(1) }
    }
}

fn settings_height(settings: &[Setting]) -> u16 {
    highest(settings.iter().filter_map(|setting| setting.value.as_ref()))
}
