//! What the tests of the program share.
#![allow(dead_code)] // each test file is a crate of its own and uses a part

use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;

/// The program, run from the repository's root without a terminal or a user's models.
pub fn agpt<'a>(args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("agpt"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("NO_COLOR", "1")
        .env_remove("AGPT_MODELS")
        .args(args);
    command
}

pub fn apple() -> String {
    "examples/media/apple.png".to_string()
}

pub fn temp() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The JSON that a successful run printed.
pub fn json(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Writes a pipeline file and returns its path.
pub fn write_pipeline(folder: &Path, text: &str) -> String {
    let path = folder.join("test.agpt");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A copy of a folder of the repository, to be damaged.
pub fn copy_of(path: &str) -> tempfile::TempDir {
    let folder = temp();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path), folder.path());
    folder
}

/// A copy of the shipped bundle, to be damaged.
pub fn nano_copy() -> tempfile::TempDir {
    let folder = temp();
    let nano = Path::new(env!("CARGO_MANIFEST_DIR")).join("stdlib/models/nano");
    for part in fs::read_dir(&nano).unwrap() {
        let part = part.unwrap();
        let name = part.file_name();
        if name == "recipe" || name == "card" {
            continue;
        }
        if part.file_type().unwrap().is_dir() {
            copy(&part.path(), &folder.path().join(&name));
        } else {
            fs::copy(part.path(), folder.path().join(&name)).unwrap();
        }
    }
    folder
}
