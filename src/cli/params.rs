//! A pipeline's parameters as command-line flags, and their values.

use std::path::Path;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command};

use crate::base::hash::Digest;
use crate::base::{Literal, Medium};
use crate::lang::types::Type;
use crate::plan::{Op, Plan};
use crate::runtime::value::Value;
use crate::runtime::{error::Failure, read};

/// Adds a flag per parameter to `run`.
pub fn add(plan: &Plan, mut command: Command) -> Command {
    let taken: Vec<String> = command
        .get_arguments()
        .filter_map(|arg| arg.get_long().map(str::to_string))
        .chain(["help".to_string()])
        .collect();
    for (index, input) in plan.inputs.iter().enumerate() {
        let flag = input.name.replace('_', "-");
        let flag = if taken.contains(&flag) { format!("param-{flag}") } else { flag };
        let mut arg = Arg::new(id(index))
            .long(flag)
            .help_heading("Parameters of the pipeline")
            .help(help(plan, index))
            .required(input.default.is_none() && !matches!(input.ty, Type::Option(_)))
            .allow_negative_numbers(true)
            .value_name(value_name(&input.ty));
        arg = match without_option(&input.ty) {
            Type::Bool => arg.num_args(0..=1).default_missing_value("true"),
            Type::List(_) => arg.num_args(1..).action(ArgAction::Append),
            _ => arg.num_args(1),
        };
        if let Type::Union(cases) = without_option(&input.ty) {
            let names: Vec<String> = cases.iter().map(crate::plan::arith::display).collect();
            arg = arg.value_parser(PossibleValuesParser::new(names));
        }
        command = command.arg(arg);
    }
    command
}

fn id(index: usize) -> String {
    format!("parameter-{index}")
}

fn help(plan: &Plan, index: usize) -> String {
    let input = &plan.inputs[index];
    let mut help = input.doc.clone().unwrap_or_default().replace('\n', " ");
    help = help.trim().trim_end_matches('.').to_string();
    let default = input.default.and_then(|node| plan.graph.node_weight(node));
    if let Some(Op::Literal(literal)) = default.map(|node| &node.op)
        && *literal != Literal::None
    {
        help = format!("{help} [default: {}]", crate::plan::arith::display(literal));
    }
    help.trim().to_string()
}

fn without_option(ty: &Type) -> &Type {
    match ty {
        Type::Option(inner) => without_option(inner),
        other => other,
    }
}

fn value_name(ty: &Type) -> String {
    match without_option(ty) {
        Type::Medium(Medium::Text) | Type::Matching(_) => "TEXT".to_string(),
        Type::Medium(medium) | Type::Lasting(medium, _) => {
            format!("{}_FILE", medium.name().to_uppercase())
        }
        Type::Int => "INT".to_string(),
        Type::Float => "NUMBER".to_string(),
        Type::Bool => "true|false".to_string(),
        Type::Duration => "DURATION".to_string(),
        Type::List(inner) => value_name(inner),
        Type::Union(_) => "CHOICE".to_string(),
        _ => "JSON".to_string(),
    }
}

/// A value on the command line that its parameter cannot take.
pub struct BadValue {
    pub parameter: String,
    pub cause: Box<Failure>,
}

/// The values of all parameters; what was not given is `None`.
pub fn values(plan: &Plan, matches: &clap::ArgMatches) -> Result<Vec<Option<Value>>, BadValue> {
    let mut values = Vec::with_capacity(plan.inputs.len());
    for (index, input) in plan.inputs.iter().enumerate() {
        let given: Option<Vec<String>> =
            matches.get_many::<String>(&id(index)).map(|given| given.cloned().collect());
        let Some(given) = given else {
            let absent = input.default.is_none() && matches!(input.ty, Type::Option(_));
            values.push(absent.then_some(Value::None));
            continue;
        };
        let value = match without_option(&input.ty) {
            Type::List(inner) if is_plain(inner) => given
                .iter()
                .map(|text| parse(text, inner))
                .collect::<Result<Vec<_>, _>>()
                .map(|items| Value::List(items.into())),
            ty => parse(given.last().map_or("", String::as_str), ty),
        };
        let value = value.map_err(|failure| BadValue {
            parameter: input.name.clone(),
            cause: Box::new(failure),
        })?;
        values.push(Some(value));
    }
    Ok(values)
}

/// Whether a value of the type is one word on the command line.
fn is_plain(ty: &Type) -> bool {
    !matches!(without_option(ty), Type::List(_) | Type::Record(_) | Type::Tokens(_))
}

fn bad(text: &str, ty: &Type, hint: &str) -> Failure {
    Failure::Argument { value: text.to_string(), expected: ty.to_string(), hint: hint.to_string() }
}

