//! One network of a bundle: its configuration, its files, its weights.

use std::fmt;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use serde::de::DeserializeOwned;

use super::manifest::{ComponentSpec, FileRecord, WeightsEntry};
use super::source::{Blob, Source, converted};
use super::weights_file::WeightsFile;
use super::weights_shards::Shards;
use super::{Bundle, BundleError, Form, Weights, torch};
use crate::base::Medium;
use crate::base::hash::Digest;
use crate::nn::quantized::Quantization;

/// What a network is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    Llm,
    Tokenizer(Medium),
    Detokenizer(Medium),
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Role::Llm => f.write_str("language model"),
            Role::Tokenizer(medium) => write!(f, "{medium} tokenizer"),
            Role::Detokenizer(medium) => write!(f, "{medium} de-tokenizer"),
        }
    }
}

/// A network's place in a bundle. Paths of its files are below its own folder.
#[derive(Clone)]
pub struct Component {
    bundle: Bundle,
    role: Role,
    spec: ComponentSpec,
}

/// The names that weights have in a folder, in the order they are looked for.
const USUAL_WEIGHTS: [&str; 4] = [
    "model.safetensors",
    "diffusion_pytorch_model.safetensors",
    "pytorch_model.bin",
    "diffusion_pytorch_model.bin",
];
/// The ends of the names of safetensors files, and of PyTorch checkpoints.
const FORMATS: [&[&str]; 2] = [&[".safetensors"], &[".bin", ".pt", ".pth", ".ckpt"]];

/// The file of a component's quantized weights.
fn quantized_file(kind: Quantization) -> String {
    format!("model.{kind}.safetensors")
}

fn is_quantized(name: &str) -> bool {
    Quantization::ALL.iter().any(|kind| name == quantized_file(*kind))
}

/// Files up to this size count with their content in [`Component::digest`].
const HASHED_AT_ONCE: u64 = 64 << 20;

impl Component {
    pub(super) fn new(bundle: &Bundle, role: Role, spec: ComponentSpec) -> Self {
        Component { bundle: bundle.clone(), role, spec }
    }

    pub fn role(&self) -> Role {
        self.role
    }

    /// What kind of network it is, such as `llama`.
    pub fn architecture(&self) -> &str {
        &self.spec.architecture
    }

    pub fn spec(&self) -> &ComponentSpec {
        &self.spec
    }

    fn source(&self) -> &Source {
        self.bundle.source()
    }

    /// The path of a file below the bundle's folder.
    fn full(&self, path: &str) -> String {
        match self.spec.path.as_str() {
            "." => path.to_string(),
            folder => format!("{folder}/{path}"),
        }
    }

    /// What people call a file of this component.
    pub fn display(&self, path: &str) -> String {
        self.source().display(&self.full(path))
    }

    pub fn exists(&self, path: &str) -> Result<bool, BundleError> {
        Ok(self.source().size(&self.full(path))?.is_some())
    }

    /// The bytes of a file, mapped or borrowed from the binary, its size checked.
    pub fn open(&self, path: &str) -> Result<Blob, BundleError> {
        let blob = self.source().open(&self.full(path))?.ok_or_else(|| self.missing(path))?;
        if let Some(FileRecord { size, .. }) = self.spec.files.get(path)
            && *size != blob.len() as u64
        {
            return Err(BundleError::Size {
                path: self.display(path),
                expected: *size,
                found: blob.len() as u64,
            });
        }
        Ok(blob)
    }

    fn missing(&self, path: &str) -> BundleError {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let there = self.source().list(self.full(folder).trim_end_matches('/'));
        BundleError::MissingFile {
            bundle: self.bundle.name().to_string(),
            path: self.full(path),
            help: if there.is_empty() {
                "its folder is missing or empty".to_string()
            } else {
                format!("its folder has: {}", there.join(", "))
            },
        }
    }

    /// A JSON file, such as `config.json`.
    pub fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, BundleError> {
        let full = self.full(path);
        let bytes = self.source().read(&full)?.ok_or_else(|| self.missing(path))?;
        serde_json::from_slice(&bytes).map_err(|error| BundleError::Json {
            path: self.display(path),
            reason: error.to_string(),
        })
    }

    /// The component's weights: the files of the manifest's `weights`, or the usual ones.
    pub fn weights(&self) -> Result<Weights, BundleError> {
        if self.spec.weights.is_empty() {
            return self.weights_in("");
        }
        let open = |entry: &WeightsEntry| {
            Ok(self.weights_file(entry.file())?.renamed(|name| entry.name(name)))
        };
        let files: Result<Vec<_>, BundleError> = self.spec.weights.iter().map(open).collect();
        Weights::of(files?)
    }

