//! A server's language model as the writer of a plan's texts.
//!
//! The prompt's turns become messages, the type of the reply a JSON Schema. What the server writes is
//! checked against the type all the same: not every server holds its model to a schema.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value as Json, json};

use crate::base::Role;
use crate::base::rng::Stream;
use crate::lang::json::{WRAPPED, schema};
use crate::lang::types::Type;
use crate::plan::graph::Held;
use crate::runtime::error::Failure;
use crate::runtime::events::Events;
use crate::runtime::json;
use crate::runtime::semantic::Request;
use crate::runtime::settings::Settings;
use crate::runtime::value::{Prompt, PromptPart};
use crate::runtime::writer::Writer;

use super::openai::shortened;
use super::{Client, ProviderError, Structured, Usage};

/// Seeds that every server takes: below 2^31.
const SEEDS: f64 = 2_147_483_648.0;

pub struct RemoteWriter {
    client: Arc<Client>,
    /// What the pieces of work so far have used, taken by who asks.
    tab: Arc<Mutex<Usage>>,
}

impl RemoteWriter {
    /// The writer, and the tab on which it notes what it uses.
    pub fn new(client: Arc<Client>) -> (RemoteWriter, Arc<Mutex<Usage>>) {
        let tab = Arc::default();
        (RemoteWriter { client, tab: Arc::clone(&tab) }, tab)
    }
}

impl Writer for RemoteWriter {
    fn write(
        &mut self,
        request: &Request<'_>,
        stream: &mut Stream,
        events: &mut dyn Events,
    ) -> Result<String, Failure> {
        let failed = |error: ProviderError| Failure::Writer(Box::new(error));
        let form = Form::of(request.held);
        let structured = self.client.config.structured;
        let mut messages = messages(request.prompt).map_err(failed)?;
        if let (Some(schema), Structured::Object | Structured::Prompt) = (&form.schema, structured)
        {
            messages.push(said(
                "user",
                &format!("Answer with nothing but JSON of this JSON Schema:\n{schema}"),
            ));
        }
        let (fields, max_tokens) = fields(request.settings, &self.client.config, &form)?;
        let (tries, asked) = (self.client.config.corrections + 1, messages.len());
        let mut cut_off = false;
        let mut reason = String::new();
        for number in 1..=tries {
            if events.cancelled() {
                return Err(Failure::Cancelled);
            }
            let mut fields = fields.clone();
            // Each try has a seed of its own: the same one would give the same again.
            let seed = (stream.uniform() * SEEDS) as u64;
            fields.entry("seed").or_insert(json!(seed));
            let address = format!("{}/{seed}/{number}", request.path);
            let (reply, used) =
                self.client.chat(&messages, fields, max_tokens, &address).map_err(failed)?;
            self.tab.lock().unwrap_or_else(PoisonError::into_inner).add(&used);
            cut_off = reply.cut_off;
            if cut_off {
                reason = "it was cut off".to_string();
                continue;
            }
            match form.read(&reply.content) {
                Ok(text) => return Ok(text),
                Err(why) => {
                    // Only the last mistake is shown: the others are no help.
                    messages.truncate(asked);
                    messages.push(said("assistant", &beginning(&reply.content)));
                    let again = format!(
                        "That reply cannot be used: {why}. Answer again, with nothing but the \
                         corrected reply."
                    );
                    messages.push(said("user", &again));
                    reason = why;
                }
            }
        }
        Err(failed(match cut_off {
            true => ProviderError::CutOff(max_tokens),
            false => ProviderError::Invalid { tries, reason: shortened(&reason) },
        }))
    }
}

/// As much of a wrong reply as its writer needs to see.
fn beginning(text: &str) -> String {
    const MOST: usize = 2000;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}

fn said(role: &str, content: &str) -> Json {
    json!({ "role": role, "content": content })
}

fn messages(prompt: &Prompt) -> Result<Vec<Json>, ProviderError> {
    let mut messages = Vec::with_capacity(prompt.turns.len());
    for turn in &prompt.turns {
        let mut text = String::new();
        for part in &turn.parts {
            match part {
                PromptPart::Text(part) => text.push_str(part),
                PromptPart::Tokens(..) | PromptPart::Ids(_) => {
                    return Err(ProviderError::Local(
                        "a prompt for a server holds a medium; put it into words".to_string(),
                    ));
                }
            }
        }
        // The assistant's empty turn is where the reply is to stand.
        if !(turn.role == Role::Assistant && text.is_empty()) {
            messages.push(said(turn.role.name(), &text));
        }
    }
    match messages.is_empty() {
        true => Err(ProviderError::Local("a prompt for a server is empty".to_string())),
        false => Ok(messages),
    }
}

