//! `agpt breaks`: what a library's users would notice of a change, and the version it needs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use semver::Version;
use serde_json::json;

use crate::base::Diagnostic;
use crate::base::unwritten::explained;
use crate::lang::interface::Interface;
use crate::package::breaks::{Change, Level, compare, needed};
use crate::package::git::{files_at, repository_of};
use crate::package::graph::manifest_in;
use crate::package::modules::{LIB, modules_below};
use crate::package::{LOCK, MANIFEST, Manifest, Problem, content};

use super::packages::{complain, exit_of, project, read};
use super::{Exit, source};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to compare with: a tag, branch or commit of this repository, or a folder
    against: String,
    /// The folder of the library
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Print the changes as JSON
    #[arg(long)]
    json: bool,
}

/// A version of the library.
struct Side {
    manifest: Manifest,
    modules: BTreeMap<String, Interface>,
    /// All .agpt files, to see changes that are in no interface.
    texts: BTreeMap<String, String>,
}

enum Stop {
    Said(Exit),
    Problem(Box<Problem>),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Stop::Problem(Box::new(problem))
    }
}

pub fn run(args: &Args) -> Exit {
    match compared(args) {
        Ok(exit) | Err(Stop::Said(exit)) => exit,
        Err(Stop::Problem(problem)) => {
            complain(&problem);
            exit_of(&problem)
        }
    }
}

fn compared(args: &Args) -> Result<Exit, Stop> {
    let root = project(&args.folder).map_err(Stop::Said)?;
    let new = side(&root)?;
    let old = if Path::new(&args.against).join(MANIFEST).is_file() {
        side(Path::new(&args.against))?
    } else {
        earlier(&root, &args.against)?
    };
    if old.manifest.name != new.manifest.name {
        return Err(Problem::new(
            "E1014",
            format!("`{}` and `{}` are two packages", old.manifest.name, new.manifest.name),
        )
        .help("compare a package with an earlier version of itself")
        .into());
    }
    let changes = compare(&old.modules, &new.modules);
    let level = match changes.first() {
        Some(change) => Some(change.level),
        None => (old.texts != new.texts).then_some(Level::Patch),
    };
    let least = level.map(|level| needed(&old.manifest.version, level));
    let enough = match &least {
        Some(least) => new.manifest.version >= *least,
        None => new.manifest.version >= old.manifest.version,
    };
    if args.json {
        super::output::stdout(&format!(
            "{}\n",
            to_json(&old, &new, &changes, least.as_ref(), enough)
        ));
    } else {
        super::output::stdout(&text(&new, &changes, level));
        if enough {
            eprintln!("{} → {}: high enough", old.manifest.version, new.manifest.version);
        }
    }
    if enough {
        return Ok(Exit::Success);
    }
    if !args.json {
        complain(&too_low(&root, &old, &new, least.as_ref(), level));
    }
    Ok(Exit::Invalid)
}

fn too_low(
    root: &Path,
    old: &Side,
    new: &Side,
    least: Option<&Version>,
    level: Option<Level>,
) -> Problem {
    let path = root.join(MANIFEST);
    let text = fs::read_to_string(&path).unwrap_or_default();
    let least = least.unwrap_or(&old.manifest.version);
    let why = match level {
        Some(Level::Breaking) => "because of what it breaks",
        Some(Level::Minor) => "because of what is new",
        Some(Level::Patch) => "as files changed",
        None => "as it was before",
    };
    let at = new.manifest.version_at.clone();
    let span = crate::base::Span::new(crate::base::SourceId(0), at.start, at.end);
    let diagnostic =
        Diagnostic::error("E1014", format!("version {} is not high enough", new.manifest.version))
            .label(span, format!("{least} or more is needed, {why}"))
            .help(format!("write `version: {least}`; it was {}", old.manifest.version));
    Problem::at(diagnostic, &path, &text)
}

/// The library in a folder, compiled.
fn side(root: &Path) -> Result<Side, Stop> {
    let manifest = manifest_in(root, &read)?;
    let mut modules = BTreeMap::new();
    let mut texts = BTreeMap::new();
    for module in modules_below(root) {
        let file = root.join(format!("{module}.agpt"));
        let compilation = source::compile(&file).map_err(Stop::Said)?;
        if compilation.program.is_none() {
            source::show(&compilation.diagnostics, &compilation.sources);
            source::summary(&compilation.diagnostics);
            return Err(Stop::Said(Exit::Invalid));
        }
        let name = if module == LIB { String::new() } else { module.clone() };
        if !compilation.index.interface.is_empty() {
            modules.insert(name, compilation.index.interface);
        }
        texts.insert(module, fs::read_to_string(&file).unwrap_or_default());
    }
    Ok(Side { manifest, modules, texts })
}

/// The library as it was at a revision: its repository's texts, put where nobody else looks.
fn earlier(root: &Path, revision: &str) -> Result<Side, Stop> {
    let Some((repository, place)) = repository_of(root) else {
        return Err(Problem::new("E1014", format!("{} is in no git repository", root.display()))
            .help("give the folder of an earlier version")
            .into());
    };
    let wanted = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let text = name == MANIFEST || name == LOCK || name.ends_with(".agpt");
        text && (name == LOCK || content::counts(path))
    };
    let files = files_at(&repository, revision, &wanted)?;
    let scratch = tempfile::tempdir()
        .map_err(|error| Problem::new("E1014", format!("no temporary folder: {error}")))?;
    for (path, bytes) in files {
        let file = scratch.path().join(path);
        fs::create_dir_all(file.parent().unwrap_or(scratch.path()))
            .and_then(|()| fs::write(&file, bytes))
            .map_err(|error| Problem::new("E1014", explained(&file, error).to_string()))?;
    }
    side(&scratch.path().join(place))
}

fn path_of(new: &Side, change: &Change) -> String {
    let mut path = new.manifest.name.clone();
    if !change.module.is_empty() {
        path = format!("{path}/{}", change.module);
    }
    if change.name.is_empty() { path } else { format!("{path} {}", change.name) }
}

fn text(new: &Side, changes: &[Change], level: Option<Level>) -> String {
    let mut out = String::new();
    for change in changes {
        out.push_str(&format!(
            "{:<7} {}: {}\n",
            change.level.word(),
            path_of(new, change),
            change.message
        ));
    }
    if changes.is_empty() {
        out.push_str(match level {
            Some(_) => "nothing that is published changed, but files did\n",
            None => "nothing changed\n",
        });
    }
    out
}

fn to_json(
    old: &Side,
    new: &Side,
    changes: &[Change],
    least: Option<&Version>,
    enough: bool,
) -> serde_json::Value {
    let changes: Vec<_> = changes
        .iter()
        .map(|change| {
            json!({ "level": change.level.word(), "module": change.module, "name": change.name, "message": change.message })
        })
        .collect();
    json!({
        "package": new.manifest.name,
        "before": old.manifest.version.to_string(),
        "now": new.manifest.version.to_string(),
        "needed": least.map(ToString::to_string),
        "enough": enough,
        "changes": changes,
    })
}
