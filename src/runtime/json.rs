//! JSON of a type (`lang::json`) as a value, and back.

use serde_json::Value as Json;

use crate::base::{Literal, Medium};
use crate::lang::types::Type;

use super::error::Failure;
use super::value::Value;

/// The value of a text that was held to the type's pattern.
pub fn parse(text: &str, ty: &Type) -> Result<Value, Failure> {
    let json: Option<Json> = serde_json::from_str(text).ok();
    json.and_then(|json| value(&json, ty).ok()).ok_or(Failure::Defect("text", "JSON of its type"))
}

/// The value of JSON that others wrote, or what is wrong with it and where, in words that serve
/// its writer. An option that is left out is `none`; fields that the type lacks are refused.
pub fn value(json: &Json, ty: &Type) -> Result<Value, String> {
    at(json, ty, "")
}

fn at(json: &Json, ty: &Type, path: &str) -> Result<Value, String> {
    let here = || if path.is_empty() { "the reply".to_string() } else { format!("`{path}`") };
    let other = || format!("{} must be {}, not {}", here(), named(ty), kind(json));
    Ok(match (ty, json) {
        (Type::Option(_) | Type::None, Json::Null) => Value::None,
        (Type::Option(inner), json) => at(json, inner, path)?,
        (Type::Medium(Medium::Text), Json::String(text)) => Value::text(text.as_str()),
        (Type::Matching(pattern), Json::String(text)) if pattern.matches(text) => {
            Value::text(text.as_str())
        }
        (Type::Matching(_), Json::String(text)) => {
            return Err(format!("{} must be {}, not {text:?}", here(), named(ty)));
        }
        (Type::Union(cases), Json::String(text)) => {
            let one = |case: &&Literal| matches!(case, Literal::Text(case) if case == text);
            let case = cases.iter().find(one);
            case.ok_or_else(|| format!("{} must be {ty}, not {text:?}", here()))?;
            Value::text(text.as_str())
        }
        (Type::Union(cases), Json::Number(number)) => {
            let number = number.as_i64().ok_or_else(other)?;
            if !cases.contains(&Literal::Int(number)) {
                return Err(format!("{} must be {ty}, not {number}", here()));
            }
            Value::Int(number)
        }
        (Type::Int, Json::Number(number)) => Value::Int(number.as_i64().ok_or_else(other)?),
        (Type::Float, Json::Number(number)) => Value::Float(number.as_f64().ok_or_else(other)?),
        (Type::Bool, Json::Bool(value)) => Value::Bool(*value),
        (Type::Duration, Json::String(text)) => {
            let seconds = text.strip_suffix('s').and_then(|text| text.parse::<f64>().ok());
            let seconds = seconds.filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
            Value::Duration(seconds.ok_or_else(other)?)
        }
        (Type::List(inner), Json::Array(items)) => {
            let items = items.iter().enumerate();
            let items = items.map(|(index, item)| at(item, inner, &format!("{path}[{index}]")));
            Value::List(items.collect::<Result<Vec<_>, _>>()?.into())
        }
        (Type::Record(fields), Json::Object(object)) => {
            if let Some(key) =
                object.keys().find(|key| !fields.iter().any(|(name, _)| name == *key))
            {
                return Err(format!("{} has a field `{key}` that there is not", here()));
            }
            let fields = fields.iter().map(|(name, ty)| {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let value = match (object.get(name), ty) {
                    (Some(json), _) => at(json, ty, &path)?,
                    (None, Type::Option(_)) => Value::None,
                    (None, _) => return Err(format!("`{path}` is missing")),
                };
                Ok((name.clone(), value))
            });
            Value::Record(fields.collect::<Result<Vec<_>, _>>()?.into())
        }
        _ => return Err(other()),
    })
}

fn named(ty: &Type) -> String {
    match ty {
        Type::Medium(Medium::Text) => "a text".to_string(),
        Type::Record(_) => "an object".to_string(),
        Type::List(_) => "a list".to_string(),
        Type::Duration => "a text such as \"1.5s\"".to_string(),
        other => other.to_string(),
    }
}

fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "this number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

/// A value of a type that JSON holds; `None` for media, prompts and the like.
pub fn of(value: &Value) -> Option<Json> {
    Some(match value {
        Value::None => Json::Null,
        Value::Text(text) => Json::from(&**text),
        Value::Int(value) => Json::from(*value),
        Value::Float(value) => Json::from(*value),
        Value::Bool(value) => Json::from(*value),
        Value::Duration(seconds) => Json::from(format!("{seconds}s")),
        Value::List(items) => Json::Array(items.iter().map(of).collect::<Option<_>>()?),
        Value::Record(fields) => {
            let fields = fields.iter().map(|(name, value)| Some((name.clone(), of(value)?)));
            Json::Object(fields.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// The text of JSON as the patterns of `lang::json` have it: on one line, a space after `,` and `:`.
pub fn line(json: &Json) -> String {
    match json {
        Json::Array(items) => {
            format!("[{}]", items.iter().map(line).collect::<Vec<_>>().join(", "))
        }
        Json::Object(fields) => {
            let key = |name: &String| Json::from(name.as_str()).to_string();
            let fields =
                fields.iter().map(|(name, value)| format!("{}: {}", key(name), line(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        scalar => scalar.to_string().replace('\x7F', "\\u007f"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Pattern;
    use crate::lang::json::pattern;
    use serde_json::json;

    fn turn() -> Type {
        let role = Type::Union(vec![Literal::Text("user".into()), Literal::Text("bot".into())]);
        Type::List(Box::new(Type::Record(vec![
            ("role".into(), role),
            ("text".into(), Type::TEXT),
            ("image".into(), Type::Option(Box::new(Type::TEXT))),
            ("wait".into(), Type::Duration),
        ])))
    }

    #[test]
    fn what_others_wrote_becomes_what_the_pattern_allows() {
        let json = json!([{ "wait": "1.5s", "text": "a \"b\"\n\x7F", "role": "bot" }]);
        let value = value(&json, &turn()).unwrap();
        let line = line(&of(&value).unwrap());
        assert_eq!(
            line,
            r#"[{"role": "bot", "text": "a \"b\"\n\u007f", "image": null, "wait": "1.5s"}]"#
        );
        assert!(Pattern::new(&pattern(&turn()).unwrap()).unwrap().matches(&line));
        assert_eq!(parse(&line, &turn()).unwrap(), value);
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let wrong = |json: Json| value(&json, &turn()).unwrap_err();
        assert_eq!(wrong(json!({})), "the reply must be a list, not an object");
        assert_eq!(
            wrong(json!([{ "role": "bot", "text": 1, "wait": "1s" }])),
            "`[0].text` must be a text, not this number"
        );
        assert_eq!(wrong(json!([{ "role": "bot", "text": "" }])), "`[0].wait` is missing");
        assert!(wrong(json!([{ "role": "boss", "text": "", "wait": "1s" }])).contains("\"boss\""));
        assert!(wrong(json!([{ "mood": 1 }])).contains("`mood`"));
    }
}
