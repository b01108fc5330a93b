//! `agpt test`: expectations, snapshots and what differs in them.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use support::{agpt, stderr, temp};

const TESTS: &str = r#"
use std/tasks { caption, paint as painting }

test "told" {
  let words = generate text from caption(file("sunflower.png"))
  expect words == "a yellow sunflower"
  snapshot words
}

test "painted" with { seed: 7 } {
  let picture = generate image from painting("a red apple") { perceptual: { steps: 2 } }
  snapshot { picture }
  snapshot painting("a red apple")
}
"#;

fn project(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = temp();
    let file = folder.path().join("all.agpt");
    fs::write(&file, text).unwrap();
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/media/sunflower.png");
    fs::copy(picture, folder.path().join("sunflower.png")).unwrap();
    (folder, file)
}

fn run(file: &Path, options: &[&str]) -> Output {
    agpt(["test"]).arg(file).args(options).output().unwrap()
}

fn told(output: &Output) -> String {
    stderr(output).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn snapshot(folder: &Path, title: &str) -> PathBuf {
    let all = fs::read_dir(folder.join("snapshots/all")).unwrap();
    let mut paths = all.map(|entry| entry.unwrap().path());
    paths.find(|path| path.file_name().unwrap().to_string_lossy().starts_with(title)).unwrap()
}

#[test]
fn a_snapshot_is_made_once_and_then_compared_layer_by_layer() {
    let (folder, file) = project(TESTS);
    let new = run(&file, &[]);
    assert_eq!(new.status.code(), Some(3));
    assert!(told(&new).contains("there is no snapshot yet"), "{}", stderr(&new));
    assert!(!folder.path().join("snapshots").exists(), "nothing is written unasked");
    let update = run(&file, &["--update"]);
    assert!(update.status.success(), "{}", stderr(&update));
    assert!(told(&update).contains("snapshots of 2 written"), "{}", stderr(&update));
    let again = run(&file, &["--ci"]);
    assert!(again.status.success(), "{}", stderr(&again));
    assert!(told(&again).contains("2 passed, 0 failed"), "{}", stderr(&again));

    // Another text, from other ids: the language model's doing.
    let path = snapshot(folder.path(), "told").join("snapshot.json");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"text\": \"a yellow sunflower\""), "{text}");
    fs::write(&path, text.replace("yellow", "blue").replace("\"ids\": [", "\"ids\": [1,")).unwrap();
    let other = run(&file, &["--filter", "told"]);
    assert_eq!(other.status.code(), Some(3));
    assert!(told(&other).contains("the language model wrote other tokens"), "{}", stderr(&other));
    assert!(told(&other).contains("0 passed, 1 failed, 1 left out"), "{}", stderr(&other));

    // Another picture from the same codes: the decoder's.
    let picture = snapshot(folder.path(), "painted").join("1-picture.png");
    let sunflower = folder.path().join("sunflower.png");
    let mut pixels = agpt::media::RgbImage::load(&picture).unwrap().into_data();
    pixels[0] = pixels[0].wrapping_add(3);
    let near = agpt::media::RgbImage::new(64, 64, pixels).unwrap();
    fs::write(&picture, agpt::media::encode_png(&near, &[]).unwrap()).unwrap();
    let alike = run(&file, &["--filter", "painted"]);
    assert!(alike.status.success(), "rounding is no difference: {}", stderr(&alike));
    fs::copy(sunflower, &picture).unwrap();
    let decoded = run(&file, &["--filter", "painted"]);
    assert_eq!(decoded.status.code(), Some(3));
    assert!(
        told(&decoded).contains("decoded differently from the same codes"),
        "{}",
        stderr(&decoded)
    );

    // A medium that is gone is said, and can be accepted anew.
    fs::remove_file(&picture).unwrap();
    let lost = run(&file, &["--filter", "painted"]);
    assert_eq!(lost.status.code(), Some(3));
    assert!(told(&lost).contains("a medium of this snapshot is lost"), "{}", stderr(&lost));
    assert!(run(&file, &["--filter", "painted", "--update"]).status.success());
    assert!(run(&file, &["--filter", "painted"]).status.success());

    // A file that is none.
    fs::write(&path, "{ half").unwrap();
    let broken = run(&file, &["--filter", "told"]);
    assert_eq!(broken.status.code(), Some(3));
    assert!(told(&broken).contains("E0804"), "{}", stderr(&broken));
}

