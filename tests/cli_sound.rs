//! Speech and music through the program, on a small bundle with random weights
//! (tests/reference/sound_bundle.py): lengths, files, voices, determinism, and bad input.

mod support;

use std::path::Path;

use agpt::media::{Sound, encode_wav, read_flac_comment, read_wav_comment};
use support::{agpt, json, stderr, temp, write_pipeline};

const MODEL: &str = "tests/fixtures/bundle/sound";

const PIPELINES: &str = r#"
use std/tasks { speak, transcribe, compose, describe_music }

pipeline say(words: text, voice: speech?, length: duration = 0.4s) -> speech {
  return generate speech from speak(words) {
    semantic: { duration: length }
    perceptual: { voice, steps: 2 }
  }
}

pipeline say_freely(words: text) -> speech {
  return generate speech from speak(words)
}

pipeline play(mood: text, length: duration?) -> { song: music, codes: tokens<music> } {
  let codes = generate tokens<music> from compose(mood) { semantic: { duration: length } }
  return { song: decode codes, codes }
}

pipeline write_down(recording: speech) -> text {
  return generate text from transcribe(recording)
}

pipeline tell(piece: music) -> text {
  return generate text from describe_music(piece)
}

pipeline there_and_back(piece: music) -> music {
  return decode encode piece
}

pipeline answer(recording: speech, most: int) -> mixed {
  return generate mixed from chat { user { "{recording} What is said?" } } {
    semantic: { temperature: 2.0, max_tokens: most, speech: { duration: 100ms }, music: { max_tokens: 8 } }
    perceptual: { speech: { steps: 1 } }
  }
}

pipeline talk(recording: speech) -> { first: speech, second: text, together: text } {
  let opening = chat { user { {recording} } }
  let first = generate speech from opening { semantic: { duration: 200ms } perceptual: { steps: 1 } }
  let next = chat { {opening} assistant { {first} } user { "And now?" } }
  let second = generate text from next
  let together = generate text from next { semantic: { temperature: 0.0 } }
  return { first, second, together }
}

pipeline play_codes(codes: tokens<music>) -> music {
  return decode codes
}
"#;

struct Bench {
    folder: tempfile::TempDir,
    file: String,
}

