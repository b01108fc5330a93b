//! MusicCaps (Agostinelli et al., 2023, "MusicLM: Generating Music From Text"): a table of captions,
//! and the ten seconds of each clip, which everyone has to get for themselves.

use std::path::Path;

use super::super::error::EvalError;
use super::super::row::{Cell, Row};
use super::{csv, missing, on_disk, text};

pub const LAYOUT: &str = "the folder holds
  musiccaps-public.csv     from kaggle.com/datasets/googleai/musiccaps, with the columns ytid, start_s, end_s, aspect_list, caption
  audio/YTID.wav           the clip from start_s to end_s; .flac, .mp3 and .ogg do as well";

const TABLE: &str = "musiccaps-public.csv";
const FORMATS: [&str; 4] = ["wav", "flac", "mp3", "ogg"];

pub fn load(folder: &Path) -> Result<Vec<Row>, EvalError> {
    let path = folder.join(TABLE);
    if !path.is_file() {
        return Err(missing("musiccaps", folder, TABLE));
    }
    let audio = folder.join("audio");
    if !audio.is_dir() {
        return Err(missing("musiccaps", folder, "audio/"));
    }
    let malformed = |line: usize, reason: &str| EvalError::Malformed {
        path: path.clone(),
        place: format!("line {line}"),
        reason: reason.to_string(),
    };
    let table = text(&path)?;
    let mut records =
        csv::parse(&table).map_err(|(line, reason)| malformed(line, reason))?.into_iter();
    let Some((_, head)) = records.next() else {
        return Err(EvalError::Empty(path.display().to_string()));
    };
    let column = |name: &str| {
        head.iter().position(|known| known == name).ok_or_else(|| EvalError::NoColumn {
            path: path.clone(),
            column: name.to_string(),
            known: head.clone(),
        })
    };
    let (id, aspects, caption) = (column("ytid")?, column("aspect_list")?, column("caption")?);
    let mut rows = Vec::new();
    for (line, record) in records {
        let field = |place: usize| {
            record.get(place).ok_or_else(|| malformed(line, "it has fewer columns than the first"))
        };
        let ytid = field(id)?;
        if ytid.is_empty() || ytid.contains(['/', '\\', '.']) {
            return Err(malformed(line, "its ytid is not a name"));
        }
        let files = FORMATS.map(|format| audio.join(format!("{ytid}.{format}")));
        let found = files.iter().find(|file| file.is_file());
        let piece = found.unwrap_or(&files[0]).clone();
        rows.push(Row {
            id: ytid.clone(),
            columns: vec![
                ("piece".to_string(), on_disk(piece)),
                ("caption".to_string(), Cell::Text(field(caption)?.trim().to_string())),
                ("aspects".to_string(), Cell::Texts(list(field(aspects)?))),
            ],
        });
    }
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(rows)
}

/// `['low quality', "singer's voice"]`, a list as Python prints it.
fn list(written: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut chars = written.chars();
    while let Some(quote) = chars.find(|c| matches!(c, '\'' | '"')) {
        let mut item = String::new();
        while let Some(c) = chars.next() {
            match c {
                '\\' => item.extend(chars.next()),
                c if c == quote => break,
                c => item.push(c),
            }
        }
        out.push(item);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn clips_and_captions() {
        let folder = tempfile::tempdir().unwrap();
        assert!(load(folder.path()).unwrap_err().to_string().contains(TABLE));
        let csv = "ytid,start_s,end_s,audioset_positive_labels,aspect_list,caption,author_id,is_balanced_subset,is_audioset_eval\n\
            -b,30,40,/m/1,\"['calm', \"\"singer's voice\"\"]\",\"A calm song, slow.\",4,False,True\n\
            -a,0,10,/m/2,[],A beat,4,False,True\n";
        fs::write(folder.path().join(TABLE), csv).unwrap();
        assert!(load(folder.path()).unwrap_err().to_string().contains("audio/"));
        let audio = folder.path().join("audio");
        fs::create_dir(&audio).unwrap();
        fs::write(audio.join("-b.flac"), "").unwrap();
        let rows = load(folder.path()).unwrap();
        assert_eq!(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["-a", "-b"]);
        assert_eq!(rows[1].cell("piece"), Some(&on_disk(audio.join("-b.flac"))));
        // A clip that is not there is a row that fails, not one that is left out.
        assert_eq!(rows[0].cell("piece"), Some(&on_disk(audio.join("-a.wav"))));
        let aspects = vec!["calm".to_string(), "singer's voice".to_string()];
        assert_eq!(rows[1].cell("aspects"), Some(&Cell::Texts(aspects)));
        fs::write(folder.path().join(TABLE), "ytid,caption\nx,y\n").unwrap();
        let error = load(folder.path()).unwrap_err();
        assert!(error.to_string().contains("aspect_list"), "{error}");
    }
}
