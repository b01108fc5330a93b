//! The index of weights that are cut into several files.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::weights_file::WeightsFile;
use super::{BundleError, Weights};

/// A `*.safetensors.index.json` or `*.bin.index.json`.
#[derive(Deserialize)]
pub(super) struct Shards {
    /// Tensor → file.
    weight_map: BTreeMap<String, String>,
}

impl Shards {
    /// Opens the files, which lie beside the index; `path` is what errors call the index.
    pub fn open(
        &self,
        path: &str,
        open: impl Fn(&str) -> Result<WeightsFile, BundleError>,
    ) -> Result<Weights, BundleError> {
        let failed = |reason: String| BundleError::Json { path: path.to_string(), reason };
        let mut files: Vec<&String> = self.weight_map.values().collect();
        files.sort();
        files.dedup();
        if let Some(file) = files.iter().find(|file| file.contains(['/', '\\', ':'])) {
            return Err(failed(format!("the shard `{file}` must lie in the same folder")));
        }
        let opened: Result<Vec<_>, BundleError> =
            files.into_iter().map(|file| open(file)).collect();
        let weights = Weights::of(opened?)?;
        match self.weight_map.keys().find(|name| weights.info(name).is_none()) {
            Some(name) => Err(failed(format!("no shard has the tensor `{name}` that it lists"))),
            None => Ok(weights),
        }
    }
}
