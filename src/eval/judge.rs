//! The seam to networks outside of the evaluated model: what metrics ask of them.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::base::hash::Digest;
use crate::bundle::{Search, evaluator_manifest};
use crate::lang::metrics::{JudgeKind, Metric};
use crate::media::{RgbImage, Sound};
use crate::runtime::engine::Device;

use super::error::EvalError;
use super::judges;
use super::metrics::MetricError;

/// A network that metrics ask. Every one answers what its kind is for; the rest are defects.
pub trait Judge {
    /// Name and digest, for records: results of different judges are never mixed.
    fn identity(&self) -> String;

    /// A picture as a vector.
    fn picture(&mut self, _picture: &RgbImage) -> Result<Vec<f32>, JudgeError> {
        Err(JudgeError::CannotAnswer("a picture"))
    }

    /// Words as a vector of the same space.
    fn words(&mut self, _words: &str) -> Result<Vec<f32>, JudgeError> {
        Err(JudgeError::CannotAnswer("words"))
    }

    /// A sound as a vector: of what it sounds like, or of its voice. Any sampling rate.
    fn sound(&mut self, _sound: &Sound) -> Result<Vec<f32>, JudgeError> {
        Err(JudgeError::CannotAnswer("a sound"))
    }

    /// What is said in a recording. Any sampling rate.
    fn transcribe(&mut self, _sound: &Sound) -> Result<String, JudgeError> {
        Err(JudgeError::CannotAnswer("speech"))
    }
}

/// Why a judge has no answer; the row fails with it.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    #[error("this judge cannot be asked about {0}")]
    CannotAnswer(&'static str),
    #[error("the judge could not be run: {0}")]
    Failed(String),
    #[error(transparent)]
    Network(#[from] judges::JudgeError),
    #[error("the judge's vectors cannot be compared: {0}")]
    NotComparable(#[from] MetricError),
}

/// A `--judge KIND=NAME`: a folder, or the name of one that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub kind: JudgeKind,
    pub place: String,
}

impl std::str::FromStr for Named {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        let kinds = JudgeKind::ALL.map(JudgeKind::name).join(", ");
        let Some((kind, place)) = written.split_once('=').filter(|(_, place)| !place.is_empty())
        else {
            return Err(format!("write KIND=NAME or KIND=DIR, with one of {kinds}"));
        };
        let known = JudgeKind::ALL.into_iter().find(|known| known.name() == kind);
        let kind = known.ok_or_else(|| format!("there is no judge `{kind}`, but {kinds}"))?;
        Ok(Named { kind, place: place.to_string() })
    }
}

/// The judges of a run.
pub type Judges = BTreeMap<JudgeKind, Box<dyn Judge>>;

/// Opens those that the metrics need. What is missing is said before anything runs.
pub fn open(
    measures: &[(&str, &'static Metric)],
    given: &[Named],
    device: Device,
) -> Result<Judges, EvalError> {
    let mut judges = Judges::new();
    for (measure, metric) in measures {
        let Some(kind) = metric.judge.filter(|kind| !judges.contains_key(kind)) else { continue };
        let Some(named) = given.iter().find(|named| named.kind == kind) else {
            return Err(EvalError::NoJudge { measure: (*measure).to_string(), kind });
        };
        let folder = evaluator_manifest::find(&named.place, &Search::from_environment())?;
        judges.insert(kind, load(kind, &folder, device)?);
    }
    Ok(judges)
}

/// Reads the network of a judge.
fn load(kind: JudgeKind, folder: &Path, device: Device) -> Result<Box<dyn Judge>, EvalError> {
    let bad = |reason: String| EvalError::BadJudge { kind, path: folder.to_path_buf(), reason };
    let place = device.open().map_err(bad)?;
    let identity = identity(kind, folder).map_err(|error| bad(error.to_string()))?;
    match kind {
        JudgeKind::Clip => match judges::Clip::open(folder, &place) {
            Ok(network) => Ok(Box::new(Pictures { network, identity })),
            Err(error) => Err(bad(error.to_string())),
        },
        JudgeKind::Clap => match judges::Clap::open(folder, &place) {
            Ok(network) => Ok(Box::new(Sounds { network, identity })),
            Err(error) => Err(bad(error.to_string())),
        },
        JudgeKind::Transcriber => match judges::Whisper::open(folder, &place) {
            Ok(network) => Ok(Box::new(Transcriber { network, identity })),
            Err(error) => Err(bad(error.to_string())),
        },
        JudgeKind::Speaker => match judges::WavLm::open(folder, &place) {
            Ok(network) => Ok(Box::new(Voices { network, identity })),
            Err(error) => Err(bad(error.to_string())),
        },
    }
}

/// Small files that decide what a judge says.
const CONFIGURATION: [&str; 3] =
    ["config.json", "generation_config.json", "preprocessor_config.json"];

/// How much of a file's beginning and end tells it from another of the same name and size: weights of
/// gigabytes are not read whole for it.
const EDGE: u64 = 1 << 20;

/// A digest of what a file begins and ends with. Other trainings change every tensor.
fn edges(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    file.by_ref().take(EDGE).read_to_end(&mut bytes)?;
    file.seek(SeekFrom::Start(length.saturating_sub(EDGE)))?;
    file.take(EDGE).read_to_end(&mut bytes)?;
    Ok(Digest::of(&bytes).hex())
}

/// The kind with a digest of the folder's configuration and of its files: their names, sizes,
/// beginnings and ends.
fn identity(kind: JudgeKind, folder: &Path) -> std::io::Result<String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // The hub's cache has links to files; one that leads nowhere is told by the network.
        let Ok(data) = std::fs::metadata(entry.path()) else { continue };
        if data.is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            files.push((name, data.len(), edges(&entry.path())?));
        }
    }
    files.sort();
    // Where one is missing, the network says better than this what it needs.
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap_or_default();
    let configured = CONFIGURATION.map(|name| Digest::of(&read(name)).hex());
    let digest = Digest::of(format!("{files:?}{configured:?}").as_bytes());
    Ok(format!("{}@{}", kind.name(), digest.short()))
}

