//! `agpt models pull` against a server that answers as the hub does, with faults.

#![cfg(feature = "hub")]

mod support;

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};
use support::{agpt, copy_of, json, stderr, temp, write_pipeline};

/// Serves the files below a folder: `/REPO/resolve/main/PATH` as the hub, `/web/PATH` plainly.
struct Server {
    address: String,
    /// Requests for whole files (not the hub's question for one byte), by path.
    asked: Arc<Mutex<HashMap<String, Vec<u64>>>>,
    /// How many of the next answers break off in the middle.
    faults: Arc<AtomicUsize>,
    /// Whether the bytes are other ones than their hashes say.
    spoilt: Arc<AtomicBool>,
}

impl Server {
    fn start(root: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Server {
            address,
            asked: Arc::default(),
            faults: Arc::default(),
            spoilt: Arc::default(),
        };
        let asked = Arc::clone(&server.asked);
        let (faults, spoilt) = (Arc::clone(&server.faults), Arc::clone(&server.spoilt));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = answer(stream, &root, &asked, &faults, &spoilt);
            }
        });
        server
    }

    fn asked(&self, path: &str) -> Vec<u64> {
        self.asked.lock().unwrap().get(path).cloned().unwrap_or_default()
    }
}

fn answer(
    mut stream: TcpStream,
    root: &Path,
    asked: &Mutex<HashMap<String, Vec<u64>>>,
    faults: &AtomicUsize,
    spoilt: &AtomicBool,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let address = line.split(' ').nth(1).unwrap_or_default().to_string();
    let mut range = None;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            range =
                value.trim().split_once('-').map(|(from, to)| (from.to_string(), to.to_string()));
        }
    }
    let path = address.trim_start_matches("/web/").trim_start_matches('/');
    let path = path.split_once("/resolve/main/").map_or(path, |(_, path)| path);
    let Ok(mut bytes) = fs::read(root.join(path)) else {
        return stream.write_all(
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    };
    let tag: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    // A hub whose disk is bad: what it sends is not what it promises.
    if spoilt.load(Ordering::SeqCst) && !bytes.is_empty() {
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
    }
    let (from, to) = range.unwrap_or_default();
    let from: usize = from.parse().unwrap_or(0);
    let end = to.parse().map_or(bytes.len(), |to: usize| (to + 1).min(bytes.len()));
    let body = &bytes[from.min(end)..end];
    write!(
        stream,
        "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {from}-{}/{}\r\n\
         ETag: \"{tag}\"\r\nX-Repo-Commit: {}\r\nConnection: close\r\n\r\n",
        body.len(),
        end.saturating_sub(1),
        bytes.len(),
        "0".repeat(40),
    )?;
    let whole = to.is_empty();
    let fault = whole
        && body.len() > 1000
        && faults.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
    if whole {
        asked.lock().unwrap().entry(path.to_string()).or_default().push(from as u64);
    }
    stream.write_all(if fault { &body[..body.len() / 2] } else { body })
}

const SOURCES: &str = r#"
sources:
  - { to: llm, hub: someone/sound, folder: llm, files: [model.safetensors, config.json] }
  - { to: speech_tokenizer, url: "ADDRESS/web/speech_tokenizer", files: [model.safetensors] }
"#;

/// A bundle without the files that its manifest says where to get.
fn incomplete(address: &str) -> tempfile::TempDir {
    let folder = copy_of("tests/fixtures/bundle/sound");
    let manifest = folder.path().join("bundle.yaml");
    let text = fs::read_to_string(&manifest).unwrap() + &SOURCES.replace("ADDRESS", address);
    fs::write(&manifest, text).unwrap();
    for path in ["llm/model.safetensors", "llm/config.json", "speech_tokenizer/model.safetensors"] {
        fs::remove_file(folder.path().join(path)).unwrap();
    }
    folder
}

fn pull(model: &Path, to: &Path, home: &Path, more: &[&str]) -> std::process::Output {
    let model = model.display().to_string();
    let mut command = agpt(["models", "pull", &model, "--to"]);
    command
        .arg(to)
        .args(more)
        .env("HF_HOME", home)
        .env_remove("HF_ENDPOINT")
        .env_remove("HF_TOKEN");
    command.output().unwrap()
}

