//! VCTK (Yamagishi et al., 2019) for speaking in a voice that was never trained on: every sentence
//! with the first three seconds of another recording of the same speaker, as VALL-E (Wang et al.,
//! 2023, section 5.1) and AnyGPT (Zhan et al., 2024) take a prompt.

use std::path::{Path, PathBuf};

use super::super::error::EvalError;
use super::super::row::{Cell, Location, Row};
use super::{entries, missing, name, on_disk, text};

pub const LAYOUT: &str = "the folder is VCTK-Corpus (datashare.ed.ac.uk/handle/10283/3443):
  txt/p225/p225_001.txt
  wav48/p225/p225_001.wav                          version 0.80, or
  wav48_silence_trimmed/p225/p225_001_mic1.flac    version 0.92";

/// How much of the other recording is heard.
const PROMPT_SECONDS: f64 = 3.0;

/// `p225_001` and its recording.
struct Utterance {
    id: String,
    words: String,
    sound: PathBuf,
}

pub fn load(folder: &Path) -> Result<Vec<Row>, EvalError> {
    let texts = folder.join("txt");
    if !texts.is_dir() {
        return Err(missing("vctk", folder, "txt/"));
    }
    let sounds = ["wav48", "wav48_silence_trimmed"].map(|inner| folder.join(inner));
    let Some(sounds) = sounds.into_iter().find(|inner| inner.is_dir()) else {
        return Err(missing("vctk", folder, "wav48/ or wav48_silence_trimmed/"));
    };
    let mut rows = Vec::new();
    for speaker in entries(&texts)?.into_iter().filter(|path| path.is_dir()) {
        let who = name(&speaker);
        let spoken = utterances(&speaker, &sounds.join(&who))?;
        // One recording alone has no other one to take the voice from.
        if spoken.len() < 2 {
            continue;
        }
        for (place, said) in spoken.iter().enumerate() {
            let prompt = &spoken[(place + 1) % spoken.len()];
            let voice = Cell::Beginning(Location::Disk(prompt.sound.clone()), PROMPT_SECONDS);
            rows.push(Row {
                id: said.id.clone(),
                columns: vec![
                    ("words".to_string(), Cell::Text(said.words.clone())),
                    ("voice".to_string(), voice),
                    ("voice_words".to_string(), Cell::Text(prompt.words.clone())),
                    ("recording".to_string(), on_disk(said.sound.clone())),
                    ("speaker".to_string(), Cell::Text(who.clone())),
                ],
            });
        }
    }
    if rows.is_empty() {
        return Err(missing("vctk", folder, "a speaker in txt/ with two recorded sentences"));
    }
    Ok(rows)
}

/// The sentences of a speaker that have a recording, by number; VCTK lacks some recordings.
fn utterances(texts: &Path, sounds: &Path) -> Result<Vec<Utterance>, EvalError> {
    let mut out = Vec::new();
    for path in entries(texts)? {
        let Some(id) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let names =
            [".wav", "_mic1.flac", ".flac"].map(|ending| sounds.join(format!("{id}{ending}")));
        let Some(sound) = names.into_iter().find(|name| name.is_file()) else { continue };
        out.push(Utterance { id: id.to_string(), words: text(&path)?.trim().to_string(), sound });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn voices_come_from_another_sentence_of_the_speaker() {
        let folder = tempfile::tempdir().unwrap();
        let error = load(folder.path()).unwrap_err();
        assert!(error.to_string().contains("txt/ is missing"), "{error}");
        for (speaker, count) in [("p225", 3), ("p226", 1)] {
            let (texts, sounds) = (
                folder.path().join("txt").join(speaker),
                folder.path().join("wav48").join(speaker),
            );
            fs::create_dir_all(&texts).unwrap();
            fs::create_dir_all(&sounds).unwrap();
            for number in 1..=count {
                let id = format!("{speaker}_00{number}");
                fs::write(texts.join(format!("{id}.txt")), format!("Sentence {number}.\n"))
                    .unwrap();
                fs::write(sounds.join(format!("{id}.wav")), "").unwrap();
            }
        }
        // A text without its recording is left out, as in the corpus itself.
        fs::write(folder.path().join("txt/p225/p225_009.txt"), "Nine.").unwrap();
        let rows = load(folder.path()).unwrap();
        let ids: Vec<_> = rows.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids, ["p225_001", "p225_002", "p225_003"]);
        for row in &rows {
            let Some(Cell::Beginning(Location::Disk(voice), seconds)) = row.cell("voice") else {
                panic!("{row:?}")
            };
            assert_eq!(*seconds, 3.0);
            assert!(!voice.to_string_lossy().contains(&row.id), "{row:?}");
        }
        assert_eq!(rows[2].cell("voice_words"), Some(&Cell::Text("Sentence 1.".to_string())));
    }
}
