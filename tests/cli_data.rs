//! `agpt data` as a user runs it, on the shipped model: tokens, packed sequences, what goes wrong.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use support::{agpt, json as parsed, stderr, temp};

fn media(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/media").join(name).display().to_string()
}

/// Pairs of all three media, one of them without its file and one that is no picture.
fn pairs(folder: &Path, times: usize) -> PathBuf {
    fs::copy(media("apple.png"), folder.join("apple.png")).unwrap();
    fs::write(folder.join("broken.png"), b"no picture").unwrap();
    let rows = [
        json!({ "id": "a", "text": "a red apple", "image": "apple.png" }),
        json!({ "text": "apple", "speech": media("apple.wav") }),
        json!({ "text": "a tune", "music": media("melody.wav") }),
        json!({ "id": 7, "text": "lost", "image": "lost.png" }),
        json!({ "text": "broken", "image": "broken.png" }),
        json!({ "text": "a cat", "image": media("cat.png") }),
    ];
    let text: String = (0..times).flat_map(|_| &rows).map(|row| format!("{row}\n")).collect();
    let path = folder.join("pairs.jsonl");
    fs::write(&path, text).unwrap();
    path
}

fn tokenize(pairs: &Path, out: &Path, more: &[&str]) -> Output {
    let mut command = agpt(["data", "tokenize", "--json"]);
    command.arg(pairs).arg("--out").arg(out).args(more).output().unwrap()
}

/// All files of a folder with their bytes.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_string(), fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// Those that have their final name.
fn finished(folder: &Path) -> Vec<(String, Vec<u8>)> {
    contents(folder).into_iter().filter(|(name, _)| !name.ends_with(".part")).collect()
}

fn lines(path: &Path) -> Vec<Json> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn media_become_tokens_and_broken_ones_fail_alone() {
    let folder = temp();
    let (pairs, out) = (pairs(folder.path(), 1), folder.path().join("tokens"));
    let outcome = parsed(&tokenize(&pairs, &out, &[]));
    assert_eq!(
        (&outcome["rows"], &outcome["tokenised"], &outcome["failed"]),
        (&json!(6), &json!(4), &json!(2))
    );
    let rows = lines(&out.join("part-00000.jsonl"));
    let ids: Vec<&Json> = rows.iter().map(|row| &row["id"]).collect();
    assert_eq!(ids, [&json!("a"), &json!(2), &json!(3), &json!(6)]);
    let image = rows[0]["image"].as_str().unwrap();
    assert!(image.starts_with("<soim><👀") && image.ends_with("><eoim>"), "{image}");
    assert_eq!(image.matches('👀').count(), 32);
    assert!(rows[1]["speech"].as_str().unwrap().starts_with("<sosp><🗣️"));
    let music = rows[2]["music"].as_str().unwrap();
    assert_eq!(music.matches('🎶').count() % 4, 0);
    // The codes are those that a pipeline gets.
    let file = support::write_pipeline(
        folder.path(),
        "pipeline codes(photo: image) -> tokens<image> {\n  return encode photo\n}\n",
    );
    let run = agpt(["run", &file, "--photo", &support::apple(), "--json"]).output().unwrap();
    let codes = parsed(&run)["results"]["codes"].clone();
    let spelled: String =
        codes.as_array().unwrap().iter().map(|code| format!("<👀{code}>")).collect();
    assert_eq!(image, format!("<soim>{spelled}<eoim>"));
    let failures = lines(&out.join("failures.jsonl"));
    assert_eq!((&failures[0]["line"], &failures[0]["id"]), (&json!(4), &json!(7)));
    assert!(failures[0]["reason"].as_str().unwrap().contains("lost.png"), "{failures:?}");
    assert!(failures[1]["reason"].as_str().unwrap().contains("broken.png"), "{failures:?}");
    // Only `--strict` makes them an error; what was mended is made with `--retry`.
    let strict = tokenize(&pairs, &out, &["--strict"]);
    assert_eq!(strict.status.code(), Some(3), "{}", stderr(&strict));
    fs::copy(media("bus.png"), folder.path().join("lost.png")).unwrap();
    assert_eq!(parsed(&tokenize(&pairs, &out, &[]))["failed"], 2);
    assert_eq!(parsed(&tokenize(&pairs, &out, &["--retry"]))["failed"], 1);
}

