//! agpt.lock: what each package of a project is, so that everybody gets the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use semver::Version;
use serde::Deserialize;
use serde_json::json;

use crate::base::Diagnostic;

use super::manifest::{Git, Reference, check_name};
use super::{Problem, yaml};

/// The lock file's name beside agpt.yaml.
pub const LOCK: &str = "agpt.lock";

const FORMAT: u32 = 1;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    pub packages: BTreeMap<String, Locked>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    pub version: Version,
    pub origin: LockedOrigin,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockedOrigin {
    /// A folder relative to the project's: live, so that nothing more is held.
    Path(String),
    Git {
        git: Git,
        commit: String,
        hash: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    lock: u32,
    #[serde(default)]
    packages: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    version: String,
    path: Option<String>,
    git: Option<String>,
    tag: Option<String>,
    rev: Option<String>,
    branch: Option<String>,
    folder: Option<String>,
    commit: Option<String>,
    hash: Option<String>,
}

impl Lock {
    pub fn parse(text: &str, path: &Path) -> Result<Self, Problem> {
        let written: Written = yaml::parse(text, path, "E1008")?;
        let wrong = |message: String| {
            let diagnostic = Diagnostic::error("E1008", message)
                .label(yaml::span(0..text.lines().next().map_or(0, str::len)), "in this file")
                .help("the file is agpt's to write: delete it and run `agpt fetch`");
            Problem::at(diagnostic, path, text)
        };
        if written.lock != FORMAT {
            return Err(wrong(format!("`lock: {}` is not known, only {FORMAT} is", written.lock)));
        }
        let mut packages = BTreeMap::new();
        for entry in written.packages {
            let name = entry.name.clone();
            let locked =
                entry.locked().map_err(|reason| wrong(format!("package `{name}`: {reason}")))?;
            if packages.insert(name.clone(), locked).is_some() {
                return Err(wrong(format!("package `{name}` is there twice")));
            }
        }
        Ok(Lock { packages })
    }

    /// The file's text: the same for the same packages, byte by byte.
    pub fn text(&self) -> String {
        let mut out = String::from(
            "# Written by agpt: what each package is. Commit this file; `agpt fetch` keeps it.\n",
        );
        let _ = writeln!(out, "lock: {FORMAT}");
        if self.packages.is_empty() {
            return out;
        }
        out.push_str("packages:\n");
        for (name, locked) in &self.packages {
            // JSON's texts are YAML's, whatever is in them.
            let _ = writeln!(out, "  - name: {name}");
            let _ = writeln!(out, "    version: {}", json!(locked.version.to_string()));
            match &locked.origin {
                LockedOrigin::Path(path) => {
                    let _ = writeln!(out, "    path: {}", json!(path));
                }
                LockedOrigin::Git { git, commit, hash } => {
                    let _ = writeln!(out, "    git: {}", json!(git.url));
                    let _ = match &git.reference {
                        Reference::Head => Ok(()),
                        Reference::Tag(tag) => writeln!(out, "    tag: {}", json!(tag)),
                        Reference::Rev(rev) => writeln!(out, "    rev: {}", json!(rev)),
                        Reference::Branch(name) => writeln!(out, "    branch: {}", json!(name)),
                    };
                    if !git.folder.is_empty() {
                        let _ = writeln!(out, "    folder: {}", json!(git.folder));
                    }
                    let _ = writeln!(out, "    commit: {}", json!(commit));
                    let _ = writeln!(out, "    hash: {}", json!(hash));
                }
            }
        }
        out
    }
}

impl Entry {
    fn locked(self) -> Result<Locked, String> {
        check_name(&self.name).map_err(str::to_string)?;
        let version = Version::parse(&self.version).map_err(|error| error.to_string())?;
        let origin = match (self.path, self.git) {
            (Some(path), None) => LockedOrigin::Path(path),
            (None, Some(url)) => {
                let reference = match (self.tag, self.rev, self.branch) {
                    (None, None, None) => Reference::Head,
                    (Some(tag), None, None) => Reference::Tag(tag),
                    (None, Some(rev), None) => Reference::Rev(rev),
                    (None, None, Some(branch)) => Reference::Branch(branch),
                    _ => return Err("`tag`, `rev` and `branch` exclude each other".into()),
                };
                let folder = self.folder.unwrap_or_default();
                let git = Git::new(url, reference, folder).map_err(|(message, _)| message)?;
                let hex = |text: &str, length| {
                    text.len() == length
                        && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
                };
                let commit = self.commit.filter(|commit| hex(commit, 40));
                let hash = self
                    .hash
                    .filter(|hash| hash.strip_prefix("blake3:").is_some_and(|rest| hex(rest, 64)));
                match (commit, hash) {
                    (Some(commit), Some(hash)) => LockedOrigin::Git { git, commit, hash },
                    _ => return Err("`commit` or `hash` is missing or malformed".into()),
                }
            }
            _ => return Err("either `path` or `git` says where it is from".into()),
        };
        Ok(Locked { version, origin })
    }
}
