//! The rules of one reply: lengths, sampling, and what may follow what.

use std::ops::Range;

use crate::base::Medium;
use crate::bundle::manifest::{Sampling, SpanLength};
use crate::bundle::{Bundle, MediumTokens, Vocabulary};
use crate::lang::types::Seconds;
use crate::models::sampling;
use crate::runtime::error::Failure;
use crate::runtime::grammar::{Grammar, Inset, Length, Single, Switching};
use crate::runtime::settings::Settings;

/// Lengths in ids: of the whole, of a stretch, of what a stretch shares with the one before.
pub struct Windows {
    pub total: usize,
    pub window: usize,
    pub overlap: usize,
}

/// The rules of one reply in the making.
pub struct Draft<'a> {
    pub bundle: &'a Bundle,
    pub settings: &'a Settings,
    /// How many ids the context has left.
    pub room: usize,
    /// How long a sound must last, where its type says so.
    pub lasting: Option<Seconds>,
}

impl Draft<'_> {
    pub fn fits(&self, prompt: usize, least: usize) -> Result<(), Failure> {
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

    pub fn defaults(&self, medium: Medium) -> &Sampling {
        self.bundle.manifest().sampling.get(medium)
    }

    pub fn sampling(
        &self,
        medium: Medium,
        settings: &Settings,
    ) -> Result<sampling::Settings, Failure> {
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

    pub fn single(&self, medium: Medium, length: Length) -> Result<Single, Failure> {
        let vocabulary = self.bundle.vocabulary()?;
        let grammar = match vocabulary.tokens(medium) {
            Some(tokens) if medium != Medium::Text => {
                Grammar::medium(&codebooks(tokens), tokens.end, length)
            }
            _ => Grammar::text(self.text()?, self.bundle.prompt_builder()?.stop()?, length),
        };
        Ok(Single::new(grammar, self.sampling(medium, self.settings)?))
    }

    pub fn switching(&self, media: &[Medium]) -> Result<Switching, Failure> {
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
    pub fn fits_in_mixed(&self, own: &Settings, count: usize, room: usize) -> Result<(), Failure> {
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
    pub fn text(&self) -> Result<Vec<Range<u32>>, Failure> {
        let mut ranges = text_ranges(self.bundle.vocabulary()?);
        ranges.extend(self.bundle.prompt_builder()?.marks()?.into_iter().map(|id| id..id + 1));
        Ok(ranges)
    }

    /// The window of a medium in ids: whole frames.
    pub fn window(&self, medium: Medium) -> Option<usize> {
        self.ids_of(medium, self.defaults(medium).window_seconds?)
    }

    pub fn ids_of(&self, medium: Medium, seconds: f64) -> Option<usize> {
        let tokens = self.bundle.vocabulary().ok()?.tokens(medium)?;
        let SpanLength::FramesPerSecond(rate) = tokens.length else { return None };
        // The nearest whole frame, and at least one.
        let frames = (seconds * rate).round().max(1.0) as usize;
        Some(frames.saturating_mul(tokens.codebooks.max(1) as usize))
    }

    /// How a length beyond the model's window is made, if it is.
    pub fn windows(&self, medium: Medium, length: Length) -> Result<Option<Windows>, Failure> {
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
    pub fn lasting(&self, medium: Medium, seconds: Seconds) -> Result<Length, Failure> {
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

    pub fn frame(&self, medium: Medium) -> Result<usize, Failure> {
        let tokens = self.bundle.vocabulary()?.tokens(medium);
        Ok(tokens.map_or(1, |tokens| tokens.codebooks as usize).max(1))
    }

    /// How long the reply may be: what the layout fixes, else the settings within the context.
    pub fn length(&self, medium: Medium, settings: &Settings) -> Result<Length, Failure> {
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

pub fn least(length: Length) -> usize {
    match length {
        Length::Exactly(count) | Length::Between(count, _) => count,
    }
}

pub fn most(length: Length) -> usize {
    match length {
        Length::Exactly(count) | Length::Between(_, count) => count,
    }
}

/// One range of ids per codebook.
fn codebooks(tokens: &MediumTokens) -> Vec<Range<u32>> {
    (0..tokens.codebooks as usize).map(|layer| tokens.ids_at(layer)).collect()
}

/// The text part of the vocabulary as ranges of ids.
pub fn text_ranges(vocabulary: &Vocabulary) -> Vec<Range<u32>> {
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
