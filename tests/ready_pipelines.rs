//! Every file of pipelines/ on the shipped model: what it says, and that nothing of it depends on
//! the number of threads.

mod support;

use std::fs;
use std::path::Path;

use agpt::base::hash::Digest;
use serde_json::Value as Json;
use support::{agpt, json, temp};

/// Each pipeline with the arguments that its documentation shows.
const COMMANDS: &[(&str, &[&str])] = &[
    ("caption", &["--photo", "examples/media/sunflower.png"]),
    ("paint", &["--scene", "a red apple", "--steps", "4"]),
    ("repaint", &["--photo", "examples/media/apple.png"]),
    ("transcribe", &["--recording", "examples/media/apple.wav"]),
    ("speak", &["--words", "a red apple"]),
    ("clone-voice", &["--voice", "examples/media/voice.wav", "--words", "a green car"]),
    ("compose", &["--mood", "a calm cheerful high piano melody"]),
    ("describe-music", &["--piece", "examples/media/melody.wav"]),
    ("voice-chat", &["--question", "examples/media/question.wav"]),
    ("picture-to-music", &["--photo", "examples/media/apple.png"]),
    ("music-to-picture", &["--piece", "examples/media/melody.wav"]),
    ("story", &["--topic", "a red apple"]),
];

fn run(name: &str, args: &[&str], threads: &str, out: &Path) -> Json {
    let file = format!("pipelines/{name}.agpt");
    let mut command = agpt(["run", &file, "--json", "--threads", threads]);
    command.args(args).arg("--out").arg(out);
    json(&command.output().unwrap())
}

/// The ids of every reply.
fn ids(run: &Json) -> Vec<&Json> {
    run["generated"].as_array().unwrap().iter().map(|reply| &reply["ids"]).collect()
}

/// Names and contents of what is in a folder.
fn files(folder: &Path) -> Vec<(String, Digest)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let named = entries.map(|entry| {
        let name = entry.file_name().into_string().unwrap();
        (name, Digest::of(&fs::read(entry.path()).unwrap()))
    });
    let mut files: Vec<_> = named.collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

/// The results with the names of files in place of their paths.
fn without_folder(json: &Json, folder: &str) -> Json {
    match json {
        Json::String(text) => Json::String(text.replace(folder, "out/")),
        Json::Array(items) => items.iter().map(|item| without_folder(item, folder)).collect(),
        Json::Object(fields) => {
            let fields =
                fields.iter().map(|(key, value)| (key.clone(), without_folder(value, folder)));
            Json::Object(fields.collect())
        }
        other => other.clone(),
    }
}

#[test]
fn every_file_is_here() {
    let mut found: Vec<String> = fs::read_dir("pipelines")
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let mut here: Vec<_> = COMMANDS.iter().map(|(name, _)| name.to_string()).collect();
    found.sort();
    here.sort();
    assert_eq!(found, here);
}

#[test]
fn results_are_the_same_on_any_number_of_threads() {
    let mut said = serde_json::Map::new();
    for (name, args) in COMMANDS {
        let (one, two) = (temp(), temp());
        let first = run(name, args, "1", one.path());
        let second = run(name, args, "2", two.path());
        assert_eq!(ids(&first), ids(&second), "ids of {name}");
        assert_eq!(files(one.path()), files(two.path()), "files of {name}");
        assert_eq!(first["recipe"], second["recipe"], "recipe of {name}");
        let folder = format!("{}/", one.path().display());
        said.insert(name.to_string(), without_folder(&first["results"], &folder));
    }
    insta::assert_json_snapshot!(said);
    // What the documentation shows is what comes out.
    let docs = fs::read_to_string("docs/pipelines.md").unwrap();
    for (name, args) in COMMANDS {
        let arg =
            |arg: &&str| if arg.contains(' ') { format!("\"{arg}\"") } else { arg.to_string() };
        // The steps of the test's painting are fewer, so that it takes less time.
        let shown = args.iter().take_while(|arg| **arg != "--steps").map(arg);
        let shown = shown.collect::<Vec<_>>().join(" ");
        let command = format!("agpt run pipelines/{name}.agpt {shown}\n");
        assert!(docs.contains(&command), "docs/pipelines.md lacks {command}");
        let words = texts(&said[*name]);
        for text in words.iter().filter(|text| !text.starts_with("out/")) {
            assert!(docs.contains(text.as_str()), "{name}: docs/pipelines.md lacks {text:?}");
        }
    }
}

/// The texts in a result.
fn texts(json: &Json) -> Vec<String> {
    match json {
        Json::String(text) => vec![text.clone()],
        Json::Array(items) => items.iter().flat_map(texts).collect(),
        Json::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}
