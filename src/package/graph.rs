//! The packages of a project: each name once, with the folder it is in and what it uses.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::base::Diagnostic;

use super::content;
use super::git::Cache;
use super::lock::{LOCK, Lock, Locked, LockedOrigin};
use super::manifest::{Dependency, Git, MANIFEST, Manifest, Origin};
use super::{Problem, yaml};

/// More packages than this are a mistake of somebody's.
const MAX_PACKAGES: usize = 512;

/// How files are read: an editor's buffers may come before the disk.
pub type Read<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

#[derive(Debug, Clone)]
pub struct Package {
    pub folder: PathBuf,
    pub manifest: Manifest,
    pub locked: Locked,
    /// Who named it first.
    wanted_by: String,
}

#[derive(Debug, Clone)]
pub struct Graph {
    /// The project's folder.
    pub root: PathBuf,
    pub manifest: Manifest,
    /// By name, the project itself left out.
    pub packages: BTreeMap<String, Package>,
}

/// Whether the network may be used, and what is kept of the lock file.
#[derive(Debug, Clone)]
pub enum Mode {
    /// Only what the lock file holds and the disk has.
    Offline,
    /// Fetches what is missing; commits that are locked stay, but for the packages in `renew`.
    Fetch { renew: Renew },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renew {
    None,
    All,
    Only(Vec<String>),
}

impl Renew {
    fn includes(&self, name: &str) -> bool {
        match self {
            Renew::None => false,
            Renew::All => true,
            Renew::Only(names) => names.iter().any(|known| known == name),
        }
    }
}

/// Reads agpt.yaml in a folder.
pub fn manifest_in(folder: &Path, read: Read) -> Result<Manifest, Problem> {
    let path = folder.join(MANIFEST);
    let text = read(&path).map_err(|error| unreadable(&path, &error))?;
    Manifest::parse(&text, &path)
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let problem = Problem::new("E1011", format!("{} cannot be read: {error}", path.display()));
    match error.kind() {
        io::ErrorKind::NotFound => problem.help("`agpt new` makes a project or a library"),
        _ => problem,
    }
}

/// Reads agpt.lock in a folder; a missing one is empty.
pub fn lock_in(folder: &Path, read: Read) -> Result<Lock, Problem> {
    let path = folder.join(LOCK);
    match read(&path) {
        Ok(text) => Lock::parse(&text, &path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Lock::default()),
        Err(error) => {
            Err(Problem::new("E1008", format!("{} cannot be read: {error}", path.display())))
        }
    }
}

impl Graph {
    /// The packages of the project in `root`.
    pub fn of(root: &Path, mode: &Mode, read: Read) -> Result<Graph, Problem> {
        let manifest = manifest_in(root, read)?;
        let graph = Graph { root: root.to_path_buf(), manifest, packages: BTreeMap::new() };
        if graph.manifest.packages.is_empty() {
            return Ok(graph);
        }
        let lock = lock_in(root, read)?;
        let mut walk = Walk { graph, lock, mode, read, cache: None };
        walk.all()?;
        walk.graph.check_circles()?;
        Ok(walk.graph)
    }

    /// What the lock file should say.
    pub fn lock(&self) -> Lock {
        let packages =
            self.packages.iter().map(|(name, package)| (name.clone(), package.locked.clone()));
        Lock { packages: packages.collect() }
    }

    /// The manifest of a package, or of the project itself.
    fn manifest_of(&self, name: &str) -> Option<&Manifest> {
        if name == self.manifest.name {
            return Some(&self.manifest);
        }
        self.packages.get(name).map(|package| &package.manifest)
    }

    fn check_circles(&self) -> Result<(), Problem> {
        // Each open package with those it names that are still to be looked at.
        let mut done: Vec<&str> = Vec::new();
        let mut path: Vec<(&str, Vec<&str>)> =
            vec![(&self.manifest.name, self.used(&self.manifest.name))];
        while let Some((name, left)) = path.last_mut() {
            let Some(next) = left.pop() else {
                done.push(name);
                path.pop();
                continue;
            };
            if let Some(first) = path.iter().position(|(open, _)| *open == next) {
                let mut names: Vec<&str> = path[first..].iter().map(|(name, _)| *name).collect();
                names.push(next);
                return Err(Problem::new("E1006", "packages use each other in a circle")
                    .help(format!("the circle: {}", names.join(" → "))));
            }
            if !done.contains(&next) {
                path.push((next, self.used(next)));
            }
        }
        Ok(())
    }

    fn used(&self, name: &str) -> Vec<&str> {
        let manifest = self.manifest_of(name);
        manifest.map_or_else(Vec::new, |m| m.packages.keys().map(String::as_str).collect())
    }
}

struct Walk<'a> {
    graph: Graph,
    lock: Lock,
    mode: &'a Mode,
    read: Read<'a>,
    cache: Option<Cache>,
}

/// Who names a package: a manifest with its folder.
struct Wanting {
    name: String,
    folder: PathBuf,
    /// A fetched package: its folders are its own only.
    fetched: bool,
}

