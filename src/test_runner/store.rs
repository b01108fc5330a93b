//! Where snapshots lie: a folder for each test, `snapshots/FILE/TITLE/`, with `snapshot.json`, the
//! media that it names, and the replies of the language model in `recording.json`.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::base::atomic::write_atomic;
use crate::lang::ir::Test;
use crate::media::{MediaError, RgbImage, Sound, encode_png, encode_wav};
use crate::runtime::error::Failure;
use crate::runtime::recording::Recording;
use crate::runtime::value::{Media, Value};

use super::recorder::deviation;
use super::report::{Pair, Shown};
use super::snapshot::{self, Difference, Kept, SAME_FROM, likeness};
use super::tier::{Tier, semantic};

/// What the language model wrote, beside `snapshot.json`.
const RECORDING: &str = "recording.json";

pub struct Store {
    folder: PathBuf,
    title: String,
    before: Vec<Json>,
    now: Vec<Json>,
    kept: Vec<Kept>,
    recorded: Option<Recording>,
    /// What is to be recorded, if it differs.
    recording: Option<Recording>,
    /// For each value, where its media begin in `kept`, and whether it is as it was.
    values: Vec<(usize, bool)>,
    differs: bool,
}

impl Store {
    /// Where the snapshots of a test in a file lie.
    pub fn folder(file: &Path, test: &Test) -> PathBuf {
        let stem = file.file_stem().unwrap_or_default();
        let folder = file.parent().unwrap_or(Path::new("")).join("snapshots").join(stem);
        folder.join(slug(&test.title))
    }

