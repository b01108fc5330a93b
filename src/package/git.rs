//! Fetching a package with the `git` program, into the user's cache.
//!
//! A repository comes from strangers. It never gets a work tree: git's hooks, filters and
//! attributes have nothing to act on, and its files are written here, from its objects.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::base::hash::Digest;
use crate::base::unwritten::explained;

use super::Problem;
use super::content::{self, File, MAX_DEPTH, MAX_FILES, MAX_TOTAL};
use super::manifest::{Git, MANIFEST, Reference};

/// Where fetched packages lie.
#[derive(Debug, Clone)]
pub struct Cache(pub PathBuf);

impl Cache {
    /// `$AGPT_PACKAGES`, or the user's cache folder (on Linux `~/.cache/agpt/packages`).
    pub fn from_environment() -> Result<Self, Problem> {
        if let Some(value) = std::env::var_os("AGPT_PACKAGES").filter(|value| !value.is_empty()) {
            return Ok(Cache(PathBuf::from(value)));
        }
        match directories::ProjectDirs::from("", "", "agpt") {
            Some(dirs) => Ok(Cache(dirs.cache_dir().join("packages"))),
            None => Err(Problem::new("E1010", "there is no folder for fetched packages")
                .help("name one in the variable AGPT_PACKAGES")),
        }
    }

    /// The folder of a package at a commit, whether it is there or not.
    pub fn folder(&self, git: &Git, commit: &str) -> PathBuf {
        let from = Digest::of(format!("{}\n{}", git.url, git.folder).as_bytes());
        self.0.join(from.short()).join(commit)
    }

    /// Fetches a package, at `commit` if one is given, and says which commit it is.
    pub fn fetch(&self, git: &Git, commit: Option<&str>) -> Result<String, Problem> {
        let failed = |path: &Path, error: std::io::Error| {
            Problem::new("E1010", explained(path, error).to_string())
        };
        fs::create_dir_all(&self.0).map_err(|error| failed(&self.0, error))?;
        let scratch = tempfile::Builder::new()
            .prefix(".fetch-")
            .tempdir_in(&self.0)
            .map_err(|error| failed(&self.0, error))?;
        let repository = Repository { folder: scratch.path().join("git") };
        repository.init()?;
        let commit = repository.commit(git, commit)?;
        let target = self.folder(git, &commit);
        if target.join(MANIFEST).is_file() {
            return Ok(commit);
        }
        let files = repository.files(&commit, &git.folder, &content::counts)?;
        if !files.iter().any(|(path, _)| path == MANIFEST) {
            let place = if git.folder.is_empty() { "" } else { " in that folder" };
            return Err(Problem::new(
                "E1011",
                format!("{} has no {MANIFEST}{place} at commit {}", git.url, &commit[..12]),
            )
            .help("an agpt package has one in its folder; `folder: …` says which folder that is"));
        }
        let whole = scratch.path().join("package");
        for (path, bytes) in &files {
            let file = whole.join(path);
            let parent = file.parent().unwrap_or(&whole);
            fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
            fs::write(&file, bytes).map_err(|error| failed(&file, error))?;
        }
        let parent = target.parent().unwrap_or(&self.0);
        fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
        match fs::rename(&whole, &target) {
            Ok(()) => Ok(commit),
            // Another agpt was faster with the same files.
            Err(_) if target.join(MANIFEST).is_file() => Ok(commit),
            Err(error) => Err(failed(&target, error)),
        }
    }
}

