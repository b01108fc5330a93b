//! Types that a language model can write as JSON, and the pattern it is held to for each.
//!
//! Types have no recursion, so the JSON of one is a regular language: the same automaton that
//! holds a text to a pattern holds it to a type.

use regex_syntax::escape;
use serde_json::{Value as Json, json};

use crate::base::pattern::may_hold;
use crate::base::{Literal, Medium};

use super::types::Type;

pub const HELP: &str = "JSON holds texts, ints, floats, bools, durations, unions, and options, \
                        lists and records of them";

/// A text without line breaks' raw form, quotes or lone surrogates: what every JSON reader takes.
const TEXT: &str = r#""(?:[^"\\\x00-\x1F\x7F]|\\(?:["\\/bfnrt]|u(?:[0-9a-cefA-CEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2})))*""#;
/// At most 18 digits, so that every number is an `int`.
const INT: &str = "-?(?:0|[1-9][0-9]{0,17})";
const FLOAT: &str = r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?";
/// In seconds, as agpt writes it.
const DURATION: &str = r#""(?:0|[1-9][0-9]{0,4})(?:\.[0-9]{1,3})?s""#;

/// The pattern of a type's JSON, in one line, with a space after `,` and `:`; or why there is none.
pub fn pattern(ty: &Type) -> Result<String, String> {
    Ok(match ty {
        Type::Medium(Medium::Text) => TEXT.to_string(),
        Type::Int => INT.to_string(),
        Type::Float => FLOAT.to_string(),
        Type::Bool => "(?:true|false)".to_string(),
        Type::Duration => DURATION.to_string(),
        Type::None => "null".to_string(),
        Type::Matching(pattern) => {
            let quoted = |from: char, to: char| {
                let holds = |c: char| (from..=to).contains(&c);
                from <= '\x1F' || holds('"') || holds('\\') || holds('\x7F')
            };
            if may_hold(pattern.source(), quoted) {
                return Err(format!(
                    "/{}/ may hold quotes, backslashes or line breaks, which JSON writes otherwise",
                    pattern.source()
                ));
            }
            format!("\"(?:{})\"", pattern.source())
        }
        Type::Union(cases) => {
            let cases: Vec<String> = cases
                .iter()
                .map(|case| match case {
                    Literal::Text(text) => {
                        escape(&serde_json::Value::from(text.as_str()).to_string())
                    }
                    other => escape(&other.to_string()),
                })
                .collect();
            format!("(?:{})", cases.join("|"))
        }
        Type::Option(inner) => format!("(?:null|{})", pattern(inner)?),
        Type::List(inner) => {
            let item = pattern(inner)?;
            format!(r"\[(?:{item}(?:, {item})*)?\]")
        }
        Type::Record(fields) => {
            let mut parts = Vec::with_capacity(fields.len());
            for (name, ty) in fields {
                let value = pattern(ty).map_err(|why| format!("`{name}`: {why}"))?;
                parts.push(format!("\"{name}\": {value}"));
            }
            format!(r"\{{{}\}}", parts.join(", "))
        }
        other => return Err(format!("{other} is nothing that JSON holds")),
    })
}

/// The type as a JSON Schema of the part that OpenAI's structured output takes: every field is
/// required (an option may be null), and no others are allowed. What a schema of that part cannot
/// say (patterns, durations) stands in descriptions. `None` for a type without JSON.
///
/// The reply of such a request is an object, so other types stand below the key [`WRAPPED`].
pub fn schema(ty: &Type) -> Option<Json> {
    let schema = within(ty)?;
    Some(match ty {
        Type::Record(_) => schema,
        _ => json!({
            "type": "object",
            "properties": { WRAPPED: schema },
            "required": [WRAPPED],
            "additionalProperties": false,
        }),
    })
}

/// Where [`schema`] puts what is no record.
pub const WRAPPED: &str = "value";

