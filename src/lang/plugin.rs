//! What the language knows of plugins: the functions of a component as types of the language,
//! what it may be given, and the limits of a call. Components are read elsewhere.

use std::fmt;

use crate::base::hash::Digest;

use super::types::Type;

/// A component as the language sees it.
#[derive(Debug, Clone)]
pub struct Component {
    pub digest: Digest,
    pub bytes: std::sync::Arc<[u8]>,
    /// Its exported functions, in its own order.
    pub functions: Vec<Function>,
    /// What it imports, apart from types.
    pub imports: Vec<Import>,
}

#[derive(Debug, Clone)]
pub struct Function {
    /// As a name of the language: `title_case`.
    pub name: String,
    /// As the component has it: `title-case`.
    pub export: String,
    /// Its types, or why the language has none for it.
    pub signature: Result<FunctionType, String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FunctionType {
    pub params: Vec<(String, Type)>,
    pub result: Type,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Import {
    /// An interface of `agpt:plugin` that a grant gives.
    Granted(Grant),
    /// Anything else: its name, and why agpt does not give it.
    Unknown { name: String, reason: String },
}

/// What a plugin can be given beyond its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Grant {
    Log,
    Clock,
    Random,
}

impl Grant {
    pub const ALL: [Grant; 3] = [Grant::Log, Grant::Clock, Grant::Random];

    /// The word in a file's `grants` and after `--allow`; also the name of the interface.
    pub fn name(self) -> &'static str {
        match self {
            Grant::Log => "log",
            Grant::Clock => "clock",
            Grant::Random => "random",
        }
    }

    pub fn doc(self) -> &'static str {
        match self {
            Grant::Log => "write lines to standard error",
            Grant::Clock => "read the time",
            Grant::Random => "draw random numbers, from the run's seed",
        }
    }

    pub fn from_name(name: &str) -> Option<Grant> {
        Grant::ALL.into_iter().find(|grant| grant.name() == name)
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What one call may use at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Instructions, roughly.
    pub fuel: u64,
    /// Bytes of all its memories and tables together.
    pub memory: u64,
    /// Seconds.
    pub deadline: f64,
}

impl Limits {
    pub const FUEL: std::ops::RangeInclusive<i64> = 1_000..=1_000_000_000_000_000;
    pub const MEMORY: std::ops::RangeInclusive<u64> = (64 << 10)..=(4 << 30);
    /// In seconds; the epoch that ends a call ticks a hundred times a second.
    pub const DEADLINE: std::ops::RangeInclusive<f64> = 0.01..=3600.0;
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { fuel: 20_000_000_000, memory: 256 << 20, deadline: 30.0 }
    }
}

/// Bytes as the language writes them: `64MiB`.
pub fn size(bytes: u64) -> String {
    for (unit, name) in [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{}{name}", bytes / unit);
        }
    }
    format!("{bytes} bytes")
}

/// A name of a component (`title-case`) as one of the language (`title_case`).
pub fn snake(name: &str) -> String {
    name.replace('-', "_").to_ascii_lowercase()
}

impl FunctionType {
    /// `(sound: speech) -> float`
    pub fn line(&self) -> String {
        let params: Vec<String> =
            self.params.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
        format!("({}) -> {}", params.join(", "), self.result)
    }
}