fn parse(text: &str, ty: &Type) -> Result<Value, Failure> {
    match ty {
        Type::Option(inner) => parse(text, inner),
        Type::Medium(Medium::Text) => Ok(Value::text(text)),
        Type::Medium(medium) => read::medium(Path::new(text), *medium),
        Type::Lasting(medium, _) => read::typed(Path::new(text), *medium, ty),
        Type::Matching(pattern) if pattern.matches(text) => Ok(Value::text(text)),
        Type::Matching(_) => Err(bad(text, ty, "the whole text must match")),
        Type::Int => text.parse().map(Value::Int).map_err(|_| bad(text, ty, "such as 12")),
        Type::Float => match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Value::Float(value)),
            _ => Err(bad(text, ty, "such as 0.7")),
        },
        Type::Bool => text.parse().map(Value::Bool).map_err(|_| bad(text, ty, "true or false")),
        Type::Duration => {
            duration(text).map(Value::Duration).ok_or_else(|| bad(text, ty, "such as 3s or 250ms"))
        }
        Type::Union(cases) => cases
            .iter()
            .find(|case| crate::plan::arith::display(case) == text)
            .map(|case| case.clone().into())
            .ok_or_else(|| bad(text, ty, "one of the listed values")),
        Type::Mixed | Type::Chat => {
            Err(bad(text, ty, "it cannot be given here: call the pipeline from another"))
        }
        _ => serde_json::from_str(text)
            .ok()
            .and_then(|json| from_json(&json, ty))
            .ok_or_else(|| bad(text, ty, "JSON with exactly these fields")),
    }
}

/// `3s`, `250ms`, `2min`
fn duration(text: &str) -> Option<f64> {
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let value: f64 = text[..split].parse().ok()?;
    let factor = match &text[split..] {
        "ms" => 0.001,
        "s" => 1.0,
        "min" => 60.0,
        _ => return None,
    };
    (value.is_finite() && value >= 0.0).then_some(value * factor)
}

fn from_json(json: &serde_json::Value, ty: &Type) -> Option<Value> {
    use serde_json::Value as Json;
    Some(match (ty, json) {
        (Type::Option(_), Json::Null) => Value::None,
        (Type::Option(inner), json) => from_json(json, inner)?,
        (Type::Tokens(medium), Json::Array(items)) => {
            let codes: Option<Vec<u32>> =
                items.iter().map(|code| code.as_u64().and_then(|c| c.try_into().ok())).collect();
            Value::Tokens(*medium, codes?.into())
        }
        (Type::List(inner), Json::Array(items)) => {
            let items: Option<Vec<Value>> =
                items.iter().map(|item| from_json(item, inner)).collect();
            Value::List(items?.into())
        }
        (Type::Record(fields), Json::Object(object)) => {
            if object.keys().any(|key| !fields.iter().any(|(name, _)| name == key)) {
                return None;
            }
            let fields: Option<Vec<(String, Value)>> = fields
                .iter()
                .map(|(name, ty)| {
                    let value = object.get(name).unwrap_or(&Json::Null);
                    Some((name.clone(), from_json(value, ty)?))
                })
                .collect();
            Value::Record(fields?.into())
        }
        (Type::Int, json) => Value::Int(json.as_i64()?),
        (Type::Float, json) => Value::Float(json.as_f64()?),
        (Type::Bool, json) => Value::Bool(json.as_bool()?),
        (ty, Json::String(text)) => parse(text, ty).ok()?,
        _ => return None,
    })
}

/// What was given, short enough for a file's metadata: scalars as they are, media and long
/// values by their hash.
pub fn digests(plan: &Plan, values: &[Option<Value>]) -> serde_json::Value {
    let given = plan.inputs.iter().zip(values).filter_map(|(input, value)| {
        let value = value.as_ref()?;
        let json = match value {
            Value::Text(text) => serde_json::json!(&**text),
            Value::Media(media) => serde_json::json!(media.digest().hex()),
            other => match other.literal() {
                Some(Literal::None) => serde_json::Value::Null,
                Some(literal) => serde_json::json!(literal.to_string()),
                None => serde_json::json!(Digest::of(format!("{other:?}").as_bytes()).hex()),
            },
        };
        Some((input.name.clone(), json))
    });
    serde_json::Value::Object(given.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("3s"), Some(3.0));
        assert_eq!(duration("250ms"), Some(0.25));
        assert_eq!(duration("2min"), Some(120.0));
        assert_eq!(duration("3"), None);
        assert_eq!(duration("-1s"), None);
        assert_eq!(duration("s"), None);
    }

    #[test]
    fn json_must_fit_the_type() {
        let ty = Type::Record(vec![
            ("a".into(), Type::Int),
            ("b".into(), Type::Option(Box::new(Type::TEXT))),
        ]);
        assert!(parse(r#"{"a": 1}"#, &ty).is_ok());
        assert!(parse(r#"{"a": 1, "c": 2}"#, &ty).is_err());
        assert!(parse(r#"{"a": "1"}"#, &ty).is_err());
        assert!(parse("[1, 2", &Type::Tokens(Medium::Image)).is_err());
    }
}
