//! Walks a plan: values are computed when something needs them, once each.
//!
//! Evaluation is by demand with an explicit stack, so the branch of a `select` that is not
//! taken never runs a model, and a deep plan cannot overflow the thread's stack.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use petgraph::graph::NodeIndex;

use crate::base::rng::Stream;
use crate::base::{Medium, Reply, Span};
use crate::bundle::ComponentRole;
use crate::lang::ir::{BinaryOp, Measure};
use crate::lang::settings::Stage;
use crate::plan::arith;
use crate::plan::graph::{Op, Plan};

use super::engine::Engine;
use super::error::{Failure, RunError};
use super::events::Events;
use super::json;
use super::perceptual;
use super::plugins::Call;
use super::read;
use super::render::{self, scalar, text_of};
use super::semantic::Request;
use super::settings::Settings;
use super::value::{Made, Media, Piece, Prompt, Value};

/// What is asked of a medium.
fn measure(what: Measure, value: &Value) -> Result<Value, Failure> {
    let Value::Media(made) = value else {
        return Err(Failure::Defect(value.kind(), "medium"));
    };
    let media: &Media = made;
    match (what, media) {
        (Measure::Duration, Media::Speech(sound) | Media::Music(sound)) => {
            Ok(Value::Duration(sound.seconds()))
        }
        (Measure::Width, Media::Image(image)) => Ok(Value::Int(image.width() as i64)),
        (Measure::Height, Media::Image(image)) => Ok(Value::Int(image.height() as i64)),
        _ => Err(Failure::Defect(media.medium().name(), "medium with this measure")),
    }
}

/// Finds the file that `file("…")` names, relative to the source that says so.
pub type Resolve<'a> = dyn Fn(Span, &str) -> PathBuf + 'a;

/// Executes plans on an engine.
pub struct Executor<'a> {
    pub engine: &'a mut Engine,
    pub seed: u64,
    pub resolve: &'a Resolve<'a>,
    pub events: &'a mut dyn Events,
}

/// Values of one plan's nodes, for one row of a loop.
struct Frame<'p> {
    plan: &'p Plan,
    inputs: &'p [Option<Value>],
    values: Vec<Option<Value>>,
    /// Path of the rows around this frame, part of every random stream's address.
    row: String,
    /// The frame of the loop around it.
    outer: Option<&'p Frame<'p>>,
}

/// The components that an operation may use.
fn components(op: &Op, out: &mut Vec<ComponentRole>) {
    match op {
        Op::Encode(medium) | Op::Recall(medium) => out.push(ComponentRole::Tokenizer(*medium)),
        Op::Generate { .. } => out.push(ComponentRole::Llm),
        Op::Decode { reply: Reply::Only(medium), .. } => {
            out.push(ComponentRole::Detokenizer(*medium));
        }
        Op::Decode { reply: Reply::Mixed, .. } => {
            out.extend(Medium::ALL.map(ComponentRole::Detokenizer));
        }
        Op::Map(body) => {
            for node in body.graph.node_weights() {
                components(&node.op, out);
            }
        }
        _ => {}
    }
}

