//! Checkpoints: folders `step-N` that appear whole or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::TrainError;
use super::feed::Progress;
use super::optimizer::Optimizer;
use super::recipe::Recipe;
use super::tensors;
use crate::base::atomic::write_atomic;
use crate::bundle::Weights;

/// The version of the format that is written.
const FORMAT: u32 = 1;

const STATE: &str = "state.json";
pub const WEIGHTS: &str = "model.safetensors";
pub const CONFIG: &str = "config.json";
const MOMENTS: &str = "optimizer.safetensors";

/// What a checkpoint holds beside tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    pub format: u32,
    /// Steps that have been made.
    pub step: u64,
    /// Tokens that have been read, without padding.
    pub tokens: u64,
    pub recipe: Recipe,
    /// The hashes of the data sets' indexes, in the recipe's order.
    pub data: Vec<String>,
    /// How far each data set has been read.
    pub progress: Vec<Progress>,
}

impl State {
    pub fn new(step: u64, tokens: u64, recipe: &Recipe, data: &[String], at: &[Progress]) -> Self {
        let (recipe, data) = (recipe.clone(), data.to_vec());
        State { format: FORMAT, step, tokens, recipe, data, progress: at.to_vec() }
    }
}

/// A checkpoint in a folder.
pub struct Checkpoint {
    pub folder: PathBuf,
    pub state: State,
}

/// The steps whose checkpoints are in a training's folder, in order.
pub fn steps(out: &Path) -> Vec<u64> {
    let entries = fs::read_dir(out).into_iter().flatten().flatten();
    let step = |name: String| name.strip_prefix("step-")?.parse().ok();
    let mut steps: Vec<u64> =
        entries.filter_map(|entry| step(entry.file_name().into_string().ok()?)).collect();
    steps.sort_unstable();
    steps
}

pub fn folder(out: &Path, step: u64) -> PathBuf {
    out.join(format!("step-{step}"))
}

impl Checkpoint {
    /// The newest checkpoint of a training.
    pub fn latest(out: &Path) -> Result<Option<Self>, TrainError> {
        let Some(step) = steps(out).last().copied() else { return Ok(None) };
        let folder = folder(out, step);
        Self::open(&folder).map(Some).map_err(|error| unusable(&folder, error))
    }

