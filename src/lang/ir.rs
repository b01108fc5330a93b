//! The typed IR: what a checked program means, with every name resolved and every default,
//! coercion and setting made explicit. Lowering to a plan needs nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::{Literal, Medium, Span};

pub use crate::base::Role;

use super::metrics::Metric;
use super::plugin::{Component, Grant, Limits};
use super::settings::Key;
use super::types::Type;

/// Index into [`Program::pipelines`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PipelineId(pub u32);

/// Index into [`Program::templates`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TemplateId(pub u32);

/// A local variable, unique within its pipeline or template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalId(pub u32);

/// A checked program: the root file with all that it uses.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Callees come before their callers (the language has no recursion).
    pub pipelines: Vec<Pipeline>,
    pub templates: Vec<Template>,
    /// Pipelines declared in the root file, in source order: those a user can run.
    pub entries: Vec<PipelineId>,
    /// Tests of the root file, in source order.
    pub tests: Vec<Test>,
    /// Evaluations of the root file, in source order.
    pub evaluations: Vec<Evaluation>,
}

#[derive(Debug, Clone)]
pub struct Pipeline {
    pub name: String,
    /// Module path as written in `use`, such as `std/image`; empty for the root file.
    pub module: String,
    pub doc: Option<String>,
    pub params: Vec<Param>,
    pub ret: Type,
    pub body: Block,
    pub span: Span,
}

