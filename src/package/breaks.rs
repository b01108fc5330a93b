//! What a change of a package's interface breaks, and which version it needs.
//!
//! Strict on purpose: types of the language fit exactly or not at all in records, lists and
//! checked `match`es, so that a result's type that differs at all breaks somebody's program.

use std::collections::BTreeMap;

use semver::{Prerelease, Version};

use crate::base::{Literal, Medium};
use crate::lang::interface::{Entry, Interface, Param};
use crate::lang::types::Type;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Users see nothing of it.
    Patch,
    /// More is offered, or a value is another one.
    Minor,
    /// A program that was right may be wrong.
    Breaking,
}

impl Level {
    pub fn word(self) -> &'static str {
        match self {
            Level::Patch => "other",
            Level::Minor => "new",
            Level::Breaking => "breaks",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub level: Level,
    /// The module as it stands after the package's name; empty for its lib.
    pub module: String,
    /// The declaration; empty for a whole module.
    pub name: String,
    pub message: String,
}

/// All changes from one version's modules to another's, the gravest first.
pub fn compare(
    old: &BTreeMap<String, Interface>,
    new: &BTreeMap<String, Interface>,
) -> Vec<Change> {
    let mut changes = Vec::new();
    for (module, before) in old {
        match new.get(module) {
            None => changes.push(Change {
                level: Level::Breaking,
                module: module.clone(),
                name: String::new(),
                message: "the module is gone, or publishes nothing any more".into(),
            }),
            Some(after) => interfaces(module, before, after, &mut changes),
        }
    }
    for (module, after) in new {
        if !old.contains_key(module) {
            interfaces(module, &Interface::new(), after, &mut changes);
        }
    }
    changes.sort_by(|a, b| {
        b.level.cmp(&a.level).then_with(|| (&a.module, &a.name).cmp(&(&b.module, &b.name)))
    });
    changes
}

fn interfaces(module: &str, old: &Interface, new: &Interface, changes: &mut Vec<Change>) {
    let mut note = |name: &str, level, message: String| {
        changes.push(Change { level, module: module.into(), name: name.into(), message });
    };
    for (name, before) in old {
        match new.get(name) {
            None => note(
                name,
                Level::Breaking,
                format!("the {} is gone, or no longer `pub`", before.what()),
            ),
            Some(after) => entries(before, after, &mut |level, message| note(name, level, message)),
        }
    }
    for (name, after) in new {
        if !old.contains_key(name) {
            note(name, Level::Minor, format!("a new {}", after.what()));
        }
    }
}

fn entries(before: &Entry, after: &Entry, note: &mut dyn FnMut(Level, String)) {
    match (before, after) {
        (
            Entry::Template { params: old, result: was },
            Entry::Template { params: new, result: is },
        )
        | (
            Entry::Pipeline { params: old, result: was },
            Entry::Pipeline { params: new, result: is },
        ) => {
            params(old, new, note);
            if was != is {
                note(Level::Breaking, format!("the result was {was} and is {is}"));
            }
        }
        (Entry::Type(was), Entry::Type(is)) => {
            if was != is {
                note(Level::Breaking, format!("the type was {was} and is {is}"));
            }
        }
        (Entry::Const { ty: was, value: old }, Entry::Const { ty: is, value: new }) => {
            if was != is {
                note(Level::Breaking, format!("the constant's type was {was} and is {is}"));
            } else if old != new {
                note(Level::Minor, format!("the constant was {old} and is {new}"));
            }
        }
        (before, after) => {
            note(Level::Breaking, format!("was a {} and is a {}", before.what(), after.what()));
        }
    }
}

fn params(old: &[Param], new: &[Param], note: &mut dyn FnMut(Level, String)) {
    for (place, was) in old.iter().enumerate() {
        let name = &was.name;
        let Some(at) = new.iter().position(|param| param.name == *name) else {
            note(Level::Breaking, format!("there is no parameter `{name}` any more"));
            continue;
        };
        let is = &new[at];
        if at != place
            && new.get(place).is_none_or(|now| old.iter().any(|o| o.name == now.name) || at < place)
        {
            note(
                Level::Breaking,
                format!("parameter `{name}` was at place {} and is at {}", place + 1, at + 1),
            );
        }
        if was.ty != is.ty {
            let wider = fits(&was.ty, &is.ty);
            let level = if wider { Level::Minor } else { Level::Breaking };
            let how = if wider { ", which takes more" } else { "" };
            note(level, format!("parameter `{name}` was {} and is {}{how}", was.ty, is.ty));
        }
        match (&was.default, &is.default) {
            (Some(default), None) => {
                note(
                    Level::Breaking,
                    format!("parameter `{name}` must be given; it was {default} by default"),
                );
            }
            (None, Some(default)) => {
                note(
                    Level::Minor,
                    format!("parameter `{name}` may be left out; it is {default} then"),
                );
            }
            (Some(before), Some(after)) if before != after => {
                note(Level::Minor, format!("the default of `{name}` was {before} and is {after}"));
            }
            _ => {}
        }
    }
    for (place, is) in new.iter().enumerate() {
        let name = &is.name;
        if old.iter().any(|param| param.name == *name) {
            continue;
        }
        let last =
            new[place..].iter().all(|later| !old.iter().any(|param| param.name == later.name));
        match (&is.default, last) {
            (None, _) => note(
                Level::Breaking,
                format!("parameter `{name}: {}` is new and must be given", is.ty),
            ),
            (Some(_), false) => note(
                Level::Breaking,
                format!(
                    "parameter `{name}: {}` is new in front of others, which move for calls without names",
                    is.ty
                ),
            ),
            (Some(default), true) => {
                note(Level::Minor, format!("parameter `{name}: {} = {default}` is new", is.ty))
            }
        }
    }
}

/// Whether every argument of the one type is taken where the other is wanted.
fn fits(from: &Type, to: &Type) -> bool {
    if from == to {
        return true;
    }
    match (from, to) {
        (Type::Int, Type::Float) => true,
        (Type::Option(from), Type::Option(to)) => match (from.as_ref(), to.as_ref()) {
            // Inside of an option nothing is converted, only widened.
            (Type::Int, Type::Float) => false,
            (from, to) => fits(from, to),
        },
        (from, Type::Option(to)) => fits(from, to),
        (Type::Union(from), Type::Union(to)) => from.iter().all(|case| to.contains(case)),
        (Type::Union(cases), Type::Medium(Medium::Text)) => {
            cases.iter().all(|case| matches!(case, Literal::Text(_)))
        }
        (Type::Union(cases), Type::Int) => cases.iter().all(|case| matches!(case, Literal::Int(_))),
        _ => false,
    }
}

/// The least version that may follow `old` after a change; below 1.0.0 as cargo has it.
pub fn needed(old: &Version, level: Level) -> Version {
    if !old.pre.is_empty() {
        // Before a release nothing is promised but to go on.
        return Version { pre: Prerelease::EMPTY, ..old.clone() };
    }
    let Version { major, minor, patch, .. } = *old;
    match (level, major, minor) {
        (Level::Breaking, 0, 0) => Version::new(0, 0, patch.saturating_add(1)),
        (Level::Breaking, 0, _) => Version::new(0, minor.saturating_add(1), 0),
        (Level::Breaking, _, _) => Version::new(major.saturating_add(1), 0, 0),
        (Level::Minor, 1.., _) => Version::new(major, minor.saturating_add(1), 0),
        (Level::Minor, 0, _) | (Level::Patch, _, _) => {
            Version::new(major, minor, patch.saturating_add(1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_follow_cargo() {
        let case = |old: &str, level| needed(&Version::parse(old).unwrap(), level).to_string();
        assert_eq!(case("1.2.3", Level::Breaking), "2.0.0");
        assert_eq!(case("1.2.3", Level::Minor), "1.3.0");
        assert_eq!(case("1.2.3", Level::Patch), "1.2.4");
        assert_eq!(case("0.2.3", Level::Breaking), "0.3.0");
        assert_eq!(case("0.2.3", Level::Minor), "0.2.4");
        assert_eq!(case("0.0.3", Level::Breaking), "0.0.4");
        assert_eq!(case("1.0.0-rc.1", Level::Breaking), "1.0.0");
    }
}