#[test]
fn an_interrupted_run_goes_on_and_ends_with_the_same_bytes() {
    let folder = temp();
    let pairs = pairs(folder.path(), 12);
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    let cut = ["--shard-rows", "7", "--batch", "4"];
    parsed(&tokenize(&pairs, &whole, &cut));
    // Killed as soon as a shard is there, several times, each time with a shard more.
    for shard in [0, 3, 6] {
        let mut child = Process::new(assert_cmd::cargo::cargo_bin!("agpt"))
            .args(["data", "tokenize", "--quiet"])
            .arg(&pairs)
            .arg("--out")
            .arg(&killed)
            .args(cut)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let wanted = killed.join(format!("part-{shard:05}.jsonl"));
        let begun = Instant::now();
        while !wanted.exists() && begun.elapsed() < Duration::from_secs(120) {
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = child.kill();
        child.wait().unwrap();
        assert!(wanted.exists(), "{wanted:?} was not made");
    }
    // A shard that was changed behind its back is made again.
    fs::write(killed.join("part-00001.jsonl"), "{}\n").unwrap();
    let outcome = parsed(&tokenize(&pairs, &killed, &[&cut[..], &["--threads", "1"]].concat()));
    assert_eq!(outcome["tokenised"], 48);
    assert!(outcome["kept"].as_u64().unwrap() >= 5, "{outcome}");
    assert!(finished(&whole) == finished(&killed), "the bytes differ");
    // Another cut is another data set.
    let other = tokenize(&pairs, &killed, &["--shard-rows", "8"]);
    assert_eq!(other.status.code(), Some(3));
    assert!(stderr(&other).contains("holds the data of another"), "{}", stderr(&other));
    // What --fresh removes must not be what is read, and a wrong input removes nothing.
    let before = finished(&killed);
    for lost in [killed.join("part-00000.jsonl"), folder.path().join("nowhere.jsonl")] {
        assert_eq!(tokenize(&lost, &killed, &["--fresh"]).status.code(), Some(3));
    }
    assert!(before == finished(&killed), "something was removed");
    let cut = ["--shard-rows", "36", "--fresh"];
    assert_eq!(parsed(&tokenize(&pairs, &killed, &cut))["kept"], 0);
    let parts = finished(&killed).iter().filter(|(name, _)| name.starts_with("part-")).count();
    assert_eq!(parts, 2 * 2, "two shards and their reports");
}

/// Tokenised pairs, conversations and text, with broken rows among them, and a recipe of them all.
fn data(folder: &Path, head: &str) -> PathBuf {
    let code = |prefix: &str, codes: &mut dyn Iterator<Item = usize>| -> String {
        codes.map(|code| format!("<{prefix}{code}>")).collect()
    };
    let image = |at: usize| {
        format!("<soim>{}<eoim>", code("👀", &mut (0..32).map(|c| (c * 31 + at) % 1024)))
    };
    let speech = |at: usize| {
        format!("<sosp>{}<eosp>", code("🗣️", &mut (0..20 + at).map(|c| (c * 7 + at) % 512)))
    };
    let music = |at: usize| {
        format!("<somu>{}<eomu>", code("🎶", &mut (0..40).map(|c| c % 4 * 256 + (c + at) % 256)))
    };
    let rows = |rows: Vec<Json>| rows.iter().map(|row| format!("{row}\n")).collect::<String>();
    let mut pairs: Vec<Json> = Vec::new();
    for at in 0..20 {
        pairs.push(json!({ "text": format!("picture {at}"), "image": image(at) }));
        pairs.push(json!({ "speech": speech(at), "text": format!("words {at}") }));
        pairs.push(json!({ "text": format!("tune {at}"), "music": music(at), "id": at }));
    }
    pairs.push(json!({ "text": "too few", "image": "<soim><👀1><eoim>" }));
    pairs.push(json!({ "text": "a path", "image": "apple.png" }));
    fs::write(folder.join("pairs.jsonl"), rows(pairs)).unwrap();
    let say = |role: &str, message: String| json!({ "role": role, "message": message });
    let mut talks: Vec<Json> = (0..6)
        .map(|at| {
            json!({ "id": at, "conversation": [[
                say("user", format!("What is {} this?", image(at))),
                say("assistant", format!("Number {at}.")),
                say("user", "Say it, please.".into()),
                say("assistant", format!("<-Ins-> number\n <-Res-> Yes. {}", speech(at))),
            ]] })
        })
        .collect();
    let broken = [
        "<soim><👀9999><eoim>".to_string(),
        "<somu><🎶0><🎶1><🎶2><🎶3><eomu>".to_string(),
        "<soim><👀1><👀2><eoim>".to_string(),
    ];
    for message in broken {
        let talk = vec![say("user", "Hi".into()), say("assistant", message)];
        talks.push(json!({ "conversation": [talk] }));
    }
    talks.push(json!({ "conversation": [[say("user", "And then?".into())]] }));
    talks.push(json!({ "conversation": [[say("robot", "Hi".into())]] }));
    fs::write(folder.join("talks.jsonl"), rows(talks)).unwrap();
    let long = "word ".repeat(400);
    fs::write(folder.join("prose.txt"), format!("Once upon a time.\n\nThe end.\n{long}\n"))
        .unwrap();
    let recipe = folder.join("data.yaml");
    let templates = [
        "caption/CAPTION",
        "paint/PAINT",
        "transcribe/TRANSCRIBE",
        "speak/SPEAK",
        "describe_music/DESCRIBE_MUSIC",
        "compose/COMPOSE",
    ];
    let mut text = format!(
        "format: 1\nmax_length: 256\n{head}\nsources:\n  - name: pairs\n    pairs: pairs.jsonl\n    templates:\n"
    );
    for template in templates {
        let (template, pool) = template.split_once('/').unwrap();
        text.push_str(&format!("      - template: std/tasks:{template}\n        instructions: std/instructions:{pool}\n"));
    }
    text.push_str("  - { name: talks, conversations: talks.jsonl, loss: reply }\n  - { name: prose, text: prose.txt }\n");
    fs::write(&recipe, text).unwrap();
    recipe
}

fn pack(recipe: &Path, out: &Path, more: &[&str]) -> Output {
    agpt(["data", "pack", "--json"]).arg(recipe).arg("--out").arg(out).args(more).output().unwrap()
}

#[test]
fn packing_counts_everything_and_repeats_byte_for_byte() {
    let folder = temp();
    let recipe = data(folder.path(), "seed: 5\nshard_samples: 16\npacking: best-fit");
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let report = parsed(&pack(&recipe, &one, &["--threads", "1"]));
    // 60 pairs, 6 talks and two lines of prose; one line is too long, 2 + 5 rows are broken.
    assert_eq!(
        (&report["samples"], &report["too_long"], &report["broken"]),
        (&json!(68), &json!(1), &json!(7))
    );
    assert!(report["tokens"]["image"].as_u64().unwrap() >= 20 * 34, "{report}");
    assert_eq!(report["tokens"]["music"], 20 * 42);
    let reasons: BTreeSet<String> = lines(&one.join("left_out.jsonl"))
        .iter()
        .map(|row| {
            format!("{}:{}", row["source"].as_str().unwrap(), row["reason"].as_str().unwrap())
        })
        .collect();
    for reason in [
        "no token",
        "codebook",
        "2 codes are no image",
        "reply",
        "`robot`",
        "1 codes are no image",
        "data tokenize",
        "a sequence has at most 256",
    ] {
        assert!(reasons.iter().any(|known| known.contains(reason)), "{reason}: {reasons:#?}");
    }
    parsed(&pack(&recipe, &two, &["--threads", "3"]));
    assert!(contents(&one) == contents(&two), "the bytes differ");
    // A shard that is lost or damaged is made again, with the same bytes.
    fs::remove_file(two.join("shard-00001.safetensors")).unwrap();
    fs::write(two.join("shard-00002.safetensors"), b"damaged").unwrap();
    fs::remove_file(two.join("shard-00003.json")).unwrap();
    fs::remove_file(two.join("packed.json")).unwrap();
    parsed(&pack(&recipe, &two, &[]));
    assert!(contents(&one) == contents(&two), "the bytes differ after damage");
    // Another seed is another data set, and the page and its numbers are there.
    let other = pack(&recipe, &two, &["--seed", "6"]);
    assert!(stderr(&other).contains("--fresh"), "{}", stderr(&other));
    parsed(&pack(&recipe, &two, &["--seed", "6", "--fresh"]));
    assert!(contents(&one) != contents(&two));
    let page = fs::read_to_string(one.join("report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("pairs"), "{page}");
}

#[test]
fn packing_that_is_killed_goes_on_to_the_same_bytes() {
    let folder = temp();
    let recipe = data(folder.path(), "seed: 5\nshard_samples: 2\npacking: best-fit");
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    parsed(&pack(&recipe, &whole, &[]));
    let shards = |folder: &Path| {
        let names = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
        names.filter(|path| path.extension().is_some_and(|e| e == "safetensors")).count()
    };
    let all = shards(&whole);
    assert!(all > 20, "{all} shards");
    let mut kept = Vec::new();
    for wanted in [1, 5, 12] {
        let mut child = Process::new(assert_cmd::cargo::cargo_bin!("agpt"))
            .args(["data", "pack", "--quiet"])
            .arg(&recipe)
            .arg("--out")
            .arg(&killed)
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while shards(&killed) < wanted && child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(60), "no shard comes");
            std::thread::sleep(Duration::from_micros(200));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kept.push(shards(&killed));
    }
    assert!(kept[0] < all, "killed too late to show anything: {kept:?} of {all}");
    parsed(&pack(&recipe, &killed, &[]));
    assert!(finished(&killed) == finished(&whole), "the bytes differ after {kept:?}");
}

#[test]
fn packed_data_are_shown_in_words() {
    let folder = temp();
    let recipe = data(folder.path(), "packing: greedy\nloss: reply\nshuffle: false\nend: </s>");
    let out = folder.path().join("packed");
    let report = parsed(&pack(&recipe, &out, &[]));
    let text = |more: &[&str]| {
        let output = agpt(["data", "inspect"]).arg(&out).args(more).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(text(&["--verify"]).starts_with("68 samples in "));
    let count = report["sequences"].as_u64().unwrap();
    let all: String = (0..count).map(|at| text(&[&at.to_string()])).collect();
    // What is learned is marked: replies with their ends, and of the talks nothing else.
    assert!(all.contains("[image: 32 codes]<eoim><eoh> [MMGPT]:⟦picture "), "{all}");
    assert!(all.contains("<soim>[image: 32 codes]<eoim><eos></s>⟧"), "{all}");
    assert!(all.contains("<eoh> [MMGPT]:⟦Number 3.<eos>⟧\n[Human]: Say it, please.<eoh>"), "{all}");
    assert!(all.contains("[speech: 23 codes]<eosp><eos></s>⟧"), "{all}");
    // And the ids are those of the command's JSON.
    let shown: Json = serde_json::from_str(&text(&["0", "--json"])).unwrap();
    assert_eq!(shown["ids"].as_array().unwrap().len(), shown["counted"].as_array().unwrap().len());
    let none = agpt(["data", "inspect"]).arg(&out).arg("9999").output().unwrap();
    assert!(stderr(&none).contains("there is no sequence 9999"), "{}", stderr(&none));
}

#[test]
fn weights_balance_sources_up_to_their_cap() {
    let folder = temp();
    data(folder.path(), "");
    let recipe = folder.path().join("mix.yaml");
    let mix = |by: &str, cap: f64| {
        let text = format!(
            "format: 1\nmax_length: 1024\nweigh_by: {by}\nsources:\n  - {{ name: talks, conversations: talks.jsonl, weight: 1, most_epochs: {cap} }}\n  - {{ name: prose, text: prose.txt, weight: 1, most_epochs: 50 }}\n"
        );
        fs::write(&recipe, text).unwrap();
        parsed(&pack(&recipe, &folder.path().join("mix"), &["--fresh"]))
    };
    let report = mix("samples", 4.0);
    assert_eq!(report["sources"][0]["draws"], report["sources"][1]["draws"]);
    let report = mix("tokens", 50.0);
    let share = report["sources"][1]["share_of_tokens"].as_f64().unwrap();
    assert!((share - 0.5).abs() < 0.2, "{report}");
}

#[test]
fn mistakes_in_recipes_are_named() {
    let folder = temp();
    let recipe = data(folder.path(), "");
    let text = fs::read_to_string(&recipe).unwrap();
    fs::write(
        folder.path().join("own.agpt"),
        "pub template odd(a: image, b: image) -> text {\n  user { \"{a} {b}\" }\n}\n",
    )
    .unwrap();
    let out = folder.path().join("out");
    for (old, new, words) in [
        ("max_length: 256", "max_lenght: 256", "data.yaml:2:1"),
        ("max_length: 256", "max_length: 4500", "the context of nano is 1024"),
        ("pairs: pairs.jsonl", "pairs: none.jsonl", "none.jsonl"),
        ("std/tasks:caption", "std/tasks:captoin", "captoin"),
        ("std/tasks:caption", "std/tasks", "names no declaration"),
        ("std/tasks:caption", "std/chat:caption", "no parameter `instruction`"),
        ("std/tasks:caption", "own.agpt:odd", "instruction"),
    ] {
        fs::write(&recipe, text.replacen(old, new, 1)).unwrap();
        let output = pack(&recipe, &out, &[]);
        let said = stderr(&output).replace("\n  │ ", " ");
        assert!(!output.status.success() && said.contains(words), "{new}: {said}");
    }
}

/// Pictures inside of Parquet files, in each codec, and rows of tokens written as Parquet.
#[cfg(feature = "parquet")]
#[test]
fn parquet_files_give_what_lines_give() {
    let folder = temp();
    let rows = [
        json!({ "id": 7, "text": "a red apple", "image": media("apple.png") }),
        json!({ "id": 8, "text": "a yellow banana", "image": media("banana.png") }),
    ];
    let plain = folder.path().join("pairs.jsonl");
    fs::write(&plain, rows.iter().map(|row| format!("{row}\n")).collect::<String>()).unwrap();
    let wanted = folder.path().join("wanted");
    parsed(&tokenize(&plain, &wanted, &[]));
    let wanted = lines(&wanted.join("part-00000.jsonl"));
    let columns = ["--column", "text=caption", "--column", "id=image_id"];
    for codec in ["snappy", "zstd", "gzip"] {
        let file = format!("tests/fixtures/data/pairs-{codec}.parquet");
        let out = folder.path().join(codec);
        let outcome = parsed(&tokenize(Path::new(&file), &out, &columns));
        assert_eq!((&outcome["tokenised"], &outcome["failed"]), (&json!(2), &json!(1)), "{codec}");
        assert_eq!(lines(&out.join("part-00000.jsonl")), wanted, "{codec}");
        let failures = lines(&out.join("failures.jsonl"));
        assert_eq!((failures.len(), &failures[0]["id"]), (1, &json!(9)), "{codec}");
    }
    // Written as Parquet, and packed, it is byte by byte what lines become.
    let out = folder.path().join("columns");
    parsed(&tokenize(&plain, &out, &["--format", "parquet"]));
    let packed = ["wanted", "columns"].map(|name| {
        let recipe = folder.path().join(format!("{name}.yaml"));
        let text = format!(
            "format: 1\nsources:\n  - name: pairs\n    pairs: {name}\n    templates:\n      - {{ \
             template: \"std/tasks:caption\" }}\n"
        );
        fs::write(&recipe, text).unwrap();
        let out = folder.path().join(format!("packed-{name}"));
        assert_eq!(parsed(&pack(&recipe, &out, &[]))["samples"], 2);
        fs::read(out.join("shard-00000.safetensors")).unwrap()
    });
    assert!(packed[0] == packed[1]);
    // A torn file, and a column that is not there.
    let torn = folder.path().join("torn.parquet");
    let bytes = fs::read("tests/fixtures/data/pairs-zstd.parquet").unwrap();
    fs::write(&torn, &bytes[..bytes.len() - 40]).unwrap();
    let output = tokenize(&torn, &folder.path().join("t"), &columns);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("torn.parquet"), "{}", stderr(&output));
    let whole = Path::new("tests/fixtures/data/pairs-zstd.parquet");
    let output = tokenize(whole, &folder.path().join("u"), &["--column", "text=words"]);
    assert!(!output.status.success());
    assert!(stderr(&output).contains("words"), "{}", stderr(&output));
}