/// A test: a pipeline without parameters whose record holds what is to be looked at.
#[derive(Debug, Clone)]
pub struct Test {
    pub title: String,
    pub doc: Option<String>,
    /// Of all randomness; the command line's where there is none.
    pub seed: Option<u64>,
    /// How often it runs, with one seed after the other, and how often all that is expected must
    /// hold. Snapshots are of the first time.
    pub repeat: u32,
    pub pass: u32,
    /// Its result is a record; [`Test::checks`] say what its fields are for.
    pub pipeline: Pipeline,
    pub checks: Vec<Check>,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub struct Check {
    /// The field of the result.
    pub field: String,
    pub kind: CheckKind,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub enum CheckKind {
    /// The field is true. For comparisons, further fields hold both sides.
    Expect { sides: Option<(String, String)> },
    /// The field is as it was before.
    Snapshot,
}

/// An evaluation: a pipeline whose parameters are the columns of a row and whose record holds what
/// is measured.
#[derive(Debug, Clone)]
pub struct Evaluation {
    pub name: String,
    pub doc: Option<String>,
    /// The set it runs over by itself, or a file of rows relative to the source (`./rows.jsonl`).
    pub data: String,
    /// Of all randomness; the command line's where there is none.
    pub seed: Option<u64>,
    /// Its result is a record; [`Evaluation::measures`] say what its fields are for. Fields of
    /// references come first, so that they are known though the answer fails.
    pub pipeline: Pipeline,
    pub measures: Vec<Measured>,
    pub span: Span,
}

/// One line of an evaluation's results.
#[derive(Debug, Clone)]
pub struct Measured {
    /// What the line is called; the metric's name unless `as` says otherwise.
    pub name: String,
    pub metric: &'static Metric,
    /// The fields of the result that are its arguments, in the metric's order.
    pub fields: Vec<String>,
    pub span: Span,
}

/// A declared plugin.
#[derive(Debug, Clone)]
pub struct Plugin {
    pub name: String,
    pub component: Arc<Component>,
    pub limits: Limits,
    /// What the file gives it; whoever runs it must allow the same.
    pub grants: BTreeSet<Grant>,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub struct Template {
    pub name: String,
    pub module: String,
    pub doc: Option<String>,
    pub params: Vec<Param>,
    /// What the hole `{out}` holds.
    pub out: Type,
    pub turns: Vec<Spoken>,
    pub span: Span,
}

/// A piece of a conversation.
#[derive(Debug, Clone)]
pub enum Spoken {
    Turn(Turn),
    /// All turns of an earlier conversation.
    History(Expr),
}

#[derive(Debug, Clone)]
pub struct Param {
    pub local: LocalId,
    pub name: String,
    pub doc: Option<String>,
    pub ty: Type,
    /// Already coerced to `ty`; a literal expression over constants, never over other parameters.
    pub default: Option<Expr>,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub struct Turn {
    pub role: Role,
    pub parts: Vec<Part>,
    pub span: Span,
}

/// A piece of a turn. Texts and media may alternate freely.
#[derive(Debug, Clone)]
pub enum Part {
    Text(String),
    /// `text`, a medium, `tokens<medium>`, a list of those, or another template's prompt is
    /// spliced in; scalars are coerced to text before (see [`ExprKind::Interpolate`]).
    Hole(Expr),
    /// The hole that the model fills: last part of the last turn, which is the assistant's.
    Out,
}

/// Bindings in order, then the value.
#[derive(Debug, Clone)]
pub struct Block {
    pub lets: Vec<Let>,
    pub result: Box<Expr>,
}

#[derive(Debug, Clone)]
pub struct Let {
    pub local: LocalId,
    pub name: String,
    pub value: Expr,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub struct Expr {
    pub kind: ExprKind,
    pub ty: Type,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub enum ExprKind {
    Literal(Literal),
    Local(LocalId),
    Record(Vec<(String, Expr)>),
    Field(Box<Expr>, String),
    List(Vec<Expr>),
    /// `list[int]`; an index out of range is an error of the run with this span.
    Index(Box<Expr>, Box<Expr>),
    /// String interpolation; holes are text, int, float, bool, duration or a literal union.
    Interpolate(Vec<Segment>),
    Unary(UnaryOp, Box<Expr>),
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    If {
        cond: Box<Expr>,
        then: Block,
        otherwise: Block,
    },
    /// Bindings in the middle of an expression.
    Bind(Block),
    /// `[body for item in source if filter]`
    For {
        item: LocalId,
        source: Box<Expr>,
        filter: Option<Box<Expr>>,
        body: Box<Expr>,
    },
    /// All arguments present and in parameter order.
    Call {
        pipeline: PipelineId,
        args: Vec<Expr>,
    },
    /// A function of a plugin, by its place among the component's. All arguments present and in
    /// parameter order.
    Plugin {
        plugin: Arc<Plugin>,
        function: usize,
        args: Vec<Expr>,
    },
    /// A template applied: a prompt value. All arguments present and in parameter order.
    Prompt {
        template: TemplateId,
        args: Vec<Expr>,
    },
    /// A bare text, medium or tokens used as a prompt: one user turn with just that.
    PromptOf(Box<Expr>),
    /// `chat { … }`: the turns of a conversation, to be answered or to go on from.
    Chat(Vec<Spoken>),
    Generate(Box<Generate>),
    /// medium → tokens<medium>
    Encode(Box<Expr>),
    /// tokens<medium> → medium
    Decode {
        tokens: Box<Expr>,
        perceptual: Vec<Setting>,
    },
    /// `file("cat.png")`: a medium read from a path relative to the source file's folder.
    File {
        path: String,
        medium: Medium,
    },
    /// `sound.duration`, `picture.width`, `picture.height`
    Measure(Measure, Box<Expr>),
    /// `length(list)`
    Length(Box<Expr>),
    /// `pick(list)`: one item, drawn with the run's seed.
    Pick(Box<Expr>),
    /// `before(text, mark)`, `after(text, mark)`: what stands on that side of the first mark,
    /// without white space around it; nothing before, and all after, a mark that is not there.
    Cut {
        after: bool,
        text: Box<Expr>,
        mark: Box<Expr>,
    },
    /// int → float, T → T?, literal union → text, none → T?: same value under a wider type.
    Coerce(Box<Expr>),
}

/// What can be asked of a medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Measure {
    Duration,
    Width,
    Height,
}

impl Measure {
    pub fn name(self) -> &'static str {
        match self {
            Measure::Duration => "duration",
            Measure::Width => "width",
            Measure::Height => "height",
        }
    }

    /// Those that a medium has.
    pub fn of(medium: Medium) -> &'static [Measure] {
        match medium {
            Medium::Text => &[],
            Medium::Image => &[Measure::Width, Measure::Height],
            Medium::Speech | Medium::Music => &[Measure::Duration],
        }
    }
}

#[derive(Debug, Clone)]
pub enum Segment {
    Text(String),
    Hole(Expr),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    Not,
    Negate,
}

/// Operators; arithmetic on int or float (both sides already of one type), `Add` also joins
/// texts and lists; `Coalesce` is `a ?? b` (left when it is not none).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    And,
    Or,
    Coalesce,
    /// `text contains part`
    Contains,
}

impl BinaryOp {
    /// As written in a source text.
    pub fn symbol(self) -> &'static str {
        match self {
            BinaryOp::Add => "+",
            BinaryOp::Subtract => "-",
            BinaryOp::Multiply => "*",
            BinaryOp::Divide => "/",
            BinaryOp::Remainder => "%",
            BinaryOp::Equal => "==",
            BinaryOp::NotEqual => "!=",
            BinaryOp::Less => "<",
            BinaryOp::LessEqual => "<=",
            BinaryOp::Greater => ">",
            BinaryOp::GreaterEqual => ">=",
            BinaryOp::And => "and",
            BinaryOp::Or => "or",
            BinaryOp::Coalesce => "??",
            BinaryOp::Contains => "contains",
        }
    }
}

/// Two-stage generation: the language model makes tokens, a de-tokenizer makes the medium.
#[derive(Debug, Clone)]
pub struct Generate {
    /// `text`, a medium, `mixed`, or `tokens<medium>` when only the semantic stage is wanted;
    /// also a type that text is held to: a union, a pattern, a record as JSON.
    pub out: Type,
    /// How many replies a list of them has; one that stands alone where there is none.
    pub samples: Option<u32>,
    pub prompt: Expr,
    pub semantic: Vec<Setting>,
    pub perceptual: Vec<Setting>,
}

/// A setting that the user wrote; absent ones take the bundle's defaults.
#[derive(Debug, Clone)]
pub struct Setting {
    /// A name from the table in `lang::settings`, and the medium where a reply has several.
    pub key: Key,
    pub value: Expr,
    pub span: Span,
}
