//! The sources of a recipe, opened: rows into samples.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;

use super::order::{Draw, below};
use super::report::LeftOut;
use crate::base::rng::Stream;
use crate::bundle::PromptPart;
use crate::data::DataError;
use crate::data::pairs::Pair;
use crate::data::recipe::{Recipe, Source};
use crate::data::rows::Rows;
use crate::data::sample::{Form, Loss, Message, Sample};
use crate::data::template::Prepared;
use crate::data::tokenize;
use crate::lang::Loader;
use crate::runtime::engine::Engine;
use crate::runtime::events::Events;
use crate::runtime::render;
use crate::runtime::value::{Prompt, Value};

pub struct Opened {
    pub name: String,
    pub loss: Loss,
    kind: Kind,
    files: Vec<Rows>,
}

enum Kind {
    Pairs(Vec<Prepared>),
    Conversations,
    Text,
}

/// A row as far as it is worked out in order: what needs the engine is done.
pub enum Draft {
    Prompted {
        prompt: Arc<Prompt>,
        answer: Vec<PromptPart>,
    },
    /// All the rest is done side by side.
    Row,
}

impl Opened {
    pub fn open(
        source: &Source,
        recipe: &Recipe,
        folder: &Path,
        loader: &dyn Loader,
        engine: &mut Engine,
        events: &mut dyn Events,
    ) -> Result<Self, DataError> {
        let mut paths: Vec<PathBuf> = Vec::new();
        for file in source.files() {
            let path = folder.join(file);
            if path.is_dir() { paths.extend(tokenize::parts(&path)?) } else { paths.push(path) }
        }
        let files = paths.iter().map(|path| Rows::open(path)).collect::<Result<Vec<_>, _>>()?;
        let kind = if source.pairs.is_some() {
            let mut templates = Vec::with_capacity(source.templates.len());
            for used in &source.templates {
                templates.push(Prepared::compile(used, folder, loader, engine, events)?);
            }
            Kind::Pairs(templates)
        } else if source.conversations.is_some() {
            Kind::Conversations
        } else {
            Kind::Text
        };
        let loss = source.loss.unwrap_or(recipe.loss);
        Ok(Opened { name: source.name.clone(), loss, kind, files })
    }

    pub fn rows(&self) -> usize {
        self.files.iter().map(Rows::len).sum()
    }

    /// All that decides what its rows become, for hashes.
    pub fn content(&self) -> Json {
        let files: Vec<String> =
            self.files.iter().map(|file| file.digest(0..file.len()).hex()).collect();
        let templates: Vec<String> = match &self.kind {
            Kind::Pairs(templates) => templates.iter().map(Prepared::content).collect(),
            _ => Vec::new(),
        };
        serde_json::json!({ "files": files, "templates": templates })
    }

    fn find(&self, row: usize) -> Option<(&Rows, usize)> {
        let mut row = row;
        for file in &self.files {
            if row < file.len() {
                return Some((file, row));
            }
            row -= file.len();
        }
        None
    }

    fn text(&self, row: usize) -> Result<(&Rows, &str), String> {
        let (file, row) = self.find(row).ok_or("there is no such row")?;
        Ok((file, file.text(row)?))
    }

    pub fn left_out(&self, draw: &Draw, reason: String) -> LeftOut {
        let (file, line) = match self.find(draw.row) {
            Some((file, row)) => (file.path().display().to_string(), file.line_number(row)),
            None => (String::new(), 0),
        };
        LeftOut { source: self.name.clone(), file, line, reason }
    }

    /// Renders the prompt of a pair. Template, instruction and the template's own draws have
    /// addresses of their own, so that another row changes none of them.
    pub fn draft(
        &self,
        draw: &Draw,
        seed: u64,
        engine: &mut Engine,
        events: &mut dyn Events,
    ) -> Result<Draft, String> {
        let Kind::Pairs(templates) = &self.kind else { return Ok(Draft::Row) };
        let pair = Pair::parse(self.text(draw.row)?.1)?;
        let codes = pair.codes(engine.bundle())?;
        let fitting: Vec<&Prepared> =
            templates.iter().filter(|template| template.medium == pair.medium).collect();
        let address = draw.address(&self.name);
        let stream = |what: &str| Stream::new(seed, &format!("{address}/{what}"));
        let template = chosen(&fitting, stream("template").uniform())
            .ok_or_else(|| format!("no template of the source is for {}", pair.medium))?;
        let mut choice = stream("instruction");
        let instruction = below(&mut choice, template.instructions() as u64) as usize;
        let own = (stream("render").uniform() * (1u64 << 53) as f64) as u64;
        let (given, answer) = if template.makes_medium {
            (Value::text(pair.text), PromptPart::Tokens(pair.medium, codes))
        } else {
            (Value::Tokens(pair.medium, codes.into()), PromptPart::Text(pair.text))
        };
        let prompt = template.prompt(given, instruction, own, engine, events)?;
        Ok(Draft::Prompted { prompt, answer: vec![answer] })
    }

    pub fn samples(
        &self,
        draw: &Draw,
        draft: Draft,
        form: &Form<'_>,
    ) -> Result<Vec<Sample>, String> {
        let (file, text) = self.text(draw.row)?;
        match (draft, &self.kind) {
            (Draft::Prompted { prompt, answer }, _) => {
                let written = render::with_answer(form.bundle, &prompt, &answer);
                Ok(vec![form.replied(written.map_err(|error| error.to_string())?)?])
            }
            (Draft::Row, Kind::Conversations) => {
                let row: Row = serde_json::from_str(text)
                    .map_err(|error| format!("it is no row of conversations: {error}"))?;
                if row.conversation.is_empty() {
                    return Err("it has no conversation".into());
                }
                row.conversation.iter().map(|messages| form.conversation(messages)).collect()
            }
            (Draft::Row, _) => {
                let json = file.path().extension().is_some_and(|ending| ending == "jsonl");
                if !json {
                    return Ok(vec![form.document(text.trim_end_matches('\r'))?]);
                }
                let row: Words = serde_json::from_str(text)
                    .map_err(|error| format!("it is no row of text: {error}"))?;
                Ok(vec![form.document(&row.text)?])
            }
        }
    }
}

/// The template that a number in [0, 1) falls on.
fn chosen<'t>(templates: &[&'t Prepared], at: f64) -> Option<&'t Prepared> {
    let all: f64 = templates.iter().map(|template| template.probability).sum();
    let mut at = at * all;
    for template in templates {
        if at < template.probability {
            return Some(template);
        }
        at -= template.probability;
    }
    templates.last().copied()
}

/// A row of the public format of instruction data: a list of conversations.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(default, rename = "id")]
    _id: Json,
    conversation: Vec<Vec<Message>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    #[serde(default, rename = "id")]
    _id: Json,
    text: String,
}
