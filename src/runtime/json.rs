//! What a language model wrote as JSON under the pattern of a type (`lang::json`), as a value.

use serde_json::Value as Json;

use crate::base::{Literal, Medium};
use crate::lang::types::Type;

use super::error::Failure;
use super::value::Value;

/// The value of a text that was held to the type's pattern.
pub fn parse(text: &str, ty: &Type) -> Result<Value, Failure> {
    serde_json::from_str(text)
        .ok()
        .and_then(|json| value(&json, ty))
        .ok_or(Failure::Defect("text", "JSON of its type"))
}

fn value(json: &Json, ty: &Type) -> Option<Value> {
    Some(match (ty, json) {
        (Type::Option(_) | Type::None, Json::Null) => Value::None,
        (Type::Option(inner), json) => value(json, inner)?,
        (Type::Medium(Medium::Text) | Type::Matching(_), Json::String(text)) => {
            Value::text(text.as_str())
        }
        (Type::Union(cases), Json::String(text)) => {
            cases.iter().find(|case| matches!(case, Literal::Text(case) if case == text))?;
            Value::text(text.as_str())
        }
        (Type::Int | Type::Union(_), Json::Number(number)) => Value::Int(number.as_i64()?),
        (Type::Float, Json::Number(number)) => Value::Float(number.as_f64()?),
        (Type::Bool, Json::Bool(value)) => Value::Bool(*value),
        (Type::Duration, Json::String(text)) => {
            Value::Duration(text.strip_suffix('s')?.parse().ok()?)
        }
        (Type::List(inner), Json::Array(items)) => {
            let items: Option<Vec<Value>> = items.iter().map(|item| value(item, inner)).collect();
            Value::List(items?.into())
        }
        (Type::Record(fields), Json::Object(object)) => {
            let fields: Option<Vec<(String, Value)>> = fields
                .iter()
                .map(|(name, ty)| Some((name.clone(), value(object.get(name)?, ty)?)))
                .collect();
            Value::Record(fields?.into())
        }
        _ => return None,
    })
}
