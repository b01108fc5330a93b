//! `agpt eval`: suites end to end, what a kill leaves, rows that fail, judges and data that are not
//! there.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{agpt, stderr, temp};

fn told(output: &Output) -> String {
    // Long messages are broken into lines with a bar before each.
    let text = stderr(output);
    text.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ")
}

fn media(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/media").join(name)
}

/// A suite over rows beside it.
fn suite(folder: &Path, evaluation: &str, rows: &str) -> PathBuf {
    let path = folder.join("suite.agpt");
    fs::write(&path, format!("use std/tasks\n\n{evaluation}")).unwrap();
    fs::write(folder.join("rows.jsonl"), rows).unwrap();
    path
}

const SAID: &str = r#"evaluation said(words: text) with { data: "./rows.jsonl", seed: 3 } {
  let spoken = generate speech from tasks.speak(words)
  let written = generate text from tasks.transcribe(spoken)
  measure wer(written, words)
}
"#;

/// Needs no long generation: what the caption of a picture is.
const NAMED: &str = r#"evaluation named(picture: image, thing: text) with { data: "./rows.jsonl" } {
  let words = generate text from tasks.caption(picture)
  measure exact_match(words, thing)
  measure cider_d(words, thing)
}
"#;

fn named_rows(names: &[(&str, &str)]) -> String {
    let line = |(name, thing): &(&str, &str)| {
        let picture = media(&format!("{name}.png"));
        format!("{}\n", serde_json::json!({ "id": name, "picture": picture, "thing": thing }))
    };
    names.iter().map(line).collect()
}

fn run(suite: &Path, out: &Path, options: &[&str]) -> Output {
    agpt(["eval"]).arg(suite).arg("--out").arg(out).args(options).output().unwrap()
}