    /// The weights in a folder of the component, such as `unet`: a file of one of the usual names,
    /// the shards of a `*.safetensors.index.json` or `*.bin.index.json`, the one `*.safetensors`
    /// that there is, or the one PyTorch checkpoint.
    pub fn weights_in(&self, folder: &str) -> Result<Weights, BundleError> {
        let below = |name: &str| match folder {
            "" => name.to_string(),
            _ => format!("{folder}/{name}"),
        };
        let mut names = self.source().list(self.full(folder).trim_end_matches('/'));
        names.retain(|name| !is_quantized(name));
        let has = |name: &str| names.iter().any(|other| other == name);
        if let Some(name) = USUAL_WEIGHTS.into_iter().find(|name| has(name)) {
            return self.open_all(&[below(name)]);
        }
        for ends in FORMATS {
            let index = |name: &&String| {
                ends.iter().any(|end| name.ends_with(&format!("{end}.index.json")))
            };
            if let Some(index) = names.iter().find(index) {
                return self.open_shards(&below(index), below);
            }
        }
        let mut missing = self.missing(&below(USUAL_WEIGHTS[0]));
        for ends in FORMATS {
            let single: Vec<_> =
                names.iter().filter(|name| ends.iter().any(|end| name.ends_with(end))).collect();
            if let [name] = single[..] {
                return self.open_all(&[below(name)]);
            }
            if let BundleError::MissingFile { help, .. } = &mut missing
                && single.len() > 1
            {
                help.push_str("; say in the manifest's `weights` which of them belong together");
                break;
            }
        }
        Err(missing)
    }

