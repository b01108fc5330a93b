//! `agpt train` as a user meets it: trainings that end, that are interrupted and that go wrong.

#[path = "support/training.rs"]
mod training;

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use agpt::bundle::Bundle;
use agpt::data::packed::Index;
use serde_json::Value;
use support::{agpt, json, stderr, temp};
use training::{RECIPE, pack};

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    /// A folder with data and a recipe that differs by `changes` (from, to).
    fn new(changes: &[(&str, &str)]) -> Self {
        let bench = Bench { folder: temp() };
        pack(&bench.path("data"), 23);
        pack(&bench.path("valid"), 5);
        bench.recipe(changes);
        bench
    }

    fn recipe(&self, changes: &[(&str, &str)]) {
        let mut text = RECIPE.to_string();
        for (from, to) in changes {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        fs::write(self.path("recipe.yaml"), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn args(&self, out: &str, more: &[&str]) -> Vec<String> {
        let (recipe, out) = (self.path("recipe.yaml"), self.path(out));
        let mut args = vec!["train".to_string(), recipe.display().to_string()];
        args.extend(["--out".into(), out.display().to_string()]);
        args.extend(more.iter().map(|arg| arg.to_string()));
        args
    }

    fn run(&self, out: &str, more: &[&str]) -> Output {
        let args = self.args(out, more);
        agpt(args.iter().map(String::as_str)).output().unwrap()
    }

    fn done(&self, out: &str, more: &[&str]) -> Output {
        let output = self.run(out, more);
        assert!(output.status.success(), "{}", stderr(&output));
        output
    }

    /// A process that can be ended.
    fn spawn(&self, out: &str) -> Child {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("agpt"));
        command.current_dir(env!("CARGO_MANIFEST_DIR")).args(self.args(out, &["--quiet"]));
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The bytes of all tensors of a checkpoint.
    fn tensors(&self, out: &str, step: u64) -> [Vec<u8>; 2] {
        let folder = self.path(out).join(format!("step-{step}"));
        ["model.safetensors", "optimizer.safetensors"]
            .map(|file| fs::read(folder.join(file)).unwrap())
    }

    fn log(&self, out: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(out).join("log.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The message with its lines joined, as a terminal's width does not matter here.
fn said(output: &Output) -> String {
    let text = stderr(output).replace("\n  │ ", " ").replace("\n        ", " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn refused(output: &Output, code: i32, words: &[&str]) {
    let text = said(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for words in words {
        assert!(text.contains(words), "{words}: {text}");
    }
}

fn wait_for(path: &Path) {
    let begun = Instant::now();
    while !path.exists() {
        assert!(begun.elapsed() < Duration::from_secs(120), "{} does not come", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_training_leaves_checkpoints_a_log_and_curves() {
    let bench = Bench::new(&[]);
    let result = json(&bench.done("out", &["--json"]));
    assert_eq!((result["step"].as_u64(), result["cancelled"].as_bool()), (Some(6), Some(false)));
    assert!(result["padding"].as_f64().unwrap() < 0.25, "{result}");
    let mut names: Vec<String> = fs::read_dir(bench.path("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, [".agpt-lock", "log.jsonl", "loss.html", "step-4", "step-6"]);
    let log = bench.log("out");
    let steps: Vec<u64> =
        log.iter().filter(|l| l["kind"] == "step").map(|l| l["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [1, 2, 3, 4, 5, 6]);
    let evaluated: Vec<u64> = log
        .iter()
        .filter(|l| l["kind"] == "evaluation")
        .map(|l| l["step"].as_u64().unwrap())
        .collect();
    assert_eq!(evaluated, [0, 3, 6]);
    // Random weights know nothing: the loss begins at ln of the vocabulary.
    let first = &log[0];
    for medium in ["text", "image", "speech", "music"] {
        let loss = first["losses"][medium].as_f64().unwrap();
        assert!((loss - 3596f64.ln()).abs() < 0.2, "{medium}: {loss}");
        let perplexity = first["perplexities"][medium].as_f64().unwrap();
        assert!((perplexity.ln() - loss).abs() < 1e-9);
    }
    let step = &log[1];
    let parts: f64 = ["text", "image", "speech", "music"]
        .iter()
        .map(|m| step["losses"][m].as_f64().unwrap_or(0.0) * if *m == "image" { 0.5 } else { 1.0 })
        .sum();
    assert!((step["loss"].as_f64().unwrap() - parts).abs() < 1e-6);
    let last = log.last().unwrap();
    assert!(last["loss"].as_f64().unwrap() < first["loss"].as_f64().unwrap() - 0.2, "{last}");
    // The end is the end: nothing is done again.
    let again = json(&bench.done("out", &["--json"]));
    assert_eq!(again["step"], 6);
    assert_eq!(bench.log("out").len(), log.len());
}

#[test]
fn threads_change_nothing() {
    let bench = Bench::new(&[]);
    bench.done("one", &["--quiet", "--threads", "1"]);
    bench.done("two", &["--quiet", "--threads", "2"]);
    assert_eq!(bench.tensors("one", 6), bench.tensors("two", 6));
}

#[test]
fn what_was_killed_goes_on_to_the_same_bits() {
    let bench =
        Bench::new(&[("steps: 6", "steps: 60"), ("evaluate_every: 3", "evaluate_every: 50")]);
    bench.done("whole", &["--quiet"]);
    let mut child = bench.spawn("killed");
    wait_for(&bench.path("killed/step-6"));
    // SIGKILL on Unix: nothing can be tidied up.
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!bench.path("killed/step-60").exists(), "it was too late to interrupt it");
    let output = bench.done("killed", &["--resume"]);
    assert!(stderr(&output).contains("going on from step "), "{}", stderr(&output));
    assert_eq!(bench.tensors("whole", 60), bench.tensors("killed", 60));
    let without_time = |out: &str| {
        let mut log = bench.log(out);
        for line in &mut log {
            line.as_object_mut().unwrap().remove("tokens_per_second");
        }
        log
    };
    assert_eq!(without_time("whole"), without_time("killed"));
}

#[test]
fn two_trainings_do_not_share_a_folder() {
    // More steps than are made before it is killed.
    let bench =
        Bench::new(&[("steps: 6", "steps: 60000"), ("evaluate_every: 3", "evaluate_every: 50")]);
    fs::create_dir_all(bench.path("out/.step-9.part")).unwrap();
    let mut child = bench.spawn("out");
    wait_for(&bench.path("out/step-6"));
    refused(&bench.run("out", &[]), 3, &["another `agpt train` writes to", "--out"]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!bench.path("out/.step-9.part").exists());
}

#[cfg(unix)]
#[test]
fn ctrl_c_writes_a_checkpoint() {
    let bench =
        Bench::new(&[("steps: 6", "steps: 60"), ("checkpoint_every: 2", "checkpoint_every: 50")]);
    bench.done("whole", &["--quiet"]);
    let mut child = bench.spawn("cancelled");
    let log = bench.path("cancelled/log.jsonl");
    wait_for(&log);
    while fs::read_to_string(&log).unwrap().lines().count() < 5 {
        std::thread::sleep(Duration::from_millis(2));
    }
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let checkpoints: Vec<_> = fs::read_dir(bench.path("cancelled"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("step-"))
        .collect();
    assert_eq!(checkpoints.len(), 1, "{checkpoints:?}");
    bench.done("cancelled", &["--quiet"]);
    assert_eq!(bench.tensors("whole", 60), bench.tensors("cancelled", 60));
}

#[test]
fn another_recipe_does_not_go_on() {
    let bench = Bench::new(&[]);
    bench.done("out", &["--quiet"]);
    bench.recipe(&[("seed: 3", "seed: 4"), ("clip: 1.0", "clip: 2.0")]);
    let words = ["begun with another recipe", "`clip` was 1.0, is 2.0", "`seed` was 3, is 4"];
    refused(&bench.run("out", &[]), 3, &words);
    // The same data from another place are the same; other data are not.
    bench.recipe(&[("path: data", "path: ./data")]);
    bench.done("out", &["--quiet"]);
    pack(&bench.path("data"), 22);
    refused(&bench.run("out", &[]), 3, &["packed data are others"]);
    refused(&bench.run("new", &["--resume"]), 3, &["no checkpoint", "leave out --resume"]);
}

#[test]
fn a_loss_that_is_no_number_stops_before_the_update() {
    let bench = Bench::new(&[
        ("rate: 0.01, weight", "rate: 1e15, weight"),
        ("  muon: { rate: 0.01 }\n", ""),
        ("clip: 1.0\n", ""),
        ("checkpoint_every: 2", "checkpoint_every: 1"),
        ("validation: [valid]\n", ""),
    ]);
    let output = bench.run("out", &["--quiet"]);
    refused(
        &output,
        3,
        &[
            "step 2: ",
            "sequence ",
            "0.safetensors",
            "checkpoint of step 1 is kept",
            "Lower the rate",
        ],
    );
    assert!(bench.path("out/step-1").exists() && !bench.path("out/step-2").exists());
}

#[test]
fn weights_that_an_update_lost_are_not_saved() {
    let bench = Bench::new(&[
        ("rate: 0.01, weight", "rate: 1e39, weight"),
        ("  muon: { rate: 0.01 }\n", ""),
        ("checkpoint_every: 2", "checkpoint_every: 1"),
        ("validation: [valid]\n", ""),
    ]);
    let words = ["step 1: the parameter `", " after its update", "nothing of it was saved"];
    refused(&bench.run("out", &["--quiet"]), 3, &words);
    assert!(!bench.path("out/step-1").exists());
}

#[test]
fn a_broken_checkpoint_names_the_one_before_it() {
    let bench = Bench::new(&[]);
    bench.done("out", &["--quiet"]);
    let moments = bench.path("out/step-6/optimizer.safetensors");
    let whole = fs::read(&moments).unwrap();
    fs::write(&moments, &whole[..whole.len() / 2]).unwrap();
    refused(
        &bench.run("out", &["--quiet"]),
        3,
        &["step-6` cannot be used", "remove `", "the newest is then that of step 4"],
    );
}

#[test]
fn what_cannot_run_is_refused_before_it_begins() {
    let bench = Bench::new(&[]);
    refused(
        &bench.run("out", &["--memory", "1MB"]),
        3,
        &["training needs about", "1.0 MB are available", "tokens_per_pass"],
    );
    bench.recipe(&[("seed: 3", "seed: 3\ndtype: bf16")]);
    refused(&bench.run("out", &[]), 3, &["bf16", "dtype: f32"]);
    bench.recipe(&[("length: 64", "length: 20")]);
    refused(&bench.run("out", &[]), 3, &["recipe's `length` is 20"]);
    bench.recipe(&[("steps: 6", "steps: no")]);
    refused(&bench.run("out", &[]), 2, &["recipe.yaml:10:8"]);
    bench.recipe(&[("data: [{ path: data }]\n", "")]);
    refused(&bench.run("out", &[]), 3, &["nothing to train on", "--data"]);
    bench.recipe(&[]);
    fs::write(bench.path("file"), "x").unwrap();
    refused(&bench.run("file", &[]), 3, &["cannot make the folder"]);
    let mut index = Index::read(&bench.path("data")).unwrap();
    index.vocabulary_blake3 = "0".repeat(64);
    index.write(&bench.path("data")).unwrap();
    refused(&bench.run("out", &[]), 3, &["another vocabulary", "this model's bundle"]);
    fs::remove_dir_all(bench.path("data")).unwrap();
    refused(&bench.run("out", &[]), 3, &["cannot read"]);
}

#[test]
fn a_checkpoint_becomes_a_model() {
    let bench = Bench::new(&[]);
    bench.done("out", &["--quiet"]);
    let out = bench.path("out").display().to_string();
    let mine = bench.path("mine").display().to_string();
    let export = |more: &[&str]| {
        let args = ["train", "export", &out];
        agpt(args.iter().chain(more).copied()).output().unwrap()
    };
    let output = export(&["--out", &mine]);
    assert!(output.status.success(), "{}", stderr(&output));
    let shown = agpt(["models", "verify", &mine]).output().unwrap();
    assert!(shown.status.success(), "{}", stderr(&shown));
    let bundle = Bundle::find(&mine).unwrap();
    let nano = Bundle::find("nano").unwrap();
    assert_eq!(bundle.name(), "mine");
    assert_eq!(bundle.manifest().prompt, nano.manifest().prompt);
    assert_eq!(bundle.manifest().vocabulary, nano.manifest().vocabulary);
    assert_eq!(bundle.manifest().sampling, nano.manifest().sampling);
    let weights = bundle.llm().weights().unwrap();
    assert_eq!(weights.info("model.layers.1.mlp.up_proj.weight").unwrap().shape, [24, 16]);
    // It writes nonsense, but it runs.
    let written =
        agpt(["run", "pipelines/caption.agpt", "--photo", &support::apple(), "--model", &mine]);
    let written = { written }.output().unwrap();
    assert!(written.status.success(), "{}", stderr(&written));
    refused(&export(&["--out", &mine]), 3, &["is not empty"]);

    let hf = bench.path("hf").display().to_string();
    let sharded = ["--out", &hf, "--form", "hf", "--dtype", "bf16", "--shard-size", "100KB"];
    let output = export(&sharded);
    assert!(output.status.success(), "{}", stderr(&output));
    for file in ["config.json", "tokenizer.json", "model.safetensors.index.json"] {
        assert!(bench.path("hf").join(file).is_file(), "{file}");
    }
    let read = |file: &str| -> Value {
        serde_json::from_slice(&fs::read(bench.path("hf").join(file)).unwrap()).unwrap()
    };
    let (config, tokenizer) = (read("config.json"), read("tokenizer_config.json"));
    assert_eq!(config["architectures"][0], "LlamaForCausalLM");
    assert_eq!([&config["dtype"], &config["torch_dtype"]], ["bfloat16"; 2]);
    assert_eq!((&config["bos_token_id"], &config["eos_token_id"]), (&1.into(), &2.into()));
    assert_eq!(config["tie_word_embeddings"], false);
    assert_eq!([&tokenizer["bos_token"], &tokenizer["eos_token"]], ["<s>", "</s>"]);
    refused(
        &agpt(["train", "export", "src", "--out", &hf]).output().unwrap(),
        3,
        &["no checkpoint"],
    );
}

#[test]
fn recipes_are_printed() {
    for stage in ["pretrain", "finetune"] {
        let output = agpt(["train", "recipe", stage]).output().unwrap();
        let file = fs::read(Path::new("stdlib/training").join(format!("{stage}.yaml"))).unwrap();
        assert_eq!(output.stdout, file);
    }
    assert_eq!(agpt(["train"]).output().unwrap().status.code(), Some(2));
}
