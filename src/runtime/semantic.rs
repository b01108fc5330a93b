//! The semantic stage: from a prompt to a reply of the language model, as text, codes or both.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use crate::base::rng::Stream;
use crate::base::{Medium, Pattern, Reply};
use crate::bundle::manifest::{Sampling, SpanLength};
use crate::bundle::{Bundle, ComponentRole, MediumTokens, Vocabulary};
use crate::lang::types::Seconds;
use crate::models::{LanguageModel, sampling};
use crate::plan::graph::Held as To;

use super::automaton::{Automaton, Matching, Spelling, Spellings};
use super::engine::{Engine, Held};
use super::error::Failure;
use super::events::{Events, Generated};
use super::generate;
use super::grammar::{Grammar, Inset, Length, OneOf, Rules, Single, Switching};
use super::render;
use super::settings::Settings;
use super::value::{Piece, Prompt, Text, Value};

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
        let lasting = match request.held {
            To::Lasting(seconds) => Some(*seconds),
            _ => None,
        };
        let draft = Draft { bundle: &bundle, settings: request.settings, room, lasting };
        let mut case = None;
        let ids = match request.reply {
            Reply::Only(_) if let To::Cases(cases) = request.held => {
                let (ids, text) = self.choose(cases, &written.ids, &draft, stream, events)?;
                case = Some(text);
                ids
            }
            Reply::Only(_)
                if let To::Pattern(pattern) | To::Json { pattern, .. } = request.held =>
            {
                self.matching(pattern, &written.ids, &draft, stream, events)?
            }
            Reply::Only(medium) => {
                let length = draft.length(medium, request.settings)?;
                match draft.windows(medium, length)? {
                    Some(windows) => {
                        self.write_on(&written.ids, medium, &draft, &windows, stream, events)?
                    }
                    None => {
                        draft.fits(written.ids.len(), least(length))?;
                        let mut rules = draft.single(medium, length)?;
                        self.write(&written.ids, &mut rules, most(length), stream, events)?
                    }
                }
            }
            Reply::Mixed => {
                draft.fits(written.ids.len(), 1)?;
                let mut rules = draft.switching(&self.media())?;
                let most = rules.most;
                self.write(&written.ids, &mut rules, most, stream, events)?
            }
        };
        events.generated(&Generated {
            path: request.path.to_string(),
            reply: request.reply,
            prompt: written.text_for_people,
            prompt_tokens: written.ids.len(),
            ids: ids.clone(),
            took: begun.elapsed(),
        });
        match request.reply {
            Reply::Only(Medium::Text) => {
                let text = match (case, request.held) {
                    (Some(case), _) => case,
                    // As its bytes were counted, without marks between words.
                    (None, To::Pattern(_) | To::Json { .. }) => {
                        bundle.text_tokenizer()?.decode(&ids)
                    }
                    (None, _) => in_words(&bundle, &ids)?,
                };
                Ok(Value::Text(Text::written(text, ids)))
            }
            Reply::Only(medium) => {
                codes(bundle.vocabulary()?, medium, &ids).map(|codes| Value::Tokens(medium, codes))
            }
            Reply::Mixed => pieces(&bundle, &ids).map(|pieces| Value::Mixed(pieces.into())),
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
    ) -> Result<(Vec<u32>, String), Failure> {
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
        let mut rules = OneOf::new(cases.clone(), ends, sampling);
        let ids = self.write(prompt, &mut rules, longest, stream, events)?;
        let written = cases.iter().position(|case| *case == ids);
        let case = written.and_then(|place| texts.get(place)).cloned();
        Ok((ids, case.ok_or(Failure::Defect("another text", "case"))?))
    }

    /// A text that matches a pattern, and is finished before its last token is spent.
    fn matching(
        &mut self,
        pattern: &Pattern,
        prompt: &[u32],
        draft: &Draft<'_>,
        stream: &mut Stream,
        events: &mut dyn Events,
    ) -> Result<Vec<u32>, Failure> {
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
    ) -> Result<Vec<u32>, Failure> {
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
        let ids = generate::reply(
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
        held.ids = prompt.iter().chain(&ids).copied().collect();
        // The last id of a reply is drawn and not read.
        held.ids.truncate(held.session.len());
        self.held = Some(held);
        Ok(ids)
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
    ) -> Result<Vec<u32>, Failure> {
        draft.fits(prompt.len(), windows.window)?;
        let mut ids: Vec<u32> = Vec::with_capacity(windows.total);
        while ids.len() < windows.total {
            let kept = windows.overlap.min(ids.len());
            let more = (windows.window - kept).min(windows.total - ids.len());
            let mut rules = draft.single(medium, Length::Exactly(more))?;
            let given: Vec<u32> = prompt.iter().chain(&ids[ids.len() - kept..]).copied().collect();
            let new = self.write(&given, &mut rules, more, stream, events)?;
            ids.extend(new);
            events.progress(ids.len(), windows.total);
        }
        Ok(ids)
    }
}