impl Executor<'_> {
    /// Runs a plan; `sink` gets the named results as soon as each is there: the fields of a
    /// record one by one, another result under the plan's name.
    pub fn run(
        &mut self,
        plan: &Plan,
        inputs: &[Option<Value>],
        sink: &mut dyn FnMut(&str, &Value) -> Result<(), Failure>,
    ) -> Result<Value, RunError> {
        let values = vec![None; plan.graph.node_count()];
        let mut frame = Frame { plan, inputs, values, row: String::new(), outer: None };
        if let Op::Record(names) = &plan.graph[plan.result].op {
            for (name, node) in names.iter().zip(plan.operands(plan.result)) {
                let value = self.demand(&mut frame, node)?;
                sink(name, &value)?;
            }
            return self.demand(&mut frame, plan.result);
        }
        let value = self.demand(&mut frame, plan.result)?;
        match &value {
            Value::Record(fields) => {
                for (name, value) in fields.iter() {
                    sink(name, value)?;
                }
            }
            value => sink(&plan.name, value)?,
        }
        Ok(value)
    }

    fn demand(&mut self, frame: &mut Frame<'_>, wanted: NodeIndex) -> Result<Value, RunError> {
        let mut stack = vec![wanted];
        while let Some(&node) = stack.last() {
            if frame.values[node.index()].is_some() {
                stack.pop();
                continue;
            }
            let needed = self.needed(frame, node);
            let missing: Vec<NodeIndex> = needed
                .iter()
                .copied()
                .filter(|operand| frame.values[operand.index()].is_none())
                .collect();
            if missing.is_empty() {
                let value = self.compute(frame, node, &needed)?;
                frame.values[node.index()] = Some(value);
                stack.pop();
            } else {
                // Reversed, so that the first operand is evaluated first.
                stack.extend(missing.into_iter().rev());
            }
        }
        frame.values[wanted.index()]
            .clone()
            .ok_or_else(|| Failure::Defect("missing value", "value").into())
    }

    /// The operands whose values the node needs, given what is known so far.
    fn needed(&self, frame: &Frame<'_>, node: NodeIndex) -> Vec<NodeIndex> {
        let operands = frame.plan.operands(node);
        match frame.plan.graph[node].op {
            Op::Select => match &frame.values[operands[0].index()] {
                Some(Value::Bool(true)) => vec![operands[0], operands[1]],
                Some(_) => vec![operands[0], operands[2]],
                None => vec![operands[0]],
            },
            Op::Input(index) => match frame.inputs.get(index) {
                Some(Some(_)) => Vec::new(),
                _ => frame
                    .plan
                    .inputs
                    .get(index)
                    .and_then(|input| input.default)
                    .into_iter()
                    .collect(),
            },
            _ => operands,
        }
    }

    fn compute(
        &mut self,
        frame: &Frame<'_>,
        index: NodeIndex,
        needed: &[NodeIndex],
    ) -> Result<Value, RunError> {
        let node = &frame.plan.graph[index];
        let values: Vec<Value> =
            needed.iter().filter_map(|node| frame.values[node.index()].clone()).collect();
        if node.op.runs_model() {
            self.events.started(&node.path, node.op.word());
            if self.engine.is_tight() {
                self.look_ahead(frame);
            }
        }
        let begun = Instant::now();
        let value = match &node.op {
            Op::Map(body) => self.map(frame, body, &node.path, &values)?,
            _ => self
                .apply(frame, index, &values)
                .map_err(|failure| RunError { failure, span: Some(node.span) })?,
        };
        if node.op.runs_model() {
            self.events.finished(&node.path, begun.elapsed());
        }
        Ok(value)
    }

    /// Tells the engine which components the plan will still use, so that it unloads others.
    fn look_ahead(&mut self, frame: &Frame<'_>) {
        let mut upcoming = Vec::new();
        let mut frame = Some(frame);
        while let Some(here) = frame {
            for index in here.plan.graph.node_indices() {
                if here.values[index.index()].is_none() {
                    components(&here.plan.graph[index].op, &mut upcoming);
                }
            }
            // Then the rows that follow, and what stands behind the loop.
            if here.outer.is_some() {
                for node in here.plan.graph.node_weights() {
                    components(&node.op, &mut upcoming);
                }
            }
            frame = here.outer;
        }
        self.engine.resident.upcoming = upcoming;
    }

    fn map(
        &mut self,
        frame: &Frame<'_>,
        body: &Plan,
        path: &str,
        values: &[Value],
    ) -> Result<Value, RunError> {
        let Some((Value::List(items), captured)) = values.split_first() else {
            return Err(Failure::Defect("value", "list").into());
        };
        let mut kept = Vec::with_capacity(items.len());
        for (row, item) in items.iter().enumerate() {
            let inputs: Vec<Option<Value>> =
                std::iter::once(item).chain(captured).cloned().map(Some).collect();
            let mut inner = Frame {
                plan: body,
                inputs: &inputs,
                values: vec![None; body.graph.node_count()],
                row: format!("{}{path}[{row}]/", frame.row),
                outer: Some(frame),
            };
            let keep = match body.keep {
                Some(keep) => self.demand(&mut inner, keep)? == Value::Bool(true),
                None => true,
            };
            if keep {
                kept.push(self.demand(&mut inner, body.result)?);
            }
        }
        Ok(Value::List(kept.into()))
    }

    fn apply(
        &mut self,
        frame: &Frame<'_>,
        index: NodeIndex,
        values: &[Value],
    ) -> Result<Value, Failure> {
        let node = &frame.plan.graph[index];
        let first = || values.first().cloned().ok_or(Failure::Defect("missing value", "value"));
        Ok(match &node.op {
            Op::Input(index) => match frame.inputs.get(*index) {
                Some(Some(value)) => value.clone(),
                _ => values.first().cloned().ok_or_else(|| {
                    let name = frame.plan.inputs.get(*index).map(|input| input.name.clone());
                    Failure::MissingInput(name.unwrap_or_default())
                })?,
            },
            Op::Literal(literal) => literal.clone().into(),
            Op::File { path, medium } => {
                read::typed(&(self.resolve)(node.span, path), *medium, &node.ty)?
            }
            Op::Record(names) => {
                Value::Record(names.iter().cloned().zip(values.iter().cloned()).collect())
            }
            Op::Field(name) => match first()? {
                Value::Mixed(pieces) => field_of_mixed(&pieces, name)?,
                Value::Record(fields) => fields
                    .iter()
                    .find(|(other, _)| other == name)
                    .map(|(_, value)| value.clone())
                    .ok_or(Failure::Defect("record", "record with the field"))?,
                other => return Err(Failure::Defect(other.kind(), "record")),
            },
            Op::List => Value::List(values.into()),
            Op::Index => element(values)?,
            Op::Interpolate(texts) => {
                let mut out = texts.first().cloned().unwrap_or_default();
                for (value, text) in values.iter().zip(texts.iter().skip(1)) {
                    out.push_str(&text_of(value)?);
                    out.push_str(text);
                    if out.len() > arith::MAX_TEXT {
                        return Err(arith::ArithError::LongText.into());
                    }
                }
                Value::text(out)
            }
            Op::Unary(op) => arith::unary(*op, &scalar(&first()?)?)?.into(),
            Op::Binary(op) => binary(*op, values)?,
            Op::IsNone => Value::Bool(first()? == Value::None),
            Op::ToFloat => match first()? {
                Value::Int(value) => Value::Float(value as f64),
                other => other,
            },
            Op::Parse => match first()? {
                Value::Text(text) => json::parse(&text, &node.ty)?,
                other => return Err(Failure::Defect(other.kind(), "text")),
            },
            Op::Measure(what) => measure(*what, &first()?)?,
            Op::Length => match first()? {
                Value::List(items) => Value::Int(items.len() as i64),
                other => return Err(Failure::Defect(other.kind(), "list")),
            },
            Op::Select => {
                values.get(1).cloned().ok_or(Failure::Defect("missing value", "value"))?
            }
            Op::Pick => match first()? {
                Value::List(items) if !items.is_empty() => {
                    let address = format!("{}{}", frame.row, node.path);
                    let draw = Stream::new(self.seed, &address).uniform();
                    let place = ((draw * items.len() as f64) as usize).min(items.len() - 1);
                    items[place].clone()
                }
                Value::List(_) => return Err(Failure::Index { index: 0, length: 0 }),
                other => return Err(Failure::Defect(other.kind(), "list")),
            },
            Op::Cut { after } => {
                let [Value::Text(text), Value::Text(mark)] = values else {
                    return Err(Failure::Defect("value", "text"));
                };
                let (before, behind) = text.split_once(&**mark).unwrap_or(("", text));
                Value::text(if *after { behind.trim() } else { before.trim() })
            }
            Op::Encode(medium) => self.encode(*medium, &first()?, false)?,
            Op::Recall(medium) => self.encode(*medium, &first()?, true)?,
            Op::Render { turns, out } => {
                let turns = render::turns(turns, values)?;
                Value::Prompt(Arc::new(Prompt { turns, out: out.clone() }))
            }
            Op::Plugin(call) => {
                let address = format!("{}{}", frame.row, node.path);
                let random = Stream::new(self.seed, &address);
                self.engine.plugins.call(Call { call, args: values, random }, self.events)?
            }
            Op::Generate { reply, settings, held } => {
                let Some((Value::Prompt(prompt), given)) = values.split_first() else {
                    return Err(Failure::Defect("value", "prompt"));
                };
                let settings = Settings::new(Stage::Semantic, *reply, settings, given)?;
                let address = format!("{}{}", frame.row, node.path);
                let mut stream = Stream::new(settings.seed(self.seed)?, &address);
                let request =
                    Request { path: &address, reply: *reply, prompt, settings: &settings, held };
                self.engine.generate(&request, &mut stream, self.events)?
            }
            Op::Decode { reply, settings } => {
                let Some((written, given)) = values.split_first() else {
                    return Err(Failure::Defect("missing value", "tokens"));
                };
                let settings = Settings::new(Stage::Perceptual, *reply, settings, given)?;
                let address = format!("{}{}", frame.row, node.path);
                let at = perceptual::Place { address: &address, seed: self.seed };
                perceptual::decode(self.engine, written, &settings, at, self.events)?
            }
            Op::Map(_) => return Err(Failure::Defect("map", "plain operation")),
        })
    }

    /// Encodes a medium, an option of one, or all of a list in one batch. With `recall`, a
    /// medium that was generated gives the codes it was made from.
    fn encode(&mut self, medium: Medium, value: &Value, recall: bool) -> Result<Value, Failure> {
        Ok(match value {
            Value::Media(Made { codes: Some(codes), .. }) if recall => {
                Value::Tokens(medium, codes.clone())
            }
            Value::List(items) if recall => {
                let items = items.iter().map(|item| self.encode(medium, item, true));
                Value::List(items.collect::<Result<Vec<_>, _>>()?.into())
            }
            Value::Media(media) => {
                let media: &Arc<Media> = media;
                let codes = self.engine.encode(medium, std::slice::from_ref(media), self.events)?;
                let codes = codes.into_iter().next().unwrap_or_default();
                Value::Tokens(medium, codes.into())
            }
            Value::List(items) => {
                let media = items
                    .iter()
                    .map(|item| match item {
                        Value::Media(media) => Ok(Arc::clone(media)),
                        other => Err(Failure::Defect(other.kind(), medium.name())),
                    })
                    .collect::<Result<Vec<_>, _>>()?;
                let codes = self.engine.encode(medium, &media, self.events)?;
                Value::List(
                    codes.into_iter().map(|codes| Value::Tokens(medium, codes.into())).collect(),
                )
            }
            Value::None => Value::None,
            // Data for training come encoded: their codes stand for the medium.
            Value::Tokens(of, _) if *of == medium => value.clone(),
            other => return Err(Failure::Defect(other.kind(), medium.name())),
        })
    }
}

