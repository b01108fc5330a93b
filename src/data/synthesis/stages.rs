//! The stages as plans, and what a file must hold to be used as them.

use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::base::hash::Digest;
use crate::base::{Literal, Medium, Reply};
use crate::lang::ir::Program;
use crate::lang::json;
use crate::lang::types::Type;
use crate::plan::{self, Op, Plan, passes};
use crate::runtime::value::Value;

use super::SynthesisError;

/// A pipeline that is run for each piece of its stage.
pub struct Stage {
    pub plan: Plan,
    /// Of all that the plan says: another one makes other pieces.
    pub digest: String,
}

pub struct Stages {
    pub meta_topics: Stage,
    pub topics: Stage,
    pub scenarios: Stage,
    pub dialogue: Stage,
    /// For media that local models make.
    makers: Vec<(Medium, Stage)>,
    /// The type of a scenario.
    pub scenario: Type,
}

fn list(ty: Type) -> Type {
    Type::List(Box::new(ty))
}

fn failed<T>(reason: String) -> Result<T, SynthesisError> {
    Err(SynthesisError::Stage(reason))
}

impl Stages {
    /// The stages of a program; `local` are the media that local models make.
    pub fn new(program: &Program, local: &[Medium]) -> Result<Stages, SynthesisError> {
        let texts = list(Type::TEXT);
        let meta_topics = find(program, "meta_topics", &[])?;
        returns(&meta_topics, &texts)?;
        if meta_topics.plan.any_op(&|op| op.runs_model() || matches!(op, Op::Pick)) {
            return failed("`meta_topics` must be a list that is written down".to_string());
        }
        let known = [("meta", Type::TEXT), ("count", Type::Int), ("round", Type::Int)];
        let topics = find(program, "topics", &known)?;
        returns(&topics, &texts)?;
        let known = [("topic", Type::TEXT), ("count", Type::Int), ("media", texts.clone())];
        let scenarios = find(program, "scenarios", &known)?;
        let scenario = match result(&scenarios.plan) {
            Type::List(inner) if json::pattern(inner).is_ok() => inner.as_ref().clone(),
            other => {
                return failed(format!(
                    "`scenarios` must return a list of texts or records, not {other}"
                ));
            }
        };
        let known = [("topic", Type::TEXT), ("scenario", scenario.clone()), ("media", texts)];
        let dialogue = find(program, "dialogue", &known)?;
        turns(result(&dialogue.plan))?;
        for stage in [&topics, &scenarios, &dialogue] {
            writes_only(stage)?;
        }
        let mut makers = Vec::new();
        for medium in local {
            let (name, parameter) = match medium {
                Medium::Image => ("paint", "description"),
                Medium::Speech => ("speak", "words"),
                _ => ("compose", "description"),
            };
            let stage = find(program, name, &[(parameter, Type::TEXT)])?;
            returns(&stage, &Type::Medium(*medium))?;
            makers.push((*medium, stage));
        }
        Ok(Stages { meta_topics, topics, scenarios, dialogue, makers, scenario })
    }

    pub fn maker(&self, medium: Medium) -> Option<&Stage> {
        self.makers.iter().find(|(made, _)| *made == medium).map(|(_, stage)| stage)
    }
}

impl Stage {
    /// Values for the plan's parameters, by name; those that it does not take are left out.
    pub fn inputs(&self, given: &[(&str, Value)]) -> Vec<Option<Value>> {
        let value = |name: &str| {
            given.iter().find(|(other, _)| *other == name).map(|(_, value)| value.clone())
        };
        self.plan.inputs.iter().map(|input| value(&input.name)).collect()
    }
}