/// Lengths in ids: of the whole, of a stretch, of what a stretch shares with the one before.
struct Windows {
    total: usize,
    window: usize,
    overlap: usize,
}

/// The rules of one reply in the making.
struct Draft<'a> {
    bundle: &'a Bundle,
    settings: &'a Settings,
    /// How many ids the context has left.
    room: usize,
    /// How long a sound must last, where its type says so.
    lasting: Option<Seconds>,
}

impl Draft<'_> {
    fn fits(&self, prompt: usize, least: usize) -> Result<(), Failure> {
        if self.room > 0 && least <= self.room {
            return Ok(());
        }
        Err(Failure::ContextTooShort {
            prompt,
            reply: least.max(1),
            context: self.bundle.manifest().context,
            model: self.bundle.name().to_string(),
        })
    }

    fn defaults(&self, medium: Medium) -> &Sampling {
        self.bundle.manifest().sampling.get(medium)
    }

    fn sampling(&self, medium: Medium, settings: &Settings) -> Result<sampling::Settings, Failure> {
        let defaults = self.defaults(medium);
        Ok(sampling::Settings {
            temperature: settings.float("temperature", defaults.temperature)?,
            top_k: settings.count("top_k", defaults.top_k)?,
            top_p: settings.float("top_p", defaults.top_p)?,
            min_p: settings.float("min_p", defaults.min_p)?,
            repetition_penalty: settings
                .float("repetition_penalty", defaults.repetition_penalty)?,
        })
    }

    fn single(&self, medium: Medium, length: Length) -> Result<Single, Failure> {
        let vocabulary = self.bundle.vocabulary()?;
        let grammar = match vocabulary.tokens(medium) {
            Some(tokens) if medium != Medium::Text => {
                Grammar::medium(&codebooks(tokens), tokens.end, length)
            }
            _ => Grammar::text(self.text()?, self.bundle.prompt_builder()?.stop()?, length),
        };
        Ok(Single::new(grammar, self.sampling(medium, self.settings)?))
    }

    fn switching(&self, media: &[Medium]) -> Result<Switching, Failure> {
        let vocabulary = self.bundle.vocabulary()?;
        let default = self.bundle.manifest().sampling.mixed_tokens;
        let default = default.unwrap_or(self.room.div_ceil(2)).min(self.room);
        let most = self.settings.count("max_tokens", default)?.min(self.room);
        let least = self.settings.count("min_tokens", 1)?.clamp(1, most);
        let mut insets = Vec::new();
        for (medium, tokens) in vocabulary.media().filter(|(medium, _)| media.contains(medium)) {
            let own = self.settings.of(medium);
            let mut length = self.length(medium, &own)?;
            // A mixed reply does not go on in windows.
            let window = self.window(medium).unwrap_or(usize::MAX);
            length = match length {
                Length::Between(least, most) => Length::Between(least, most.min(window)),
                Length::Exactly(count) => {
                    self.fits_in_mixed(&own, count, most.saturating_sub(2).min(window))?;
                    length
                }
            };
            insets.push(Inset {
                start: tokens.start,
                end: tokens.end,
                codebooks: codebooks(tokens),
                length,
                sampling: self.sampling(medium, &own)?,
            });
        }
        let ends = self.bundle.prompt_builder()?.stop()?;
        let sampling = self.sampling(Medium::Text, self.settings)?;
        Ok(Switching::new(self.text()?, ends, sampling, insets, (least, most)))
    }

    /// A duration that was asked for must have room, or the medium would silently never come.
    fn fits_in_mixed(&self, own: &Settings, count: usize, room: usize) -> Result<(), Failure> {
        match own.duration("duration")? {
            Some(seconds) if count > room => Err(Failure::Setting {
                name: "duration",
                value: format!("{seconds}s"),
                range: format!(
                    "at most {:.2}s here: a mixed reply has neither more tokens left nor \
                     continues a sound beyond the model's window",
                    seconds * room as f64 / count as f64
                ),
            }),
            _ => Ok(()),
        }
    }

    /// The text part of the vocabulary, and the marks that stand between words.
    fn text(&self) -> Result<Vec<Range<u32>>, Failure> {
        let mut ranges = text_ranges(self.bundle.vocabulary()?);
        ranges.extend(self.bundle.prompt_builder()?.marks()?.into_iter().map(|id| id..id + 1));
        Ok(ranges)
    }

    /// The window of a medium in ids: whole frames.
    fn window(&self, medium: Medium) -> Option<usize> {
        self.ids_of(medium, self.defaults(medium).window_seconds?)
    }

    fn ids_of(&self, medium: Medium, seconds: f64) -> Option<usize> {
        let tokens = self.bundle.vocabulary().ok()?.tokens(medium)?;
        let SpanLength::FramesPerSecond(rate) = tokens.length else { return None };
        // The nearest whole frame, and at least one.
        let frames = (seconds * rate).round().max(1.0) as usize;
        Some(frames.saturating_mul(tokens.codebooks.max(1) as usize))
    }

    /// How a length beyond the model's window is made, if it is.
    fn windows(&self, medium: Medium, length: Length) -> Result<Option<Windows>, Failure> {
        let (Length::Exactly(total), Some(window)) = (length, self.window(medium)) else {
            return Ok(None);
        };
        if total <= window {
            return Ok(None);
        }
        let seconds = self.defaults(medium).overlap_seconds;
        let overlap = seconds.and_then(|seconds| self.ids_of(medium, seconds));
        let frame = self.frame(medium)?;
        let half = (window / 2 / frame * frame).max(frame);
        // Each stretch adds a frame at least.
        let overlap = overlap.unwrap_or(half).min(window.saturating_sub(frame));
        Ok(Some(Windows { total, window, overlap }))
    }

    /// A length that the type says, in whole frames.
    fn lasting(&self, medium: Medium, seconds: Seconds) -> Result<Length, Failure> {
        let tokens = self.bundle.vocabulary()?.tokens(medium);
        let rate = match tokens.map(|tokens| tokens.length) {
            Some(SpanLength::FramesPerSecond(rate)) => rate,
            Some(SpanLength::Tokens(count)) => {
                return Err(Failure::FixedLength(medium, count as usize, "length"));
            }
            None => return Err(Failure::Defect("medium", "medium of the vocabulary")),
        };
        if seconds.least == seconds.most {
            let count = self.ids_of(medium, seconds.least);
            return count.map(Length::Exactly).ok_or(Failure::Defect("length", "count"));
        }
        let frame = self.frame(medium)?;
        let ids = |frames: f64| (frames as usize).saturating_mul(frame);
        // What may be cut off by rounding is a part in 2^52, not a frame.
        let least = ids((seconds.least * rate - 1e-6).ceil().max(1.0));
        let window = self.window(medium).unwrap_or(usize::MAX);
        let default = self.defaults(medium).max_tokens.unwrap_or(self.room);
        let wanted = match seconds.most.is_finite() {
            true => ids((seconds.most * rate + 1e-6).floor()),
            false => default.max(least),
        };
        let most = wanted.min(window).min(self.room) / frame * frame;
        if least > most {
            return Err(Failure::Setting {
                name: "length",
                value: format!("{medium}[{seconds}]"),
                range: format!(
                    "one that this model writes at once, at most {:.2}s (an exact length, as \
                     {medium}[{}s], goes on beyond that)",
                    most as f64 / frame as f64 / rate,
                    seconds.least,
                ),
            });
        }
        Ok(Length::Between(least, most))
    }

    fn frame(&self, medium: Medium) -> Result<usize, Failure> {
        let tokens = self.bundle.vocabulary()?.tokens(medium);
        Ok(tokens.map_or(1, |tokens| tokens.codebooks as usize).max(1))
    }

    /// How long the reply may be: what the layout fixes, else the settings within the context.
    fn length(&self, medium: Medium, settings: &Settings) -> Result<Length, Failure> {
        let tokens = self.bundle.vocabulary()?.tokens(medium);
        if let Some(MediumTokens { length: SpanLength::Tokens(count), .. }) = tokens {
            for name in ["max_tokens", "min_tokens"] {
                if settings.get(name).is_some() {
                    return Err(Failure::FixedLength(medium, *count as usize, name));
                }
            }
            return Ok(Length::Exactly(*count as usize));
        }
        if let Some(seconds) = self.lasting {
            return self.lasting(medium, seconds);
        }
        if let Some(seconds) = settings.duration("duration")?
            && let Some(count) = self.ids_of(medium, seconds)
        {
            return Ok(Length::Exactly(count));
        }
        let (defaults, frame) = (self.defaults(medium), self.frame(medium)?);
        let window = self.window(medium).unwrap_or(usize::MAX);
        let default = defaults.max_tokens.unwrap_or(self.room).min(window);
        let most = settings.count("max_tokens", default)?.min(self.room);
        let least = settings.count("min_tokens", defaults.min_tokens)?.max(1);
        if least > most && settings.get("min_tokens").is_some() && most < self.room {
            return Err(Failure::Setting {
                name: "min_tokens",
                value: least.to_string(),
                range: format!("at most max_tokens, {most}"),
            });
        }
        // Whole frames only.
        let most = (most / frame * frame).max(frame);
        Ok(Length::Between(least.next_multiple_of(frame).min(most.max(least)), most))
    }
}

