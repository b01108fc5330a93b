//! `check`, `plan`, `models`, `completions` and the command line itself.

mod support;

use std::fs;

use serde_json::Value;
use support::{agpt, json, stderr, temp};

fn stdout(output: &std::process::Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn check_passes_what_ships_and_fails_on_errors() {
    let good = agpt(["check", "pipelines", "stdlib"]).output().unwrap();
    assert!(good.status.success(), "{}", stderr(&good));
    let bad = agpt(["check", "tests/lang/errors/names_unknown.agpt"]).output().unwrap();
    assert_eq!(bad.status.code(), Some(1));
    assert!(stderr(&bad).contains("E0201"), "{}", stderr(&bad));
    let missing = agpt(["check", "no-such-file.agpt"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("no such file"), "{}", stderr(&missing));
}

#[test]
fn check_speaks_json() {
    let output =
        agpt(["check", "--json", "tests/lang/errors/names_unknown.agpt"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let first = &json["diagnostics"][0];
    assert!(first["code"].as_str().is_some_and(|code| code.starts_with('E')));
    assert!(first["labels"][0]["start"].is_u64());
    let text = std::fs::read_to_string("tests/lang/errors/names_unknown.agpt").unwrap();
    let fix = json["diagnostics"].as_array().unwrap().iter().find(|d| !d["fix"].is_null());
    let fix = &fix.expect("a diagnostic with a fix")["fix"];
    let offset = |key: &str| usize::try_from(fix[key].as_u64().unwrap()).unwrap();
    assert_eq!(&text[offset("start")..offset("end")], "captoin", "{fix}");
    assert_eq!(fix["replacement"], "caption");
    assert_eq!(fix["file"], "tests/lang/errors/names_unknown.agpt");
}

#[test]
fn plans_are_drawn() {
    let text = agpt(["plan", "pipelines/repaint.agpt"]).output().unwrap();
    assert!(text.status.success(), "{}", stderr(&text));
    assert!(stdout(&text).contains("generate image from"), "{}", stdout(&text));
    let dot = agpt(["plan", "pipelines/repaint.agpt", "--format", "dot"]).output().unwrap();
    assert!(stdout(&dot).starts_with("digraph"));
    let mermaid = agpt(["plan", "pipelines/repaint.agpt", "--format", "mermaid"]).output().unwrap();
    assert!(stdout(&mermaid).starts_with("flowchart"));
    let yaml = agpt(["plan", "pipelines/repaint.agpt", "--format", "yaml"]).output().unwrap();
    let read: Value = agpt::base::yaml::read(&stdout(&yaml)).unwrap();
    assert_eq!(read, json(&agpt(["plan", "pipelines/repaint.agpt", "--json"]).output().unwrap()));
    let passes = agpt(["plan", "pipelines/repaint.agpt", "--explain-passes"]).output().unwrap();
    assert!(stderr(&passes).contains("merge equal operations"), "{}", stderr(&passes));
}

#[test]
fn a_file_with_several_pipelines_wants_a_choice() {
    let folder = temp();
    let file = folder.path().join("two.agpt");
    fs::write(
        &file,
        "pub pipeline a(x: text) -> text {\n  return x\n}\n\npub pipeline b(x: text) -> text {\n  return x\n}\n",
    )
    .unwrap();
    let file = file.display().to_string();
    let undecided = agpt(["run", &file, "--x", "1"]).output().unwrap();
    assert_eq!(undecided.status.code(), Some(2));
    assert!(stderr(&undecided).contains("a, b"), "{}", stderr(&undecided));
    let chosen = agpt(["run", &file, "--pipeline", "b", "--x", "hello"]).output().unwrap();
    assert_eq!(stdout(&chosen), "hello\n", "{}", stderr(&chosen));
}

#[test]
fn nano_is_listed_shown_and_verified() {
    let list = agpt(["models"]).output().unwrap();
    assert!(stdout(&list).contains("nano"));
    let show = agpt(["models", "show", "nano"]).output().unwrap();
    assert!(stdout(&show).contains("image tokenizer"), "{}", stdout(&show));
    let verify = agpt(["models", "verify", "nano"]).output().unwrap();
    assert!(verify.status.success(), "{}", stderr(&verify));
    assert!(stdout(&verify).contains("files are as the manifest says"), "{}", stdout(&verify));
}

#[test]
fn a_changed_weights_file_is_found_by_verify() {
    let bundle = support::nano_copy();
    let weights = bundle.path().join("llm/model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&weights, bytes).unwrap();
    let output = agpt(["models", "verify"]).arg(bundle.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("model.safetensors"), "{}", stderr(&output));
}

#[test]
fn completions_are_scripts() {
    for shell in ["bash", "fish", "zsh"] {
        let output = agpt(["completions", shell]).output().unwrap();
        assert!(output.status.success() && stdout(&output).contains("agpt"), "{shell}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = temp();
    let output = agpt(["man"]).arg(folder.path().join("man1")).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let page = |name: &str| fs::read_to_string(folder.path().join("man1").join(name)).unwrap();
    let mut named = 0;
    for main in ["agpt.1", "agpt-models.1"] {
        let text = page(main);
        let (_, below) = text.split_once(".SH SUBCOMMANDS").unwrap();
        for line in below.lines().filter(|line| line.ends_with("(1)")) {
            let name = line.trim_end_matches("(1)").replace("\\-", "-");
            let words = name.replace('-', " ");
            let text = page(&format!("{name}.1"));
            assert!(text.contains(&format!("\n\\fB{words}\\fR")), "{name}:\n{text}");
            assert!(!text.contains("Print version"), "{name} has no --version");
            named += 1;
        }
    }
    assert!(named >= 16, "{named}");
    let main = agpt(["man"]).output().unwrap();
    assert_eq!(stdout(&main), page("agpt.1"));
    fs::write(folder.path().join("file"), "").unwrap();
    let wrong = agpt(["man"]).arg(folder.path().join("file")).output().unwrap();
    assert_eq!(wrong.status.code(), Some(3), "{}", stderr(&wrong));
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_build_without_cuda_says_so() {
    let output = agpt(["run", "pipelines/paint.agpt", "--device", "cuda:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("without CUDA"), "{}", stderr(&output));
}
