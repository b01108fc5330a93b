//! Where components run, in which precision and within how much memory, as a user says it.

mod support;

use std::process::Output;

use serde_json::Value;
use support::{agpt, apple, json, nano_copy, stderr, temp};

const VOICE_CHAT: [&str; 4] =
    ["run", "pipelines/voice-chat.agpt", "--question", "examples/media/question.wav"];

fn run(arguments: &[&str], more: &[&str]) -> Output {
    agpt(arguments.iter().chain(more).copied()).output().unwrap()
}

/// The ids of every reply.
fn ids(result: &Value) -> Vec<Value> {
    result["generated"].as_array().unwrap().iter().map(|reply| reply["ids"].clone()).collect()
}

/// Whether the run failed for a reason that has these words, wherever the lines break.
fn refused(output: &Output, words: &[&str]) {
    let text = stderr(output).replace("\n  │ ", " ");
    assert_eq!(output.status.code(), Some(3), "{text}");
    for words in words {
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn a_budget_is_kept_by_unloading_and_changes_no_result() {
    let folder = temp();
    let out = folder.path().display().to_string();
    let free = json(&run(&VOICE_CHAT, &["--json", "--out", &format!("{out}/a")]));
    let tight =
        json(&run(&VOICE_CHAT, &["--json", "--memory", "45MB", "--out", &format!("{out}/b")]));
    assert_eq!(ids(&free), ids(&tight));
    let unloaded = |result: &Value| {
        let events = result["components"].as_array().unwrap();
        events.iter().filter(|event| event["unloaded"].is_string()).count()
    };
    assert_eq!(unloaded(&free), 0);
    assert!(unloaded(&tight) >= 1, "{}", tight["components"]);
    // What was in memory at any time, by the program's own account.
    let mut in_use = 0;
    for event in tight["components"].as_array().unwrap() {
        let bytes = event["bytes"].as_i64().unwrap();
        in_use += if event["loaded"].is_string() { bytes } else { -bytes };
        assert!(in_use <= 45_000_000, "{}", tight["components"]);
    }
    let spoken = |name: &str| {
        std::fs::read(folder.path().join(name).join("voice_chat-reply-1.wav")).unwrap()
    };
    assert_eq!(spoken("a"), spoken("b"));
}

#[test]
fn verbose_says_what_was_loaded_and_unloaded() {
    let folder = temp();
    let out = folder.path().display().to_string();
    let output = run(&VOICE_CHAT, &["-v", "--memory", "cpu=45MB", "--out", &out]);
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("speech tokenizer: loaded on cpu in f32, "), "{text}");
    assert!(text.contains(" of 45.0 MB in use"), "{text}");
    assert!(text.contains(": unloaded from cpu, "), "{text}");
}

#[test]
fn what_cannot_be_is_said_before_anything_is_loaded() {
    let apple = apple();
    let caption = ["run", "pipelines/caption.agpt", "--photo", &apple];
    let small = run(&caption, &["--memory", "30MB"]);
    refused(&small, &["E0712", "the language model needs", "llm=q4_k"]);
    refused(&run(&caption, &["--dtype", "f16"]), &["E0711", "the processor computes in f32"]);
    let quantized = ["--dtype", "tokenizers.image=q8_0"];
    refused(&run(&caption, &quantized), &["E0711", "only the language model can be quantized"]);
    if !cfg!(feature = "cuda") {
        refused(&run(&caption, &["--device", "llm=cuda:0"]), &["E0711", "built without CUDA"]);
    }
    for (option, value) in [("--dtype", "int8"), ("--device", "llm=gpu"), ("--memory", "much")] {
        let output = run(&caption, &[option, value]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains("expected"), "{}", stderr(&output));
    }
}

/// Quantized while loading or read from the file of `models quantize`: the same numbers.
#[test]
fn a_quantized_language_model_runs_and_is_smaller() {
    let bundle = nano_copy();
    let model = bundle.path().display().to_string();
    let apple = apple();
    let caption = ["run", "pipelines/caption.agpt", "--photo", &apple, "--json", "--model", &model];
    let bytes = |result: &Value| {
        let events = result["components"].as_array().unwrap();
        let llm = events.iter().find(|event| event["loaded"] == "language model").unwrap();
        llm["bytes"].as_u64().unwrap()
    };
    let plain = json(&run(&caption, &[]));
    for kind in ["q8_0", "q4_k"] {
        let dtype = format!("llm={kind}");
        let loading = json(&run(&caption, &["--dtype", &dtype]));
        let written = run(&["models", "quantize", &model, "--to", kind], &[]);
        assert!(written.status.success(), "{}", stderr(&written));
        let file = bundle.path().join(format!("llm/model.{kind}.safetensors"));
        assert!(file.is_file());
        let from_file = json(&run(&caption, &["--dtype", &dtype]));
        assert_eq!(ids(&loading), ids(&from_file));
        assert_eq!(bytes(&loading), bytes(&from_file));
        assert!(bytes(&loading) * 3 < bytes(&plain) * 2);
    }
    // The file is not taken unless it is asked for.
    assert_eq!(ids(&json(&run(&caption, &[]))), ids(&plain));
    // Eight bits are near enough for nano's captions.
    let eight = json(&run(&caption, &["--dtype", "llm=q8_0"]));
    assert_eq!(eight["results"], plain["results"]);
    // What is inside of the program cannot be written to.
    let embedded = run(&["models", "quantize", "nano", "--to", "q8_0"], &[]);
    refused(&embedded, &["inside of the program"]);
}
