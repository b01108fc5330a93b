//! A checkpoint as a model: a bundle, or the language model alone in HuggingFace's layout.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use serde_json::{Map, Value, json};

use super::TrainError;
use super::checkpoint::{CONFIG, Checkpoint, write_json};
use super::hub_files;
use super::tensors::{Described, write_each};
use crate::base::atomic::{write_atomic, write_atomic_with};
use crate::base::hash::Digest;
use crate::base::mmap;
use crate::bundle::{Blob, Bundle, MANIFEST, Source, Weights};

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    Bundle,
    Hf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Precision {
    F32,
    F16,
    Bf16,
}

pub struct Wanted {
    pub form: Form,
    pub precision: Precision,
    pub name: Option<String>,
    pub shard_bytes: u64,
}

/// Writes the checkpoint in `from`, or the newest one of the training there; gives its step.
pub fn export(from: &Path, out: &Path, wanted: &Wanted) -> Result<u64, TrainError> {
    let checkpoint = match Checkpoint::latest(from)? {
        Some(latest) => latest,
        None if from.join("state.json").is_file() => Checkpoint::open(from)?,
        None => {
            return Err(TrainError::Input {
                message: format!("`{}` is no checkpoint and has none", from.display()),
                help: "give the folder of a training, or one of its folders step-N",
            });
        }
    };
    let bundle = Bundle::find(&checkpoint.state.recipe.model)?;
    empty_folder(out)?;
    match wanted.form {
        Form::Hf => {
            let mut config = language_model(&checkpoint, out, wanted)?;
            hub_files::write_tokenizer(&bundle, &mut config, out)?;
            beside(&bundle, out)?;
            // Last: a folder with it is whole.
            write_json(&out.join(CONFIG), &config)?;
        }
        Form::Bundle => whole(&checkpoint, &bundle, out, wanted)?,
    }
    Ok(checkpoint.state.step)
}

/// Writes the weights, as transformers reads them; gives the configuration that belongs to them.
fn language_model(
    checkpoint: &Checkpoint,
    folder: &Path,
    wanted: &Wanted,
) -> Result<Map<String, Value>, TrainError> {
    let (dtype, called) = match wanted.precision {
        Precision::F32 => (DType::F32, "float32"),
        Precision::F16 => (DType::F16, "float16"),
        Precision::Bf16 => (DType::BF16, "bfloat16"),
    };
    let weights = checkpoint.weights()?;
    let mut tensors = Vec::new();
    for name in weights.names() {
        tensors.push(Described { dtype, ..Described::stored(&weights, name)? });
    }
    Sharded { folder, bytes: wanted.shard_bytes }
        .write(&tensors, &mut |described| narrowed(&weights, &described.name, dtype))?;
    let mut config = checkpoint.config()?;
    hub_files::complete(&mut config, Some(called))?;
    Ok(config)
}

/// Files that other programs read beside the tokenizer, unchanged: SentencePiece's model with its added
/// tokens (llama.cpp), settings of generation.
fn beside(bundle: &Bundle, out: &Path) -> Result<(), TrainError> {
    let named = &bundle.manifest().vocabulary;
    let folder = named.tokenizer.rsplit_once('/').map_or(String::new(), |(f, _)| format!("{f}/"));
    let mut files = vec![format!("{folder}generation_config.json")];
    if named.tokenizer.ends_with(".model") {
        files.push(named.tokenizer.clone());
        files.extend(named.added_tokens.clone());
    }
    for path in files {
        if let Some(bytes) = bundle.source().read(&path)? {
            let name = path.rsplit_once('/').map_or(path.as_str(), |(_, name)| name);
            write_atomic(out.join(name), &bytes).map_err(TrainError::Write)?;
        }
    }
    Ok(())
}

fn narrowed(weights: &Weights, name: &str, dtype: DType) -> Result<Tensor, TrainError> {
    let wide = weights.tensor(name, &Device::Cpu)?;
    let narrow = wide.to_dtype(dtype)?;
    let largest = narrow.abs()?.flatten_all()?.max(0)?.to_dtype(DType::F32)?.to_scalar::<f32>()?;
    match largest.is_finite() {
        true => Ok(narrow),
        false => Err(TrainError::Input {
            message: format!(
                "the tensor `{name}` has numbers beyond the range of {}",
                dtype.as_str()
            ),
            help: "write --dtype bf16, which has the range of f32, or f32",
        }),
    }
}

/// The model that was trained from, with other weights in its language model.
fn whole(
    checkpoint: &Checkpoint,
    bundle: &Bundle,
    out: &Path,
    wanted: &Wanted,
) -> Result<(), TrainError> {
    let path = bundle.manifest().components.llm.path.as_str();
    let below = if path == "." { String::new() } else { format!("{path}/") };
    for file in bundle.source().list_below("") {
        let of_llm = file.strip_prefix(below.as_str()).filter(|name| !name.contains('/'));
        let replaced = file == MANIFEST || of_llm.is_some_and(replaced);
        if !replaced {
            copy(bundle.source(), &file, &out.join(&file))?;
        }
    }
    let folder = out.join(path);
    fs::create_dir_all(&folder).map_err(|error| cannot_make(&folder, &error))?;
    let config = language_model(checkpoint, &folder, wanted)?;
    write_json(&folder.join(CONFIG), &config)?;
    let manifest = manifest(bundle, out, path, wanted)?;
    write_atomic(out.join(MANIFEST), manifest.as_bytes()).map_err(TrainError::Write)?;
    Bundle::open(Source::Folder(out.to_path_buf()))?.vocabulary()?;
    Ok(())
}

