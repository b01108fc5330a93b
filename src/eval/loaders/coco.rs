//! MS-COCO 2014 with the annotation file of Karpathy and Fei-Fei (2015, "Deep Visual-Semantic
//! Alignments for Generating Image Descriptions"): splits train, restval, val and test.

use std::path::Path;

use serde::Deserialize;

use super::super::error::EvalError;
use super::super::row::{Cell, Row};
use super::{missing, on_disk, text};

pub const LAYOUT: &str = "the folder holds
  dataset_coco.json   from caption_datasets.zip of Karpathy's page (cs.stanford.edu/people/karpathy/deepimagesent)
  val2014/            COCO_val2014_000000000042.jpg …, from val2014.zip of cocodataset.org";

#[derive(Deserialize)]
struct Dataset {
    images: Vec<Image>,
}

#[derive(Deserialize)]
struct Image {
    /// `val2014` or `train2014`.
    filepath: String,
    filename: String,
    split: String,
    cocoid: u64,
    sentences: Vec<Sentence>,
}

#[derive(Deserialize)]
struct Sentence {
    raw: String,
}

/// The test split.
pub fn karpathy(folder: &Path) -> Result<Vec<Row>, EvalError> {
    load("coco-karpathy", folder, |image| image.split == "test")
}

/// All of the validation set, from which text-to-image results are sampled.
pub fn val2014(folder: &Path) -> Result<Vec<Row>, EvalError> {
    load("coco-val2014", folder, |image| image.filepath == "val2014")
}

fn load(
    set: &'static str,
    folder: &Path,
    wanted: impl Fn(&Image) -> bool,
) -> Result<Vec<Row>, EvalError> {
    let path = folder.join("dataset_coco.json");
    if !path.is_file() {
        return Err(missing(set, folder, "dataset_coco.json"));
    }
    let dataset: Dataset =
        serde_json::from_str(&text(&path)?).map_err(|error| EvalError::Malformed {
            path: path.clone(),
            place: format!("line {}", error.line()),
            reason: error.to_string(),
        })?;
    let mut images: Vec<Image> = dataset.images.into_iter().filter(wanted).collect();
    images.sort_by_key(|image| image.cocoid);
    let mut rows = Vec::with_capacity(images.len());
    for image in images {
        let Some(first) = image.sentences.first() else {
            return Err(EvalError::Malformed {
                path,
                place: format!("image {}", image.cocoid),
                reason: "it has no sentences".to_string(),
            });
        };
        // Names come from a file: they may not lead out of the folder.
        if [&image.filepath, &image.filename]
            .iter()
            .any(|part| part.contains(['/', '\\']) || *part == "..")
        {
            return Err(EvalError::Malformed {
                path,
                place: format!("image {}", image.cocoid),
                reason: "its file name is a path".to_string(),
            });
        }
        if !folder.join(&image.filepath).is_dir() {
            return Err(missing(set, folder, format!("{}/", image.filepath)));
        }
        let picture = folder.join(&image.filepath).join(&image.filename);
        let caption = Cell::Text(first.raw.trim().to_string());
        let raw = image.sentences.iter().map(|sentence| sentence.raw.trim().to_string());
        rows.push(Row {
            id: image.cocoid.to_string(),
            columns: vec![
                ("picture".to_string(), on_disk(picture)),
                ("references".to_string(), Cell::Texts(raw.collect())),
                ("caption".to_string(), caption),
            ],
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const JSON: &str = r#"{"dataset": "coco", "images": [
        {"filepath": "val2014", "filename": "b.jpg", "split": "test", "cocoid": 42, "imgid": 1,
         "sentids": [1, 2], "sentences": [{"raw": "A cat. ", "tokens": ["a", "cat"], "imgid": 1, "sentid": 1}, {"raw": "One cat", "tokens": [], "imgid": 1, "sentid": 2}]},
        {"filepath": "val2014", "filename": "a.jpg", "split": "restval", "cocoid": 7, "sentences": [{"raw": "A dog"}]},
        {"filepath": "train2014", "filename": "c.jpg", "split": "train", "cocoid": 8, "sentences": [{"raw": "A car"}]}]}"#;

    #[test]
    fn splits_and_references() {
        let folder = tempfile::tempdir().unwrap();
        let error = karpathy(folder.path()).unwrap_err();
        assert!(error.to_string().contains("dataset_coco.json is missing"), "{error}");
        assert!(error.help().unwrap().contains("cocodataset.org"));
        fs::write(folder.path().join("dataset_coco.json"), JSON).unwrap();
        assert!(karpathy(folder.path()).unwrap_err().to_string().contains("val2014/"));
        fs::create_dir(folder.path().join("val2014")).unwrap();
        let rows = karpathy(folder.path()).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].id, "42");
        let references = vec!["A cat.".to_string(), "One cat".to_string()];
        assert_eq!(rows[0].cell("references"), Some(&Cell::Texts(references)));
        let ids: Vec<_> = val2014(folder.path()).unwrap().into_iter().map(|row| row.id).collect();
        assert_eq!(ids, ["7", "42"]);
        fs::write(folder.path().join("dataset_coco.json"), JSON.replace("b.jpg", "../b.jpg"))
            .unwrap();
        assert!(karpathy(folder.path()).is_err());
        fs::write(folder.path().join("dataset_coco.json"), "{").unwrap();
        assert!(karpathy(folder.path()).unwrap_err().to_string().contains("line 1"));
    }
}