fn runs(model: &Path) -> serde_json::Value {
    let folder = temp();
    let pipeline = write_pipeline(
        folder.path(),
        "pub pipeline hear(recording: speech) -> tokens<speech> {\n  return encode recording\n}\n",
    );
    let model = model.display().to_string();
    let recording = "tests/fixtures/sound/stereo.wav";
    let args = ["run", &pipeline, "--recording", recording, "--model", &model, "--json"];
    json(&agpt(args).output().unwrap())["results"]["hear"].clone()
}

#[test]
fn files_come_from_the_hub_and_from_addresses() {
    let whole = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bundle/sound");
    let server = Server::start(whole.clone());
    let (model, home, out) = (incomplete(&server.address), temp(), temp());
    let target = out.path().join("sound");

    // The hub's answers break off twice; within one command it is gone on from there.
    server.faults.store(1, Ordering::SeqCst);
    let mirror = ["--mirror", &server.address];
    let output = pull(model.path(), &target, home.path(), &mirror);
    assert!(output.status.success(), "{}", stderr(&output));
    let starts = server.asked("llm/model.safetensors");
    assert!(starts.len() == 2 && starts[0] == 0 && starts[1] > 0, "{starts:?}");
    for path in ["llm/model.safetensors", "llm/config.json", "speech_tokenizer/model.safetensors"] {
        assert_eq!(fs::read(target.join(path)).unwrap(), fs::read(whole.join(path)).unwrap());
    }
    assert_eq!(runs(&target), runs(&whole));

    // Again: nothing is fetched. Elsewhere, offline: the hub's part is in the cache, the other is not.
    let again = pull(model.path(), &target, home.path(), &mirror);
    assert!(String::from_utf8_lossy(&again.stdout).contains("0 files fetched, 3 were there"));
    let elsewhere = out.path().join("offline");
    let offline = pull(model.path(), &elsewhere, home.path(), &["--offline"]);
    assert_eq!(offline.status.code(), Some(3));
    assert!(stderr(&offline).contains("it is not in the hub's cache"), "{}", stderr(&offline));
    assert!(elsewhere.join("llm/model.safetensors").exists());
    assert!(!elsewhere.join("bundle.yaml").exists(), "an incomplete model looks complete");
}

#[test]
fn an_interrupted_address_is_gone_on_with() {
    let whole = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bundle/sound");
    let server = Server::start(whole.clone());
    let (model, home, out) = (incomplete(&server.address), temp(), temp());
    fs::copy(whole.join("llm/model.safetensors"), model.path().join("llm/model.safetensors"))
        .unwrap();
    let target = out.path().join("sound");
    fs::create_dir_all(target.join("llm")).unwrap();
    for name in ["model.safetensors", "config.json"] {
        fs::copy(whole.join("llm").join(name), target.join("llm").join(name)).unwrap();
    }
    let mirror = ["--mirror", &server.address];
    server.faults.store(1, Ordering::SeqCst);
    let broken = pull(model.path(), &target, home.path(), &mirror);
    assert_eq!(broken.status.code(), Some(3), "{}", stderr(&broken));
    assert!(stderr(&broken).contains("run the command again"), "{}", stderr(&broken));
    let weights = target.join("speech_tokenizer/model.safetensors");
    assert!(!weights.exists(), "half a file under its name");
    let whole_again = pull(model.path(), &target, home.path(), &mirror);
    assert!(whole_again.status.success(), "{}", stderr(&whole_again));
    let starts = server.asked("speech_tokenizer/model.safetensors");
    assert!(starts.len() == 2 && starts[1] > 0, "{starts:?}");
    assert_eq!(
        fs::read(weights).unwrap(),
        fs::read(whole.join("speech_tokenizer/model.safetensors")).unwrap()
    );
}