    pub fn open(file: &Path, test: &Test) -> Result<Store, Failure> {
        let folder = Self::folder(file, test);
        let path = folder.join("snapshot.json");
        let unreadable = |reason: String| Failure::Snapshot { path: path.clone(), reason };
        let before = match std::fs::read_to_string(&path) {
            Ok(text) => {
                let json: Json =
                    serde_json::from_str(&text).map_err(|e| unreadable(e.to_string()))?;
                match json.get("values") {
                    Some(Json::Array(values)) => values.clone(),
                    _ => return Err(unreadable("it has no list of `values`".to_string())),
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(unreadable(error.to_string())),
        };
        let title = test.title.clone();
        let path = folder.join(RECORDING);
        let recorded = match std::fs::read(&path) {
            Ok(bytes) => Some(serde_json::from_slice(&bytes).map_err(|error| {
                Failure::Snapshot { path: path.clone(), reason: error.to_string() }
            })?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(Failure::Snapshot { path, reason: error.to_string() });
            }
        };
        Ok(Store {
            recorded,
            recording: None,
            folder,
            title,
            before,
            now: Vec::new(),
            kept: Vec::new(),
            values: Vec::new(),
            differs: false,
        })
    }

    /// Compares the test's next snapshot.
    pub fn compare(&mut self, value: &Value, tier: Tier) -> Result<Option<Difference>, Failure> {
        let place = self.now.len();
        let first = self.kept.len();
        let now = snapshot::of(value, &(place + 1).to_string(), &mut self.kept);
        self.now.push(now.clone());
        let difference = match self.before.get(place) {
            None => Some(Difference::New { now }),
            Some(before) if tier.leaves_codes() => {
                let (before, now) = (semantic(before), semantic(&now));
                (before != now).then_some(Difference::Value { before, now })
            }
            Some(before) if *before != now => {
                Some(Difference::Value { before: before.clone(), now })
            }
            Some(_) => self.media_differ(first),
        };
        self.values.push((first, difference.is_none()));
        self.differs |= difference.is_some();
        Ok(difference)
    }

    /// What the language model wrote when the snapshots were accepted.
    pub fn recording(&self) -> Option<&Recording> {
        self.recorded.as_ref()
    }

    /// Has a recording kept with the next [`Store::save`].
    pub fn record(&mut self, now: Recording) {
        // Gaps differ in their last digits between machines, which is no reason to write.
        let known = self.recorded.as_ref().is_some_and(|before| deviation(before, &now).is_none());
        let nothing = now.is_empty() && self.recorded.is_none();
        if !known && !nothing {
            self.recording = Some(now);
        }
    }

    /// What was compared, with what is kept of it; before [`Store::save`] replaces that.
    pub fn shown(&self) -> Vec<Shown> {
        let ends = self.values.iter().skip(1).map(|(first, _)| *first).chain([self.kept.len()]);
        let values = self.values.iter().zip(ends).enumerate();
        let shown = values.map(|(place, ((first, same), end))| Shown {
            same: *same,
            before: self.before.get(place).cloned(),
            now: self.now[place].clone(),
            media: self.kept[*first..end].iter().map(|kept| self.pair(kept)).collect(),
        });
        shown.collect()
    }

    fn pair(&self, kept: &Kept) -> Pair {
        let before = self.read(kept).ok();
        Pair { name: kept.name.clone(), before, now: kept.media.clone() }
    }

    /// The medium that is kept under this name.
    fn read(&self, kept: &Kept) -> Result<Media, MediaError> {
        let path = self.folder.join(&kept.name);
        match &kept.media {
            Media::Image(_) => RgbImage::load(&path).map(Media::Image),
            Media::Speech(_) => Sound::load(&path).map(Media::Speech),
            Media::Music(_) => Sound::load(&path).map(Media::Music),
        }
    }

    /// The first medium of the present snapshot that is not like the one that was kept.
    /// One that is missing or damaged is not, so that it can be accepted anew.
    fn media_differ(&self, first: usize) -> Option<Difference> {
        for kept in &self.kept[first..] {
            let path = self.folder.join(&kept.name);
            let old = self.read(kept);
            let file = path.display().to_string();
            let old = match old {
                Ok(old) => old,
                Err(error) => return Some(Difference::Lost { reason: error.to_string() }),
            };
            let likeness = likeness(&old, &kept.media);
            if likeness.is_none_or(|decibels| decibels < SAME_FROM) {
                return Some(Difference::Perceptual { file, likeness });
            }
        }
        None
    }

    /// How many kept snapshots the test no longer takes.
    pub fn stale(&mut self) -> Option<usize> {
        let count = self.before.len().saturating_sub(self.now.len());
        self.differs |= count > 0;
        (count > 0).then_some(count)
    }

    /// Writes what was compared, if anything differs; media first, so that the snapshot never
    /// names a file that is not there.
    pub fn save(&self, model: String, seed: u64) -> Result<bool, Failure> {
        let failed = |path: &Path, source| Failure::Unsaved { path: path.to_path_buf(), source };
        if !self.differs && self.recording.is_none() {
            return Ok(false);
        }
        std::fs::create_dir_all(&self.folder).map_err(|error| failed(&self.folder, error))?;
        if let Some(recording) = &self.recording {
            let path = self.folder.join(RECORDING);
            let text = format!("{}\n", pretty(&json!(recording), 0));
            write_atomic(&path, text.as_bytes()).map_err(|error| failed(&path, error))?;
        }
        if !self.differs {
            return Ok(true);
        }
        for kept in &self.kept {
            let bytes = match &kept.media {
                Media::Image(image) => encode_png(image, &[])?,
                Media::Speech(sound) | Media::Music(sound) => encode_wav(sound, "")?,
            };
            let path = self.folder.join(&kept.name);
            write_atomic(&path, &bytes).map_err(|error| failed(&path, error))?;
        }
        let path = self.folder.join("snapshot.json");
        let json = json!({
            "test": self.title,
            "model": model,
            "seed": seed,
            "values": self.now,
        });
        let text = format!("{}\n", pretty(&json, 0));
        write_atomic(&path, text.as_bytes()).map_err(|error| failed(&path, error))?;
        self.drop_unnamed();
        Ok(true)
    }

    /// Media of snapshots that are no longer taken. One that cannot be removed does no harm.
    fn drop_unnamed(&self) {
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let medium = path.extension().is_some_and(|ext| ext == "png" || ext == "wav");
            let named = self.kept.iter().any(|kept| entry.file_name() == *kept.name);
            if medium && !named {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

/// Indented JSON in which lists of numbers stay on a line: there are hundreds of them.
pub(super) fn pretty(value: &Json, depth: usize) -> String {
    let pad = "  ".repeat(depth + 1);
    let end = "  ".repeat(depth);
    match value {
        Json::Array(items)
            if !items.is_empty()
                && !items.iter().all(|item| item.is_number() || item.is_null()) =>
        {
            let items: Vec<String> =
                items.iter().map(|item| format!("{pad}{}", pretty(item, depth + 1))).collect();
            format!("[\n{}\n{end}]", items.join(",\n"))
        }
        Json::Object(map) if !map.is_empty() => {
            let fields: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{pad}{}: {}", json!(key), pretty(value, depth + 1)))
                .collect();
            format!("{{\n{}\n{end}}}", fields.join(",\n"))
        }
        other => other.to_string(),
    }
}

/// A title as the name of a folder; a digest tells those apart that differ in other characters.
fn slug(title: &str) -> String {
    let mut out = String::new();
    for c in title.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('-') && !out.is_empty() {
            out.push('-');
        }
    }
    let kept: String = out.trim_matches('-').chars().take(60).collect();
    let digest = crate::base::hash::Digest::of(title.as_bytes()).hex();
    format!("{kept}-{}", &digest[..6])
}