impl Bench {
    fn new() -> Self {
        let folder = temp();
        let file = write_pipeline(folder.path(), PIPELINES);
        Bench { folder, file }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn command(&self, pipeline: &str, args: &[&str]) -> assert_cmd::Command {
        let mut command = agpt(["run", &self.file, "--pipeline", pipeline, "--model", MODEL]);
        command.args(args);
        command
    }

    /// Runs a pipeline with one sound as its result.
    fn sound(&self, pipeline: &str, args: &[&str]) -> (Sound, Vec<u8>) {
        let out = self.path("made.wav");
        let output = self.command(pipeline, args).args(["--out", &out]).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        (Sound::load(&out).unwrap(), std::fs::read(&out).unwrap())
    }

    fn fails(&self, pipeline: &str, args: &[&str]) -> String {
        let output = self.command(pipeline, args).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        // Long lines are broken at the terminal's width.
        stderr(&output).replace("\n  │ ", " ")
    }

    fn write(&self, name: &str, sound: &Sound) -> String {
        let path = self.path(name);
        std::fs::write(&path, encode_wav(sound, "").unwrap()).unwrap();
        path
    }
}

fn tone(rate: u32, seconds: f64) -> Sound {
    let count = (f64::from(rate) * seconds) as usize;
    let sample = |index: usize| (index as f32 * 0.05).sin() * 0.3;
    Sound::new(rate, (0..count).map(sample).collect()).unwrap()
}

#[test]
fn durations_become_exact_lengths() {
    let bench = Bench::new();
    let (half, bytes) = bench.sound("say", &["--words", "hello", "--length", "500ms"]);
    assert_eq!((half.rate(), half.samples().len()), (16_000, 8_000));
    let recipe: serde_json::Value =
        serde_json::from_str(&read_wav_comment(&bytes).unwrap()).unwrap();
    assert_eq!(recipe["inputs"]["words"], "hello");

    let out = bench.path("folder");
    let args = ["--mood", "calm", "--length", "240ms", "--out", &out, "--json"];
    let made = json(&bench.command("play", &args).output().unwrap());
    let result = &made["results"];
    let codes: Vec<u32> = serde_json::from_value(result["codes"].clone()).unwrap();
    assert_eq!(codes.len(), 12 * 4, "whole frames of four codebooks");
    assert!(codes.iter().enumerate().all(|(i, code)| *code as usize / 8 == i % 4), "{codes:?}");
    let song = Sound::load(result["song"].as_str().unwrap()).unwrap();
    assert_eq!(song.samples().len(), 12 * 320);
}

#[test]
fn without_a_duration_the_model_ends_within_the_bundle_s_limit() {
    let bench = Bench::new();
    let (sound, _) = bench.sound("say_freely", &["--words", "hello"]);
    assert!((1..=20).contains(&(sound.samples().len() / 320)), "{}", sound.seconds());
    assert!(sound.samples().len().is_multiple_of(320));
}

#[test]
fn the_same_command_gives_the_same_sound_on_any_number_of_threads() {
    let bench = Bench::new();
    let voice = bench.write("voice.wav", &tone(22_050, 1.0));
    for given in [vec!["--words", "yes"], vec!["--words", "yes", "--voice", &voice]] {
        let run = |more: &[&str]| bench.sound("say", &[given.as_slice(), more].concat()).0;
        let first = run(&["--threads", "1"]);
        assert_eq!(first, run(&["--threads", "2"]));
        assert_ne!(first, run(&["--seed", "1"]));
    }
    let plain = bench.sound("say", &["--words", "yes"]).0;
    let voiced = bench.sound("say", &["--words", "yes", "--voice", &voice]).0;
    assert_ne!(plain, voiced, "the voice is heard");
}

#[test]
fn recordings_of_any_rate_are_read() {
    let bench = Bench::new();
    for rate in [8_000, 16_000, 44_100] {
        let path = bench.write("in.wav", &tone(rate, 0.5));
        let output = bench.command("write_down", &["--recording", &path, "--json"]);
        let made = json(&{ output }.output().unwrap());
        let prompt = made["generated"][0]["prompt"].as_str().unwrap();
        assert!(prompt.contains("[speech: 25 codes]"), "{rate}: {prompt}");
    }
    let flac = "tests/fixtures/sound/stereo.flac";
    let output = bench.command("tell", &["--piece", flac]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn tokens_can_be_made_and_played_without_a_language_model() {
    let bench = Bench::new();
    let path = bench.write("in.wav", &tone(16_000, 0.25));
    let (sound, _) = bench.sound("there_and_back", &["--piece", &path]);
    assert_eq!(sound.samples().len(), 13 * 320, "a begun frame counts");

    let short = bench.fails("play_codes", &["--codes", "[1, 9, 17]"]);
    assert!(short.contains("3 music codes were given"), "{short}");
    let turned = bench.fails("play_codes", &["--codes", "[9, 1, 17, 25]"]);
    assert!(turned.contains("music code 9 stands where one of codebook 0 should"), "{turned}");
    let none = bench.fails("play_codes", &["--codes", "[]"]);
    assert!(none.contains("0 music codes were given"), "{none}");
}

#[test]
fn bad_recordings_are_explained() {
    let bench = Bench::new();
    let missing = bench.fails("write_down", &["--recording", "none.wav"]);
    assert!(missing.contains("there is no file `none.wav`"), "{missing}");
    let picture = bench.fails("write_down", &["--recording", "examples/media/apple.png"]);
    assert!(picture.contains("is not a sound file: it is a picture"), "{picture}");
    let nan = bench.fails("tell", &["--piece", "tests/fixtures/sound/nan.wav"]);
    assert!(nan.contains("not a number (at 0.010 s)"), "{nan}");
    let long = bench.write("long.wav", &tone(8_000, 12.0));
    let long = bench.fails("write_down", &["--recording", &long]);
    assert!(long.contains("the context of sound is 512"), "{long}");
    let hour = bench.write("hour.wav", &tone(1_000, 601.0));
    let hour = bench.fails("write_down", &["--recording", &hour]);
    assert!(hour.contains("is 601 s long, but at most 600 s are encoded"), "{hour}");
    let name = ["--words", "a", "--out", &bench.path("made.mp3")];
    let name = bench.fails("say", &name);
    assert!(name.contains("the speech is written as .wav or .flac"), "{name}");
    assert!(!Path::new(&bench.path("made.mp3")).exists());
}

#[test]
fn flac_holds_the_same_samples_and_recipe() {
    let bench = Bench::new();
    let args = ["--words", "hello", "--length", "300ms"];
    let (wav, bytes) = bench.sound("say", &args);
    let recipe = read_wav_comment(&bytes).unwrap();
    let named = bench.path("named.flac");
    let folder = bench.path("folder");
    for more in [["--out", &named, "--quiet"].as_slice(), &["--out", &folder, "--sound", "flac"]] {
        let output = bench.command("say", &args).args(more).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    }
    for path in [named, format!("{folder}/say.flac")] {
        let bytes = std::fs::read(&path).unwrap();
        assert!(bytes.starts_with(b"fLaC"));
        assert_eq!(Sound::decode(&bytes, "say.flac").unwrap().samples(), wav.samples());
        assert_eq!(read_flac_comment(&bytes).as_deref(), Some(&*recipe));
    }
}

#[test]
fn several_sounds_do_not_go_into_one_file() {
    let folder = temp();
    let file = write_pipeline(
        folder.path(),
        "use std/tasks { speak }\n\npub pipeline both(words: list<text>) -> list<speech> {\n  \
         return [generate speech from speak(word) for word in words]\n}\n",
    );
    let out = folder.path().join("one.wav").display().to_string();
    let args = ["--words", "a", "b", "--model", MODEL, "--out", &out];
    let output = agpt(["run", &file]).args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("give a folder"), "{}", stderr(&output));
    assert!(!Path::new(&out).exists());
}

#[test]
fn a_model_without_sound_says_so_before_anything_is_loaded() {
    let bench = Bench::new();
    let args = ["--pipeline", "say", "--words", "hello", "--model", "tests/fixtures/bundle/tiny"];
    let output = agpt(["run", &bench.file]).args(args).output();
    let said = stderr(&output.unwrap());
    assert!(said.contains("tiny") && said.contains("speech"), "{said}");
}

#[test]
fn a_codec_that_does_not_fit_the_vocabulary_is_named() {
    let bench = Bench::new();
    let model = support::copy_of(MODEL);
    let config = model.path().join("music_codec/config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("[0.6]", "[0.3]")).unwrap();
    let mut command = agpt(["run", &bench.file, "--pipeline", "there_and_back", "--model"]);
    command.arg(model.path()).args(["--piece", "tests/fixtures/sound/stereo.wav"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = stderr(&output).replace("\n  │ ", " ");
    let words = "the music tokenizer has 2 codebooks of 8, but the vocabulary 4 of 8";
    assert!(said.contains(words), "{said}");
}

#[test]
fn a_mixed_reply_holds_whole_media_between_its_words() {
    let bench = Bench::new();
    let recording = bench.write("said.wav", &tone(16_000, 0.2));
    let out = bench.path("mixed");
    let mut kinds = std::collections::BTreeSet::new();
    for seed in 1..=16 {
        let seed = seed.to_string();
        let args =
            ["--recording", &recording, "--most", "120", "--out", &out, "--json", "--seed", &seed];
        let made = json(&bench.command("answer", &args).output().unwrap());
        let pieces = made["results"]["answer"].as_array().unwrap().clone();
        assert!(made["generated"][0]["ids"].as_array().unwrap().len() <= 120);
        for piece in pieces {
            let (kind, value) = piece.as_object().unwrap().iter().next().unwrap();
            kinds.insert(kind.clone());
            if kind == "speech" {
                let sound = Sound::load(value.as_str().unwrap()).unwrap();
                assert_eq!(sound.samples().len(), 1600, "100 ms each");
            } else if kind == "music" {
                let frames = Sound::load(value.as_str().unwrap()).unwrap().samples().len() / 320;
                assert!((1..=2).contains(&frames), "at most 8 codes are 2 frames: {frames}");
            }
        }
    }
    // A model with random weights switches at random.
    assert_eq!(Vec::from_iter(kinds), ["music", "speech", "text"]);
}

#[test]
fn a_medium_without_room_in_a_mixed_reply_is_explained() {
    let bench = Bench::new();
    let recording = bench.write("said.wav", &tone(16_000, 0.2));
    let error = bench.fails("answer", &["--recording", &recording, "--most", "6"]);
    assert!(error.contains("`duration` is 0.1s, but must be at most 0.08s here"), "{error}");
}

#[test]
fn earlier_turns_keep_their_ids() {
    let bench = Bench::new();
    let recording = bench.write("said.wav", &tone(16_000, 0.2));
    let out = bench.path("talk");
    let args = ["--recording", &recording, "--out", &out, "--json"];
    let made = json(&bench.command("talk", &args).output().unwrap());
    let generated = made["generated"].as_array().unwrap();
    let numbers = |at: usize| generated[at]["prompt_tokens"].as_u64().unwrap();
    // The reply's ten codes, their end, the end of the turn, and the next turn.
    assert!(numbers(1) >= numbers(0) + 12, "{generated:#?}");
    let prompt = generated[1]["prompt"].as_str().unwrap();
    assert!(prompt.contains("[MMGPT]: [speech: 10 codes]<eos>\n[Human]: And now?"), "{prompt}");
    // Encoding the speech that was made again would need another number of frames.
    let nodes: Vec<&str> =
        made["timings"].as_array().unwrap().iter().filter_map(|t| t["node"].as_str()).collect();
    assert!(nodes.iter().any(|node| node.contains("recall")), "{nodes:?}");
}

#[test]
fn music_longer_than_the_window_goes_on_from_its_own_end() {
    let bench = Bench::new();
    let folder = bench.folder.path().join("windowed");
    copy_folder(Path::new(MODEL), &folder);
    let manifest = std::fs::read_to_string(folder.join("bundle.yaml")).unwrap();
    let manifest = manifest.replace(
        "music: { max_tokens: 40 }",
        "music: { max_tokens: 40, window_seconds: 0.2, overlap_seconds: 0.06 }",
    );
    std::fs::write(folder.join("bundle.yaml"), manifest).unwrap();
    let play = |model: &Path, length: &str| {
        let out = bench.path("long.wav");
        let output = agpt(["run", &bench.file, "--pipeline", "play", "--model"])
            .arg(model)
            .args(["--mood", "calm", "--length", length, "--out", &out, "--json"])
            .output()
            .unwrap();
        let made = json(&output);
        let codes = made["results"]["codes"].as_array().unwrap().clone();
        codes.iter().map(|code| code.as_u64().unwrap()).collect::<Vec<_>>()
    };
    let long = play(&folder, "500ms");
    assert_eq!(long.len(), 25 * 4, "whole frames of four codes");
    assert_eq!(long, play(&folder, "500ms"), "the same again");
    // The first window is what it would be alone; the rest goes on from it.
    assert_eq!(long[..40], play(&folder, "200ms"));
    for (place, code) in long.iter().enumerate() {
        assert_eq!(code / 8, place as u64 % 4, "codebooks take turns over the seams");
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
