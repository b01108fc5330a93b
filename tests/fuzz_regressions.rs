//! Seeds of the fuzzer and inputs that once failed, through the functions that it calls
//! (fuzz/targets), as fast as other tests.

#[path = "../fuzz/targets/mod.rs"]
mod targets;

use std::fs;
use std::path::Path;

fn run(target: &targets::Target, files: impl IntoIterator<Item = std::path::PathBuf>) -> usize {
    let mut count = 0;
    for file in files {
        let bytes = fs::read(&file).unwrap();
        (target.run)(&bytes);
        // Cut and with a bit turned: cheap neighbours of every input.
        (target.run)(&bytes[..bytes.len() / 2]);
        let mut turned = bytes.clone();
        if let Some(byte) = turned.get_mut(bytes.len() / 3) {
            *byte ^= 1;
        }
        (target.run)(&turned);
        count += 1;
    }
    count
}

fn listed(folder: &Path, endings: &[&str]) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .filter(|path| {
            let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
            endings.is_empty() || endings.contains(&ending)
        })
        .filter(|path| path.metadata().unwrap().len() <= 8192)
        .collect();
    files.sort();
    files
}

#[test]
fn what_was_found_stays_answered() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/regressions");
    for entry in fs::read_dir(&root).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_string();
        let target = targets::named(&name).unwrap_or_else(|| panic!("no target is called {name}"));
        assert!(run(target, listed(&folder, &[])) > 0, "{name} has no inputs");
    }
}

#[test]
fn every_target_takes_the_files_of_the_repository() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let seeds: &[(&str, &[&str], &[&str])] = &[
        ("syntax", &["tests/lang/errors", "tests/lang/good", "pipelines"], &["agpt"]),
        ("check", &["tests/lang/errors", "tests/lang/good", "stdlib"], &["agpt"]),
        ("format", &["tests/lang/format", "tests/lang/good", "stdlib"], &["agpt"]),
        ("editor", &["tests/lang/format"], &["agpt"]),
        ("bundle", &["tests/fixtures/bundle/tiny", "tests/fixtures/bundle/sound"], &["yaml"]),
        ("recipe", &["examples/training", "stdlib/training"], &["yaml"]),
        ("component", &["examples/plugins/poster"], &["wasm"]),
        ("weights", &["tests/fixtures/torch"], &["pt", "pth", "bin", "safetensors"]),
        ("tokenizer", &["tests/fixtures/models"], &["json"]),
        ("sentencepiece", &["tests/fixtures/bundle/tiny/llm"], &["model"]),
        ("picture", &["tests/fixtures/media"], &["png", "jpg", "webp"]),
        ("sound", &["tests/fixtures/sound"], &["wav", "flac", "mp3", "ogg"]),
        ("rows", &["stdlib/evaluation/nano"], &["jsonl"]),
    ];
    for (name, folders, endings) in seeds {
        let target = targets::named(name).unwrap();
        let files = folders.iter().flat_map(|folder| listed(&root.join(folder), endings));
        assert!(run(target, files) > 0, "{name} has no seeds");
    }
    assert_eq!(
        seeds.len() + 5,
        targets::TARGETS.len(),
        "config, package, packed, results and snapshot have regressions"
    );
}