struct Pictures {
    network: judges::Clip,
    identity: String,
}

impl Judge for Pictures {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn picture(&mut self, picture: &RgbImage) -> Result<Vec<f32>, JudgeError> {
        Ok(self.network.image(picture)?)
    }

    fn words(&mut self, words: &str) -> Result<Vec<f32>, JudgeError> {
        Ok(self.network.text(words)?)
    }
}

struct Sounds {
    network: judges::Clap,
    identity: String,
}

impl Judge for Sounds {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn sound(&mut self, sound: &Sound) -> Result<Vec<f32>, JudgeError> {
        Ok(self.network.sound(sound)?)
    }

    fn words(&mut self, words: &str) -> Result<Vec<f32>, JudgeError> {
        Ok(self.network.text(words)?)
    }
}

/// Takes what is said for English, as the error rate's normaliser is for English texts, unless the
/// checkpoint's files name another language or it knows no English.
struct Transcriber {
    network: judges::Whisper,
    identity: String,
}

impl Judge for Transcriber {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn transcribe(&mut self, sound: &Sound) -> Result<String, JudgeError> {
        let english = !self.network.names_language() && self.network.languages().contains(&"en");
        Ok(self.network.transcribe(sound, english.then_some("en"))?)
    }
}

struct Voices {
    network: judges::WavLm,
    identity: String,
}

impl Judge for Voices {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn sound(&mut self, sound: &Sound) -> Result<Vec<f32>, JudgeError> {
        Ok(self.network.x_vector(sound)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::metrics::metric;

    #[test]
    fn another_configuration_is_another_judge() {
        let folder = tempfile::tempdir().unwrap();
        let mut known = std::collections::BTreeSet::new();
        for name in CONFIGURATION {
            for text in ["{}", "[]"] {
                std::fs::write(folder.path().join(name), text).unwrap();
                known.insert(identity(JudgeKind::Clip, folder.path()).unwrap());
            }
        }
        assert_eq!(known.len(), 6, "{known:?}");
        // Weights of the same size, of which the last byte differs.
        let mut weights = vec![0; 3 << 20];
        for last in [1, 2] {
            *weights.last_mut().unwrap() = last;
            std::fs::write(folder.path().join("model.safetensors"), &weights).unwrap();
            known.insert(identity(JudgeKind::Clip, folder.path()).unwrap());
        }
        assert_eq!(known.len(), 8, "{known:?}");
        // The same behind a link, as in the hub's cache.
        #[cfg(unix)]
        for last in [1, 2] {
            let (blob, link) = (folder.path().join("blobs"), folder.path().join("linked"));
            std::fs::create_dir_all(&blob).unwrap();
            *weights.last_mut().unwrap() = last;
            std::fs::write(blob.join("a"), &weights).unwrap();
            let _ = std::fs::remove_file(&link);
            std::os::unix::fs::symlink(blob.join("a"), &link).unwrap();
            known.insert(identity(JudgeKind::Clip, folder.path()).unwrap());
        }
        assert_eq!(known.len(), if cfg!(unix) { 10 } else { 8 }, "{known:?}");
    }

    #[test]
    fn judges_are_named_and_asked_for() {
        assert_eq!("clip=x".parse::<Named>().unwrap().kind, JudgeKind::Clip);
        assert!("clap".parse::<Named>().is_err() && "clop=x".parse::<Named>().is_err());
        let Some(clip) = metric("clip_score") else { panic!() };
        let error = open(&[("clip_score", clip)], &[], Device::Cpu).err().unwrap();
        assert!(error.help().unwrap().contains("--judge clip=NAME"));
        let named = Named { kind: JudgeKind::Clip, place: "no/such".to_string() };
        let error = open(&[("clip_score", clip)], &[named], Device::Cpu).err().unwrap();
        assert!(error.to_string().contains("no/such cannot judge as clip"), "{error}");
        let named = Named { kind: JudgeKind::Clip, place: "nobody".to_string() };
        let error = open(&[("clip_score", clip)], &[named], Device::Cpu).err().unwrap();
        assert!(error.to_string().contains("clip-vit-large-patch14"), "{error}");
        assert!(open(&[("wer", metric("wer").unwrap())], &[], Device::Cpu).unwrap().is_empty());
    }
}