fn within(ty: &Type) -> Option<Json> {
    Some(match ty {
        Type::Medium(Medium::Text) => json!({ "type": "string" }),
        Type::Matching(pattern) => {
            let matching = format!("The whole text matches /{}/", pattern.source());
            json!({ "type": "string", "description": matching })
        }
        Type::Duration => {
            json!({ "type": "string", "description": "Seconds, such as 1.5s" })
        }
        Type::Int => json!({ "type": "integer" }),
        Type::Float => json!({ "type": "number" }),
        Type::Bool => json!({ "type": "boolean" }),
        Type::None => json!({ "type": "null" }),
        Type::Union(cases) => {
            let cases: Vec<Json> = cases
                .iter()
                .map(|case| match case {
                    Literal::Int(value) => Json::from(*value),
                    Literal::Text(text) => Json::from(text.as_str()),
                    other => Json::from(other.to_string()),
                })
                .collect();
            let kind = if cases.iter().all(Json::is_string) { "string" } else { "integer" };
            json!({ "type": kind, "enum": cases })
        }
        Type::Option(inner) => json!({ "anyOf": [within(inner)?, { "type": "null" }] }),
        Type::List(inner) => json!({ "type": "array", "items": within(inner)? }),
        Type::Record(fields) => {
            let properties = fields.iter().map(|(name, ty)| Some((name.clone(), within(ty)?)));
            let properties: serde_json::Map<String, Json> = properties.collect::<Option<_>>()?;
            let names: Vec<&String> = fields.iter().map(|(name, _)| name).collect();
            json!({
                "type": "object",
                "properties": properties,
                "required": names,
                "additionalProperties": false,
            })
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Pattern;

    fn holds(ty: &Type) -> Pattern {
        Pattern::new(&pattern(ty).unwrap()).unwrap()
    }

    #[test]
    fn a_record_is_its_json() {
        let union = Type::Union(vec![Literal::Text("a\"b".into()), Literal::Text("c".into())]);
        let ty = Type::Record(vec![
            ("name".into(), Type::TEXT),
            ("count".into(), Type::Option(Box::new(Type::Int))),
            ("tags".into(), Type::List(Box::new(union))),
        ]);
        let json = holds(&ty);
        for good in [
            r#"{"name": "é \u00e9\n", "count": 12, "tags": []}"#,
            r#"{"name": "", "count": null, "tags": ["a\"b", "c"]}"#,
        ] {
            assert!(json.matches(good), "{good}");
            assert!(serde_json::from_str::<serde_json::Value>(good).is_ok());
        }
        for bad in [
            r#"{"name": "x", "count": 12}"#,
            r#"{"name": "x", "count": 012, "tags": []}"#,
            r#"{"name": "\ud800", "count": 1, "tags": []}"#,
            "{\"name\": \"\n\", \"count\": 1, \"tags\": []}",
            r#"{"name": "x", "count": 1, "tags": ["d"]}"#,
        ] {
            assert!(!json.matches(bad), "{bad}");
        }
    }

    #[test]
    fn what_json_writes_otherwise_is_refused() {
        assert!(pattern(&Type::Matching(Pattern::new(".*").unwrap())).is_err());
        assert!(pattern(&Type::Matching(Pattern::new("[a-z]+").unwrap())).is_ok());
        assert!(pattern(&Type::Medium(Medium::Image)).is_err());
    }

    #[test]
    fn a_schema_says_all_fields_and_no_others() {
        let ty = Type::List(Box::new(Type::Record(vec![
            ("name".into(), Type::TEXT),
            ("note".into(), Type::Option(Box::new(Type::TEXT))),
        ])));
        let schema = schema(&ty).unwrap();
        assert_eq!(schema["required"], json!(["value"]));
        let item = &schema["properties"]["value"]["items"];
        assert_eq!(item["required"], json!(["name", "note"]));
        assert_eq!(item["additionalProperties"], json!(false));
        assert_eq!(item["properties"]["note"]["anyOf"][1], json!({ "type": "null" }));
        assert!(super::schema(&Type::Medium(Medium::Image)).is_none());
    }
}
