//! One line about an operation, shared by all printers.

use crate::base::{Literal, Role};
use crate::lang::ir::UnaryOp;
use crate::lang::settings::Key;
use crate::plan::graph::{Held, Op, Plan, RenderPart, RenderTurn};

/// The operation with `operand(port)` where its inputs stand.
pub fn describe(
    plan: &Plan,
    op: &Op,
    operands: usize,
    operand: &dyn Fn(usize) -> String,
) -> String {
    match op {
        Op::Input(index) => {
            format!("input {}", plan.inputs.get(*index).map_or("?", |input| input.name.as_str()))
        }
        Op::Literal(value) => shorten(&value.to_string()),
        Op::File { path, medium } => format!("file {medium} {path:?}"),
        Op::Record(names) => {
            let fields: Vec<String> = names
                .iter()
                .enumerate()
                .map(|(port, name)| format!("{name}: {}", operand(port)))
                .collect();
            format!("record {{ {} }}", fields.join(", "))
        }
        Op::Field(name) => format!("{}.{name}", operand(0)),
        Op::List => {
            let items: Vec<String> = (0..operands).map(operand).collect();
            format!("list [{}]", items.join(", "))
        }
        Op::Index => format!("{}[{}]", operand(0), operand(1)),
        Op::Interpolate(texts) => {
            let mut out = String::new();
            for (port, text) in texts.iter().enumerate() {
                if port > 0 {
                    out.push_str(&format!("{{{}}}", operand(port - 1)));
                }
                out.push_str(text);
            }
            format!("interpolate {}", Literal::Text(out))
        }
        Op::Unary(UnaryOp::Not) => format!("not {}", operand(0)),
        Op::Unary(UnaryOp::Negate) => format!("-{}", operand(0)),
        Op::Binary(op) => format!("{} {} {}", operand(0), op.symbol(), operand(1)),
        Op::IsNone => format!("is-none {}", operand(0)),
        Op::ToFloat => format!("to-float {}", operand(0)),
        Op::Length => format!("length {}", operand(0)),
        Op::Select => format!("select {} ? {} : {}", operand(0), operand(1), operand(2)),
        Op::Encode(medium) => format!("encode {medium} {}", operand(0)),
        Op::Recall(medium) => format!("recall {medium} {}", operand(0)),
        Op::Pick => format!("pick {}", operand(0)),
        Op::Cut { .. } => format!("{} {} {}", op.word(), operand(0), operand(1)),
        Op::Plugin(call) => {
            let args: Vec<String> = (0..operands).map(operand).collect();
            let digest = call.plugin.component.digest.short();
            format!("plugin {}({}) {digest}", call.name(), args.join(", "))
        }
        Op::Render { turns, .. } => {
            let last = turns.len().saturating_sub(1);
            let turns: Vec<String> = turns
                .iter()
                .enumerate()
                .map(|(index, turn)| render(turn, index == last, operand))
                .collect();
            format!("render {}", turns.join(" "))
        }
        Op::Parse => format!("parse {}", operand(0)),
        Op::Measure(what) => format!("{} {}", what.name(), operand(0)),
        Op::Generate { reply, settings, held } => {
            let what = match held {
                Held::Free => reply.to_string(),
                Held::Cases(cases) => {
                    cases.iter().map(|c| format!("{c:?}")).collect::<Vec<_>>().join(" | ")
                }
                Held::Pattern(pattern) | Held::Json { pattern, .. } => {
                    format!("text matching /{}/", pattern.source())
                }
                Held::Lasting(seconds) => format!("{reply}[{seconds}]"),
            };
            format!("generate {what} from {}{}", operand(0), with(settings, operand))
        }
        Op::Decode { reply, settings } => {
            format!("decode {reply} {}{}", operand(0), with(settings, operand))
        }
        Op::Map(body) => {
            let captured: Vec<String> = (1..operands).map(operand).collect();
            let with = if captured.is_empty() {
                String::new()
            } else {
                format!(" with {}", captured.join(", "))
            };
            format!("map {} ({} operations){with}", operand(0), body.node_count())
        }
    }
}

fn with(settings: &[Key], operand: &dyn Fn(usize) -> String) -> String {
    if settings.is_empty() {
        return String::new();
    }
    let list: Vec<String> = settings
        .iter()
        .enumerate()
        .map(|(index, key)| format!("{key}: {}", operand(index + 1)))
        .collect();
    format!(" {{ {} }}", list.join(", "))
}

/// The reply goes where the last turn is the assistant's.
fn render(turn: &RenderTurn, last: bool, operand: &dyn Fn(usize) -> String) -> String {
    let (role, parts) = match turn {
        RenderTurn::Says { role, parts } => (*role, parts),
        RenderTurn::History(port) => return operand(*port as usize),
    };
    let mut text = String::new();
    for part in parts {
        match part {
            RenderPart::Text(part) => text.push_str(part),
            RenderPart::Port(port) => text.push_str(&format!("{{{}}}", operand(*port as usize))),
        }
    }
    if last && role == Role::Assistant {
        text.push_str("{out}");
    }
    format!("{}({})", role.name(), Literal::Text(text))
}

/// Long literals are cut for display only.
pub fn shorten(text: &str) -> String {
    cut(text, 60)
}

/// At most `limit` characters of a text.
pub fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_string(),
    }
}
