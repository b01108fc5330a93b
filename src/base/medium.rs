//! The media of the joint vocabulary.

use std::fmt;

/// A medium that the joint vocabulary holds tokens of.
///
/// Everything that differs between media (rates, code counts, start tokens) comes from a
/// bundle's vocabulary layout; this is only the closed list of names the language knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Medium {
    Text,
    Image,
    Speech,
    Music,
}

impl Medium {
    pub const ALL: [Medium; 4] = [Medium::Text, Medium::Image, Medium::Speech, Medium::Music];

    pub fn name(self) -> &'static str {
        match self {
            Medium::Text => "text",
            Medium::Image => "image",
            Medium::Speech => "speech",
            Medium::Music => "music",
        }
    }

    pub fn from_name(name: &str) -> Option<Medium> {
        Self::ALL.into_iter().find(|medium| medium.name() == name)
    }
}

/// What a reply holds: one medium, or text and media in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reply {
    Only(Medium),
    Mixed,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Only(medium) => medium.fmt(f),
            Reply::Mixed => f.write_str("mixed"),
        }
    }
}

impl fmt::Display for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
