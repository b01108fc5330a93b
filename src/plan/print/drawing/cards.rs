//! A plan as boxes with words, edges between them, and boxes inside of boxes.

use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;

use crate::base::{Medium, Reply, Span};
use crate::lang::types::Type;
use crate::plan::graph::{Op, Plan};
use crate::plan::print::label::{cut, describe};

use super::TooLarge;
use super::layout::{self, Point, Size};

/// Of the font that is used, in pixels; all characters are equally wide.
pub const LETTER: f64 = 7.25;
pub const LINE: f64 = 16.0;
pub const PADDING: f64 = 10.0;
/// Letters in a line of a box.
const WIDTH: usize = 38;
/// Lines of what an operation does.
const LINES: usize = 3;
/// Boxes, edges and rows that edges pass: beyond it nobody could read the drawing.
const MAX_EFFORT: usize = 20_000;

/// What an edge or a box holds, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Colour {
    Medium(Medium),
    Other,
}

impl Colour {
    pub fn name(self) -> &'static str {
        match self {
            Colour::Medium(medium) => medium.name(),
            Colour::Other => "other",
        }
    }
}

/// One operation.
pub struct Card {
    /// The numbers of the operation and of those around it: `n3`, `n3_1`.
    pub id: String,
    pub corner: Point,
    pub size: Size,
    pub title: String,
    /// The operation's number in this plan, as printed by `--format text`.
    pub number: Option<usize>,
    pub lines: Vec<String>,
    pub cost: Option<String>,
    pub colour: Colour,
    pub runs_model: bool,
    /// The plan of a comprehension's body, below the words.
    pub inner: Option<Sheet>,
    /// Nothing for the marks of a plan's result and filter.
    pub about: Option<About>,
}

/// What a table says about an operation.
pub struct About {
    pub path: String,
    pub does: String,
    pub ty: String,
    pub settings: Vec<(String, String)>,
    pub span: Span,
}

pub struct Wire {
    pub from: usize,
    pub to: usize,
    pub way: Vec<Point>,
    pub ty: String,
    pub colour: Colour,
    pub tokens: bool,
}

/// A plan with places for everything.
pub struct Sheet {
    pub cards: Vec<Card>,
    pub wires: Vec<Wire>,
    pub size: Size,
}

/// Lays a plan out; `prefix` begins the ids of its cards.
pub fn sheet(plan: &Plan, prefix: &str) -> Result<Sheet, TooLarge> {
    if plan.node_count() > MAX_EFFORT {
        return Err(TooLarge { operations: plan.node_count() });
    }
    let mut cards = Vec::new();
    let mut card_of = vec![None; plan.graph.node_count()];
    for index in plan.order() {
        if !is_inline(plan, index) {
            card_of[index.index()] = Some(cards.len());
            cards.push(card(plan, index, prefix)?);
        }
    }
    let mut edges = Vec::new();
    let mut types: Vec<&Type> = Vec::new();
    for edge in plan.graph.edge_references() {
        let ends = (card_of[edge.source().index()], card_of[edge.target().index()]);
        if let (Some(from), Some(to)) = ends {
            edges.push((from, to));
            types.push(&plan.graph[edge.source()].ty);
        }
    }
    let marks = [("keep", "keep if", plan.keep), ("result", "result", Some(plan.result))];
    for (id, title, node) in marks {
        let Some(node) = node.filter(|node| node.index() < card_of.len()) else { continue };
        if let Some(from) = card_of[node.index()] {
            edges.push((from, cards.len()));
            types.push(&plan.graph[node].ty);
            cards.push(mark(format!("{prefix}{id}"), title, colour(&plan.graph[node].ty)));
        }
    }
    if layout::effort(cards.len(), &edges) > MAX_EFFORT {
        return Err(TooLarge { operations: plan.node_count() });
    }
    let sizes: Vec<Size> = cards.iter().map(|card| card.size).collect();
    let layout = layout::layered(&sizes, &edges);
    for (card, corner) in cards.iter_mut().zip(&layout.corners) {
        card.corner = *corner;
    }
    let wire = |((&(from, to), ty), way): ((&(usize, usize), &&Type), Vec<Point>)| Wire {
        from,
        to,
        way,
        ty: ty.to_string(),
        colour: colour(ty),
        tokens: is_tokens(ty),
    };
    let wires = edges.iter().zip(&types).zip(layout.ways).map(wire).collect();
    Ok(Sheet { cards, wires, size: layout.size })
}

/// Literals stand in the boxes of those who use them.
fn is_inline(plan: &Plan, index: NodeIndex) -> bool {
    let wanted = index == plan.result || Some(index) == plan.keep;
    matches!(plan.graph[index].op, Op::Literal(_)) && !wanted
}

fn card(plan: &Plan, index: NodeIndex, prefix: &str) -> Result<Card, TooLarge> {
    let node = &plan.graph[index];
    let operands = plan.operands(index);
    let operand = |port: usize| match operands.get(port) {
        None => "?".to_string(),
        Some(source) => match &plan.graph[*source].op {
            Op::Literal(value) => cut(&value.to_string(), 24),
            _ => format!("%{}", source.index()),
        },
    };
    let id = format!("{prefix}{}", index.index());
    let inner = match &node.op {
        Op::Map(body) => Some(sheet(body, &format!("{id}_"))?),
        _ => None,
    };
    let keys = match &node.op {
        Op::Generate { settings, .. } | Op::Decode { settings, .. } => settings.as_slice(),
        _ => &[],
    };
    let settings: Vec<(String, String)> =
        keys.iter().enumerate().map(|(place, key)| (key.to_string(), operand(place + 1))).collect();
    let does = describe(plan, &node.op, operands.len(), &operand);
    let (title, lines) = words(plan, index, &does, &settings);
    let cost = cost(&node.op, &settings);
    let about =
        About { path: node.path.clone(), does, ty: node.ty.to_string(), settings, span: node.span };
    let number = Some(index.index());
    let mut card = Card {
        id,
        corner: Point { x: 0.0, y: 0.0 },
        size: Size { width: 0.0, height: 0.0 },
        title,
        number,
        lines,
        cost,
        colour: colour(&node.ty),
        runs_model: node.op.runs_model(),
        inner,
        about: Some(about),
    };
    card.size = card.measure();
    Ok(card)
}

