//! agpt.yaml: what a project or a library is called, and the packages that it uses.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;

use semver::Version;
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::base::Diagnostic;
use crate::lang::syntax::is_reserved;

use super::{Problem, yaml};

/// The manifest's name in every project and package.
pub const MANIFEST: &str = "agpt.yaml";

/// The edition of the language that this program reads.
pub const EDITION: u32 = 2026;

const MAX_NAME: usize = 64;
const MAX_PACKAGES: usize = 256;

#[derive(Debug, Clone)]
pub struct Manifest {
    pub name: String,
    pub version: Version,
    pub description: Option<String>,
    pub license: Option<String>,
    /// By the names that stand after `use pkg/`.
    pub packages: BTreeMap<String, Dependency>,
    /// Where `version` is written, for diagnostics.
    pub version_at: Range<usize>,
}

#[derive(Debug, Clone)]
pub struct Dependency {
    pub origin: Origin,
    /// Where it is written.
    pub at: Range<usize>,
}

/// Where a package comes from, as its user wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A folder, relative to the manifest's.
    Path(String),
    Git(Git),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Git {
    pub url: String,
    pub reference: Reference,
    /// The package's folder in the repository; empty for the whole.
    pub folder: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// What the repository shows first.
    Head,
    Tag(String),
    /// A commit's full name.
    Rev(String),
    Branch(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Spanned<String>,
    version: Spanned<String>,
    edition: Spanned<u32>,
    description: Option<String>,
    license: Option<String>,
    #[serde(default)]
    packages: HashMap<Spanned<String>, WrittenOrigin>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenOrigin {
    path: Option<String>,
    git: Option<String>,
    tag: Option<String>,
    rev: Option<String>,
    branch: Option<String>,
    folder: Option<String>,
}

impl Manifest {
    /// Parses and checks; `path` is what diagnostics call the file.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Problem> {
        let written: Written = yaml::parse(text, path, "E1001")?;
        let wrong = |at: Range<usize>, message: String, help: &str| {
            let diagnostic =
                Diagnostic::error("E1002", message).label(yaml::span(at), "").help(help);
            Problem::at(diagnostic, path, text)
        };
        let at = |location: &serde_saphyr::Location| yaml::range(location, text);
        if let Err(help) = check_name(&written.name.value) {
            let message = format!("`{}` cannot be a package's name", written.name.value);
            return Err(wrong(at(&written.name.referenced), message, help));
        }
        let version_at = at(&written.version.referenced);
        let version = Version::parse(&written.version.value).map_err(|error| {
            let message = format!("`{}` is no version: {error}", written.version.value);
            wrong(version_at.clone(), message, "write three numbers, such as `version: 0.1.0`")
        })?;
        if written.edition.value != EDITION {
            let help =
                format!("this program reads edition {EDITION}; a newer one may need a newer agpt");
            let message = format!("there is no edition {}", written.edition.value);
            return Err(wrong(at(&written.edition.referenced), message, &help));
        }
        if written.packages.len() > MAX_PACKAGES {
            let message = format!("more than {MAX_PACKAGES} packages are named");
            return Err(wrong(0..0, message, "gather some of them in a package of their own"));
        }
        // In reading order, so that the first mistake comes first.
        let mut listed: Vec<_> = written.packages.into_iter().collect();
        listed.sort_by_key(|(name, _)| at(&name.referenced).start);
        let mut packages = BTreeMap::new();
        for (name, origin) in listed {
            let place = at(&name.referenced);
            let name = name.value;
            if let Err(help) = check_name(&name) {
                let message = format!("`{name}` cannot be a package's name");
                return Err(wrong(place, message, help));
            }
            let origin = origin.checked().map_err(|(message, help)| {
                wrong(place.clone(), format!("`{name}`: {message}"), help)
            })?;
            packages.insert(name, Dependency { origin, at: place });
        }
        Ok(Manifest {
            name: written.name.value,
            version,
            description: written.description,
            license: written.license,
            packages,
            version_at,
        })
    }
}

impl WrittenOrigin {
    fn checked(self) -> Result<Origin, (String, &'static str)> {
        let references = [&self.tag, &self.rev, &self.branch];
        let (path, url) = match (self.path, self.git) {
            (Some(_), Some(_)) | (None, None) => {
                return Err((
                    "a package comes from `path` or from `git`".into(),
                    "write one of them, such as `{ path: ../words }`",
                ));
            }
            (Some(path), None) => (Some(path), None),
            (None, Some(url)) => (None, Some(url)),
        };
        if let Some(path) = path {
            if references.iter().any(|given| given.is_some()) || self.folder.is_some() {
                return Err((
                    "`tag`, `rev`, `branch` and `folder` belong to `git`".into(),
                    "a folder on this disk is what it is: leave them out",
                ));
            }
            check_path(&path)?;
            return Ok(Origin::Path(path));
        }
        if references.iter().filter(|given| given.is_some()).count() > 1 {
            return Err((
                "`tag`, `rev` and `branch` exclude each other".into(),
                "keep one of them",
            ));
        }
        let reference = match (self.tag, self.rev, self.branch) {
            (Some(tag), ..) => Reference::Tag(tag),
            (_, Some(rev), _) => Reference::Rev(rev),
            (.., Some(branch)) => Reference::Branch(branch),
            _ => Reference::Head,
        };
        Git::new(url.unwrap_or_default(), reference, self.folder.unwrap_or_default())
            .map(Origin::Git)
    }
}

impl Git {
    /// Checks what will be given to `git`: all of it may come from strangers.
    pub fn new(
        url: String,
        reference: Reference,
        folder: String,
    ) -> Result<Git, (String, &'static str)> {
        check_url(&url)?;
        match &reference {
            Reference::Head => {}
            Reference::Rev(rev) => {
                if rev.len() != 40 || !rev.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
                    return Err((
                        format!("`{rev}` is no full name of a commit"),
                        "`rev` has the 40 hexadecimal digits that `git rev-parse` prints",
                    ));
                }
            }
            Reference::Tag(name) | Reference::Branch(name) => check_reference(name)?,
        }
        if !folder.is_empty() {
            check_inside(&folder)?;
        }
        Ok(Git { url, reference, folder })
    }
}

