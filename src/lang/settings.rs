//! The one table of generation settings: what exists, in which stage, for which media.

use std::fmt;

use crate::base::{Literal, Medium};

use super::types::Type;

/// The two stages of a generation: the language model makes tokens, a de-tokenizer makes the
/// medium of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    Semantic,
    Perceptual,
}

impl Stage {
    pub const ALL: [Stage; 2] = [Stage::Semantic, Stage::Perceptual];

    pub fn name(self) -> &'static str {
        match self {
            Stage::Semantic => "semantic",
            Stage::Perceptual => "perceptual",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Names a setting of a generation; in a mixed reply, `image: { steps: 20 }` is the image's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// The medium that it is given for; `None` for the whole reply.
    pub medium: Option<Medium>,
    pub name: &'static str,
}

impl Key {
    pub const fn of(name: &'static str) -> Key {
        Key { medium: None, name }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.medium {
            Some(medium) => write!(f, "{medium}.{}", self.name),
            None => f.write_str(self.name),
        }
    }
}

/// The type of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Int,
    Float,
    Bool,
    Duration,
    /// A medium, which may be none.
    OptionalMedium(Medium),
}

impl Kind {
    pub fn ty(self) -> Type {
        match self {
            Kind::Int => Type::Int,
            Kind::Float => Type::Float,
            Kind::Bool => Type::Bool,
            Kind::Duration => Type::Duration,
            Kind::OptionalMedium(medium) => Type::Option(Box::new(Type::Medium(medium))),
        }
    }
}

/// Bounds of a number; an open end is excluded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    pub least: f64,
    pub most: f64,
    pub least_open: bool,
    pub most_open: bool,
}

impl Range {
    pub fn contains(&self, value: f64) -> bool {
        let above = if self.least_open { value > self.least } else { value >= self.least };
        let below = if self.most_open { value < self.most } else { value <= self.most };
        above && below
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.least_open { "more than" } else { "at least" };
        let less = if self.most_open { "less than" } else { "at most" };
        if self.most.is_finite() {
            write!(f, "{more} {} and {less} {}", self.least, self.most)
        } else {
            write!(f, "{more} {}", self.least)
        }
    }
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub name: &'static str,
    pub stage: Stage,
    /// The media whose generation takes it.
    pub media: &'static [Medium],
    pub kind: Kind,
    pub range: Option<Range>,
    pub doc: &'static str,
}

impl Entry {
    /// Why a value does not do, if it is known not to.
    pub fn refuses(&self, value: &Literal) -> Option<Range> {
        let range = self.range?;
        let value = match value {
            Literal::Int(value) => *value as f64,
            Literal::Float(value) | Literal::Duration(value) => *value,
            _ => return None,
        };
        (!range.contains(value)).then_some(range)
    }
}

const ALL: &[Medium] = &Medium::ALL;
const IMAGE: &[Medium] = &[Medium::Image];
const SPEECH: &[Medium] = &[Medium::Speech];
const SOUND: &[Medium] = &[Medium::Speech, Medium::Music];

const fn closed(least: f64, most: f64) -> Option<Range> {
    Some(Range { least, most, least_open: false, most_open: false })
}

const fn above(least: f64, most: f64) -> Option<Range> {
    Some(Range { least, most, least_open: true, most_open: false })
}

const fn below(least: f64, most: f64) -> Option<Range> {
    Some(Range { least, most, least_open: false, most_open: true })
}

const fn semantic(
    name: &'static str,
    kind: Kind,
    range: Option<Range>,
    doc: &'static str,
) -> Entry {
    Entry { name, stage: Stage::Semantic, media: ALL, kind, range, doc }
}

const fn perceptual(
    name: &'static str,
    media: &'static [Medium],
    kind: Kind,
    range: Option<Range>,
    doc: &'static str,
) -> Entry {
    Entry { name, stage: Stage::Perceptual, media, kind, range, doc }
}

