//! Evaluation models that are known by name: `evaluator.yaml` says where to get one.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::base::yaml;

use super::manifest::{FORMAT, FileSource};
use super::source::looks_like_a_path;
use super::{BundleError, Search, Source, embedded};

/// The name of the description in every folder below stdlib/evaluators.
const FILE: &str = "evaluator.yaml";

/// What is known of an evaluation model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluatorManifest {
    /// Version of the format.
    pub format: u32,
    pub name: String,
    pub description: String,
    pub license: String,
    /// As in its `config.json`.
    pub model_type: String,
    pub sources: Vec<FileSource>,
}

impl EvaluatorManifest {
    /// The names that are known, sorted.
    pub fn names() -> impl Iterator<Item = &'static str> {
        embedded::files_below("evaluators")
            .filter_map(|(path, _)| path.strip_suffix(FILE)?.strip_suffix('/'))
    }

    /// The one of this name.
    pub fn known(name: &str) -> Result<Option<Self>, BundleError> {
        let path = format!("evaluators/{name}/{FILE}");
        let Some(bytes) = embedded::file(&path) else { return Ok(None) };
        let failed = |message: String| BundleError::Manifest { path: path.clone(), message };
        let text = std::str::from_utf8(bytes).map_err(|error| failed(error.to_string()))?;
        Self::parse(text, &path).map(Some)
    }

    /// Reads a description; `path` is what errors call it.
    pub fn parse(text: &str, path: &str) -> Result<Self, BundleError> {
        let failed = |message: String| BundleError::Manifest { path: path.to_string(), message };
        let manifest: Self =
            yaml::read(text).map_err(|error| failed(error.without_snippet().to_string()))?;
        match manifest.format {
            FORMAT => Ok(manifest),
            other => Err(failed(format!("is of format {other}; this program reads {FORMAT}"))),
        }
    }

    /// Whether a folder has all of its files.
    pub fn is_whole_in(&self, folder: &Path) -> bool {
        let goal = Source::Folder(folder.to_path_buf());
        let mut files = self.sources.iter().flat_map(|s| s.files.iter().map(|f| s.here(f)));
        files.all(|path| goal.has_or_has_converted(&path))
    }

    /// Where it is, if it was fetched.
    pub fn folder(&self, search: &Search) -> Option<PathBuf> {
        let mut folders = search.folders.iter().map(|folder| folder.join(&self.name));
        folders.find(|folder| self.is_whole_in(folder))
    }
}

/// The folder of an evaluation model: a path (anything with a separator, or starting with a dot),
/// or the name of one that was fetched.
pub fn find(wanted: &str, search: &Search) -> Result<PathBuf, BundleError> {
    if looks_like_a_path(wanted) {
        return Ok(PathBuf::from(wanted));
    }
    let Some(manifest) = EvaluatorManifest::known(wanted)? else {
        let names: Vec<_> = EvaluatorManifest::names().collect();
        return Err(BundleError::Unknown {
            name: wanted.to_string(),
            available: format!(
                "evaluation models are: {}; for a folder write `./{wanted}`",
                names.join(", ")
            ),
        });
    };
    manifest.folder(search).ok_or_else(|| BundleError::NotPulled {
        path: wanted.to_string(),
        help: format!("this evaluation model is not here; fetch it: agpt models pull {wanted}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_description_is_readable_and_complete() {
        let names: Vec<_> = EvaluatorManifest::names().collect();
        assert!(names.contains(&"clip-vit-large-patch14") && names.contains(&"clap-htsat-unfused"));
        for name in names {
            let manifest = EvaluatorManifest::known(name).unwrap().unwrap();
            assert_eq!(manifest.name, name);
            let files: Vec<_> = manifest.sources.iter().flat_map(|s| &s.files).collect();
            assert!(files.iter().any(|file| *file == "config.json"), "{name}");
            assert!(manifest.sources.iter().all(|source| source.hub.is_some()), "{name}");
        }
    }

    #[test]
    fn folders_are_found_by_name_when_they_are_whole() {
        let models = tempfile::tempdir().unwrap();
        let search = Search { folders: vec![models.path().to_path_buf()] };
        assert_eq!(find("./some", &search).unwrap(), PathBuf::from("./some"));
        let unknown = find("some", &search).unwrap_err().to_string();
        assert!(
            unknown.contains("clap-htsat-unfused") && unknown.contains("`./some`"),
            "{unknown}"
        );
        let name = "clap-htsat-unfused";
        let absent = find(name, &search).unwrap_err().to_string();
        assert!(absent.contains("agpt models pull clap-htsat-unfused"), "{absent}");
        let folder = models.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let manifest = EvaluatorManifest::known(name).unwrap().unwrap();
        for file in &manifest.sources[0].files {
            assert!(find(name, &search).is_err());
            std::fs::write(folder.join(file), "{}").unwrap();
        }
        assert_eq!(find(name, &search).unwrap(), folder);
    }
}
