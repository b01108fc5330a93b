//! The types of the language.

use std::fmt;

use crate::base::{Literal, Medium};

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