/// Every setting of this version.
pub const TABLE: &[Entry] = &[
    semantic(
        "temperature",
        Kind::Float,
        closed(0.0, 2.0),
        "How freely tokens are drawn; 0 always takes the likeliest.",
    ),
    semantic(
        "top_k",
        Kind::Int,
        closed(0.0, 100_000.0),
        "Draw from this many likeliest tokens; 0 is off.",
    ),
    semantic(
        "top_p",
        Kind::Float,
        above(0.0, 1.0),
        "Draw from the likeliest tokens that together have this probability.",
    ),
    semantic(
        "min_p",
        Kind::Float,
        below(0.0, 1.0),
        "Leave out tokens less likely than this share of the likeliest.",
    ),
    semantic(
        "repetition_penalty",
        Kind::Float,
        above(0.0, 10.0),
        "Above 1, tokens that were used become less likely.",
    ),
    semantic(
        "max_tokens",
        Kind::Int,
        closed(1.0, 100_000.0),
        "Stop after this many tokens at the latest.",
    ),
    semantic(
        "min_tokens",
        Kind::Int,
        closed(0.0, 100_000.0),
        "Do not stop before this many tokens.",
    ),
    Entry {
        name: "duration",
        stage: Stage::Semantic,
        media: SOUND,
        kind: Kind::Duration,
        range: above(0.0, 3600.0),
        doc: "How long the sound is, in place of what the model finds right.",
    },
    semantic(
        "seed",
        Kind::Int,
        closed(0.0, f64::INFINITY),
        "The seed of this stage, in place of the run's.",
    ),
    perceptual("steps", IMAGE, Kind::Int, closed(1.0, 1000.0), "Steps of diffusion."),
    perceptual(
        "guidance",
        IMAGE,
        Kind::Float,
        closed(1.0, 100.0),
        "How strongly the tokens lead the picture; 1 is unguided.",
    ),
    perceptual(
        "negative",
        IMAGE,
        Kind::OptionalMedium(Medium::Image),
        None,
        "A picture to stay away from.",
    ),
    perceptual(
        "noise_level",
        IMAGE,
        Kind::Int,
        closed(0.0, 999.0),
        "How much noise is added to what the tokens say; more gives more variety.",
    ),
    perceptual(
        "seed",
        IMAGE,
        Kind::Int,
        closed(0.0, f64::INFINITY),
        "The seed of this stage, in place of the run's.",
    ),
    perceptual(
        "voice",
        SPEECH,
        Kind::OptionalMedium(Medium::Speech),
        None,
        "A recording of the speaker to sound like.",
    ),
    perceptual("steps", SPEECH, Kind::Int, closed(1.0, 100.0), "Rounds of unmasking."),
    perceptual("greedy", SPEECH, Kind::Bool, None, "Always take the likeliest acoustic code."),
    perceptual(
        "seed",
        SPEECH,
        Kind::Int,
        closed(0.0, f64::INFINITY),
        "The seed of this stage, in place of the run's.",
    ),
];

/// Settings that say the same thing in two ways; only one of a pair may be given.
pub const RIVALS: &[(&str, &str)] = &[("duration", "max_tokens"), ("duration", "min_tokens")];

/// The setting of that name in a stage, for a medium.
pub fn find(name: &str, stage: Stage, medium: Medium) -> Option<&'static Entry> {
    of(stage, medium).find(|entry| entry.name == name)
}

/// All settings of a stage for a medium.
pub fn of(stage: Stage, medium: Medium) -> impl Iterator<Item = &'static Entry> {
    TABLE.iter().filter(move |entry| entry.stage == stage && entry.media.contains(&medium))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_per_stage_and_medium() {
        for stage in Stage::ALL {
            for medium in Medium::ALL {
                let mut names: Vec<_> = of(stage, medium).map(|entry| entry.name).collect();
                let count = names.len();
                names.sort_unstable();
                names.dedup();
                assert_eq!(names.len(), count, "{stage} {medium}");
            }
        }
    }

    #[test]
    fn ranges_read_well_and_hold() {
        let top_p = find("top_p", Stage::Semantic, Medium::Text).unwrap();
        assert!(top_p.refuses(&Literal::Float(1.0)).is_none());
        let range = top_p.refuses(&Literal::Float(0.0)).unwrap();
        assert_eq!(range.to_string(), "more than 0 and at most 1");
        let seed = find("seed", Stage::Perceptual, Medium::Image).unwrap();
        assert_eq!(seed.refuses(&Literal::Int(-1)).unwrap().to_string(), "at least 0");
    }
}