fn results(out: &Path, evaluation: &str) -> Vec<Value> {
    let text = fs::read_to_string(out.join("nano").join(evaluation).join("results.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_suite_of_nano_runs_offline() {
    let out = temp();
    let output = agpt(["eval", "nano", "--json", "--out"]).arg(out.path()).output().unwrap();
    let json = support::json(&output);
    let evaluations = json["evaluations"].as_array().unwrap();
    let names: Vec<_> = evaluations.iter().map(|one| one["evaluation"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "nano_named",
            "nano_heard",
            "nano_heard_stranger",
            "nano_described",
            "nano_painted",
            "nano_spoken"
        ]
    );
    let rows: Vec<_> = evaluations.iter().map(|one| one["scores"][0]["rows"].clone()).collect();
    assert_eq!(rows, [32, 24, 12, 12, 24, 24]);
    let score = &evaluations[0]["scores"][0];
    assert_eq!(score["measure"], "exact_match");
    // 16 of 32: caption decodes greedily, so that it is the same everywhere.
    assert_eq!(score["value"], 50.0);
    assert_eq!(score["failed"], 0);
    let interval = score["interval"].as_array().unwrap();
    assert!(interval[0].as_f64() < Some(49.0) && interval[1].as_f64() > Some(51.0), "{score}");
    // Nothing here is called what it is not.
    assert!(score["published"].is_null());
    let pictures = results(out.path(), "nano_painted");
    let painted = pictures[0]["values"]["painted"].clone();
    assert!(painted.is_null(), "only what is measured is kept: {painted}");
    let page = fs::read_to_string(out.path().join("nano/nano_named/report.html")).unwrap();
    assert!(page.contains("data:image/png;base64,") && page.contains("Worst"));
    let page = fs::read_to_string(out.path().join("nano/nano_heard/report.html")).unwrap();
    assert!(page.contains("data:audio/wav;base64,") && page.contains("<del>"));
}

#[test]
fn a_killed_run_goes_on_and_ends_the_same() {
    let folder = temp();
    let rows: String = ["a red apple", "a green bus", "a grey rocket", "a blue car", "a red hat"]
        .iter()
        .map(|words| format!("{{\"words\": \"{words}\"}}\n"))
        .collect();
    let file = suite(folder.path(), SAID, &rows);
    let (whole, broken) = (temp(), temp());
    let output = run(&file, whole.path(), &["--json"]);
    let expected = support::json(&output);
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("agpt"))
        .arg("eval")
        .arg(&file)
        .arg("--out")
        .arg(broken.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let path = broken.path().join("nano/said/results.jsonl");
    let begun = Instant::now();
    // Until a row is there, but not all of them.
    while fs::read_to_string(&path).unwrap_or_default().lines().count() < 1 {
        assert!(begun.elapsed() < Duration::from_secs(120), "no row was ever written");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let mut before = fs::read(&path).unwrap();
    let kept = String::from_utf8_lossy(&before).lines().count();
    assert!((1..5).contains(&kept), "killed too late to show anything: {kept} rows");
    // As if the kill had come in the middle of a line.
    before.extend_from_slice(b"{\"key\": \"12");
    fs::write(&path, &before).unwrap();
    let output = run(&file, broken.path(), &["--json"]);
    let resumed = support::json(&output);
    assert_eq!(resumed["evaluations"][0]["scores"], expected["evaluations"][0]["scores"]);
    let after = fs::read(&path).unwrap();
    let whole_lines = before.len() - b"{\"key\": \"12".len();
    assert_eq!(
        after[..whole_lines],
        before[..whole_lines],
        "rows that were there are not run again"
    );
    let values = |out: &Path| {
        let rows = results(out, "said").into_iter();
        rows.map(|row| (row["key"].clone(), row["values"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(values(broken.path()), values(whole.path()));
}

#[test]
fn rows_do_not_depend_on_each_other() {
    let folder = temp();
    let rows = named_rows(&[("apple", "a red apple"), ("bus", "x"), ("cat", "x"), ("goat", "x")]);
    let file = suite(folder.path(), NAMED, &rows);
    let (all, some) = (temp(), temp());
    assert!(run(&file, all.path(), &[]).status.success());
    let output = run(&file, some.path(), &["--limit", "2", "--sample", "5"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let (all, some_rows) = (results(all.path(), "named"), results(some.path(), "named"));
    assert_eq!((all.len(), some_rows.len()), (4, 2));
    for row in &some_rows {
        let same = all.iter().find(|other| other["key"] == row["key"]).unwrap();
        assert_eq!(same["values"], row["values"]);
    }
    // A larger sample goes on in the same folder.
    assert!(run(&file, some.path(), &["--limit", "3", "--sample", "5"]).status.success());
    let more = results(some.path(), "named");
    assert_eq!(more.len(), 3);
    assert_eq!(more[..2], some_rows[..]);
}

#[test]
fn a_row_that_fails_is_counted() {
    let folder = temp();
    fs::write(folder.path().join("torn.png"), b"\x89PNG\r\n\x1a\nno more").unwrap();
    let torn = folder.path().join("torn.png");
    let rows = named_rows(&[("apple", "a red apple"), ("no-such", "a cat")])
        + &format!("{}\n", serde_json::json!({ "id": "torn", "picture": torn, "thing": "a dog" }))
        + &named_rows(&[("rocket", "a grey rocket")]);
    let file = suite(folder.path(), NAMED, &rows);
    let out = temp();
    let output = run(&file, out.path(), &["--json"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let score = &json["evaluations"][0]["scores"][0];
    // Two of four: what failed stays in the denominator.
    assert_eq!((&score["value"], &score["rows"]), (&50.0.into(), &4.into()));
    assert_eq!((&score["failed"], &score["uncounted"]), (&2.into(), &0.into()));
    let rows = results(out.path(), "named");
    assert!(rows[1]["error"].as_str().unwrap().contains("no such file"), "{}", rows[1]);
    assert!(rows[2]["error"].is_string() && rows[3]["error"].is_null());
    // The file is there now: only its row and the others' kept results.
    fs::copy(media("cat.png"), &torn).unwrap();
    let output = run(&file, out.path(), &[]);
    assert_eq!(output.status.code(), Some(3));
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(table.contains("1 × "), "{table}");
    assert!(table.contains("counts as an empty answer"), "{table}");
    assert_eq!(results(out.path(), "named").len(), 5);
}

#[test]
fn another_run_needs_another_folder() {
    let folder = temp();
    let file = suite(folder.path(), NAMED, &named_rows(&[("apple", "a red apple")]));
    let out = temp();
    assert!(run(&file, out.path(), &[]).status.success());
    let other = run(&file, out.path(), &["--seed", "9"]);
    assert_eq!(other.status.code(), Some(2));
    assert!(told(&other).contains("the seed was 0, now 9"), "{}", stderr(&other));
    assert!(told(&other).contains("--restart"), "{}", stderr(&other));
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("measure cider_d(words, thing)", "measure wer(words, thing)"))
        .unwrap();
    let other = run(&file, out.path(), &[]);
    assert_eq!(other.status.code(), Some(2));
    assert!(told(&other).contains("what the evaluation does differs"), "{}", stderr(&other));
    assert!(run(&file, out.path(), &["--restart"]).status.success());
    assert_eq!(results(out.path(), "named").len(), 1);
}

#[test]
fn what_is_missing_is_said_before_anything_runs() {
    let out = temp();
    let data = temp();
    let refused = |args: &[&str], wanted: &[&str]| {
        let mut command = agpt(["eval"]);
        let output = command.args(args).arg("--out").arg(out.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        for wanted in wanted {
            assert!(told(&output).contains(wanted), "{args:?}: {}", stderr(&output));
        }
    };
    let folder = data.path().to_str().unwrap();
    refused(&["coco-captions"], &["no", "--data DIR", "dataset_coco.json"]);
    refused(&["coco_captions", "--data", folder], &["dataset_coco.json is missing", "cocodataset"]);
    refused(&["librispeech_words", "--data", folder], &[".trans.txt is missing"]);
    refused(&["coco_pictures", "--data", folder], &["--judge clip=NAME"]);
    refused(&["vctk_voices", "--data", folder], &["--judge whisper=NAME"]);
    refused(&["musiccaps", "--judge", "clap=no/such"], &["no/such cannot judge as clap"]);
    refused(&["nano", "--judge", "clop=x"], &["there is no judge `clop`"]);
    refused(&["nanno"], &["did you mean `nano`"]);
    refused(&["nano", "--only", "x"], &["its evaluations: nano_named"]);
    assert!(fs::read_dir(out.path()).unwrap().next().is_none(), "nothing was begun");
}

#[test]
fn public_sets_are_read_from_their_folders() {
    let data = temp();
    let chapter = data.path().join("test-clean/1/2");
    fs::create_dir_all(&chapter).unwrap();
    fs::write(chapter.join("1-2.trans.txt"), "1-2-0000 A RED APPLE\n1-2-0001 WHAT CAN YOU DO\n")
        .unwrap();
    // The decoder goes by what a file holds, so that WAV does under the corpus's name.
    fs::copy(media("apple.wav"), chapter.join("1-2-0000.flac")).unwrap();
    fs::copy(media("question.wav"), chapter.join("1-2-0001.flac")).unwrap();
    let out = temp();
    let output = agpt(["eval", "librispeech_words", "--data"])
        .arg(data.path())
        .arg("--out")
        .arg(out.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    // Case does not count, and the paper's rows stand below.
    assert!(table.contains("wer") && table.contains("0.0 %"), "{table}");
    assert!(table.contains("AnyGPT") && table.contains("8.5"), "{table}");
    assert!(table.contains("arXiv:2402.12226"), "{table}");
}

/// A ready suite over a folder in a public set's layout: its evaluations.
fn ready(name: &str, data: &Path, judges: &[&str]) -> Vec<Value> {
    let out = temp();
    let mut command = agpt(["eval", name, "--json", "--data"]);
    command.arg(data).arg("--out").arg(out.path());
    for judge in judges {
        command.args(["--judge", judge]);
    }
    let json = support::json(&command.output().unwrap());
    let evaluations = json["evaluations"].as_array().unwrap().clone();
    for evaluation in &evaluations {
        assert_eq!(evaluation["rows"], 2, "{evaluation:#}");
        assert_eq!(evaluation["failed"], 0, "{evaluation:#}");
    }
    evaluations
}

/// The values of the measures, as they are printed.
fn values(evaluation: &Value) -> Vec<(String, f64)> {
    let value = |score: &Value| {
        (score["measure"].as_str().unwrap().to_string(), score["value"].as_f64().unwrap())
    };
    evaluation["scores"].as_array().unwrap().iter().map(value).collect()
}

#[test]
fn the_suites_of_coco_run_over_its_folder() {
    let data = temp();
    fs::create_dir(data.path().join("val2014")).unwrap();
    let image = |name: &str, id: u32, raw: &str| {
        fs::copy(media(name), data.path().join("val2014").join(name)).unwrap();
        serde_json::json!({
            "filepath": "val2014", "filename": name, "split": "test", "cocoid": id,
            "sentences": [{ "raw": raw }, { "raw": "something" }],
        })
    };
    let images = [image("apple.png", 1, "A red apple."), image("cat.png", 2, "A yellow cat")];
    let json = serde_json::json!({ "images": images }).to_string();
    fs::write(data.path().join("dataset_coco.json"), json).unwrap();
    let captions = values(&ready("coco_captions", data.path(), &[])[0]);
    let names: Vec<&str> = captions.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["cider_d", "bleu_4", "rouge_l", "meteor_exact_stem"]);
    // Nano knows an apple: one of two answers at least is as it should be.
    assert!(captions[2].1 >= 50.0 && captions[3].1 > 30.0, "{captions:?}");
    let clip = "clip=tests/fixtures/judges/clip";
    let pictures = values(&ready("coco_pictures", data.path(), &[clip])[0]);
    assert_eq!((pictures[0].0.as_str(), pictures[1].0.as_str()), ("clip_score", "clip_similarity"));
    assert!((0.0..=2.5).contains(&pictures[0].1) && (-1.0..=1.0).contains(&pictures[1].1));
}

#[test]
fn the_suite_of_musiccaps_runs_both_ways() {
    let data = temp();
    fs::create_dir(data.path().join("audio")).unwrap();
    let mut table = "ytid,start_s,end_s,aspect_list,caption\n".to_string();
    for id in ["-0Gj8-vB1q4", "b"] {
        fs::copy(media("melody.wav"), data.path().join(format!("audio/{id}.wav"))).unwrap();
        table += &format!("{id},30,40,\"['calm', 'flute']\",a calm flute melody\n");
    }
    fs::write(data.path().join("musiccaps-public.csv"), table).unwrap();
    let both = ready("musiccaps", data.path(), &["clap=tests/fixtures/judges/clap"]);
    let names: Vec<String> = both.iter().flat_map(values).map(|(name, _)| name).collect();
    assert_eq!(names, ["generated_caption", "real_caption", "clap_score"]);
}

/// A judge's folder, made from the fixture of its network.
fn judge(fixture: &str, more: &[(&str, &str)]) -> tempfile::TempDir {
    let (fixtures, folder) = (Path::new("tests/fixtures/models"), temp());
    let text = fs::read_to_string(fixtures.join(format!("{fixture}.json"))).unwrap();
    let whole: Value = serde_json::from_str(&text).unwrap();
    for (key, file) in
        [("config", "config.json"), ("preprocessor", "preprocessor_config.json")].iter().chain(more)
    {
        fs::write(folder.path().join(file), whole[key].to_string()).unwrap();
    }
    let copy =
        |from: &str, to: &str| fs::copy(fixtures.join(from), folder.path().join(to)).unwrap();
    copy(&format!("{fixture}.safetensors"), "model.safetensors");
    copy("whisper_tokenizer.json", "tokenizer.json");
    folder
}

#[test]
fn the_suite_of_vctk_hears_words_and_voices() {
    let data = temp();
    let (texts, sounds) = (data.path().join("txt/p225"), data.path().join("wav48/p225"));
    fs::create_dir_all(&texts).unwrap();
    fs::create_dir_all(&sounds).unwrap();
    for (id, file, words) in
        [("p225_001", "apple.wav", "a red apple"), ("p225_002", "question.wav", "what can you do")]
    {
        fs::write(texts.join(format!("{id}.txt")), format!("{words}\n")).unwrap();
        fs::copy(media(file), sounds.join(format!("{id}.wav"))).unwrap();
    }
    let hears = judge("whisper_untied", &[("rules", "generation_config.json")]);
    let knows = judge("wavlm_group", &[]);
    let judges = [
        format!("whisper={}", hears.path().display()),
        format!("speaker={}", knows.path().display()),
    ];
    let judges: Vec<&str> = judges.iter().map(String::as_str).collect();
    let scores = values(&ready("vctk_voices", data.path(), &judges)[0]);
    assert_eq!((scores[0].0.as_str(), scores[1].0.as_str()), ("spoken_wer", "speaker_similarity"));
    // The networks have random weights: what they hear is wrong, but it is heard.
    assert!(scores[0].1 > 50.0 && (-1.0..=1.0).contains(&scores[1].1), "{scores:?}");
}

#[test]
fn clip_and_clap_judge() {
    let folder = temp();
    let judged = r#"evaluation judged(picture: image, piece: music, words: text) with { data: "./rows.jsonl" } {
  measure clip_score(picture, words)
  measure clip_similarity(picture, picture) as itself
  measure clap_score(piece, words)
}
"#;
    let rows = serde_json::json!({
        "picture": media("cat.png"), "piece": media("melody.wav"), "words": "a cat",
    });
    let file = suite(folder.path(), judged, &format!("{rows}\n"));
    let out = temp();
    let judges = [
        "--judge",
        "clip=tests/fixtures/judges/clip",
        "--judge",
        "clap=tests/fixtures/judges/clap",
    ];
    let output = run(&file, out.path(), &[&judges[..], &["--json"]].concat());
    let json = support::json(&output);
    let scores = json["evaluations"][0]["scores"].as_array().unwrap();
    assert!((scores[1]["value"].as_f64().unwrap() - 1.0).abs() < 1e-6, "{json:#}");
    assert!(scores[0]["value"].as_f64().unwrap() <= 2.5 && scores[2]["value"].is_f64());
    assert_eq!(json["evaluations"][0]["run"]["judges"].as_array().unwrap().len(), 2);
}

#[test]
fn ready_suites_are_listed_and_compile() {
    let output = agpt(["eval", "--list", "--json"]).output().unwrap();
    let json = support::json(&output);
    let names: Vec<_> =
        json.as_array().unwrap().iter().map(|one| one["evaluation"].as_str().unwrap()).collect();
    for wanted in [
        "coco_captions",
        "coco_pictures",
        "librispeech_words",
        "vctk_voices",
        "music_captions",
        "music_pieces",
        "nano_named",
    ] {
        assert!(names.contains(&wanted), "{names:?}");
    }
    // A suite that does not compile would not be listed.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("stdlib/evaluation");
    let checked = agpt(["check"]).arg(folder).output().unwrap();
    assert!(checked.status.success(), "{}", stderr(&checked));
}
