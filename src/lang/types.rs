//! The types of the language.

use std::fmt;

use crate::base::{Literal, Medium, Pattern};

#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// `text`, `image`, `speech`, `music`
    Medium(Medium),
    /// The discrete form of a medium: `tokens<image>`
    Tokens(Medium),
    Int,
    Float,
    Bool,
    Duration,
    /// The type of `none` before it meets an option.
    None,
    /// `text matching /…/`
    Matching(Pattern),
    /// `speech[3s..5s]`
    Lasting(Medium, Seconds),
    /// `"plain" | "poetic"`: texts or ints, no duplicates.
    Union(Vec<Literal>),
    Option(Box<Type>),
    List(Box<Type>),
    /// Fields in declared order.
    Record(Vec<(String, Type)>),
    /// Text and media in turn: a reply that switches between them.
    Mixed,
    /// A conversation: what `chat { … }` makes.
    Chat,
    /// What a template makes: a prompt whose reply has the given type.
    Prompt(Box<Type>),
    /// Stands for the type of an expression with an error; fits everything, so that one
    /// mistake gives one diagnostic. Never in a checked program.
    Error,
}

/// How long a sound lasts, both ends included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seconds {
    pub least: f64,
    /// Infinite where there is no bound.
    pub most: f64,
}

impl Seconds {
    pub fn contains(&self, seconds: f64) -> bool {
        self.least <= seconds && seconds <= self.most
    }

    pub fn within(&self, other: &Seconds) -> bool {
        other.least <= self.least && self.most <= other.most
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |seconds| Literal::Duration(seconds);
        if self.least == self.most {
            return write!(f, "{}", shown(self.least));
        }
        if self.least > 0.0 {
            write!(f, "{}", shown(self.least))?;
        }
        f.write_str("..")?;
        if self.most.is_finite() {
            write!(f, "{}", shown(self.most))?;
        }
        Ok(())
    }
}

impl Type {
    pub const TEXT: Type = Type::Medium(Medium::Text);

    /// The type of a field of a `mixed` reply.
    pub fn of_mixed(field: &str) -> Option<Type> {
        let list = |medium| Some(Type::List(Box::new(Type::Medium(medium))));
        match field {
            "text" => Some(Type::TEXT),
            "images" => list(Medium::Image),
            "speech" => list(Medium::Speech),
            "music" => list(Medium::Music),
            _ => None,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Medium(medium) => write!(f, "{medium}"),
            Type::Tokens(medium) => write!(f, "tokens<{medium}>"),
            Type::Matching(pattern) => write!(f, "text matching /{}/", pattern.source()),
            Type::Lasting(medium, seconds) => write!(f, "{medium}[{seconds}]"),
            Type::Int => f.write_str("int"),
            Type::Float => f.write_str("float"),
            Type::Bool => f.write_str("bool"),
            Type::Duration => f.write_str("duration"),
            Type::None => f.write_str("none"),
            Type::Union(cases) => {
                for (index, case) in cases.iter().enumerate() {
                    if index > 0 {
                        f.write_str(" | ")?;
                    }
                    write!(f, "{case}")?;
                }
                Ok(())
            }
            Type::Option(inner) => match inner.as_ref() {
                Type::Union(_) => write!(f, "({inner})?"),
                _ => write!(f, "{inner}?"),
            },
            Type::List(inner) => write!(f, "list<{inner}>"),
            Type::Record(fields) => {
                f.write_str("{ ")?;
                for (index, (name, ty)) in fields.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{name}: {ty}")?;
                }
                f.write_str(" }")
            }
            Type::Mixed => f.write_str("mixed"),
            Type::Chat => f.write_str("chat"),
            Type::Prompt(out) => write!(f, "prompt<{out}>"),
            Type::Error => f.write_str("(unknown)"),
        }
    }
}
