//! `agpt data synthesize` against a server that speaks OpenAI's protocol, with faults, and with the
//! shipped model as the maker of media.

#![cfg(feature = "providers")]

#[path = "support/openai.rs"]
mod openai;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use openai::{Fault, KEY, Server};
use support::{agpt, json as printed, temp};

/// A recipe whose roles all are the server; `more` is further keys of a role.
fn recipe(folder: &Path, server: &Server, more: &str, rest: &str) -> PathBuf {
    let role = |model: &str| {
        format!(
            "{{ openai: {{ url: \"{}\", model: {model}, key_env: TEST_KEY, parallel: 2, \
             backoff_seconds: 0.01{more} }} }}",
            server.url
        )
    };
    let text = format!(
        "format: 1\nseed: 3\nwriter: {}\nimage: {}\nspeech: {}\n\
         topics: {{ per_meta: 2, batch: 2 }}\nscenarios: {{ per_topic: 2 }}\n{rest}",
        role("writer"),
        role("painter"),
        role("speaker"),
    );
    let path = folder.join("recipe.yaml");
    fs::write(&path, text).unwrap();
    path
}

fn synthesize(recipe: &Path, out: &Path, more: &[&str]) -> Output {
    let (recipe, out) = (recipe.display().to_string(), out.display().to_string());
    let args = ["data", "synthesize", &recipe, "--out", &out, "--json"];
    agpt(args).args(more).env("TEST_KEY", KEY).output().unwrap()
}

