//! `agpt chat` with lines from a pipe: replies, attachments, mistakes, and saved conversations
//! that repeat themselves.

mod support;

use std::path::Path;
use std::process::Output;

use agpt::media::{Sound, encode_wav};
use support::{agpt, apple, json, stderr, temp};

const SOUND: &str = "tests/fixtures/bundle/sound";

fn chat(args: &[&str], lines: &str) -> Output {
    agpt(["chat", "--quiet"]).args(args).write_stdin(lines).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_picture_is_described_as_by_the_pipeline() {
    let lines = format!(":image {}\nDescribe this picture.\n:quit\n", apple());
    let output = chat(&["--reply", "text"], &lines);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("apple"), "{}", stdout(&output));
}

#[test]
fn a_saved_conversation_gives_the_same_replies() {
    let folder = temp();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let tone: Vec<f32> = (0..4000).map(|at| (at as f32 * 0.05).sin() * 0.3).collect();
    let bytes = encode_wav(&Sound::new(16_000, tone).unwrap(), "").unwrap();
    std::fs::write(path("a.wav"), bytes).unwrap();
    let lines = format!(
        ":add {}\nWhat is said?\n:reply text\nAnd \"now\" {{?}}\n:reply mixed\nGo on.\n:save {}\n",
        path("a.wav"),
        path("talk.agpt"),
    );
    let out = path("out");
    let output = chat(&["--model", SOUND, "--seed", "3", "--out", &out], &lines);
    assert!(output.status.success(), "{}", stderr(&output));

    let again = path("again");
    let args = ["--model", SOUND, "--seed", "3", "--out", &again, "--json"];
    let run = json(&agpt(["run", &path("talk.agpt")]).args(args).output().unwrap());
    let text = run["results"]["reply2"].as_str().unwrap();
    assert!(stdout(&output).contains(text), "{text:?} in {}", stdout(&output));
    let sizes = |folder: &str| {
        let mut sizes: Vec<u64> = match std::fs::read_dir(folder) {
            Ok(files) => files
                .map(|file| Sound::load(file.unwrap().path()).unwrap().samples().len() as u64)
                .collect(),
            Err(_) => Vec::new(),
        };
        sizes.sort_unstable();
        sizes
    };
    assert_eq!(sizes(&out), sizes(&again), "the same media");

    let taken = chat(&["--model", SOUND], &format!("hi\n:save {}\n", path("talk.agpt")));
    assert_eq!(taken.status.code(), Some(3));
    assert!(stderr(&taken).contains("already"), "{}", stderr(&taken));
}

#[test]
fn mistakes_leave_the_conversation_as_it_is() {
    let output = chat(
        &["--reply", "text"],
        ":add missing.png\n:nonsense\n:reply film\n:save here.txt\n:save\n\n:help\n:reset\n",
    );
    assert_eq!(output.status.code(), Some(3), "a script sees that something failed");
    let said = stderr(&output);
    for what in ["missing.png", "no command `:nonsense`", "no kind of reply", "nothing to save"] {
        assert!(said.contains(what), "{what:?} in {said}");
    }
    assert!(stdout(&output).contains(":save FILE"), "{}", stdout(&output));
    assert!(!Path::new("here.txt").exists());
    // What the model cannot do is said, and the next turn goes on.
    let lines = ":reply image\npaint hello\n:reply text\nDescribe this picture.\n";
    let output = chat(&["--model", "tests/fixtures/bundle/sound"], lines);
    assert!(stderr(&output).contains("image"), "{}", stderr(&output));
    assert!(!stdout(&output).trim().is_empty());
}
