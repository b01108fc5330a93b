//! `agpt add` and `agpt fetch`: the packages of a project.

use std::path::{Path, PathBuf};

use crate::base::atomic::write_atomic;
use crate::base::{text, yaml};
use crate::package::graph::lock_in;
use crate::package::manifest::{Git, Origin, Reference, check_name};
use crate::package::modules::{absolute, project_of};
use crate::package::{Graph, LOCK, Lock, MANIFEST, Mode, Problem, Renew, edit};

use super::{Exit, source};

#[derive(Debug, clap::Args)]
pub struct AddArgs {
    /// What the package is called: the name in its agpt.yaml
    name: String,
    /// A folder on this disk
    #[arg(long, value_name = "FOLDER", conflicts_with = "git", required_unless_present = "git")]
    path: Option<String>,
    /// A git repository
    #[arg(long, value_name = "URL")]
    git: Option<String>,
    /// A tag of the repository
    #[arg(long, requires = "git", conflicts_with_all = ["rev", "branch"])]
    tag: Option<String>,
    /// A commit of the repository, by its full name
    #[arg(long, requires = "git", conflicts_with = "branch")]
    rev: Option<String>,
    /// A branch of the repository; the lock file holds the commit that it is at now
    #[arg(long, requires = "git")]
    branch: Option<String>,
    /// The package's folder in the repository
    #[arg(long, requires = "git", value_name = "FOLDER")]
    folder: Option<String>,
    /// Fail where the lock file would change
    #[arg(long)]
    locked: bool,
}

#[derive(Debug, clap::Args)]
pub struct FetchArgs {
    /// A folder of the project
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Take the newest commits of tags and branches, for all packages or those named
    #[arg(long, value_name = "NAME", num_args = 0.., conflicts_with = "locked")]
    update: Option<Vec<String>>,
    /// Fail where the lock file would change
    #[arg(long)]
    locked: bool,
}

/// Prints a problem with the text that it points into.
pub fn complain(problem: &Problem) {
    source::show(std::slice::from_ref(&problem.diagnostic), &problem.sources);
}

/// The exit code of a problem: a manifest's mistake, or something that went wrong.
pub fn exit_of(problem: &Problem) -> Exit {
    match problem.diagnostic.code {
        "E1010" => Exit::Failed,
        _ => Exit::Invalid,
    }
}

fn report(result: Result<(), Problem>) -> Exit {
    match result {
        Ok(()) => Exit::Success,
        Err(problem) => {
            complain(&problem);
            exit_of(&problem)
        }
    }
}

/// The project at or above a folder.
pub fn project(folder: &Path) -> Result<PathBuf, Exit> {
    project_of(&folder.join(MANIFEST)).ok_or_else(|| {
        let message =
            format!("there is no {MANIFEST} in {} or above it", absolute(folder).display());
        source::complain(&message, Some("`agpt new` makes a project or a library"));
        Exit::Usage
    })
}

/// A manifest or a lock file; one that is too long is refused by its reader.
pub fn read(path: &Path) -> std::io::Result<String> {
    text::read(path, yaml::MAX_BYTES)
}

pub fn add(args: &AddArgs) -> Exit {
    let usage = |message: &str, help: &str| {
        source::complain(message, Some(help));
        Exit::Usage
    };
    if let Err(help) = check_name(&args.name) {
        return usage(&format!("`{}` cannot be a package's name", args.name), help);
    }
    let root = match project(Path::new(".")) {
        Ok(root) => root,
        Err(exit) => return exit,
    };
    let origin = match (&args.path, &args.git) {
        (Some(path), _) => Origin::Path(from_project(&root, path)),
        (None, url) => {
            let reference = match (&args.tag, &args.rev, &args.branch) {
                (Some(tag), ..) => Reference::Tag(tag.clone()),
                (_, Some(rev), _) => Reference::Rev(rev.clone()),
                (.., Some(branch)) => Reference::Branch(branch.clone()),
                _ => Reference::Head,
            };
            let folder = args.folder.clone().unwrap_or_default();
            match Git::new(url.clone().unwrap_or_default(), reference, folder) {
                Ok(git) => Origin::Git(git),
                Err((message, help)) => return usage(&message, help),
            }
        }
    };
    report(add_to(&root, &args.name, &origin, args.locked))
}

/// A path as typed, seen from the project's folder.
fn from_project(root: &Path, path: &str) -> String {
    let here = absolute(Path::new("."));
    match here.strip_prefix(root) {
        Ok(below) if !Path::new(path).is_absolute() => {
            let up = below.components().count();
            let mut parts: Vec<String> =
                below.components().map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
            if up == 0 {
                return path.to_string();
            }
            parts.push(path.to_string());
            parts.join("/")
        }
        _ => path.to_string(),
    }
}

fn add_to(root: &Path, name: &str, origin: &Origin, locked: bool) -> Result<(), Problem> {
    let path = root.join(MANIFEST);
    let failed = |error: std::io::Error| {
        Problem::new("E1011", format!("{} cannot be read: {error}", path.display()))
    };
    let before = read(&path).map_err(failed)?;
    let after = edit::with_package(&before, &path, name, origin)?;
    // Tried with the new text before anything is written.
    let tried = |file: &Path| if file == path { Ok(after.clone()) } else { read(file) };
    let graph = Graph::of(root, &Mode::Fetch { renew: Renew::None }, &tried)?;
    let changed = store(root, &graph.lock(), locked)?;
    if after != before {
        write_atomic(&path, after.as_bytes())
            .map_err(|error| Problem::new("E1011", error.to_string()))?;
    }
    let version = graph.packages.get(name).map(|package| package.manifest.version.to_string());
    let version = version.unwrap_or_default();
    eprintln!("added {name} {version}{}", if changed { "; agpt.lock written" } else { "" });
    Ok(())
}

/// Writes the lock file where it changed; whether it did.
fn store(root: &Path, lock: &Lock, locked: bool) -> Result<bool, Problem> {
    let path = root.join(LOCK);
    if lock_in(root, &read)? == *lock {
        return Ok(false);
    }
    if locked {
        return Err(Problem::new("E1013", format!("{} would change", path.display()))
            .help("run the command without `--locked`, and commit the file"));
    }
    write_atomic(&path, lock.text().as_bytes())
        .map_err(|error| Problem::new("E1010", error.to_string()))?;
    Ok(true)
}

pub fn fetch(args: &FetchArgs) -> Exit {
    let root = match project(&args.folder) {
        Ok(root) => root,
        Err(exit) => return exit,
    };
    let renew = match &args.update {
        None => Renew::None,
        Some(names) if names.is_empty() => Renew::All,
        Some(names) => Renew::Only(names.clone()),
    };
    report(fetch_in(&root, renew, args.locked))
}

fn fetch_in(root: &Path, renew: Renew, locked: bool) -> Result<(), Problem> {
    let wanted = renew.clone();
    let graph = Graph::of(root, &Mode::Fetch { renew }, &read)?;
    if let Renew::Only(names) = wanted
        && let Some(name) = names.iter().find(|name| !graph.packages.contains_key(*name))
    {
        let known: Vec<&str> = graph.packages.keys().map(String::as_str).collect();
        return Err(Problem::new("E1003", format!("the project uses no package `{name}`"))
            .help(format!("its packages: {}", known.join(", "))));
    }
    let changed = store(root, &graph.lock(), locked)?;
    let count = graph.packages.len();
    let what = if count == 1 { "1 package".to_string() } else { format!("{count} packages") };
    eprintln!("{what} at hand{}", if changed { "; agpt.lock written" } else { "" });
    Ok(())
}