/// What went to standard error, without the frame and the line breaks of a report.
fn stderr(output: &Output) -> String {
    let text = support::stderr(output).replace('│', " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn rows(path: PathBuf) -> Vec<Json> {
    let text = fs::read_to_string(&path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// All files below a folder but the journal, whose order is that of the answers.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut out = BTreeMap::new();
    for part in ["", "media"] {
        for entry in fs::read_dir(folder.join(part)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            if path.is_file() && name != "journal" {
                out.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    out
}

#[test]
fn dialogues_are_written_and_their_media_made() {
    let (server, folder) = (Server::start(), temp());
    let recipe = recipe(folder.path(), &server, ", prices: { input: 1, output: 2 }", "");
    let out = folder.path().join("out");
    let summary = printed(&synthesize(&recipe, &out, &["--limit", "4", "--tokens", "nano"]));
    assert_eq!(summary["dialogues"], 4, "{summary}");
    assert_eq!(summary["complete"], true);
    // One list of topics, two of scenarios, four dialogues with a picture and a voice each.
    assert_eq!(summary["used"]["requests"], 1 + 2 + 4 + 4 + 4);
    assert_eq!(summary["used"]["input"], 700);
    let cost = summary["used"]["cost"].as_f64().unwrap();
    assert!((cost - (700.0 + 2.0 * 350.0) / 1e6).abs() < 1e-12, "{cost}");
    let dialogues = rows(out.join("dialogues.jsonl"));
    for row in &dialogues {
        let turns = row["turns"].as_array().unwrap();
        assert_eq!(turns[0]["role"], "user");
        assert_eq!(turns[0]["speech"]["words"], turns[0]["text"]);
        let picture = turns[1]["image"]["path"].as_str().unwrap();
        assert!(out.join(picture).is_file() && picture.ends_with(".png"));
        for part in ["meta", "topic", "scenario", "id"] {
            assert!(row[part].is_string(), "{row}");
        }
    }
    // The same with tokens, in the format of the published data.
    let conversations = rows(out.join("conversations.jsonl"));
    assert_eq!(conversations.len(), 4);
    let messages = conversations[0]["conversation"][0].as_array().unwrap();
    let heard = messages[0]["message"].as_str().unwrap();
    assert!(heard.starts_with("<sosp><") && heard.ends_with("<eosp>"), "what is heard: {heard}");
    let shown = messages[1]["message"].as_str().unwrap();
    let text = dialogues[0]["turns"][1]["text"].as_str().unwrap();
    assert!(shown.starts_with(text) && shown.ends_with("<eoim>"), "{shown}");
    assert_eq!(shown.matches('👀').count(), 32);

    // Once more: nothing is asked for. And further: only what is missing is.
    let before = server.seen().len();
    let again = printed(&synthesize(&recipe, &out, &["--limit", "4"]));
    assert_eq!((again["dialogues"].clone(), server.seen().len()), (json!(4), before));
    let more = printed(&synthesize(&recipe, &out, &["--limit", "6"]));
    assert_eq!(more["dialogues"], 6);
    // A list of topics, a list of scenarios, two dialogues.
    assert_eq!(server.seen().len(), before + 1 + 1 + 2 * 3);
    assert_eq!(rows(out.join("dialogues.jsonl"))[..4], dialogues[..]);
    assert!(server.most_at_once() <= 2, "{}", server.most_at_once());
    // The key is nowhere.
    for (name, bytes) in files(&out) {
        assert!(!bytes.windows(KEY.len()).any(|part| part == KEY.as_bytes()), "{name}");
    }
    let journal = fs::read_to_string(out.join("journal")).unwrap();
    assert!(!journal.contains(KEY));
}

#[test]
fn a_medium_that_was_lost_is_made_again() {
    let (server, folder) = (Server::start(), temp());
    let recipe = recipe(folder.path(), &server, "", "");
    let out = folder.path().join("out");
    printed(&synthesize(&recipe, &out, &["--limit", "2"]));
    let (whole, before) = (files(&out), server.seen().len());
    let media: Vec<&String> = whole.keys().filter(|name| name.starts_with("media/")).collect();
    fs::remove_file(out.join(media[0])).unwrap();
    fs::write(out.join(media[1]), b"cut").unwrap();
    printed(&synthesize(&recipe, &out, &["--limit", "2"]));
    assert_eq!(files(&out), whole);
    assert_eq!(server.seen().len(), before + 2);
}

/// One dialogue: four requests. Each fault is met by the first of them.
#[test]
fn faults_that_pass_cost_no_dialogue() {
    let error = |text: &str| json!({ "error": { "message": text } });
    let wrong = json!({ "role": "assistant", "content": "{\"value\": [1]}" });
    let half = json!({ "role": "assistant", "content": "{\"value\": [\"a" });
    let faults = [
        ("429", vec![Fault::Status(429, vec![("Retry-After", "1")], error("slow down"))], 1),
        ("500", vec![Fault::Status(500, vec![], error("oh")); 3], 3),
        ("503 without JSON", vec![Fault::Status(503, vec![], json!("busy"))], 1),
        ("silence", vec![Fault::Silence(Duration::from_secs(4))], 1),
        ("cut", vec![Fault::Cut], 1),
        ("no JSON", vec![Fault::Body(b"{\"choices\": [".to_vec())], 1),
        ("no choices", vec![Fault::Body(b"{}".to_vec())], 1),
        ("no UTF-8", vec![Fault::Body(vec![0xFF, 0xFE])], 1),
        ("huge", vec![Fault::Huge(3 << 20)], 1),
        ("wrong schema", vec![Fault::Message(wrong, "stop")], 1),
        ("cut off", vec![Fault::Message(half, "length")], 1),
    ];
    let mut expected: Option<Vec<Json>> = None;
    for (name, faults, count) in faults {
        let (server, folder) = (Server::start(), temp());
        let timeout = if name == "silence" { 2 } else { 60 };
        let more = format!(", timeout_seconds: {timeout}, max_response_mib: 1");
        let recipe = recipe(folder.path(), &server, &more, "");
        let out = folder.path().join("out");
        server.faults(faults);
        let output = synthesize(&recipe, &out, &["--limit", "1"]);
        let summary = printed(&output);
        assert_eq!(summary["dialogues"], 1, "{name}: {summary}");
        let seen = server.seen();
        assert_eq!(seen.len(), 5 + count, "{name}");
        // What was paid for counts in the next run too, also answers that nobody could read.
        let again = printed(&synthesize(&recipe, &out, &["--limit", "1"]));
        assert_eq!(again["used"], summary["used"], "{name}");
        let (first, second) = (&seen[0], &seen[1]);
        match name {
            "429" => {
                let pause = second.2 - first.2;
                assert!(pause >= Duration::from_secs(1), "it waited {pause:?} only");
            }
            "wrong schema" => {
                let messages = second.1["messages"].as_array().unwrap();
                let last = messages.last().unwrap()["content"].as_str().unwrap();
                assert!(last.contains("`[0]` must be a text"), "{last}");
                assert_ne!(first.1["seed"], second.1["seed"]);
            }
            "cut off" => assert_ne!(first.1["seed"], second.1["seed"]),
            // The same request again, seed and all: so the same dialogue.
            _ => {
                assert_eq!(first.1, second.1, "{name}");
                let rows = rows(out.join("dialogues.jsonl"));
                assert_eq!(&rows, expected.get_or_insert_with(|| rows.clone()), "{name}");
            }
        }
    }
}

#[test]
fn a_run_that_is_killed_goes_on_where_it_was() {
    let folder = temp();
    let limit = ["--limit", "16"];
    let undisturbed = Server::start();
    let whole = folder.path().join("whole");
    let recipe_of_whole = recipe(folder.path(), &undisturbed, "", "");
    printed(&synthesize(&recipe_of_whole, &whole, &limit));
    let total = undisturbed.seen().len();

    let (server, out) = (Server::start(), folder.path().join("out"));
    let recipe = recipe(folder.path(), &server, "", "");
    server.slow(Duration::from_millis(15));
    let (mut kills, mut wasted) = (0, 0);
    for after in [3, 9, 20, 31, 44] {
        let begun = server.seen().len();
        let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("agpt"))
            .args(["data", "synthesize", "--quiet"])
            .arg(&recipe)
            .arg("--out")
            .arg(&out)
            .args(limit)
            .env("TEST_KEY", KEY)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let patience = Instant::now() + Duration::from_secs(60);
        while server.seen().len() < after && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(2));
        }
        // On Unix that is SIGKILL: the process can do nothing about it.
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        // Let what is on its way be answered, so that it is counted to this run.
        std::thread::sleep(Duration::from_millis(60));
        let journal = fs::read(out.join("journal")).unwrap_or_default();
        let lines = journal.iter().filter(|byte| **byte == b'\n').count();
        wasted = server.seen().len() - lines;
        assert!(server.seen().len() >= begun);
    }
    // A torn line on top: what a cut of the power leaves.
    let mut journal = fs::read(out.join("journal")).unwrap();
    let lines = journal.iter().filter(|byte| **byte == b'\n').count();
    journal.extend_from_slice(b"0123456789abcdef {\"stage\": \"dia");
    fs::write(out.join("journal"), &journal).unwrap();
    server.slow(Duration::ZERO);
    let before = server.seen().len();
    let summary = printed(&synthesize(&recipe, &out, &limit));
    assert_eq!(summary["complete"], true);
    // Nothing that was in the journal is asked for again, and all that was not, once.
    assert_eq!(server.seen().len() - before, total - lines);
    // Only what was on its way or being written down when a run was killed was asked for again.
    assert!(wasted <= kills * 3, "{wasted} requests were wasted by {kills} kills");
    assert!(server.answered().values().all(|count| *count <= 1 + kills));
    assert_eq!(files(&out), files(&whole));
    // And in the end no trace of it is left.
    let before = server.seen().len();
    printed(&synthesize(&recipe, &out, &limit));
    assert_eq!(server.seen().len(), before);
}

#[test]
fn what_is_refused_or_never_right_is_rejected_and_said() {
    let (server, folder) = (Server::start(), temp());
    let recipe = recipe(folder.path(), &server, ", parallel: 1, corrections: 1", "");
    let text = fs::read_to_string(&recipe).unwrap().replace("parallel: 2, ", "");
    fs::write(&recipe, text).unwrap();
    let out = folder.path().join("out");
    printed(&synthesize(&recipe, &out, &["--limit", "1"]));
    // The next: topics are there; two lists of scenarios, then dialogues.
    let refusal = json!({ "role": "assistant", "content": null, "refusal": "I will not" });
    let wrong = json!({ "role": "assistant", "content": "Sure!" });
    let odd = json!({ "value": [{ "role": "assistant", "text": "Hello", "image": null,
        "speech": null, "music": null }] });
    let odd = json!({ "role": "assistant", "content": odd.to_string() });
    let policy = json!({ "error": { "message": "no", "code": "content_policy_violation" } });
    // A fault that passes meets the second dialogue.
    server.faults([Fault::Status(429, vec![], json!({}))]);
    let plain = printed(&synthesize(&recipe, &out, &["--limit", "2"]));
    assert_eq!(plain["dialogues"], 2);
    server.faults([Fault::Message(refusal, "stop")]);
    let refused = printed(&synthesize(&recipe, &out, &["--limit", "4"]));
    // The list of scenarios of the second topic was refused, so two dialogues are all.
    assert_eq!(
        (refused["dialogues"].clone(), refused["complete"].clone()),
        (json!(2), json!(true))
    );
    assert_eq!(refused["rejected"][0]["reason"], "refused");

    let out = folder.path().join("other");
    printed(&synthesize(&recipe, &out, &["--limit", "2"]));
    let scenarios_of_the_second = Fault::Status(500, vec![], json!({}));
    server.faults([scenarios_of_the_second, Fault::Cut]);
    printed(&synthesize(&recipe, &out, &["--limit", "3"]));
    // The fourth dialogue is wrong twice.
    server.faults([Fault::Message(wrong.clone(), "stop"), Fault::Message(wrong, "stop")]);
    let summary = printed(&synthesize(&recipe, &out, &["--limit", "4"]));
    assert_eq!(
        summary["rejected"],
        json!([
            { "stage": "dialogue", "reason": "broken structure", "count": 1 },
        ])
    );
    let rejected = rows(out.join("rejected.jsonl"));
    assert!(rejected[0]["detail"].as_str().unwrap().contains("it is no JSON"), "{rejected:?}");
    assert!(rejected[0]["scenario"].is_string());

    let out = folder.path().join("third");
    printed(&synthesize(&recipe, &out, &["--limit", "1"]));
    // One whose order is wrong, and one whose picture is refused.
    server.faults([Fault::Message(odd, "stop")]);
    let summary = printed(&synthesize(&recipe, &out, &["--limit", "2"]));
    assert_eq!(summary["rejected"][0]["reason"], "broken structure", "{summary}");
    let out = folder.path().join("fourth");
    server.faults([Fault::Status(500, vec![], json!({})), Fault::Status(500, vec![], json!({}))]);
    printed(&synthesize(&recipe, &out, &["--limit", "1"]));
    let before = rows(out.join("dialogues.jsonl"));
    let picture = before[0]["turns"][1]["image"]["path"].as_str().unwrap().to_string();
    fs::remove_file(out.join(&picture)).unwrap();
    server.faults([Fault::Status(400, vec![], policy)]);
    let summary = printed(&synthesize(&recipe, &out, &["--limit", "1"]));
    assert_eq!(summary["dialogues"], 0);
    assert_eq!(summary["rejected"][0]["reason"], "missing media", "{summary}");
}

#[test]
fn what_cannot_be_helped_ends_the_run_with_its_cause() {
    let (server, folder) = (Server::start(), temp());
    let out = folder.path().join("out");
    let recipe = recipe(folder.path(), &server, ", tries: 3", "");
    let run = |key: Option<&str>, recipe: &Path| {
        let recipe = recipe.display().to_string();
        let mut command = agpt(["data", "synthesize", &recipe, "--limit", "4", "--out"]);
        command.arg(&out).env_remove("TEST_KEY");
        if let Some(key) = key {
            command.env("TEST_KEY", key);
        }
        let output = command.output().unwrap();
        (output.status.code(), stderr(&output))
    };
    let (code, text) = run(None, &recipe);
    assert_eq!(code, Some(3));
    assert!(text.contains("TEST_KEY") && server.seen().is_empty(), "{text}");
    let (code, text) = run(Some("sk-wrong-key"), &recipe);
    assert_eq!(code, Some(3));
    assert!(text.contains("401") && !text.contains("sk-wrong-key"), "{text}");
    // An account without money is not waited for.
    let empty = json!({ "error": { "message": "quota", "code": "insufficient_quota" } });
    let before = server.seen().len();
    server.faults([Fault::Status(429, vec![], empty)]);
    let (code, text) = run(Some(KEY), &recipe);
    assert!(code == Some(3) && text.contains("quota"), "{text}");
    assert_eq!(server.seen().len(), before + 1);
    // A server that is down: what is there is kept, and the run says to come again.
    server.faults(vec![Fault::Status(503, vec![], json!({})); 12]);
    let (code, text) = run(Some(KEY), &recipe);
    assert!(code == Some(3) && text.contains("run the command again"), "{text}");
    // To where a key must not go, and where nobody is.
    for url in ["http://example.com/v1", "ftp://localhost/v1"] {
        let other = fs::read_to_string(&recipe).unwrap().replace(&server.url, url);
        let path = folder.path().join("other.yaml");
        fs::write(&path, other).unwrap();
        let (code, text) = run(Some(KEY), &path);
        assert!(code == Some(3) && text.contains("no address to send data to"), "{text}");
    }
}

#[test]
fn a_budget_is_kept() {
    let (server, folder) = (Server::start(), temp());
    let out = folder.path().join("out");
    let recipe = recipe(folder.path(), &server, ", max_tokens: 60", "budget: { tokens: 2500 }\n");
    let recipe_path = recipe.display().to_string();
    let output = agpt(["data", "synthesize", &recipe_path, "--limit", "40", "--json", "--out"])
        .arg(&out)
        .env("TEST_KEY", KEY)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("the budget of 2500 tokens is spent"), "{}", stderr(&output));
    let summary: Json = serde_json::from_slice(&output.stdout).unwrap();
    let used = &summary["used"];
    let tokens = used["input"].as_u64().unwrap() + used["output"].as_u64().unwrap();
    assert!(tokens > 500 && tokens <= 2500, "{used}");
    // With more of it the run goes on, and what was used before counts.
    let text = fs::read_to_string(&recipe).unwrap().replace("2500", "100000");
    fs::write(&recipe, text).unwrap();
    let summary = printed(&synthesize(&recipe, &out, &["--limit", "4"]));
    assert_eq!(summary["dialogues"], 4);
}

/// The shipped model makes the media; a program makes the music.
#[test]
fn local_models_and_programs_make_media() {
    let (server, folder) = (Server::start(), temp());
    let own = folder.path().join("own.agpt");
    fs::write(
        &own,
        "use std/tasks\n\
         type Turn = { role: \"user\" | \"assistant\", text: text, image: text?, speech: text?, \
         music: text? }\n\
         pipeline meta_topics() -> list<text> {\n  return [\"fruit\"]\n}\n\
         pipeline topics(meta: text, count: int) -> list<text> {\n  \
         return generate list<text> from \"{count} things of {meta}\"\n}\n\
         pipeline scenarios(topic: text, count: int) -> list<text> {\n  \
         return generate list<text> from \"{count} scenes with {topic}\"\n}\n\
         pipeline dialogue(topic: text, scenario: text) -> list<Turn> {\n  \
         return generate list<Turn> from \"{topic} {scenario}\"\n}\n\
         pipeline paint(description: text) -> image {\n  \
         return generate image from tasks.paint(\"a red apple {description}\") {\n    \
         perceptual: { steps: 1 }\n  }\n}\n\
         pipeline speak(words: text) -> speech {\n  \
         return generate speech from tasks.speak(\"{words}\") {\n    \
         semantic: { duration: 200ms }\n    perceptual: { steps: 1 }\n  }\n}\n",
    )
    .unwrap();
    let recipe = folder.path().join("recipe.yaml");
    let text = format!(
        "format: 1\npipelines: own.agpt\nwriter: {{ openai: {{ url: \"{}\", model: m, \
         key_env: TEST_KEY }} }}\nimage: {{ bundle: nano }}\nspeech: {{ bundle: nano }}\n\
         music: {{ command: {{ run: [\"cp\", \"tests/fixtures/sound/stereo.wav\", \"{{out}}\"] }} }}\n\
         topics: {{ per_meta: 1, batch: 1 }}\nscenarios: {{ per_topic: 1 }}\n",
        server.url
    );
    fs::write(&recipe, text).unwrap();
    let turns = json!({ "value": [
        { "role": "user", "text": "Play and paint.", "image": null, "speech": null, "music": null },
        { "role": "assistant", "text": "Here.", "image": "a red apple", "speech": "a red apple",
          "music": "calm piano" },
    ] });
    let out = folder.path().join("out");
    let list = |text: &str| {
        let content = json!({ "value": [text] }).to_string();
        Fault::Message(json!({ "role": "assistant", "content": content }), "stop")
    };
    let dialogue = json!({ "role": "assistant", "content": turns.to_string() });
    server.faults([list("apples"), list("a request"), Fault::Message(dialogue, "stop")]);
    let summary = printed(&synthesize(&recipe, &out, &["--tokens", "nano"]));
    assert_eq!(summary["dialogues"], 1, "{summary}");
    assert_eq!(summary["used"]["requests"], 3);
    let row = &rows(out.join("dialogues.jsonl"))[0];
    for medium in ["image", "speech", "music"] {
        let path = row["turns"][1][medium]["path"].as_str().unwrap();
        assert!(out.join(path).metadata().unwrap().len() > 100, "{medium}");
    }
    let message = rows(out.join("conversations.jsonl"))[0]["conversation"][0][1]["message"].clone();
    let message = message.as_str().unwrap();
    for mark in ["Here.", "<soim>", "<eoim>", "<sosp>", "<eosp>", "<somu>", "<eomu>"] {
        assert!(message.contains(mark), "{mark}: {message}");
    }
    // What is made can be packed: training begins with it.
    let data = folder.path().join("data.yaml");
    let source = "{ name: made, conversations: out/conversations.jsonl }";
    fs::write(&data, format!("format: 1\nmax_length: 1024\nloss: reply\nsources: [{source}]\n"))
        .unwrap();
    let (data, packed) = (data.display().to_string(), folder.path().join("packed"));
    let packed = packed.display().to_string();
    let args = ["data", "pack", &data, "--model", "nano", "--out", &packed, "--json"];
    let report = printed(&agpt(args).output().unwrap());
    assert_eq!(report["samples"], 1, "{report}");
    for medium in ["text", "image", "speech", "music"] {
        assert!(report["tokens"][medium].as_u64().unwrap() > 0, "{medium}: {report}");
    }
    // The same seed gives the same media.
    let whole = files(&out);
    fs::remove_dir_all(out.join("media")).unwrap();
    printed(&synthesize(&recipe, &out, &["--tokens", "nano"]));
    assert_eq!(files(&out), whole);
}

/// Nobody outside is asked: the shipped model writes, held to the forms of the stages.
#[test]
fn a_local_model_writes() {
    let folder = temp();
    fs::write(folder.path().join("own.agpt"), OWN).unwrap();
    let recipe = folder.path().join("recipe.yaml");
    let text = "format: 1\npipelines: own.agpt\nwriter: { bundle: nano }\n\
                speech: { bundle: nano }\ntopics: { per_meta: 2, batch: 1 }\n\
                scenarios: { per_topic: 1 }\n";
    fs::write(&recipe, text).unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let summary = printed(&synthesize(&recipe, &one, &["--tokens", "nano"]));
    assert_eq!(summary["complete"], true, "{summary}");
    assert!(summary["dialogues"].as_u64().unwrap() >= 1, "{summary}");
    assert_eq!(summary["used"]["requests"], 0);
    for row in rows(one.join("dialogues.jsonl")) {
        assert!(["apples", "pears"].contains(&row["topic"].as_str().unwrap()), "{row}");
        assert!(row["turns"][0]["text"].as_str().unwrap().ends_with('?'), "{row}");
        let spoken = &row["turns"][1]["speech"];
        assert_eq!(spoken["words"], row["turns"][1]["text"]);
        assert!(one.join(spoken["path"].as_str().unwrap()).is_file());
    }
    // The same seed, the same dialogues and the same sound.
    printed(&synthesize(&recipe, &two, &["--tokens", "nano"]));
    assert_eq!(files(&one), files(&two));
}

const OWN: &str = r#"type Turn = { role: "user" | "assistant", text: text, speech: text? }

pipeline meta_topics() -> list<text> {
  return ["fruit"]
}

pipeline topics(meta: text, count: int) -> list<text> {
  return [generate "apples" | "pears" from "{count} things of {meta}"]
}

pipeline scenarios(topic: text, count: int) -> list<text> {
  return [generate text matching /a [a-z]{3,8} [a-z]{3,8}/ from "{count} scenes with {topic}"]
}

pipeline dialogue(topic: text, scenario: text) -> list<Turn> {
  let asked = generate text matching /[A-Z][a-z ]{8,30}\?/ from "{topic} {scenario}"
  let answer = generate text matching /[A-Z][a-z ]{8,30}\./ from asked
  return [
    { role: "user", text: asked, speech: none },
    { role: "assistant", text: answer, speech: answer },
  ]
}

pipeline speak(words: text) -> speech {
  return generate speech from "Please say this aloud. This is input: {words}" {
    semantic: { duration: 200ms }
    perceptual: { steps: 1 }
  }
}
"#;

#[test]
fn stages_that_do_not_fit_are_refused_before_anybody_is_asked() {
    let (server, folder) = (Server::start(), temp());
    let recipe = recipe(folder.path(), &server, "", "pipelines: own.agpt\n");
    let out = folder.path().join("out");
    let head = "pipeline meta_topics() -> list<text> {\n  return [\"a\"]\n}\n";
    let cases = [
        (head.to_string(), "no pipeline `topics`"),
        (
            format!(
                "{head}pipeline topics(meta: text, mood: text) -> list<text> {{\n  \
                     return [meta, mood]\n}}\n"
            ),
            "a parameter `mood` that nobody gives",
        ),
        (
            format!(
                "{head}pipeline topics(meta: int) -> list<text> {{\n  return [\"{{meta}}\"]\n}}\n"
            ),
            "`meta` of `topics` must be text, not int",
        ),
        (
            format!("{head}pipeline topics(meta: text) -> text {{\n  return meta\n}}\n"),
            "`topics` must return list<text>, not text",
        ),
    ];
    for (text, says) in cases {
        fs::write(folder.path().join("own.agpt"), text).unwrap();
        let output = synthesize(&recipe, &out, &[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(says), "{says}: {}", stderr(&output));
    }
    assert!(server.seen().is_empty());
}
