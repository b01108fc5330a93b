//! Settings of the two stages as the run sees them: what the source wrote over what the
//! bundle has as defaults, checked against the ranges of `lang::settings`.

use crate::base::{Medium, Reply};
use crate::lang::settings::{self, Key, Stage};

use super::error::Failure;
use super::value::Value;

/// The settings of one node by name; a `none` counts as not given.
#[derive(Debug, Clone, Default)]
pub struct Settings(Vec<(Key, Value)>);

impl Settings {
    /// Checks values that were not known at compile time against the language's ranges.
    pub fn new(
        stage: Stage,
        reply: Reply,
        keys: &[Key],
        values: &[Value],
    ) -> Result<Self, Failure> {
        let mut given = Vec::with_capacity(keys.len());
        for (key, value) in keys.iter().copied().zip(values) {
            if *value == Value::None {
                continue;
            }
            let name = key.name;
            let medium = match reply {
                Reply::Only(medium) => medium,
                Reply::Mixed => key.medium.unwrap_or(Medium::Text),
            };
            let entry = settings::find(name, stage, medium);
            if let (Some(entry), Some(literal)) = (entry, value.literal())
                && let Some(range) = entry.refuses(&literal)
            {
                let value = literal.to_string();
                return Err(Failure::Setting { name, value, range: range.to_string() });
            }
            given.push((key, value.clone()));
        }
        Ok(Settings(given))
    }

    /// Those that a mixed reply has for one of its media, as if it were generated alone.
    pub fn of(&self, medium: Medium) -> Settings {
        let own = self.0.iter().filter(|(key, _)| key.medium == Some(medium));
        Settings(own.map(|(key, value)| (Key::of(key.name), value.clone())).collect())
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        let own = |key: &Key| key.medium.is_none() && key.name == name;
        self.0.iter().find(|(key, _)| own(key)).map(|(_, value)| value)
    }

    pub fn float(&self, name: &'static str, default: f64) -> Result<f64, Failure> {
        match self.get(name) {
            None => Ok(default),
            Some(Value::Float(value)) => Ok(*value),
            Some(Value::Int(value)) => Ok(*value as f64),
            Some(other) => Err(Failure::Defect(other.kind(), "float")),
        }
    }

    pub fn int(&self, name: &'static str) -> Result<Option<i64>, Failure> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Int(value)) => Ok(Some(*value)),
            Some(other) => Err(Failure::Defect(other.kind(), "int")),
        }
    }

    /// In seconds.
    pub fn duration(&self, name: &'static str) -> Result<Option<f64>, Failure> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Duration(seconds)) => Ok(Some(*seconds)),
            Some(other) => Err(Failure::Defect(other.kind(), "duration")),
        }
    }

    pub fn bool(&self, name: &'static str, default: bool) -> Result<bool, Failure> {
        match self.get(name) {
            None => Ok(default),
            Some(Value::Bool(value)) => Ok(*value),
            Some(other) => Err(Failure::Defect(other.kind(), "bool")),
        }
    }

    pub fn count(&self, name: &'static str, default: usize) -> Result<usize, Failure> {
        match self.int(name)? {
            None => Ok(default),
            Some(value) => usize::try_from(value).map_err(|_| Failure::Setting {
                name,
                value: value.to_string(),
                range: "at least 0".to_string(),
            }),
        }
    }

    /// The seed of the node: its own, or the run's.
    pub fn seed(&self, run: u64) -> Result<u64, Failure> {
        match self.int("seed")? {
            None => Ok(run),
            Some(value) => u64::try_from(value).map_err(|_| Failure::Setting {
                name: "seed",
                value: value.to_string(),
                range: "at least 0".to_string(),
            }),
        }
    }
}