/// A pipeline whose parameters are among those that are known, or have defaults.
fn find(program: &Program, name: &str, known: &[(&str, Type)]) -> Result<Stage, SynthesisError> {
    let entry = program.entries.iter().find(|id| program.pipelines[id.0 as usize].name == name);
    let Some(entry) = entry else {
        return failed(format!("there is no pipeline `{name}`"));
    };
    let plan = match plan::lower(program, *entry) {
        Ok(lowered) => passes::optimise(&lowered).0,
        Err(diagnostic) => return failed(format!("`{name}`: {}", diagnostic.message)),
    };
    for input in &plan.inputs {
        match known.iter().find(|(known, _)| *known == input.name) {
            Some((_, ty)) if *ty == input.ty => {}
            Some((_, ty)) => {
                let what = &input.name;
                return failed(format!("`{what}` of `{name}` must be {ty}, not {}", input.ty));
            }
            None if input.default.is_some() => {}
            None => {
                let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                return failed(format!(
                    "`{name}` has a parameter `{}` that nobody gives; there are: {}",
                    input.name,
                    names.join(", ")
                ));
            }
        }
    }
    let digest = digest(&plan);
    Ok(Stage { plan, digest })
}

fn result(plan: &Plan) -> &Type {
    &plan.graph[plan.result].ty
}

fn returns(stage: &Stage, wanted: &Type) -> Result<(), SynthesisError> {
    match result(&stage.plan) {
        ty if ty == wanted => Ok(()),
        other => failed(format!("`{}` must return {wanted}, not {other}", stage.plan.name)),
    }
}

/// The type of a dialogue: turns with a role, a text, and descriptions of media.
fn turns(ty: &Type) -> Result<(), SynthesisError> {
    let role = Type::Union(vec![Literal::Text("user".into()), Literal::Text("assistant".into())]);
    let described = Type::Option(Box::new(Type::TEXT));
    let wrong = || {
        failed(format!(
            "`dialogue` must return list<{{ role: {role}, text: text, image: text?, speech: text?, \
             music: text? }}>, of which media may be left out, not {ty}"
        ))
    };
    let Type::List(inner) = ty else { return wrong() };
    let Type::Record(fields) = inner.as_ref() else { return wrong() };
    let has =
        |name: &str, ty: &Type| fields.iter().any(|(field, found)| field == name && found == ty);
    let others = fields.iter().filter(|(name, _)| !["role", "text"].contains(&name.as_str()));
    let media = others.into_iter().all(|(name, ty)| {
        *ty == described && matches!(name.as_str(), "image" | "speech" | "music")
    });
    if has("role", &role) && has("text", &Type::TEXT) && media { Ok(()) } else { wrong() }
}

/// A stage of words generates texts and nothing else.
fn writes_only(stage: &Stage) -> Result<(), SynthesisError> {
    let other = |op: &Op| match op {
        Op::Generate { reply, .. } => *reply != Reply::Only(Medium::Text),
        other => other.runs_model(),
    };
    match stage.plan.any_op(&other) {
        true => {
            failed(format!("`{}` may generate texts only, and encode nothing", stage.plan.name))
        }
        false => Ok(()),
    }
}

/// Of what a plan does, wherever its source stands and whatever its comments say.
fn digest(plan: &Plan) -> String {
    let mut text = String::new();
    spell(plan, &mut text);
    Digest::of(text.as_bytes()).hex()
}

fn spell(plan: &Plan, out: &mut String) {
    for index in plan.order() {
        let node = &plan.graph[index];
        let operands: Vec<usize> = plan.operands(index).iter().map(|node| node.index()).collect();
        // Writing to a string cannot fail.
        let _ = write!(out, "{} {} {operands:?} ", node.path, node.ty);
        let _ = match &node.op {
            Op::Map(body) => {
                out.push_str("map {\n");
                spell(body, out);
                writeln!(out, "}}")
            }
            Op::Plugin(call) => {
                writeln!(out, "{} {}", call.name(), call.plugin.component.digest.hex())
            }
            op => writeln!(out, "{op:?}"),
        };
    }
    for input in &plan.inputs {
        let _ = writeln!(out, "{}: {} = {:?}", input.name, input.ty, input.default);
    }
    let _ = writeln!(out, "{:?} {:?}", plan.result, plan.keep);
}

/// Of anything that JSON holds.
pub fn key(parts: &Json) -> String {
    Digest::of(parts.to_string().as_bytes()).hex()
}