/// Whether `use pkg/NAME` can name it; else what names look like.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !plain || name.len() > MAX_NAME {
        return Err(
            "a name has small letters, digits and `_`, begins with a letter, and has at most 64 characters",
        );
    }
    if is_reserved(name) {
        return Err("this is a word of the language, which `use` could not name");
    }
    if name == "std" || name == "pkg" {
        return Err("`std` and `pkg` begin paths after `use`");
    }
    Ok(())
}

type Check = Result<(), (String, &'static str)>;

fn check_path(path: &str) -> Check {
    if path.is_empty() || path.contains(['\\', '\0', '\n', '\r']) {
        return Err((format!("`{}` is no path", path.escape_debug()), "write it with `/`"));
    }
    Ok(())
}

/// A path below a folder that its writer does not control.
fn check_inside(path: &str) -> Check {
    let bad = path.contains(['\\', ':']) || path.chars().any(char::is_control);
    let parts_bad = path.split('/').any(|part| part.is_empty() || part == "." || part == "..");
    if bad || parts_bad || path.starts_with('-') {
        return Err((
            format!("`folder: {}` does not stay in the repository", path.escape_debug()),
            "write names with `/` between them, without `..`",
        ));
    }
    Ok(())
}

/// The rules of git for names, as far as they matter to us, and no options.
fn check_reference(name: &str) -> Check {
    let forbidden = |c: char| {
        c.is_control() || c.is_whitespace() || matches!(c, '~' | '^' | ':' | '?' | '*' | '[' | '\\')
    };
    let bad = name.is_empty()
        || name.len() > 200
        || name.starts_with(['-', '/', '.'])
        || name.ends_with(['/', '.'])
        || name.contains("..")
        || name.contains("@{")
        || name.contains("//")
        || name.contains(forbidden);
    if bad {
        return Err((
            format!("`{}` is no name of a tag or branch", name.escape_debug()),
            "write it as `git tag` or `git branch` lists it",
        ));
    }
    Ok(())
}

/// Only ways that fetch and run nothing: `ext::` would run any program.
fn check_url(url: &str) -> Check {
    const WAYS: &str = "write `https://…`, `ssh://…`, `user@host:path` or `file:///…` for a repository on this disk";
    let shown = url.escape_debug();
    if url.is_empty() || url.len() > 1000 || url.chars().any(|c| c.is_control() || c == ' ') {
        return Err((format!("`{shown}` is no address"), WAYS));
    }
    if url.starts_with('-') || url.contains("::") {
        return Err((format!("`{shown}` would give git more than an address"), WAYS));
    }
    if let Some(rest) = url.strip_prefix("https://") {
        if rest.split('/').next().unwrap_or("").contains('@') {
            return Err((
                "the address holds a name or password".into(),
                "agpt.yaml and agpt.lock are read by others: leave it to git's credential helpers",
            ));
        }
        return Ok(());
    }
    let host_ok = |host: &str| !host.is_empty() && !host.starts_with('-') && !host.contains("@-");
    if let Some(rest) = url.strip_prefix("ssh://") {
        if host_ok(rest) {
            return Ok(());
        }
    } else if url.starts_with("file:///") {
        return Ok(());
    } else if !url.contains("://")
        && let Some((host, path)) = url.split_once(':')
        && host.contains('@')
        && !host.contains('/')
        && host_ok(host)
        && !path.is_empty()
        && !path.starts_with('-')
    {
        return Ok(());
    }
    Err((format!("`{shown}` is no address that agpt fetches from"), WAYS))
}