#[test]
fn a_text_is_held_to_the_cases_of_its_type() {
    let text = r#"
use std/tasks { caption }
type Kind = "a red apple" | "a yellow sunflower" | "a yellow sun" | "a yellow"
type Never = "qqq zzz" | "qqq zz" | "qqq"

test "the likeliest case" {
  let kind = generate Kind from caption(file("sunflower.png")) { semantic: { temperature: 0 } }
  expect kind == "a yellow sunflower"
}
test "only cases, whatever the model would like" {
  let kind = generate Never from caption(file("sunflower.png")) { semantic: { temperature: 2 } }
  expect match kind { "qqq" | "qqq zz" | "qqq zzz" => true }
}
test "texts that the tokenizer does not know as words, and none at all" {
  let sign = generate "日" | "本" from "hello" { semantic: { temperature: 2 } }
  let nothing = generate "" | "x" from "hello" { semantic: { temperature: 2 } }
  expect (sign == "日" or sign == "本") and (nothing == "" or nothing == "x")
}
test "one case" {
  let kind = generate "x" | "x y" from "hello"
  expect kind contains "x"
}
"#;
    let (_folder, file) = project(text);
    for seed in ["0", "1", "2"] {
        let output = run(&file, &["--seed", seed]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
}

#[test]
fn reports_for_people_and_machines() {
    let text = "test \"wrong <1>\" { let n = length([1, 2])\n expect n == 3 }\ntest \"right\" { expect 2 > 1 }\n";
    let (folder, file) = project(text);
    let report = folder.path().join("report.xml");
    let output = run(&file, &["--ci", "--json", "--junit", report.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3));
    let errors = stderr(&output);
    let annotation = errors.lines().find(|line| line.starts_with("::error")).unwrap();
    assert!(annotation.starts_with("::error file="), "{annotation}");
    assert!(
        annotation.contains("line=2,") && annotation.contains("left:  2%0Aright: 3"),
        "{annotation}"
    );
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((json["passed"].as_u64(), json["failed"].as_u64()), (Some(1), Some(1)));
    assert_eq!(json["tests"][0]["diagnostics"][0]["code"], "E0801");
    let xml = fs::read_to_string(report).unwrap();
    assert!(xml.contains("tests=\"2\" failures=\"1\""), "{xml}");
    assert!(xml.contains("wrong &lt;1&gt;") && xml.contains("right: 3"), "{xml}");
}

#[test]
fn tests_are_listed_and_the_shipped_ones_pass() {
    let listed = agpt(["test", "examples", "--list"]).output().unwrap();
    let out = String::from_utf8(listed.stdout).unwrap();
    assert!(out.contains("a sunflower is called one"), "{out}");
    let shipped = agpt(["test", "examples", "--ci"]).output().unwrap();
    assert!(shipped.status.success(), "{}", stderr(&shipped));
    let missing = agpt(["test", "no-such-file.agpt"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
    let wrong = agpt(["test", "tests/lang/errors/tests.agpt"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(1));
}

#[test]
fn snapshots_are_reviewed_one_by_one() {
    let (folder, file) = project(TESTS);
    let review = |answers: &str| {
        agpt(["test", "--review"]).arg(&file).write_stdin(answers).output().unwrap()
    };
    let first = review("what?\ny\nn\n");
    assert_eq!(first.status.code(), Some(3), "one was turned down");
    assert!(told(&first).contains("y accepts it"), "{}", stderr(&first));
    assert!(told(&first).contains("snapshots of 1 written"), "{}", stderr(&first));
    assert!(snapshot(folder.path(), "told").is_dir());
    assert_eq!(fs::read_dir(folder.path().join("snapshots/all")).unwrap().count(), 1);
    // What was accepted is not asked about again; an end of the input accepts nothing.
    let ended = review("");
    assert!(!told(&ended).contains("written"), "{}", stderr(&ended));
    assert!(review("yes\n").status.success());
    // A picture that is no longer taken does not stay behind.
    let painted = snapshot(folder.path(), "painted");
    assert!(
        fs::read_dir(&painted).unwrap().any(|e| e.unwrap().path().extension().unwrap() == "png")
    );
    fs::write(&file, TESTS.replace("snapshot { picture }", "snapshot length([picture])")).unwrap();
    assert!(run(&file, &["--update"]).status.success());
    assert!(
        !fs::read_dir(&painted).unwrap().any(|e| e.unwrap().path().extension().unwrap() == "png")
    );
}

#[test]
fn a_test_may_hold_in_most_of_its_runs_only() {
    let often = |settings: &str, expected: &str| {
        let text = format!(
            "test \"drawn\" with {{ {settings} }} {{
  let colour = pick([\"red\", \"green\", \"blue\"])
  expect colour == \"{expected}\"
}}"
        );
        let (_folder, file) = project(&text);
        run(&file, &[])
    };
    // One colour in three: some of thirty seeds draw it, and never all.
    assert!(often("seed: 1, repeat: 30, pass: 3", "red").status.success());
    let all = often("seed: 1, repeat: 30", "red");
    assert_eq!(all.status.code(), Some(3));
    assert!(told(&all).contains("30 of 30 must pass"), "{}", stderr(&all));
    assert!(told(&all).contains("right: \"red\""), "the first that failed: {}", stderr(&all));
    assert_eq!(often("repeat: 3, pass: 4", "red").status.code(), Some(1));
}

#[test]
fn a_page_shows_kept_and_present_media() {
    let (folder, file) = project(TESTS);
    assert!(run(&file, &["--update"]).status.success());
    fs::write(&file, TESTS.replace("a red apple", "a yellow <banana>")).unwrap();
    let page = folder.path().join("page.html");
    let output = run(&file, &["--report", page.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("1 passed, 1 failed") && page.contains("a yellow &lt;banana&gt;"));
    for caption in ["kept", "now", "difference"] {
        assert!(page.contains(&format!("<img alt=\"{caption}")), "no picture of {caption}");
    }
    assert!(page.contains("<ins>") && page.contains("<del>") && !page.contains("http"));
}

const TIERS: &str = r#"
use std/tasks { caption, paint as painting }

test "a chain" with { seed: 3 } {
  let words = generate text from caption(file("sunflower.png"))
  let picture = generate image from painting(words) { perceptual: { steps: 2 } }
  expect words contains "sunflower"
  snapshot { picture, words }
}

test "measured" {
  let picture = generate image from painting("a red apple") { perceptual: { steps: 2 } }
  expect picture.width == 64
}
"#;

/// A bundle that is nano without the files of one part.
fn nano_without(part: &str) -> tempfile::TempDir {
    fn copy(from: &Path, to: &Path, without: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let target = to.join(path.file_name().unwrap());
            if path.is_dir() {
                copy(&path, &target, without);
            } else if path != without {
                fs::copy(&path, &target).unwrap();
            }
        }
    }
    let (folder, nano) = (temp(), Path::new(env!("CARGO_MANIFEST_DIR")).join("stdlib/models/nano"));
    copy(&nano, folder.path(), &nano.join(part).join("model.safetensors"));
    folder
}

#[test]
fn tiers_run_parts_of_a_test_and_name_the_stage_that_differs() {
    let (folder, file) = project(TIERS);
    // A test without snapshots is recorded when that is asked for.
    assert!(run(&file, &["--update", "--record"]).status.success());
    let path = snapshot(folder.path(), "a-chain").join("recording.json");
    let recording = fs::read_to_string(&path).unwrap();
    assert!(snapshot(folder.path(), "measured").join("recording.json").is_file());
    for tier in ["prompt", "tokens", "replay", "full"] {
        let output = run(&file, &["--tier", tier]);
        assert!(output.status.success(), "{tier}: {}", stderr(&output));
    }

    // Neither recorded tier needs the language model's weights; the others do.
    let model = nano_without("llm");
    let model = ["--model", model.path().to_str().unwrap()];
    for tier in ["prompt", "replay"] {
        let output = run(&file, &[&model[..], &["--tier", tier]].concat());
        assert!(output.status.success(), "{tier}: {}", stderr(&output));
    }
    let output = run(&file, &[&model[..], &["--tier", "tokens"]].concat());
    assert_eq!(output.status.code(), Some(3));
    // Nor does a comparison of codes need the decoder, unless something measures the picture.
    let model = nano_without("image_decoder/unet");
    let unet = model.path().join("image_decoder/unet/diffusion_pytorch_model.safetensors");
    fs::remove_file(unet).unwrap();
    let model = ["--model", model.path().to_str().unwrap()];
    for tier in ["prompt", "tokens"] {
        let chain = run(&file, &[&model[..], &["--filter", "chain", "--tier", tier]].concat());
        assert!(chain.status.success(), "{tier}: {}", stderr(&chain));
    }
    let measured =
        run(&file, &[&model[..], &["--filter", "measured", "--tier", "prompt"]].concat());
    assert_eq!(measured.status.code(), Some(3));

    // Another reply to the same prompt: where it first differs, and how near that was.
    let id = recording.find("\"ids\": [").unwrap() + 8;
    let changed = format!("{}7,{}", &recording[..id], &recording[id..]);
    fs::write(&path, &changed).unwrap();
    let output = run(&file, &["--filter", "chain", "--tier", "tokens"]);
    assert_eq!(output.status.code(), Some(3));
    let said = told(&output);
    assert!(said.contains("E0805") && said.contains("from id 0 on"), "{}", stderr(&output));
    assert!(said.contains("a real change: the next candidate was"), "{}", stderr(&output));
    // Recorded ids that are no reply of their type.
    let image = changed.rfind("\"ids\": [").unwrap() + 8;
    fs::write(&path, format!("{}7,{}", &changed[..image], &changed[image..])).unwrap();
    let output = run(&file, &["--filter", "chain", "--replay"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(told(&output).contains("E0806"), "{}", stderr(&output));
    fs::write(&path, &recording).unwrap();

    // Another template: the prompt is named, before anything that follows from it.
    fs::write(&file, TIERS.replace("painting(words)", "painting(\"not {words}\")")).unwrap();
    let output = run(&file, &["--filter", "chain", "--tier", "prompt"]);
    assert_eq!(output.status.code(), Some(3));
    let said = told(&output);
    assert!(said.contains("is not the recorded one") && said.contains("not a yellow"), "{said}");
    assert!(!said.contains("E0802"), "its reply is the recorded one: {said}");
    // What was never recorded.
    fs::write(&file, TIERS.replace("\"measured\"", "\"not recorded\"")).unwrap();
    let output = run(&file, &["--replay"]);
    assert!(told(&output).contains("E0806"), "{}", stderr(&output));
    assert!(told(&output).contains("1 passed, 1 failed"), "{}", stderr(&output));
    for options in [["--replay", "--update"], ["--tier=tokens", "--record"]] {
        assert_eq!(run(&file, &options).status.code(), Some(2));
    }
}

#[test]
fn nothing_is_accepted_where_something_is_not_as_expected() {
    let text = "test \"wrong\" { expect 1 == 2\n snapshot \"text\" }";
    let (folder, file) = project(text);
    let output = run(&file, &["--update"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(!folder.path().join("snapshots").exists(), "{}", stderr(&output));
}

#[test]
fn jobs_change_neither_outcomes_nor_their_order() {
    let mut text = TIERS.to_string();
    for number in 0..6 {
        text.push_str(&format!("test \"sum {number}\" {{ expect {number} + 1 != 4 }}\n"));
    }
    let (folder, file) = project(&text);
    assert!(run(&file, &["--update", "--record", "--jobs", "3"]).status.code() == Some(3));
    let outcomes = |options: &[&str]| {
        let output = run(&file, &[options, &["--json"]].concat());
        let mut json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        for test in json["tests"].as_array_mut().unwrap() {
            test["seconds"] = 0.into();
        }
        json
    };
    let one = outcomes(&[]);
    assert_eq!(one["passed"], 7);
    assert_eq!(one["tests"][0]["test"], "a chain");
    for jobs in ["2", "5"] {
        assert_eq!(outcomes(&["--jobs", jobs]), one);
    }
    fs::write(folder.path().join("broken.agpt"), "pipeline {").unwrap();
    let output = agpt(["test", "--json"]).arg(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["broken"][0]["diagnostics"][0]["code"], "E0103");
}