    pub fn open(folder: &Path) -> Result<Self, TrainError> {
        let path = folder.join(STATE);
        let bytes =
            fs::read(&path).map_err(|source| TrainError::Read { path: path.clone(), source })?;
        let state: State = serde_json::from_slice(&bytes).map_err(|error| TrainError::Damaged {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        if state.format != FORMAT {
            let (path, found) = (path.display(), state.format);
            return Err(TrainError::Input {
                message: format!("the format of `{path}` is {found}; this agpt reads {FORMAT}"),
                help: "go on with the version of agpt that wrote it, or begin anew with --out",
            });
        }
        Ok(Checkpoint { folder: folder.to_path_buf(), state })
    }

    /// Its weights, in f32.
    pub fn weights(&self) -> Result<Weights, TrainError> {
        tensors::open(&self.folder, WEIGHTS)
    }

    pub fn config(&self) -> Result<Map<String, Value>, TrainError> {
        let path = self.folder.join(CONFIG);
        let bytes =
            fs::read(&path).map_err(|source| TrainError::Read { path: path.clone(), source })?;
        serde_json::from_slice(&bytes)
            .map_err(|error| TrainError::Damaged { path, reason: error.to_string() })
    }

    /// Gives an optimizer back what it had.
    pub fn restore(&self, optimizer: &mut Optimizer, device: &Device) -> Result<(), TrainError> {
        let broken = |error| unusable(&self.folder, error);
        let moments = tensors::open(&self.folder, MOMENTS).map_err(broken)?;
        optimizer.restore(self.state.step, |name, like| {
            // Read first and moved then: a device without memory is no fault of the file.
            let tensor =
                moments.tensor(name, &Device::Cpu).map_err(|error| broken(error.into()))?;
            match tensor.dims() == like.dims() && tensor.dtype() == DType::F32 {
                true => Ok(tensor.to_device(device)?),
                false => Err(broken(TrainError::Damaged {
                    path: self.folder.join(MOMENTS),
                    reason: format!(
                        "`{name}` is of shape {:?}; {:?} is needed",
                        tensor.dims(),
                        like.dims()
                    ),
                })),
            }
        })
    }

    /// Refuses to go on with another recipe or other data, and says what differs. How often is saved
    /// and evaluated, and how much is kept, may change.
    pub fn compare(&self, recipe: &Recipe, data: &[String], out: &Path) -> Result<(), TrainError> {
        let failed = |error: serde_json::Error| TrainError::Write(error.into());
        let mut texts = changes(&self.state.recipe, recipe).map_err(failed)?;
        if texts.is_empty() && self.state.data != data {
            texts.push("the packed data are others than they were (packed.json differs)".into());
        }
        match texts.is_empty() {
            true => Ok(()),
            false => {
                Err(TrainError::Changed { path: out.to_path_buf(), changes: texts.join("; ") })
            }
        }
    }
}

/// Says of a checkpoint whose files are wrong or missing which other one there is; other errors, such
/// as that a file may not be read, stay as they are.
pub fn unusable(folder: &Path, error: TrainError) -> TrainError {
    match &error {
        TrainError::Damaged { .. } | TrainError::Bundle(_) => {}
        TrainError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {}
        _ => return error,
    }
    let name =
        folder.file_name().and_then(|name| name.to_str()?.strip_prefix("step-")?.parse().ok());
    let step: u64 = name.unwrap_or(0);
    let others = folder.parent().map(steps).unwrap_or_default();
    let before = others.into_iter().rfind(|other| *other < step);
    TrainError::Unusable { folder: folder.to_path_buf(), source: Box::new(error), before }
}

/// Fields that the weights do not depend on.
const FREE: [&str; 4] = ["checkpoint_every", "evaluate_every", "keep", "validation"];

fn changes(old: &Recipe, new: &Recipe) -> serde_json::Result<Vec<String>> {
    let (mut texts, nothing) = (Vec::new(), Map::new());
    // Data are known by their hashes, wherever they lie.
    let placeless = |recipe: &Recipe| {
        let mut recipe = recipe.clone();
        recipe.data.iter_mut().for_each(|data| data.path = "".into());
        serde_json::to_value(recipe)
    };
    let (old, new) = (placeless(old)?, placeless(new)?);
    let fields = |value: &Value| value.as_object().unwrap_or(&nothing).clone();
    differences("", &fields(&old), &fields(&new), &mut texts);
    Ok(texts)
}

fn differences(
    below: &str,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    texts: &mut Vec<String>,
) {
    let added = new.keys().filter(|key| !old.contains_key(*key));
    for key in old.keys().chain(added) {
        let name = format!("{below}{key}");
        if FREE.contains(&name.as_str()) {
            continue;
        }
        match (old.get(key), new.get(key)) {
            (Some(Value::Object(old)), Some(Value::Object(new))) => {
                differences(&format!("{name}."), old, new, texts);
            }
            (old, new) if old != new => {
                let say = |value: Option<&Value>| {
                    value.map_or("left out".to_string(), |value| value.to_string())
                };
                texts.push(format!("`{name}` was {}, is {}", say(old), say(new)));
            }
            _ => {}
        }
    }
}

/// Writes a checkpoint beside the others, then removes all but the newest `keep`.
pub fn save(
    out: &Path,
    state: &State,
    config: &Map<String, Value>,
    parameters: &[(String, Tensor)],
    moments: &[(String, Tensor)],
) -> Result<PathBuf, TrainError> {
    let kept = steps(out).last().copied();
    let failed = |source| TrainError::Checkpoint { step: state.step, source, kept };
    let part = out.join(format!(".step-{}.part", state.step));
    let write = || -> Result<PathBuf, TrainError> {
        remove(&part).map_err(failed)?;
        fs::create_dir(&part).map_err(failed)?;
        tensors::write(&part.join(WEIGHTS), parameters)?;
        tensors::write(&part.join(MOMENTS), moments)?;
        write_json(&part.join(CONFIG), config)?;
        write_json(&part.join(STATE), state)?;
        sync(&part).map_err(failed)?;
        let target = folder(out, state.step);
        fs::rename(&part, &target).map_err(failed)?;
        sync(out).map_err(failed)?;
        Ok(target)
    };
    write().map_err(|error| {
        // What is left of it would only take room.
        let _ = remove(&part);
        match error {
            TrainError::Write(source) => failed(source),
            other => other,
        }
    })
}

/// Removes what killed trainings left of checkpoints that they wrote or removed.
pub fn sweep(out: &Path) {
    for entry in fs::read_dir(out).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(".step-") && (name.ends_with(".part") || name.ends_with(".old")) {
            // What cannot be removed is in nobody's way.
            let _ = remove(&entry.path());
        }
    }
}

/// Removes all but the newest checkpoints.
pub fn prune(out: &Path, keep: u64) -> io::Result<()> {
    let steps = steps(out);
    let old = steps.len().saturating_sub(keep as usize);
    for step in &steps[..old] {
        // Half a checkpoint must not have the name of one.
        let gone = out.join(format!(".step-{step}.old"));
        remove(&gone)?;
        fs::rename(folder(out, *step), &gone)?;
        remove(&gone)?;
    }
    Ok(())
}

pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), TrainError> {
    let mut json =
        serde_json::to_vec_pretty(value).map_err(|error| TrainError::Write(error.into()))?;
    json.push(b'\n');
    write_atomic(path, &json).map_err(TrainError::Write)
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the names in a folder durable, where folders can be opened.
fn sync(folder: &Path) -> io::Result<()> {
    match cfg!(unix) {
        true => fs::File::open(folder)?.sync_all(),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(more: &str) -> Recipe {
        let text = format!(
            "model: nano\ndata: [{{ path: a }}]\nlength: 8\nbatch: {{ rows: 1 }}\nsteps: 4\n\
             optimizer: {{ adamw: {{ rate: 0.1 }} }}\n{more}"
        );
        Recipe::parse(&text, "r").unwrap()
    }

    fn saved(out: &Path, step: u64) -> Result<PathBuf, TrainError> {
        let tensor = Tensor::new(&[step as f32], &Device::Cpu).unwrap();
        let state = State::new(step, 5, &recipe(""), &["d".into()], &[Progress::default()]);
        save(out, &state, &Map::new(), &[("w".into(), tensor)], &[])
    }

    #[test]
    fn the_newest_are_kept_and_found() {
        let out = tempfile::tempdir().unwrap();
        for step in [2, 10, 9] {
            saved(out.path(), step).unwrap();
        }
        fs::create_dir(out.path().join("step-x")).unwrap();
        prune(out.path(), 2).unwrap();
        assert_eq!(steps(out.path()), [9, 10]);
        let latest = Checkpoint::latest(out.path()).unwrap().unwrap();
        assert_eq!((latest.state.step, latest.state.tokens), (10, 5));
        let weights = latest.weights().unwrap();
        assert_eq!(weights.tensor("w", &Device::Cpu).unwrap().to_vec1::<f32>().unwrap(), [10.0]);
    }

    #[test]
    fn what_was_begun_is_no_checkpoint_and_in_nobodys_way() {
        let out = tempfile::tempdir().unwrap();
        saved(out.path(), 1).unwrap();
        let part = out.path().join(".step-2.part");
        fs::create_dir(&part).unwrap();
        fs::write(part.join(WEIGHTS), "half").unwrap();
        assert_eq!(Checkpoint::latest(out.path()).unwrap().unwrap().state.step, 1);
        saved(out.path(), 2).unwrap();
        assert_eq!(steps(out.path()), [1, 2]);
        assert!(!part.exists());
    }

    #[test]
    fn a_failed_write_keeps_the_old_one() {
        let out = tempfile::tempdir().unwrap();
        saved(out.path(), 1).unwrap();
        // A file in the place of the new folder: the rename fails, as on a full disk.
        fs::write(out.path().join("step-2"), "x").unwrap();
        let error = saved(out.path(), 2).unwrap_err();
        assert!(error.to_string().contains("the checkpoint of step 2"), "{error}");
        assert!(!out.path().join(".step-2.part").exists());
        assert_eq!(Checkpoint::open(&folder(out.path(), 1)).unwrap().state.step, 1);
    }

    #[test]
    fn what_changed_is_said() {
        let out = tempfile::tempdir().unwrap();
        saved(out.path(), 1).unwrap();
        let latest = Checkpoint::latest(out.path()).unwrap().unwrap();
        let compare = |more: &str, data: &str| {
            latest.compare(&recipe(more), &[data.into()], out.path()).map_err(|e| e.to_string())
        };
        assert_eq!(compare("checkpoint_every: 3\nkeep: 9", "d"), Ok(()));
        let error = compare("seed: 5\nclip: 1.0", "d").unwrap_err();
        assert!(error.contains("`seed` was 0, is 5; `clip` was left out, is 1.0"), "{error}");
        assert!(compare("", "e").unwrap_err().contains("the packed data are others"));
    }

    #[test]
    fn damage_is_named() {
        let out = tempfile::tempdir().unwrap();
        let folder = saved(out.path(), 1).unwrap();
        fs::write(folder.join(STATE), "{").unwrap();
        let error = Checkpoint::latest(out.path()).err().unwrap();
        assert!(error.to_string().contains("damaged"), "{error}");
        assert!(error.help().unwrap().contains("there is none before it"), "{error:?}");
        let newer = saved(out.path(), 4).unwrap();
        fs::remove_file(newer.join(STATE)).unwrap();
        let error = Checkpoint::latest(out.path()).err().unwrap();
        assert!(error.to_string().contains("step-4` cannot be used"), "{error}");
        assert!(error.help().unwrap().contains("the newest is then that of step 1"), "{error:?}");
    }
}
