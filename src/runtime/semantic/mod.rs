//! The semantic stage: from a prompt to a reply of the language model, as text, codes or both.

use std::sync::Arc;
use std::time::Instant;

use crate::base::rng::Stream;
use crate::base::{Medium, Pattern, Reply};
use crate::bundle::ComponentRole;
use crate::models::LanguageModel;
use crate::plan::graph::Held as To;

use super::automaton::{Automaton, Matching, Spelling, Spellings};
use super::engine::{Engine, Held};
use super::error::Failure;
use super::events::{Events, Generated};
use super::generate::{self, Written};
use super::grammar::{Length, OneOf, Rules};
use super::render;
use super::settings::Settings;
use super::value::{Prompt, Value};

mod draft;
mod reply;

use draft::{Draft, Windows, least, most, text_ranges};
use reply::value;

/// What one generation asks for.
pub struct Request<'a> {
    /// The node's address, for records.
    pub path: &'a str,
    pub reply: Reply,
    pub prompt: &'a Prompt,
    pub settings: &'a Settings,
    /// What the reply is held to, beyond its medium.
    pub held: &'a To,
}

impl Engine {
    fn language_model(&mut self, events: &mut dyn Events) -> Result<&dyn LanguageModel, Failure> {
        if self.llm.is_none() {
            let component = self.bundle.llm();
            let room = self.make_room(&component, events)?;
            let model = self.loader.language_model(&component, &room.place)?;
            let vocabulary = self.bundle.vocabulary()?.size();
            if vocabulary > model.vocab_size() {
                return Err(Failure::VocabularySize {
                    tokenizer: vocabulary,
                    model: model.vocab_size(),
                });
            }
            self.llm = Some(model);
            self.settle(&component, &room, events);
        }
        self.resident.touch(ComponentRole::Llm);
        self.llm.as_deref().ok_or(Failure::Defect("missing model", "model"))
    }

    /// A reply to a prompt, held to what its type allows.
    pub fn generate(
        &mut self,
        request: &Request<'_>,
        stream: &mut Stream,
        events: &mut dyn Events,
    ) -> Result<Value, Failure> {
        if let Some(reply) = self.elsewhere(request, stream, events) {
            return reply;
        }
        let begun = Instant::now();
        let bundle = self.bundle.clone();
        // A mixed reply begins as text does: the model writes the start tokens.
        let first = match request.reply {
            Reply::Only(medium) => medium,
            Reply::Mixed => Medium::Text,
        };
        let written = render::for_reply(&bundle, request.prompt, first)?;
        let room = bundle.manifest().context.saturating_sub(written.ids.len());
        let reply = match self.replay.as_ref() {
            Some(recording) => {
                let recorded = recording.get(request.path);
                let unrecorded = || Failure::Unrecorded(request.path.to_string());
                let ids = recorded.ok_or_else(unrecorded)?.ids.clone();
                Written { ids, gaps: Vec::new() }
            }
            None => self.ask(request, &written.ids, room, stream, events)?,
        };
        events.generated(&Generated {
            path: request.path.to_string(),
            reply: request.reply,
            prompt: written.text_for_people,
            prompt_ids: written.ids,
            ids: reply.ids.clone(),
            gaps: reply.gaps,
            took: begun.elapsed(),
        });
        let value = value(&bundle, request, reply.ids);
        match self.replay {
            // A recording is a file that anyone may change.
            Some(_) => value.map_err(|_| Failure::Misrecorded(request.path.to_string())),
            None => value,
        }
    }

    /// A reply of the language model.
    fn ask(
        &mut self,
        request: &Request<'_>,
        prompt: &[u32],
        room: usize,
        stream: &mut Stream,
        events: &mut dyn Events,
    ) -> Result<Written, Failure> {
        let bundle = self.bundle.clone();
        let lasting = match request.held {
            To::Lasting(seconds) => Some(*seconds),
            _ => None,
        };
        let draft = Draft { bundle: &bundle, settings: request.settings, room, lasting };
        match request.reply {
            Reply::Only(_) if let To::Cases(cases) = request.held => {
                self.choose(cases, prompt, &draft, stream, events)
            }
            Reply::Only(_)
                if let To::Pattern(pattern) | To::Json { pattern, .. } = request.held =>
            {
                self.matching(pattern, prompt, &draft, stream, events)
            }
            Reply::Only(medium) => {
                let length = draft.length(medium, request.settings)?;
                match draft.windows(medium, length)? {
                    Some(windows) => {
                        self.write_on(prompt, medium, &draft, &windows, stream, events)
                    }
                    None => {
                        draft.fits(prompt.len(), least(length))?;
                        let mut rules = draft.single(medium, length)?;
                        self.write(prompt, &mut rules, most(length), stream, events)
                    }
                }
            }
            Reply::Mixed => {
                draft.fits(prompt.len(), 1)?;
                let mut rules = draft.switching(&self.media())?;
                let most = rules.most;
                self.write(prompt, &mut rules, most, stream, events)
            }
        }
    }