/// Whether a file of the language model's folder has other contents now.
fn replaced(name: &str) -> bool {
    let weights = [".safetensors", ".bin", ".index.json", ".pt", ".pth"];
    name == CONFIG || weights.iter().any(|end| name.ends_with(end))
}

/// A file of the model: a link where that is possible, since decoders have gigabytes.
fn copy(source: &Source, file: &str, to: &Path) -> Result<(), TrainError> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(|error| cannot_make(parent, &error))?;
    }
    if let Source::Folder(folder) = source
        && fs::hard_link(folder.join(file), to).is_ok()
    {
        return Ok(());
    }
    let Some(blob) = source.open(file)? else { return Ok(()) };
    let blob: Blob = blob;
    write_atomic_with(to, |out| out.write_all(&blob)).map_err(TrainError::Write)
}

/// The manifest of the model, with the files of its new language model.
fn manifest(
    bundle: &Bundle,
    out: &Path,
    path: &str,
    wanted: &Wanted,
) -> Result<String, TrainError> {
    let bytes = bundle.source().read(MANIFEST)?.unwrap_or(Blob::Embedded(&[]));
    let other = |reason: String| TrainError::Write(io::Error::other(reason));
    let mut manifest: Map<String, Value> =
        crate::base::yaml::read(&String::from_utf8_lossy(&bytes))
            .map_err(|error| other(error.without_snippet().to_string()))?;
    let name = wanted.name.clone().unwrap_or_else(|| model_name(out));
    manifest.insert("name".into(), json!(name));
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(out.join(path)).map_err(|error| cannot_make(out, &error))?.flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        if replaced(&file) && entry.path().is_file() {
            let bytes = mmap::map(&entry.path())
                .map_err(|source| TrainError::Read { path: entry.path(), source })?;
            files.insert(file, json!({ "size": bytes.len(), "blake3": Digest::of(&bytes).hex() }));
        }
    }
    if let Some(llm) = manifest.get_mut("components").and_then(|all| all.get_mut("llm")) {
        *llm = json!({ "architecture": "llama", "path": path, "files": files });
    }
    if let Some(sources) = manifest.get_mut("sources").and_then(Value::as_array_mut) {
        // They would bring the old weights.
        sources.retain(|source| source["to"] != path);
    }
    serde_saphyr::to_string(&manifest).map_err(|error| other(error.to_string()))
}

/// What a model in a folder is called: the folder's name in the letters that names may have.
pub fn model_name(out: &Path) -> String {
    let name = out.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    match name.trim_start_matches('.').chars().map(plain).collect::<String>() {
        empty if empty.is_empty() => "trained".to_string(),
        name => name,
    }
}

/// Makes a folder that is to be filled; one that has something in it is left alone.
pub fn empty_folder(out: &Path) -> Result<(), TrainError> {
    fs::create_dir_all(out).map_err(|error| cannot_make(out, &error))?;
    match fs::read_dir(out).map_err(|error| cannot_make(out, &error))?.next() {
        None => Ok(()),
        Some(_) => Err(TrainError::Input {
            message: format!("the folder `{}` is not empty", out.display()),
            help: "choose another one with --out",
        }),
    }
}

fn cannot_make(folder: &Path, error: &io::Error) -> TrainError {
    let text = format!("cannot make the folder `{}`: {error}", folder.display());
    TrainError::Write(io::Error::new(error.kind(), text))
}

/// Weights in HuggingFace's layout: one file, or several with an index.
pub struct Sharded<'a> {
    pub folder: &'a Path,
    /// The most bytes of tensors in one file; a larger tensor has one for itself.
    pub bytes: u64,
}

impl Sharded<'_> {
    pub fn write(
        &self,
        tensors: &[Described],
        get: &mut dyn FnMut(&Described) -> Result<Tensor, TrainError>,
    ) -> Result<(), TrainError> {
        let shards = self.shards(tensors);
        if let [all] = &shards[..] {
            return write_each(&self.folder.join("model.safetensors"), all, get);
        }
        let mut weight_map = BTreeMap::new();
        for (at, shard) in shards.iter().enumerate() {
            let file = format!("model-{:05}-of-{:05}.safetensors", at + 1, shards.len());
            write_each(&self.folder.join(&file), shard, get)?;
            weight_map.extend(shard.iter().map(|tensor| (tensor.name.clone(), file.clone())));
        }
        let total: u64 = tensors.iter().map(Described::bytes).sum();
        let index = json!({ "metadata": { "total_size": total }, "weight_map": weight_map });
        let path: PathBuf = self.folder.join("model.safetensors.index.json");
        write_json(&path, &index)
    }

    fn shards(&self, tensors: &[Described]) -> Vec<Vec<Described>> {
        let (mut shards, mut size) = (vec![Vec::new()], 0);
        for tensor in tensors {
            if size > 0 && size + tensor.bytes() > self.bytes {
                shards.push(Vec::new());
                size = 0;
            }
            size += tensor.bytes();
            if let Some(shard) = shards.last_mut() {
                shard.push(tensor.clone());
            }
        }
        shards
    }
}
