//! A disk without room, as a limit on the size of files: every command that writes says which file
//! and what to do, leaves nothing half-written, and goes on once there is room.

#![cfg(unix)]

#[path = "support/openai.rs"]
#[cfg(feature = "providers")]
mod openai;
mod support;
#[path = "support/training.rs"]
mod training;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::{apple, stderr, temp};

/// The program where no file may be larger than `kib` KiB.
fn cramped<'a>(kib: u32, args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new("bash");
    // Without the signal, writing beyond the limit is an error as on a full disk.
    command.args(["-c", "trap '' XFSZ; ulimit -f $0; exec \"$@\"", &kib.to_string()]);
    command.arg(assert_cmd::cargo::cargo_bin!("agpt")).args(args);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("NO_COLOR", "1").env_remove("AGPT_MODELS");
    command
}

fn roomy<'a>(args: impl IntoIterator<Item = &'a str>) -> Output {
    let output = support::agpt(args).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    output
}

/// The run failed for want of room for `file`, and says once what to do.
fn no_room(output: &Output, file: &str) {
    let text = stderr(output).replace('│', " ");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("there is no room for it on the disk"), "{text}");
    assert!(text.contains(file), "{file}: {text}");
    assert_eq!(text.matches("help: ").count(), 1, "{text}");
    assert!(text.contains("make room"), "{text}");
}

/// All files below a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = fs::read_dir(&next) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