#[test]
fn a_folder_serves_as_well_and_what_is_missing_is_named() {
    let whole = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bundle/sound");
    let (model, home, out) = (incomplete("http://127.0.0.1:9"), temp(), temp());
    let target = out.path().join("sound");
    let from = whole.display().to_string();
    let output = pull(model.path(), &target, home.path(), &["--from", &from]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(runs(&target), runs(&whole));
    let empty = temp();
    let from = empty.path().display().to_string();
    let output = pull(model.path(), &out.path().join("other"), home.path(), &["--from", &from]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("`llm/model.safetensors`"), "{}", stderr(&output));
}

/// Bytes that are not those the hub has a hash of never become a model's file.
#[test]
fn spoilt_files_are_refused() {
    let whole = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bundle/sound");
    let server = Server::start(whole);
    let (model, home, out) = (incomplete(&server.address), temp(), temp());
    let target = out.path().join("sound");
    let mirror = ["--mirror", &server.address];
    server.spoilt.store(true, Ordering::SeqCst);
    let output = pull(model.path(), &target, home.path(), &mirror);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("SHA-256"), "{}", stderr(&output));
    assert!(!target.join("llm/model.safetensors").exists());
    assert!(!target.join("bundle.yaml").exists());
    // The cache keeps nothing of it.
    server.spoilt.store(false, Ordering::SeqCst);
    let again = pull(model.path(), &target, home.path(), &mirror);
    assert!(again.status.success(), "{}", stderr(&again));
}

/// What has changed on the server between two tries is fetched from its beginning.
#[test]
fn a_part_of_another_file_is_not_gone_on_with() {
    let site = copy_of("tests/fixtures/bundle/sound");
    let server = Server::start(site.path().to_path_buf());
    let (model, home, out) = (incomplete(&server.address), temp(), temp());
    let target = out.path().join("sound");
    let mirror = ["--mirror", &server.address];
    // The hub's file first, so that the fault meets the address.
    fs::create_dir_all(target.join("llm")).unwrap();
    for name in ["model.safetensors", "config.json"] {
        fs::copy(site.path().join("llm").join(name), target.join("llm").join(name)).unwrap();
    }
    server.faults.store(1, Ordering::SeqCst);
    assert_eq!(pull(model.path(), &target, home.path(), &mirror).status.code(), Some(3));
    let served = site.path().join("speech_tokenizer/model.safetensors");
    let mut changed = fs::read(&served).unwrap();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    fs::write(&served, &changed).unwrap();
    let again = pull(model.path(), &target, home.path(), &mirror);
    assert!(again.status.success(), "{}", stderr(&again));
    assert_eq!(fs::read(target.join("speech_tokenizer/model.safetensors")).unwrap(), changed);
}

#[test]
fn evaluation_models_are_pulled_by_name() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let (hub, data) = (temp(), temp());
    let name = "clap-htsat-unfused";
    let repository = hub.path().join(name);
    fs::create_dir(&repository).unwrap();
    for file in fs::read_dir(root.join("tests/fixtures/judges/clap")).unwrap().flatten() {
        fs::copy(file.path(), repository.join(file.file_name())).unwrap();
    }
    let models = |args: &[&str]| {
        let mut command = agpt([&["models"][..], args].concat());
        command.env("XDG_DATA_HOME", data.path()).env_remove("AGPT_MODELS").output().unwrap()
    };
    let said = |args: &[&str]| String::from_utf8(models(args).stdout).unwrap();
    assert!(said(&["list"]).contains("agpt models pull clap-htsat-unfused"));
    assert!(said(&["show", name]).contains("laion/clap-htsat-unfused"));
    let from = hub.path().display().to_string();
    let pulled = models(&["pull", name, "--from", &from]);
    assert!(pulled.status.success(), "{}", stderr(&pulled));
    let text = String::from_utf8_lossy(&pulled.stdout).into_owned();
    assert!(text.contains("4 files fetched, 0 were there"), "{text}");
    assert!(!said(&["list"]).contains("agpt models pull clap-htsat-unfused"));

    // It is where it is looked for, and it is what was there.
    let show = said(&["show", name]);
    let folder = show.lines().find_map(|line| line.strip_prefix("in ")).unwrap();
    let weights = fs::read(Path::new(folder).join("pytorch_model.bin")).unwrap();
    assert_eq!(weights, fs::read(repository.join("pytorch_model.bin")).unwrap());
    let again = said(&["pull", name, "--from", &from]);
    assert!(again.contains("0 files fetched, 4 were there"), "{again}");

    let removed = models(&["rm", name]);
    assert!(removed.status.success() && !Path::new(folder).exists(), "{}", stderr(&removed));
    let twice = models(&["rm", name]);
    assert!(!twice.status.success() && stderr(&twice).contains("it is not here"));
    fs::remove_file(repository.join("tokenizer.json")).unwrap();
    let absent = models(&["pull", name, "--from", &from]);
    assert!(!absent.status.success() && stderr(&absent).contains("tokenizer.json"));
}