    /// [`Self::weights`], as the networks want them.
    pub fn var_builder(
        &self,
        dtype: DType,
        device: &Device,
    ) -> Result<VarBuilder<'static>, BundleError> {
        Ok(self.weights()?.var_builder(dtype, device))
    }

    /// [`Self::weights_in`], as the networks want them.
    pub fn var_builder_in(
        &self,
        folder: &str,
        dtype: DType,
        device: &Device,
    ) -> Result<VarBuilder<'static>, BundleError> {
        Ok(self.weights_in(folder)?.var_builder(dtype, device))
    }

    fn open_all(&self, paths: &[String]) -> Result<Weights, BundleError> {
        let files: Result<Vec<_>, BundleError> =
            paths.iter().map(|path| self.weights_file(path)).collect();
        Weights::of(files?)
    }

    /// A file of weights, or what it was converted to.
    fn weights_file(&self, path: &str) -> Result<WeightsFile, BundleError> {
        let converted = converted(path);
        let path = if self.exists(&converted)? { &converted } else { path };
        WeightsFile::open(self.display(path), self.open(path)?)
    }

    /// The component's PyTorch checkpoints that have not been converted to safetensors. Other files
    /// of that format, such as the settings of a training, are left alone.
    pub fn unconverted(&self) -> Result<Vec<String>, BundleError> {
        let needed = |path: &String| {
            let name = path.rsplit_once('/').map_or(path.as_str(), |(_, name)| name);
            let named = self.spec.weights.iter().any(|entry| entry.file() == path);
            named || USUAL_WEIGHTS.contains(&name) || name.starts_with("pytorch_model-")
        };
        let ends = |path: &String| FORMATS[1].iter().any(|end| path.ends_with(end));
        let mut found = Vec::new();
        for path in self.all_files() {
            if !(needed(&path) || ends(&path)) || self.exists(&converted(&path))? {
                continue;
            }
            let blob = self.open(&path)?;
            let has_tensors = || torch::tensors(&blob).is_ok_and(|tensors| !tensors.is_empty());
            if torch::is_torch(&blob) && (needed(&path) || has_tensors()) {
                found.push(path);
            }
        }
        Ok(found)
    }

    /// Writes a checkpoint's tensors into the safetensors file that will be used in its place.
    /// Gives the new file's path.
    pub fn convert(
        &self,
        path: &str,
        form: Form,
        progress: &mut dyn FnMut(u64),
    ) -> Result<String, BundleError> {
        let target = converted(path);
        // Two checkpoints of one name would become one file.
        if self.exists(&target)? {
            return Err(BundleError::Write {
                path: self.display(&target),
                source: std::io::Error::other(format!(
                    "there is such a file already; give `{path}` another name, or delete one of them"
                )),
            });
        }
        let weights = Weights::open([(self.display(path), self.open(path)?)])?;
        weights.write_safetensors(&self.writable(&target)?, form, progress)?;
        Ok(self.display(&target))
    }

    /// Writes the component's weights with quantized dense layers into a file that
    /// [`Self::quantized_var_builder`] will take. Gives the new file's path.
    pub fn quantize(
        &self,
        kind: Quantization,
        progress: &mut dyn FnMut(u64),
    ) -> Result<String, BundleError> {
        let target = quantized_file(kind);
        let to = self.writable(&target)?;
        self.weights()?.write_safetensors(&to, Form::Quantized(kind), progress)?;
        Ok(self.display(&target))
    }

    /// The weights with quantized dense layers: from the file that `models quantize` wrote, or
    /// quantized one by one as they are loaded.
    pub fn quantized_var_builder(
        &self,
        kind: Quantization,
        dtype: DType,
        device: &Device,
    ) -> Result<VarBuilder<'static>, BundleError> {
        Ok(match self.quantized_weights(kind)? {
            Some(weights) => weights.var_builder(dtype, device),
            None => self.weights()?.quantized_var_builder(kind, dtype, device),
        })
    }

    /// What [`Self::quantize`] wrote, if it did.
    pub fn quantized_weights(&self, kind: Quantization) -> Result<Option<Weights>, BundleError> {
        let file = quantized_file(kind);
        self.exists(&file)?.then(|| self.open_all(&[file])).transpose()
    }

    /// Where a file of the component is written.
    fn writable(&self, path: &str) -> Result<PathBuf, BundleError> {
        match self.source() {
            Source::Folder(folder) => Ok(folder.join(self.full(path))),
            Source::Embedded(_) => Err(BundleError::Write {
                path: self.display(path),
                source: std::io::Error::other(
                    "the model is inside of the program; only those in folders can be changed",
                ),
            }),
        }
    }

    /// The bytes of a file.
    pub fn size(&self, path: &str) -> Result<u64, BundleError> {
        Ok(self.source().size(&self.full(path))?.unwrap_or(0))
    }

    fn open_shards(
        &self,
        index: &str,
        below: impl Fn(&str) -> String,
    ) -> Result<Weights, BundleError> {
        let shards: Shards = self.json(index)?;
        shards.open(&self.display(index), |file| self.weights_file(&below(file)))
    }

    /// Compares the files with the hashes of the manifest; the number of files compared.
    pub fn verify(&self, progress: &mut impl FnMut(&str)) -> Result<usize, BundleError> {
        for (path, record) in &self.spec.files {
            progress(&self.display(path));
            let found = Digest::of(&self.open(path)?).hex();
            if found != record.blake3 {
                let expected = record.blake3.clone();
                return Err(BundleError::Hash { path: self.display(path), expected, found });
            }
        }
        Ok(self.spec.files.len())
    }

    /// What caches know the component by: it changes when the component's files do.
    ///
    /// Files the manifest has a hash of count by that hash. Others count by their content up to
    /// 64 MiB, and beyond that by size and time of change, since a checkpoint of many gigabytes
    /// cannot be read whole at every start.
    pub fn digest(&self) -> Result<Digest, BundleError> {
        let mut hasher = blake3::Hasher::new_derive_key("agpt bundle component 1");
        let mut add = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        add(&self.spec.architecture);
        for weights in &self.spec.weights {
            add(&format!("{weights:?}"));
        }
        for path in self.all_files() {
            add(&path);
            match self.spec.files.get(&path) {
                Some(record) => add(&record.blake3),
                None => add(&self.mark(&path)?),
            }
        }
        Ok(Digest(*hasher.finalize().as_bytes()))
    }

    fn mark(&self, path: &str) -> Result<String, BundleError> {
        let full = self.full(path);
        let size = self.source().size(&full)?.unwrap_or(0);
        if let Source::Folder(folder) = self.source()
            && size > HASHED_AT_ONCE
        {
            let changed = folder.join(&full).metadata().and_then(|meta| meta.modified()).ok();
            let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            return Ok(format!("{size} bytes of {:?}", changed.unwrap_or_default()));
        }
        Ok(Digest::of(&self.open(path)?).hex())
    }

    /// The files of the component, at any depth, sorted.
    fn all_files(&self) -> Vec<String> {
        self.source().list_below(self.full("").trim_end_matches('/'))
    }
}