/// Nothing lies there under a temporary name.
fn tidy(folder: &Path) {
    let left: Vec<String> = files(folder).into_keys().collect();
    assert!(left.iter().all(|name| !name.contains(".part")), "{left:?}");
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_result_of_a_run() {
    let folder = temp();
    let out = text(&folder.path().join("apple.png"));
    let args = ["run", "pipelines/paint.agpt", "--scene", "a red apple", "--out", &out];
    no_room(&cramped(1, args).output().unwrap(), "apple.png");
    assert!(files(folder.path()).is_empty(), "{:?}", files(folder.path()).keys());
    roomy(args);
    assert_eq!(files(folder.path()).len(), 1);
}

#[test]
fn tokens_of_pairs() {
    let folder = temp();
    let picture = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(apple());
    let row = |id: usize| serde_json::json!({ "id": id, "text": "an apple", "image": picture });
    let pairs = folder.path().join("pairs.jsonl");
    fs::write(&pairs, (0..12).map(|id| format!("{}\n", row(id))).collect::<String>()).unwrap();
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    let args = |out: &Path, rows: &str| {
        let words = ["data", "tokenize", &text(&pairs), "--out", &text(out), "--shard-rows", rows];
        words.map(str::to_string)
    };
    let (all, some) = (args(&whole, "12"), args(&cut, "12"));
    roomy(all.iter().map(String::as_str));
    no_room(&cramped(1, some.iter().map(String::as_str)).output().unwrap(), "part-00000");
    tidy(&cut);
    roomy(some.iter().map(String::as_str));
    assert_eq!(files(&cut), files(&whole));
}

#[test]
fn packed_sequences() {
    let folder = temp();
    let turn = |id: usize| {
        let words = format!("say {id} of the many things that there are to be said about apples");
        serde_json::json!({ "conversation": [[
            { "role": "user", "message": words }, { "role": "assistant", "message": words }
        ]] })
    };
    let rows: String = (0..200).map(|id| format!("{}\n", turn(id))).collect();
    fs::write(folder.path().join("rows.jsonl"), rows).unwrap();
    let recipe = folder.path().join("data.yaml");
    let sources = "sources: [{ name: rows, conversations: rows.jsonl }]";
    fs::write(&recipe, format!("format: 1\nmax_length: 256\nloss: reply\n{sources}\n")).unwrap();
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    let args = |out: &Path| {
        let words = ["data", "pack", &text(&recipe), "--model", "nano", "--out", &text(out)];
        words.map(str::to_string)
    };
    roomy(args(&whole).iter().map(String::as_str));
    no_room(&cramped(4, args(&cut).iter().map(String::as_str)).output().unwrap(), "cut");
    tidy(&cut);
    roomy(args(&cut).iter().map(String::as_str));
    assert_eq!(files(&cut), files(&whole));
}

#[test]
fn checkpoints_of_a_training() {
    let folder = temp();
    training::pack(&folder.path().join("data"), 23);
    training::pack(&folder.path().join("valid"), 5);
    let recipe = folder.path().join("recipe.yaml");
    fs::write(&recipe, training::RECIPE).unwrap();
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    let args = |out: &Path| ["train", &text(&recipe), "--out", &text(out)].map(str::to_string);
    roomy(args(&whole).iter().map(String::as_str));
    no_room(&cramped(64, args(&cut).iter().map(String::as_str)).output().unwrap(), "step 2");
    let steps = fs::read_dir(&cut).unwrap().map(|entry| entry.unwrap().file_name());
    let steps: Vec<_> = steps.filter(|name| name.to_string_lossy().starts_with("step-")).collect();
    assert!(steps.is_empty(), "{steps:?}");
    roomy(args(&cut).iter().map(String::as_str));
    let tensors = |out: &Path| {
        let mut all = files(out);
        all.retain(|name, _| name.ends_with(".safetensors"));
        all
    };
    assert_eq!(tensors(&cut), tensors(&whole));
    tidy(&cut);
}

#[test]
fn rows_of_an_evaluation() {
    let folder = temp();
    let picture = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(apple());
    let row = |id: usize| serde_json::json!({ "id": id, "picture": picture, "thing": "apple" });
    let rows: String = (0..12).map(|id| format!("{}\n", row(id))).collect();
    fs::write(folder.path().join("rows.jsonl"), rows).unwrap();
    let suite = folder.path().join("suite.agpt");
    let words = r#"use std/tasks

evaluation named(picture: image, thing: text) with { data: "./rows.jsonl" } {
  let words = generate text from tasks.caption(picture)
  measure exact_match(words, thing)
}
"#;
    fs::write(&suite, words).unwrap();
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    let args = |out: &Path| ["eval", &text(&suite), "--out", &text(out)].map(str::to_string);
    roomy(args(&whole).iter().map(String::as_str));
    no_room(&cramped(1, args(&cut).iter().map(String::as_str)).output().unwrap(), "results.jsonl");
    tidy(&cut);
    let results = cut.join("nano/named/results.jsonl");
    let before = fs::read_to_string(&results).unwrap();
    let kept = before.lines().filter(|line| line.ends_with('}')).count();
    assert!((1..12).contains(&kept), "{before}");
    roomy(args(&cut).iter().map(String::as_str));
    let after = fs::read_to_string(&results).unwrap();
    let first = |text: &str| text.lines().take(kept).map(str::to_string).collect::<Vec<_>>();
    assert_eq!(first(&after), first(&before), "what was there is not run again");
    let values = |out: &Path| {
        let text = fs::read_to_string(out.join("nano/named/results.jsonl")).unwrap();
        let row = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let rows = text.lines().map(row);
        rows.map(|row| (row["key"].clone(), row["values"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(values(&cut), values(&whole));
}

#[test]
fn snapshots_of_tests() {
    let folder = temp();
    let file = folder.path().join("all.agpt");
    let words = r#"use std/tasks { paint }

test "painted" with { seed: 7 } {
  let picture = generate image from paint("a red apple") { perceptual: { steps: 2 } }
  snapshot { picture }
}
"#;
    fs::write(&file, words).unwrap();
    let args = ["test", &text(&file), "--update"].map(str::to_string);
    no_room(&cramped(1, args.iter().map(String::as_str)).output().unwrap(), "snapshots");
    tidy(folder.path());
    roomy(args.iter().map(String::as_str));
    roomy(["test", &text(&file), "--ci"]);
}

#[cfg(feature = "providers")]
#[test]
fn what_a_synthesis_was_told() {
    let (server, folder) = (openai::Server::start(), temp());
    let role = |model: &str| {
        let key = "key_env: TEST_KEY, backoff_seconds: 0.01";
        format!("{{ openai: {{ url: \"{}\", model: {model}, {key} }} }}", server.url)
    };
    let recipe = folder.path().join("recipe.yaml");
    let roles = format!(
        "writer: {}\nimage: {}\nspeech: {}",
        role("writer"),
        role("painter"),
        role("speaker")
    );
    let counts = "topics: { per_meta: 2, batch: 2 }\nscenarios: { per_topic: 2 }";
    fs::write(&recipe, format!("format: 1\nseed: 3\n{roles}\n{counts}\n")).unwrap();
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    let args = |out: &Path| {
        ["data", "synthesize", &text(&recipe), "--out", &text(out), "--limit", "4"]
            .map(str::to_string)
    };
    let run = |mut command: Command| command.env("TEST_KEY", openai::KEY).output().unwrap();
    let mut all = Command::new(assert_cmd::cargo::cargo_bin!("agpt"));
    all.args(args(&whole));
    assert!(run(all).status.success());
    no_room(&run(cramped(2, args(&cut).iter().map(String::as_str))), "journal");
    tidy(&cut);
    let asked = server.seen().len();
    let mut rest = Command::new(assert_cmd::cargo::cargo_bin!("agpt"));
    rest.args(args(&cut));
    let output = run(rest);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(server.seen().len() > asked);
    let made = |out: &Path| {
        let mut all = files(out);
        all.retain(|name, _| name != "journal");
        all
    };
    assert_eq!(made(&cut), made(&whole));
}