/// The end of a plan.
fn mark(id: String, title: &str, colour: Colour) -> Card {
    let mut card = Card {
        id,
        corner: Point { x: 0.0, y: 0.0 },
        size: Size { width: 0.0, height: 0.0 },
        title: title.to_string(),
        number: None,
        lines: Vec::new(),
        cost: None,
        colour,
        runs_model: false,
        inner: None,
        about: None,
    };
    card.size = card.measure();
    card
}

impl Card {
    /// The height of the words.
    pub fn head(&self) -> f64 {
        let lines = 1 + self.lines.len() + usize::from(self.cost.is_some());
        lines as f64 * LINE + PADDING
    }

    fn measure(&self) -> Size {
        let number = self.number.map_or(0, |number| number.to_string().len() + 3);
        let letters = |line: &String| line.chars().count();
        let rest = self.lines.iter().chain(&self.cost).map(letters);
        let longest = rest.chain([letters(&self.title) + number]).max().unwrap_or(0);
        let width = longest as f64 * LETTER + 2.0 * PADDING;
        match &self.inner {
            None => Size { width, height: self.head() },
            Some(inner) => Size {
                width: width.max(inner.size.width + 2.0 * PADDING),
                height: self.head() + inner.size.height + 2.0 * PADDING,
            },
        }
    }
}

/// The first line of a box and the others.
fn words(
    plan: &Plan,
    index: NodeIndex,
    does: &str,
    settings: &[(String, String)],
) -> (String, Vec<String>) {
    let node = &plan.graph[index];
    let word = node.op.word();
    let title = match &node.op {
        Op::Generate { reply, .. } => format!("generate {reply}"),
        Op::Decode { reply, .. } => format!("decode {reply}"),
        Op::Encode(medium) | Op::Recall(medium) => format!("{word} {medium}"),
        Op::Map(_) => "for each item".to_string(),
        _ => word.to_string(),
    };
    // What the source calls it: the word of the path before the operation's own.
    let mut path = node.path.rsplit('/').skip(1);
    let name = path.find(|word| !matches!(*word, "prompt" | "each" | "if" | "then" | "else"));
    let name = name.filter(|name| *name != plan.name).map(|name| cut(name, 24));
    let (name, lines) = match &node.op {
        Op::Input(place) => {
            let input = plan.inputs.get(*place);
            let default = input.and_then(|input| input.default).map(|node| &plan.graph[node].op);
            let line = match default {
                Some(Op::Literal(value)) => Some(cut(&format!("= {value}"), WIDTH)),
                _ => None,
            };
            (input.map(|input| cut(&input.name, 24)), line.into_iter().collect())
        }
        Op::Generate { .. } | Op::Decode { .. } => {
            let line = |(key, value): &(String, String)| cut(&format!("{key}: {value}"), WIDTH);
            (name, settings.iter().map(line).collect())
        }
        Op::Map(_) | Op::Encode(_) | Op::Recall(_) => (name, Vec::new()),
        _ => (name, wrap(does.strip_prefix(word).unwrap_or(does).trim())),
    };
    match name {
        Some(name) => (format!("{title} · {name}"), lines),
        None => (title, lines),
    }
}

/// A long line as at most [`LINES`] short ones.
fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let length = lines[last].chars().count();
        if length > 0 && length + 1 + word.chars().count() > WIDTH {
            if lines.len() == LINES {
                lines[last].push_str(" …");
                break;
            }
            lines.push(cut(word, WIDTH));
        } else {
            if length > 0 {
                lines[last].push(' ');
            }
            lines[last].push_str(&cut(word, WIDTH));
        }
    }
    lines.retain(|line| !line.is_empty());
    lines
}

/// What an operation takes: which network runs, and how long where the source says it.
fn cost(op: &Op, settings: &[(String, String)]) -> Option<String> {
    let setting =
        |name: &str| settings.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    Some(match op {
        Op::Encode(medium) => format!("runs the {medium} tokenizer"),
        Op::Recall(medium) => format!("{medium} tokenizer, if not generated"),
        Op::Generate { .. } => match (setting("max_tokens"), setting("duration")) {
            (Some(most), _) => format!("language model, up to {most} tokens"),
            (None, Some(duration)) => format!("language model, for {duration}"),
            (None, None) => "runs the language model".to_string(),
        },
        Op::Decode { reply: Reply::Mixed, .. } => "runs the de-tokenizers".to_string(),
        Op::Decode { reply, .. } => match setting("steps") {
            Some(steps) => format!("{reply} de-tokenizer, {steps} steps"),
            None => format!("runs the {reply} de-tokenizer"),
        },
        Op::Map(_) => "once for each item of the list".to_string(),
        _ => return None,
    })
}

fn colour(ty: &Type) -> Colour {
    match ty {
        Type::Medium(medium) | Type::Tokens(medium) => Colour::Medium(*medium),
        Type::Option(inner) | Type::List(inner) => colour(inner),
        _ => Colour::Other,
    }
}

fn is_tokens(ty: &Type) -> bool {
    match ty {
        Type::Tokens(_) => true,
        Type::Option(inner) | Type::List(inner) => is_tokens(inner),
        _ => false,
    }
}