/// The files of a local repository that are wanted, as they were at a revision.
pub fn files_at(
    repository: &Path,
    revision: &str,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<File>, Problem> {
    if revision.starts_with('-') || revision.contains(':') || revision.chars().any(char::is_control)
    {
        return Err(Problem::new("E1010", format!("`{revision}` is no revision")));
    }
    let repository = Repository { folder: repository.to_path_buf() };
    let commit = repository.resolve(revision).map_err(|problem| {
        problem.help("name a tag, a branch or a commit of this repository, or a folder")
    })?;
    repository.files(&commit, "", wanted)
}

/// The root of the git repository that a folder is in, and the folder's place there.
pub fn repository_of(folder: &Path) -> Option<(PathBuf, String)> {
    let ask = |what: &str| {
        let repository = Repository { folder: folder.to_path_buf() };
        let out = repository.run(["rev-parse", what], &[]).ok()?;
        Some(String::from_utf8(out).ok()?.trim_end_matches('\n').to_string())
    };
    let prefix = ask("--show-prefix")?;
    Some((PathBuf::from(ask("--show-toplevel")?), prefix.trim_end_matches('/').to_string()))
}

struct Repository {
    folder: PathBuf,
}

impl Repository {
    /// Runs git on this repository without a terminal, with only those ways to fetch that run
    /// nothing, and without the user's hooks.
    fn run<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        input: &[u8],
    ) -> Result<Vec<u8>, Problem> {
        let mut command = Command::new("git");
        command
            .arg("-C")
            .arg(&self.folder)
            .args(["-c", "protocol.ext.allow=never", "-c", "core.hooksPath=/dev/null"])
            .args(["-c", "core.fsmonitor=false", "-c", "submodule.recurse=false"])
            .args(args)
            .env("GIT_ALLOW_PROTOCOL", "https:ssh:file")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("LC_ALL", "C")
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .env_remove("GIT_INDEX_FILE")
            .env_remove("GIT_OBJECT_DIRECTORY")
            .env_remove("GIT_EXTERNAL_DIFF")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let missing = |error: std::io::Error| {
            Problem::new("E1010", format!("the program `git` cannot be run: {error}"))
                .help("install git; agpt fetches packages with it")
        };
        let mut child = command.spawn().map_err(missing)?;
        let stdin = child.stdin.take();
        let output = std::thread::scope(|scope| {
            // Beside reading: what git prints may fill its pipe before it has read all.
            scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
            child.wait_with_output()
        })
        .map_err(missing)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).take(6).collect();
        Err(Problem::new("E1010", format!("git says: {}", said.join("\n"))))
    }

    fn init(&self) -> Result<(), Problem> {
        fs::create_dir_all(&self.folder)
            .map_err(|error| Problem::new("E1010", explained(&self.folder, error).to_string()))?;
        // Without a template there is nothing in it that would run.
        self.run(["init", "--quiet", "--bare", "--template="], &[]).map(|_| ())
    }

    fn resolve(&self, revision: &str) -> Result<String, Problem> {
        let wanted = format!("{revision}^{{commit}}");
        let out = self.run(["rev-parse", "--verify", "--end-of-options", &wanted], &[])?;
        let commit = String::from_utf8_lossy(&out).trim().to_string();
        if commit.len() < 40 || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Problem::new("E1010", format!("git names no commit for `{revision}`")));
        }
        Ok(commit)
    }

    /// Fetches the wanted commit alone where the server gives it, else the whole history.
    fn commit(&self, git: &Git, commit: Option<&str>) -> Result<String, Problem> {
        let wanted = match (commit, &git.reference) {
            (Some(commit), _) => commit.to_string(),
            (None, Reference::Head) => "HEAD".to_string(),
            (None, Reference::Tag(tag)) => format!("refs/tags/{tag}"),
            (None, Reference::Branch(branch)) => format!("refs/heads/{branch}"),
            (None, Reference::Rev(rev)) => rev.clone(),
        };
        let explain = |problem: Problem| {
            let what = match (commit, &git.reference) {
                (Some(commit), _) => format!(" at commit {}", &commit[..12.min(commit.len())]),
                (None, Reference::Head) => String::new(),
                (None, Reference::Tag(name)) => format!(" at tag `{name}`"),
                (None, Reference::Branch(name)) => format!(" at branch `{name}`"),
                (None, Reference::Rev(name)) => format!(" at commit {}", &name[..12]),
            };
            let message = format!("{} cannot be fetched{what}", git.url);
            Problem::new("E1010", message).help(problem.diagnostic.message)
        };
        let shallow = self.fetch(&git.url, &["--depth=1"], &wanted);
        let exact = wanted.len() == 40 && !wanted.contains('/');
        match shallow {
            Ok(()) => self.resolve("FETCH_HEAD").map_err(explain),
            Err(first) if !exact => Err(explain(first)),
            // Not every server gives a commit by its name.
            Err(_) => {
                self.fetch(&git.url, &["--tags"], "+refs/heads/*:refs/heads/*").map_err(explain)?;
                self.resolve(&wanted).map_err(explain)
            }
        }
    }

    fn fetch(&self, url: &str, options: &[&str], what: &str) -> Result<(), Problem> {
        let fixed = ["fetch", "--quiet", "--no-recurse-submodules", "--no-auto-maintenance"];
        let args = fixed.iter().chain(options).copied().chain(["--", url, what]);
        self.run(args, &[]).map(|_| ())
    }

    /// The files to keep below a folder at a commit.
    fn files(
        &self,
        commit: &str,
        folder: &str,
        keep: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<File>, Problem> {
        let refused = |path: &str, why: &str| {
            Problem::new("E1010", format!("the package's `{}` {why}", path.escape_debug()))
                .help("a package holds plain files and folders")
        };
        let tree = format!("{commit}:{folder}");
        let listing =
            self.run(["ls-tree", "-r", "-z", "-l", "--full-tree", &tree], &[]).map_err(|_| {
                Problem::new(
                    "E1011",
                    format!("there is no folder `{folder}` at commit {}", &commit[..12]),
                )
            })?;
        let mut wanted: Vec<(String, String, usize)> = Vec::new();
        let mut total = 0u64;
        for line in listing.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
            // MODE TYPE OBJECT SIZE<tab>PATH
            let line = std::str::from_utf8(line)
                .map_err(|_| refused("…", "has a name that is not UTF-8"))?;
            let (head, path) = line.split_once('\t').unwrap_or((line, ""));
            let mut head = head.split_whitespace();
            let (mode, _, object, size) = (head.next(), head.next(), head.next(), head.next());
            if !keep(path) {
                continue;
            }
            match mode {
                Some("100644" | "100755") => {}
                Some("120000") => return Err(refused(path, "is a symbolic link")),
                Some("160000") => return Err(refused(path, "is a submodule")),
                _ => return Err(refused(path, "is of an unknown kind")),
            }
            if !is_plain(path) {
                return Err(refused(path, "has a name that not every system can hold"));
            }
            let size: u64 = size.and_then(|size| size.parse().ok()).unwrap_or(u64::MAX);
            total = total.saturating_add(size);
            if wanted.len() >= MAX_FILES || total > MAX_TOTAL {
                return Err(refused(path, "is one too many: it is too large for a package"));
            }
            let object = object.unwrap_or_default().to_string();
            wanted.push((path.to_string(), object, size as usize));
        }
        let mut asked = String::new();
        for (_, object, _) in &wanted {
            asked.push_str(object);
            asked.push('\n');
        }
        let out = self.run(["cat-file", "--batch"], asked.as_bytes())?;
        let mut rest = out.as_slice();
        let mut files = Vec::with_capacity(wanted.len());
        for (path, _, size) in wanted {
            // OBJECT blob SIZE\n CONTENT \n
            let head = rest.iter().position(|byte| *byte == b'\n').map(|end| end + 1);
            let body = head.and_then(|start| Some((start, rest.get(start..start + size)?)));
            let Some((start, bytes)) = body else {
                return Err(refused(&path, "is missing in the repository"));
            };
            files.push((path, bytes.to_vec()));
            rest = rest.get(start + size + 1..).unwrap_or_default();
        }
        Ok(files)
    }
}

/// Whether a path can be written on every system, and stays where it is put.
fn is_plain(path: &str) -> bool {
    let part_ok = |part: &str| {
        !part.is_empty()
            && part.len() <= 200
            && !part.ends_with(['.', ' '])
            && !part.chars().any(|c| c.is_control() || r#"\:*?"<>|"#.contains(c))
    };
    path.split('/').count() <= MAX_DEPTH && path.split('/').all(part_ok)
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn paths_that_leave_or_hide_are_refused() {
        for good in ["agpt.yaml", "a/b-c/d e.agpt", "größe.agpt"] {
            assert!(is_plain(good), "{good}");
        }
        for bad in ["", "/a", "a//b", "../a", "a/..", "a\\b", "c:x", "a\n", "con.", "a/./b"] {
            assert!(!is_plain(bad), "{bad}");
        }
    }
}