/// What the pipeline set, in the protocol's words, and the limit on tokens.
fn fields(
    settings: &Settings,
    config: &super::Openai,
    form: &Form<'_>,
) -> Result<(Map<String, Json>, u64), Failure> {
    let mut fields = Map::new();
    for name in ["temperature", "top_p", "min_p", "repetition_penalty"] {
        if settings.get(name).is_some() {
            fields.insert(name.to_string(), json!(settings.float(name, 0.0)?));
        }
    }
    for name in ["top_k", "seed"] {
        if let Some(value) = settings.int(name)? {
            fields.insert(name.to_string(), json!(value));
        }
    }
    if let Some(temperature) = config.temperature {
        fields.entry("temperature").or_insert(json!(temperature));
    }
    match (&form.schema, config.structured) {
        (Some(schema), Structured::Schema) => {
            let schema = json!({ "name": "reply", "strict": true, "schema": schema });
            let format = json!({ "type": "json_schema", "json_schema": schema });
            fields.insert("response_format".to_string(), format);
        }
        (Some(_), Structured::Object) => {
            fields.insert("response_format".to_string(), json!({ "type": "json_object" }));
        }
        _ => {}
    }
    let most = settings.count("max_tokens", usize::try_from(config.max_tokens).unwrap_or(4096))?;
    Ok((fields, most as u64))
}

/// What a reply is to be.
struct Form<'a> {
    held: &'a Held,
    schema: Option<Json>,
}

impl<'a> Form<'a> {
    fn of(held: &'a Held) -> Form<'a> {
        let schema = match held {
            Held::Json { ty, .. } => schema(ty),
            Held::Pattern(pattern) => schema(&Type::Matching(pattern.clone())),
            Held::Cases(cases) => {
                let cases = cases.iter().cloned().map(crate::base::Literal::Text).collect();
                schema(&Type::Union(cases))
            }
            Held::Free | Held::Lasting(_) => None,
        };
        Form { held, schema }
    }

    /// The reply as the plan wants it, or what is wrong with it.
    fn read(&self, content: &str) -> Result<String, String> {
        if let Held::Free | Held::Lasting(_) = self.held {
            return Ok(content.trim().to_string());
        }
        let given: Json = serde_json::from_str(unfenced(content))
            .map_err(|error| format!("it is no JSON ({error})"))?;
        let inner = |given: Json| match given {
            Json::Object(mut fields) if fields.len() == 1 => {
                fields.remove(WRAPPED).ok_or(format!("`{WRAPPED}` is missing"))
            }
            other @ Json::Object(_) => Ok(other),
            other => Ok(other),
        };
        let text = |given: Json| match inner(given)? {
            Json::String(text) => Ok(text),
            _ => Err(format!("`{WRAPPED}` must be a text")),
        };
        match self.held {
            Held::Json { pattern, ty } => {
                let given = match ty {
                    Type::Record(_) => given,
                    _ => inner(given)?,
                };
                let value = json::value(&given, ty)?;
                let line = json::of(&value).map(|json| json::line(&json)).unwrap_or_default();
                match pattern.matches(&line) {
                    true => Ok(line),
                    false => Err("a number in it has too many digits".to_string()),
                }
            }
            Held::Pattern(pattern) => {
                let text = text(given)?;
                match pattern.matches(&text) {
                    true => Ok(text),
                    false => Err(format!("{text:?} does not match /{}/", pattern.source())),
                }
            }
            Held::Cases(cases) => {
                let text = text(given)?;
                match cases.contains(&text) {
                    true => Ok(text),
                    false => Err(format!("{text:?} is none of {cases:?}")),
                }
            }
            Held::Free | Held::Lasting(_) => Ok(content.to_string()),
        }
    }
}

/// JSON without the fence that models like to put around it.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    inner.map_or(text, |inner| inner.strip_prefix("json").unwrap_or(inner).trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Pattern;
    use crate::lang::json::pattern;

    #[test]
    fn replies_are_read_with_and_without_a_fence_and_a_wrapping() {
        let ty = Type::List(Box::new(Type::TEXT));
        let pattern = Pattern::new(&pattern(&ty).unwrap()).unwrap();
        let held = Held::Json { pattern, ty };
        let form = Form::of(&held);
        for given in [
            r#"{"value":["a","b"]}"#,
            "[\"a\",\n\"b\"]",
            "```json\n{\"value\": [\"a\", \"b\"]}\n```",
        ] {
            assert_eq!(form.read(given).unwrap(), r#"["a", "b"]"#, "{given}");
        }
        assert!(form.read("here: [").unwrap_err().starts_with("it is no JSON"));
        assert_eq!(form.read(r#"{"items":[]}"#).unwrap_err(), "`value` is missing");
        assert!(form.read(r#"{"value":[1]}"#).unwrap_err().contains("`[0]` must be a text"));
    }

    #[test]
    fn cases_are_held() {
        let held = Held::Cases(vec!["yes".into(), "no".into()]);
        let form = Form::of(&held);
        assert_eq!(form.read(r#"{"value":"no"}"#).unwrap(), "no");
        assert!(form.read(r#"{"value":"maybe"}"#).is_err());
    }
}