fn least(length: Length) -> usize {
    match length {
        Length::Exactly(count) | Length::Between(count, _) => count,
    }
}

fn most(length: Length) -> usize {
    match length {
        Length::Exactly(count) | Length::Between(_, count) => count,
    }
}

/// One range of ids per codebook.
fn codebooks(tokens: &MediumTokens) -> Vec<Range<u32>> {
    (0..tokens.codebooks as usize).map(|layer| tokens.ids_at(layer)).collect()
}

/// A text as people read it: marks stand where they were written.
fn in_words(bundle: &Bundle, ids: &[u32]) -> Result<String, Failure> {
    let (tokenizer, marks) = (bundle.text_tokenizer()?, bundle.prompt_builder()?.marks()?);
    let mut text = String::new();
    for stretch in ids.chunk_by(|before, id| !marks.contains(before) && !marks.contains(id)) {
        match stretch {
            [id] if marks.contains(id) => {
                let place = marks.iter().position(|mark| mark == id).unwrap_or_default();
                text.push_str(&bundle.manifest().prompt.marks[place]);
                text.push(' ');
            }
            words => text.push_str(&tokenizer.decode(words)),
        }
    }
    Ok(text)
}

/// A mixed reply, cut at the start and end tokens of its media.
fn pieces(bundle: &Bundle, ids: &[u32]) -> Result<Vec<Piece>, Failure> {
    let vocabulary = bundle.vocabulary()?;
    let mut out = Vec::new();
    let mut text: Vec<u32> = Vec::new();
    let mut rest = ids.iter().copied();
    while let Some(id) = rest.next() {
        let Some(medium) = vocabulary.started_by(id) else {
            text.push(id);
            continue;
        };
        if !text.is_empty() {
            let ids = std::mem::take(&mut text);
            out.push(Piece::Text(Text::written(in_words(bundle, &ids)?, ids)));
        }
        let end = vocabulary.tokens(medium).map(|tokens| tokens.end);
        let inside: Vec<u32> = rest.by_ref().take_while(|id| Some(*id) != end).collect();
        out.push(Piece::Tokens(medium, codes(vocabulary, medium, &inside)?));
    }
    if !text.is_empty() {
        out.push(Piece::Text(Text::written(in_words(bundle, &text)?, text)));
    }
    Ok(out)
}

fn codes(vocabulary: &Vocabulary, medium: Medium, ids: &[u32]) -> Result<Arc<[u32]>, Failure> {
    ids.iter()
        .map(|id| match vocabulary.medium_of(*id) {
            Some((other, code)) if other == medium => Ok(code),
            _ => Err(Failure::Defect("token", "code of the medium")),
        })
        .collect()
}

/// The text part of the vocabulary as ranges of ids.
fn text_ranges(vocabulary: &Vocabulary) -> Vec<Range<u32>> {
    let mut ranges: Vec<Range<u32>> = Vec::new();
    for (id, is_text) in (0u32..).zip(vocabulary.text_mask()) {
        if !is_text {
            continue;
        }
        match ranges.last_mut() {
            Some(range) if range.end == id => range.end = id + 1,
            _ => ranges.push(id..id + 1),
        }
    }
    ranges
}
