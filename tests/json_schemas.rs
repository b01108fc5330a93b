//! What `--json` prints is as docs/schemas says.

mod support;

use std::fs;
use std::path::Path;

use fancy_regex::Regex;
use serde_json::{Value, json};

use support::{agpt, apple, stderr, temp, write_pipeline};

fn schema(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/schemas/{name}.json"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Whether a value has a type of JSON Schema's.
fn is_of(value: &Value, ty: &str) -> bool {
    match ty {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("there is no type {other}"),
    }
}

/// What is wrong with a value at a path. Knows the keywords that the schemas use, and stops at any
/// other: one that is passed over would make the schema weaker than it reads.
fn errors(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (keyword, rule) in schema.as_object().unwrap() {
        let holds = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => true,
            "type" => match rule {
                Value::Array(types) => types.iter().any(|ty| is_of(value, ty.as_str().unwrap())),
                ty => is_of(value, ty.as_str().unwrap()),
            },
            "enum" => rule.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
            "pattern" => {
                let pattern = Regex::new(rule.as_str().unwrap()).unwrap();
                value.as_str().is_none_or(|text| pattern.is_match(text).unwrap())
            }
            "required" => value.as_object().is_none_or(|fields| {
                rule.as_array()
                    .unwrap()
                    .iter()
                    .all(|name| fields.contains_key(name.as_str().unwrap()))
            }),
            "properties" => {
                for (name, schema) in rule.as_object().unwrap() {
                    if let Some(field) = value.get(name) {
                        found.extend(errors(root, schema, field, &format!("{at}/{name}")));
                    }
                }
                true
            }
            "additionalProperties" => {
                assert_eq!(rule, &json!(false));
                let known = schema["properties"].as_object().unwrap();
                value.as_object().is_none_or(|fields| fields.keys().all(|n| known.contains_key(n)))
            }
            "items" => {
                for (place, item) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(errors(root, rule, item, &format!("{at}/{place}")));
                }
                true
            }
            "anyOf" => {
                let fits = |schema| errors(root, schema, value, at).is_empty();
                rule.as_array().unwrap().iter().any(fits)
            }
            "$ref" => {
                let definition = root.pointer(rule.as_str().unwrap().strip_prefix('#').unwrap());
                found.extend(errors(root, definition.unwrap(), value, at));
                true
            }
            other => panic!("the check does not know `{other}`"),
        };
        if !holds {
            found.push(format!("{at}: {value} breaks `{keyword}: {rule}`"));
        }
    }
    found
}

fn is_valid(name: &str, value: &Value) -> bool {
    let schema = schema(name);
    errors(&schema, &schema, value, "").is_empty()
}

/// What a command printed, if it is as its schema says.
#[track_caller]
fn valid(name: &str, args: &[&str]) -> Value {
    let output = agpt(args.iter().copied()).output().unwrap();
    let printed = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)));
    let schema = schema(name);
    let errors = errors(&schema, &schema, &printed, "");
    assert!(errors.is_empty(), "{errors:#?}\n{printed:#}");
    printed
}

#[test]
fn check() {
    let found = valid("check", &["check", "--json", "tests/lang/errors"]);
    assert!(found["diagnostics"].as_array().unwrap().len() > 100);
    valid("check", &["check", "--json", "pipelines"]);
}

#[test]
fn plan() {
    let plan = valid("plan", &["plan", "--json", "pipelines/paint.agpt"]);
    let nodes = plan["nodes"].as_array().unwrap();
    for (place, node) in nodes.iter().enumerate() {
        assert_eq!(node["id"], json!(place));
        let operands = node["operands"].as_array().unwrap();
        assert!(operands.iter().all(|operand| operand.as_u64().unwrap() < place as u64), "{node}");
    }
    let folder = temp();
    let file = write_pipeline(
        folder.path(),
        "pipeline each(ns: list<int>) -> list<int> {\n  return [n + 1 for n in ns if n > 0]\n}\n",
    );
    let plan = valid("plan", &["plan", "--json", &file]);
    let map = plan["nodes"].as_array().unwrap().iter().find(|node| node["op"] == "map").unwrap();
    assert!(map["body"]["keep"].is_u64(), "{map:#}");
}

#[test]
fn eval() {
    let folder = temp();
    let out = folder.path().display().to_string();
    let args = ["eval", "nano", "--only", "nano_named", "--limit", "2", "--json", "--out", &out];
    let found = valid("eval", &args);
    assert_eq!(found["evaluations"][0]["scores"][0]["rows"], 2);
    // A file of rows of one's own, without the picture that it names.
    let rows = folder.path().join("rows.jsonl");
    fs::write(&rows, "{\"picture\": \"none.png\", \"thing\": \"x\"}\n").unwrap();
    let rows = rows.display().to_string();
    let other = format!("{out}/other");
    let args = ["eval", "nano", "--only", "nano_named", "--data", &rows, "--json", "--out", &other];
    let found = valid("eval", &args);
    assert_eq!(found["evaluations"][0]["failures"][0]["rows"], 1);
}

#[test]
fn run() {
    let folder = temp();
    let out = folder.path().display().to_string();
    let args = ["run", "pipelines/caption.agpt", "--photo", &apple(), "--json", "--out", &out];
    let run = valid("run", &args);
    assert!(!run["generated"].as_array().unwrap().is_empty());
    assert!(!run["components"].as_array().unwrap().is_empty());
}

#[test]
fn test() {
    let folder = temp();
    let file = write_pipeline(
        folder.path(),
        "test \"good\" { expect 1 + 1 == 2 }\ntest \"bad\" { expect 1 + 1 == 3 }\n",
    );
    let outcome = valid("test", &["test", "--json", &file]);
    assert_eq!((&outcome["passed"], &outcome["failed"]), (&json!(1), &json!(1)));
    assert_eq!(outcome["tests"][1]["diagnostics"][0]["code"], "E0801");
}

#[test]
fn explain() {
    valid("explain", &["explain", "--json"]);
    valid("explain", &["explain", "--json", "E0107"]);
}

/// The schemas are strict: a field too many or too few is found.
#[test]
fn other_things_are_refused() {
    let good = json!({ "files": 1, "diagnostics": [] });
    assert!(is_valid("check", &good));
    for bad in [
        json!({ "files": 1 }),
        json!({ "files": "1", "diagnostics": [] }),
        json!({ "files": 1, "diagnostics": [], "more": 1 }),
        json!({ "files": 1, "diagnostics": [{ "code": "E1" }] }),
    ] {
        assert!(!is_valid("check", &bad), "{bad}");
    }
}