    /// One of several texts, held to them id by id as the tokenizer writes them.
    fn choose(
        &mut self,
        texts: &[String],
        prompt: &[u32],
        draft: &Draft<'_>,
        stream: &mut Stream,
        events: &mut dyn Events,
    ) -> Result<Written, Failure> {
        let tokenizer = draft.bundle.text_tokenizer()?;
        let cases: Vec<Vec<u32>> =
            texts.iter().map(|case| tokenizer.encode_text(case)).collect::<Result<_, _>>()?;
        for (place, case) in cases.iter().enumerate() {
            if let Some(first) = cases[..place].iter().position(|other| other == case) {
                let text = |place: usize| texts.get(place).cloned().unwrap_or_default();
                return Err(Failure::SameIds(text(first), text(place)));
            }
        }
        let longest = cases.iter().map(Vec::len).max().unwrap_or(0);
        draft.fits(prompt.len(), longest)?;
        let sampling = draft.sampling(Medium::Text, draft.settings)?;
        let ends = draft.bundle.prompt_builder()?.stop()?;
        let mut rules = OneOf::new(cases, ends, sampling);
        self.write(prompt, &mut rules, longest, stream, events)
    }

    /// A text that matches a pattern, and is finished before its last token is spent.
    fn matching(
        &mut self,
        pattern: &Pattern,
        prompt: &[u32],
        draft: &Draft<'_>,
        stream: &mut Stream,
        events: &mut dyn Events,
    ) -> Result<Written, Failure> {
        draft.fits(prompt.len(), 1)?;
        let most = most(draft.length(Medium::Text, draft.settings)?);
        let automaton = self.automaton(pattern)?;
        let least = automaton
            .shortest()
            .ok_or_else(|| Failure::Unwritable(pattern.source().to_string()))?;
        if least > most {
            return Err(Failure::TooFewTokens { least, most });
        }
        let sampling = draft.sampling(Medium::Text, draft.settings)?;
        let ends = draft.bundle.prompt_builder()?.stop()?;
        let mut rules = Matching::new(automaton, ends, sampling, most);
        self.write(prompt, &mut rules, most, stream, events)
    }

    /// A pattern over the bundle's vocabulary; walked once.
    fn automaton(&mut self, pattern: &Pattern) -> Result<Arc<Automaton>, Failure> {
        if let Some(known) = self.automata.get(pattern.source()) {
            return Ok(known.clone());
        }
        let spellings = match &self.spellings {
            Some(spellings) => spellings.clone(),
            None => {
                let tokenizer = self.bundle.text_tokenizer()?;
                let ids: Vec<u32> =
                    text_ranges(self.bundle.vocabulary()?).into_iter().flatten().collect();
                let spelling = |begun| {
                    let spelled = ids
                        .iter()
                        .filter_map(|id| tokenizer.bytes_of(*id, begun).map(|bytes| (*id, bytes)));
                    Spelling::new(spelled)
                };
                let spellings = Spellings { first: spelling(false), later: spelling(true) };
                self.spellings.insert(Arc::new(spellings)).clone()
            }
        };
        let automaton = Arc::new(Automaton::new(pattern.clone(), spellings));
        self.automata.insert(pattern.source().to_string(), automaton.clone());
        Ok(automaton)
    }

    /// Writes one reply; what an earlier sequence has in common with the prompt is not read again.
    fn write(
        &mut self,
        prompt: &[u32],
        rules: &mut dyn Rules,
        most: usize,
        stream: &mut Stream,
        events: &mut dyn Events,
    ) -> Result<Written, Failure> {
        let context = self.bundle.manifest().context;
        let vocabulary = self.bundle.vocabulary()?.clone();
        let mut text = self.bundle.text_tokenizer()?.stream();
        let held = self.held.take();
        let model = self.language_model(events)?;
        let mut held = match held {
            Some(held) => held,
            None => Held { session: model.start(context)?, ids: Vec::new() },
        };
        // The last id of the prompt is always read, for its logits.
        let known = held.ids.iter().zip(&prompt[..prompt.len().saturating_sub(1)]);
        let read = known.take_while(|(held, asked)| held == asked).count();
        held.session.truncate(read);
        let written = generate::reply(
            held.session.as_mut(),
            prompt,
            read,
            rules,
            stream,
            events,
            |id, produced, events| match vocabulary.is_text(id) {
                true => events.text(&text.push(id)),
                false => events.progress(produced, most),
            },
        )?;
        held.ids = prompt.iter().chain(&written.ids).copied().collect();
        // The last id of a reply is drawn and not read.
        held.ids.truncate(held.session.len());
        self.held = Some(held);
        Ok(written)
    }

    /// Writes a medium that is longer than what the model was trained on: each further stretch
    /// begins with the end of what is there, as if it were the beginning, and goes on from it.
    fn write_on(
        &mut self,
        prompt: &[u32],
        medium: Medium,
        draft: &Draft<'_>,
        windows: &Windows,
        stream: &mut Stream,
        events: &mut dyn Events,
    ) -> Result<Written, Failure> {
        draft.fits(prompt.len(), windows.window)?;
        let mut all = Written::default();
        while all.ids.len() < windows.total {
            let kept = windows.overlap.min(all.ids.len());
            let more = (windows.window - kept).min(windows.total - all.ids.len());
            let mut rules = draft.single(medium, Length::Exactly(more))?;
            let end = &all.ids[all.ids.len() - kept..];
            let given: Vec<u32> = prompt.iter().chain(end).copied().collect();
            let new = self.write(&given, &mut rules, more, stream, events)?;
            all.ids.extend(new.ids);
            all.gaps.extend(new.gaps);
            events.progress(all.ids.len(), windows.total);
        }
        Ok(all)
    }
}