impl Walk<'_> {
    fn all(&mut self) -> Result<(), Problem> {
        let root = Wanting {
            name: self.graph.manifest.name.clone(),
            folder: self.graph.root.clone(),
            fetched: false,
        };
        let mut queue = VecDeque::from([(root, self.graph.manifest.packages.clone())]);
        while let Some((wanting, dependencies)) = queue.pop_front() {
            for (name, dependency) in dependencies {
                let locked = self.origin(&wanting, &name, &dependency)?;
                if name == self.graph.manifest.name {
                    // A circle, named later; or another package of the same name.
                    if matches!(&locked, LockedOrigin::Path(path) if path.is_empty()) {
                        continue;
                    }
                    return Err(self.conflict(
                        &wanting,
                        &name,
                        &dependency,
                        "this project",
                        "is itself",
                    ));
                }
                if let Some(known) = self.graph.packages.get(&name) {
                    if known.locked.origin != locked {
                        let by = known.wanted_by.clone();
                        let other = shown(&known.locked.origin);
                        return Err(self.conflict(
                            &wanting,
                            &name,
                            &dependency,
                            &by,
                            &format!("wants {other}"),
                        ));
                    }
                    continue;
                }
                if self.graph.packages.len() >= MAX_PACKAGES {
                    return Err(Problem::new(
                        "E1007",
                        format!("more than {MAX_PACKAGES} packages are used"),
                    ));
                }
                let package = self.package(&wanting, &name, &dependency, locked)?;
                let fetched =
                    matches!(package.locked.origin, LockedOrigin::Git { .. }) || wanting.fetched;
                let next = Wanting { name: name.clone(), folder: package.folder.clone(), fetched };
                queue.push_back((next, package.manifest.packages.clone()));
                self.graph.packages.insert(name, package);
            }
        }
        Ok(())
    }

    /// A problem with what a manifest wants, at its place there.
    fn at(&self, wanting: &Wanting, dependency: &Dependency, diagnostic: Diagnostic) -> Problem {
        let path = wanting.folder.join(MANIFEST);
        let text = (self.read)(&path).unwrap_or_default();
        Problem::at(diagnostic.label(yaml::span(dependency.at.clone()), "named here"), &path, &text)
    }

    fn conflict(
        &self,
        wanting: &Wanting,
        name: &str,
        dependency: &Dependency,
        by: &str,
        what: &str,
    ) -> Problem {
        let wish = match &dependency.origin {
            Origin::Path(path) => format!("path {path}"),
            Origin::Git(git) => shown_git(git),
        };
        let diagnostic = Diagnostic::error("E1007", format!("two packages are called `{name}`")).help(format!(
            "`{}` wants {wish}; `{by}` {what}. One program has one package of a name: make both want the same",
            wanting.name
        ));
        self.at(wanting, dependency, diagnostic)
    }

    /// What a manifest's words mean: a folder, or a commit.
    fn origin(
        &mut self,
        wanting: &Wanting,
        name: &str,
        dependency: &Dependency,
    ) -> Result<LockedOrigin, Problem> {
        let git = match &dependency.origin {
            Origin::Path(path) => {
                let folder = tidy(&wanting.folder.join(path));
                if wanting.fetched && !folder.starts_with(&wanting.folder) {
                    let message = format!(
                        "`path: {path}` leads out of the fetched package `{}`",
                        wanting.name
                    );
                    let diagnostic = Diagnostic::error("E1009", message).help(
                        "only its author can help: a published package names others with `git`",
                    );
                    return Err(self.at(wanting, dependency, diagnostic));
                }
                return Ok(LockedOrigin::Path(between(&self.graph.root, &folder)));
            }
            Origin::Git(git) => git,
        };
        if wanting.fetched && git.url.starts_with("file:") {
            let message =
                format!("the fetched package `{}` wants a repository of this disk", wanting.name);
            let diagnostic = Diagnostic::error("E1009", message)
                .help("only its author can help: name an address that others can reach");
            return Err(self.at(wanting, dependency, diagnostic));
        }
        let known = match self.lock.packages.get(name) {
            Some(Locked { origin: LockedOrigin::Git { git: known, commit, hash }, .. })
                if known == git =>
            {
                Some((commit.clone(), hash.clone()))
            }
            _ => None,
        };
        match self.mode {
            Mode::Offline => match known {
                Some((commit, hash)) => {
                    let locked = LockedOrigin::Git { git: git.clone(), commit, hash };
                    let LockedOrigin::Git { commit, hash, .. } = &locked else { return Ok(locked) };
                    let folder = self.cache()?.folder(git, commit);
                    if !folder.join(MANIFEST).is_file() {
                        let message = format!("package `{name}` is not on this machine yet");
                        let diagnostic = Diagnostic::error("E1004", message)
                            .help("run `agpt fetch` in the project's folder");
                        return Err(self.at(wanting, dependency, diagnostic));
                    }
                    self.verify(name, &folder, hash)?;
                    Ok(locked)
                }
                None => {
                    let message = format!("{LOCK} does not say what package `{name}` is");
                    let diagnostic = Diagnostic::error("E1004", message)
                        .help("run `agpt fetch` in the project's folder");
                    Err(self.at(wanting, dependency, diagnostic))
                }
            },
            Mode::Fetch { renew } => {
                let known = known.filter(|_| !renew.includes(name));
                let cache = self.cache()?.clone();
                let there = known
                    .as_ref()
                    .filter(|(commit, _)| cache.folder(git, commit).join(MANIFEST).is_file());
                let commit = match there {
                    Some((commit, _)) => commit.clone(),
                    None => cache
                        .fetch(git, known.as_ref().map(|(commit, _)| commit.as_str()))
                        .map_err(|problem| self.at(wanting, dependency, *problem.diagnostic))?,
                };
                let folder = cache.folder(git, &commit);
                if let Some((_, hash)) = &known {
                    self.verify(name, &folder, hash)?;
                }
                let hash = format!("blake3:{}", content::hash(&mut content::read(&folder)?));
                Ok(LockedOrigin::Git { git: git.clone(), commit, hash })
            }
        }
    }

    fn verify(&self, name: &str, folder: &Path, expected: &str) -> Result<(), Problem> {
        let found = format!("blake3:{}", content::hash(&mut content::read(folder)?));
        if found == expected {
            return Ok(());
        }
        Err(Problem::new("E1005", format!("package `{name}` is not what {LOCK} says"))
            .help(format!(
                "expected {expected}\nfound    {found}\nits files in {} were changed: delete that folder and run `agpt fetch`",
                folder.display()
            )))
    }

    fn package(
        &mut self,
        wanting: &Wanting,
        name: &str,
        dependency: &Dependency,
        origin: LockedOrigin,
    ) -> Result<Package, Problem> {
        let folder = match &origin {
            LockedOrigin::Path(path) => tidy(&self.graph.root.join(path)),
            LockedOrigin::Git { git, commit, .. } => self.cache()?.folder(git, commit),
        };
        let manifest = match manifest_in(&folder, self.read) {
            Ok(manifest) => manifest,
            Err(problem) if problem.diagnostic.code == "E1011" => {
                let message =
                    format!("there is no package `{name}`: {} has no {MANIFEST}", folder.display());
                let diagnostic = Diagnostic::error("E1011", message)
                    .help("give the folder that its agpt.yaml is in");
                return Err(self.at(wanting, dependency, diagnostic));
            }
            Err(problem) => return Err(problem),
        };
        if manifest.name != name {
            let message = format!(
                "the package in {} is called `{}`, not `{name}`",
                folder.display(),
                manifest.name
            );
            let diagnostic = Diagnostic::error("E1011", message).help(format!(
                "write `{}: …`; a `use` can give it another name with `as`",
                manifest.name
            ));
            return Err(self.at(wanting, dependency, diagnostic));
        }
        let locked = Locked { version: manifest.version.clone(), origin };
        Ok(Package { folder, manifest, locked, wanted_by: wanting.name.clone() })
    }

    fn cache(&mut self) -> Result<&Cache, Problem> {
        if self.cache.is_none() {
            self.cache = Some(Cache::from_environment()?);
        }
        self.cache.as_ref().ok_or_else(|| Problem::new("E1010", "there is no cache"))
    }
}