fn binary(op: BinaryOp, values: &[Value]) -> Result<Value, Failure> {
    let [left, right] = values else {
        return Err(Failure::Defect("missing value", "value"));
    };
    if let (Some(left), Some(right)) = (left.literal(), right.literal()) {
        return Ok(arith::binary(op, &left, &right)?.into());
    }
    match (op, left, right) {
        (BinaryOp::Equal, _, _) => Ok(Value::Bool(left == right)),
        (BinaryOp::NotEqual, _, _) => Ok(Value::Bool(left != right)),
        (BinaryOp::Add, Value::List(left), Value::List(right)) => {
            if left.len() + right.len() > arith::MAX_LIST {
                return Err(arith::ArithError::LongList.into());
            }
            Ok(Value::List(left.iter().chain(right.iter()).cloned().collect()))
        }
        _ => Err(Failure::Defect(left.kind(), "operand")),
    }
}

/// A part of a mixed reply by its kind.
fn field_of_mixed(pieces: &[Piece], name: &str) -> Result<Value, Failure> {
    if name == "text" {
        let texts = pieces.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.trim()),
            _ => None,
        });
        let texts: Vec<&str> = texts.filter(|text| !text.is_empty()).collect();
        return Ok(Value::text(texts.join(" ")));
    }
    let medium = match name {
        "images" => Medium::Image,
        "speech" => Medium::Speech,
        "music" => Medium::Music,
        _ => return Err(Failure::Defect("mixed reply", "value with the field")),
    };
    let media = pieces.iter().filter_map(|piece| match piece {
        Piece::Media(made) if made.medium() == medium => Some(Value::Media(made.clone())),
        _ => None,
    });
    Ok(Value::List(media.collect()))
}

fn element(values: &[Value]) -> Result<Value, Failure> {
    let [Value::List(items), Value::Int(index)] = values else {
        return Err(Failure::Defect("value", "list and an index"));
    };
    usize::try_from(*index)
        .ok()
        .and_then(|at| items.get(at).cloned())
        .ok_or(Failure::Index { index: *index, length: items.len() })
}
