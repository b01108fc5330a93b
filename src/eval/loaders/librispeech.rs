//! LibriSpeech (Panayotov et al., 2015): `SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt` with a line for
//! each recording, `SPEAKER-CHAPTER-NUMBER WORDS`, and the recordings as FLAC beside it.

use std::path::Path;

use super::super::error::EvalError;
use super::super::row::{Cell, Row};
use super::{entries, missing, name, on_disk, text};

pub const LAYOUT: &str = "the folder is a part of LibriSpeech (openslr.org/12, test-clean.tar.gz), or holds LibriSpeech/test-clean:
  1089/134686/1089-134686.trans.txt    lines such as `1089-134686-0000 HE HOPED THERE WOULD BE STEW`
  1089/134686/1089-134686-0000.flac    …";

pub fn load(folder: &Path) -> Result<Vec<Row>, EvalError> {
    let inner = ["LibriSpeech/test-clean", "test-clean"].map(|inner| folder.join(inner));
    let root = inner.iter().find(|inner| inner.is_dir()).map_or(folder, |inner| inner.as_path());
    let mut rows = Vec::new();
    for speaker in entries(root)?.into_iter().filter(|path| path.is_dir()) {
        for chapter in entries(&speaker)?.into_iter().filter(|path| path.is_dir()) {
            let title = format!("{}-{}", name(&speaker), name(&chapter));
            let transcripts = chapter.join(format!("{title}.trans.txt"));
            if !transcripts.is_file() {
                let what = transcripts.strip_prefix(root).unwrap_or(&transcripts);
                return Err(missing("librispeech", root, what.display().to_string()));
            }
            for (number, line) in text(&transcripts)?.lines().enumerate() {
                if line.trim().is_empty() {
                    continue;
                }
                let Some((id, words)) = line
                    .split_once(' ')
                    .filter(|(id, _)| id.starts_with(&title) && !id.contains(['/', '\\']))
                else {
                    return Err(EvalError::Malformed {
                        path: transcripts,
                        place: format!("line {}", number + 1),
                        reason: format!("it is not `{title}-NUMBER WORDS`"),
                    });
                };
                rows.push(Row {
                    id: id.to_string(),
                    columns: vec![
                        ("recording".to_string(), on_disk(chapter.join(format!("{id}.flac")))),
                        ("words".to_string(), Cell::Text(words.trim().to_string())),
                        ("speaker".to_string(), Cell::Text(name(&speaker))),
                    ],
                });
            }
        }
    }
    if rows.is_empty() {
        return Err(missing("librispeech", root, "SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt"));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn transcripts_name_the_recordings() {
        let folder = tempfile::tempdir().unwrap();
        assert!(load(folder.path()).unwrap_err().to_string().contains(".trans.txt is missing"));
        let chapter = folder.path().join("test-clean/1089/134686");
        fs::create_dir_all(&chapter).unwrap();
        let error = load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("1089/134686/1089-134686.trans.txt"), "{error}");
        let file = chapter.join("1089-134686.trans.txt");
        fs::write(&file, "1089-134686-0000 HE HOPED\n1089-134686-0001 STEW\n").unwrap();
        let rows = load(folder.path()).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1].id, "1089-134686-0001");
        assert_eq!(rows[0].cell("words"), Some(&Cell::Text("HE HOPED".to_string())));
        assert_eq!(
            rows[0].cell("recording"),
            Some(&on_disk(chapter.join("1089-134686-0000.flac")))
        );
        fs::write(&file, "nonsense\n").unwrap();
        assert!(load(folder.path()).unwrap_err().to_string().contains("line 1"));
    }
}