fn shown(origin: &LockedOrigin) -> String {
    match origin {
        LockedOrigin::Path(path) => format!("path {path}"),
        LockedOrigin::Git { git, .. } => shown_git(git),
    }
}

fn shown_git(git: &Git) -> String {
    use super::manifest::Reference::{Branch, Head, Rev, Tag};
    match &git.reference {
        Head => git.url.clone(),
        Tag(name) => format!("{} at tag {name}", git.url),
        Branch(name) => format!("{} at branch {name}", git.url),
        Rev(name) => format!("{} at commit {}", git.url, &name[..12.min(name.len())]),
    }
}

/// Without `.` and without `name/..`, so that two ways to write a path give one folder.
pub fn tidy(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(out.components().next_back(), Some(Component::Normal(_))) =>
            {
                out.pop();
            }
            Component::ParentDir
                if matches!(out.components().next_back(), Some(Component::RootDir)) => {}
            other => out.push(other),
        }
    }
    out
}

/// The way from one folder to another with `/`; both are of one kind, absolute or not.
fn between(from: &Path, to: &Path) -> String {
    let (from, to) = (tidy(from), tidy(to));
    let (from, to): (Vec<_>, Vec<_>) = (from.components().collect(), to.components().collect());
    let same = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = from[same..].iter().map(|_| "..".to_string());
    let down = to[same..].iter().map(|part| part.as_os_str().to_string_lossy().into_owned());
    up.chain(down).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_between_folders() {
        assert_eq!(between(Path::new("/a/b"), Path::new("/a/c/d")), "../c/d");
        assert_eq!(between(Path::new("/a/b"), Path::new("/a/b/c")), "c");
        assert_eq!(between(Path::new("/a/b"), Path::new("/a/b")), "");
        assert_eq!(tidy(Path::new("/a/./b/../../../c")), Path::new("/c"));
        assert_eq!(tidy(Path::new("a/./b/../c.agpt")), Path::new("a/c.agpt"));
        assert_eq!(tidy(Path::new("../../c.agpt")), Path::new("../../c.agpt"));
    }
}
