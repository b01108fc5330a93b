//! PyTorch checkpoints: the same tensors as PyTorch reads, and no panic on any other bytes.
//! The files are made by tests/reference/torch_files.py.

mod support;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use agpt::bundle::{Blob, BundleError, Form, Weights};
use candle_core::{DType, Device};
use proptest::prelude::*;
use support::{agpt, copy_of, json, stderr, write_pipeline};

fn read(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/torch");
    fs::read(folder.join(name)).unwrap()
}

fn open(bytes: Vec<u8>) -> Result<Weights, BundleError> {
    Weights::open([("test.pt".to_string(), Blob::Owned(Arc::from(bytes)))])
}

/// Every number of every tensor, as 64-bit floats.
fn contents(weights: &Weights) -> Vec<(String, DType, Vec<usize>, Vec<f64>)> {
    let read = |name: &str| {
        let tensor = weights.tensor(name, &Device::Cpu).unwrap();
        let flat = tensor.flatten_all().unwrap().to_dtype(DType::F64).unwrap();
        let shape = tensor.dims().to_vec();
        (name.to_string(), tensor.dtype(), shape, flat.to_vec1().unwrap())
    };
    weights.names().map(read).collect()
}

#[test]
fn tensors_are_those_that_torch_reads() {
    for (checkpoint, expected) in [
        ("kinds.pt", "kinds.safetensors"),
        ("kinds_old.pt", "kinds.safetensors"),
        ("kinds_protocol_4.pt", "kinds.safetensors"),
        ("nested.bin", "nested.safetensors"),
        ("module.pth", "module.safetensors"),
    ] {
        let ours = open(read(checkpoint)).unwrap();
        let theirs = open(read(expected)).unwrap();
        assert_eq!(contents(&ours), contents(&theirs), "{checkpoint}");
    }
}

#[test]
fn a_cut_file_says_so() {
    for name in ["kinds.pt", "kinds_old.pt"] {
        let whole = read(name);
        for length in [0, 4, 40, whole.len() / 2, whole.len() - 1] {
            let error = open(whole[..length].to_vec()).err().expect("a cut file is refused");
            assert!(error.to_string().contains("test.pt"), "{error}");
        }
    }
}

#[test]
fn code_in_a_checkpoint_is_not_run() {
    // A pickle that calls os.system, where the state dict should be.
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("evil/data.pkl", stored).unwrap();
    let marker = std::env::temp_dir().join(format!("agpt-evil-{}", std::process::id()));
    let pickle = format!("cos\nsystem\n(Vtouch {}\ntR.", marker.display());
    std::io::Write::write_all(&mut zip, pickle.as_bytes()).unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    let error = open(bytes).err().unwrap().to_string();
    assert!(error.contains("it holds no tensors"), "{error}");
    assert!(!marker.exists());
}

/// A bundle runs from checkpoints as they are published, and from what they are converted to.
#[test]
fn a_bundle_of_checkpoints_runs_and_is_converted() {
    let folder = copy_of("tests/fixtures/bundle/sound");
    let model = folder.path().display().to_string();
    let llm = folder.path().join("llm");
    let pipeline = write_pipeline(
        folder.path(),
        "use std/tasks { speak }\n\npub pipeline say(words: text) -> tokens<speech> {\n  \
         return generate tokens<speech> from speak(words)\n}\n",
    );
    let run = || {
        let output =
            agpt(["run", &pipeline, "--words", "hello", "--model", &model, "--json"]).output();
        json(&output.unwrap())["results"]["say"].clone()
    };
    let expected = run();
    fs::remove_file(llm.join("model.safetensors")).unwrap();
    fs::write(llm.join("pytorch_model.bin"), read("sound_llm.bin")).unwrap();
    assert_eq!(run(), expected);

    let converted = agpt(["models", "convert", &model, "--remove"]).output().unwrap();
    assert!(converted.status.success(), "{}", stderr(&converted));
    assert!(!llm.join("pytorch_model.bin").exists());
    assert!(llm.join("pytorch_model.safetensors").exists());
    assert_eq!(run(), expected);
    let again = agpt(["models", "convert", &model]).output().unwrap();
    assert!(String::from_utf8_lossy(&again.stdout).contains("no PyTorch checkpoint to convert"));
}

#[test]
fn converted_weights_have_the_precision_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("half.safetensors");
    let whole = open(read("kinds.pt")).unwrap();
    whole.write_safetensors(&path, Form::Precision(DType::F16), &mut |_| {}).unwrap();
    let half = open(fs::read(&path).unwrap()).unwrap();
    for (ours, theirs) in contents(&half).into_iter().zip(contents(&whole)) {
        assert_eq!((&ours.0, &ours.2), (&theirs.0, &theirs.2));
        let float = matches!(theirs.1, DType::F32 | DType::F16 | DType::BF16 | DType::F64);
        assert_eq!(ours.1, if float { DType::F16 } else { theirs.1 });
        let near = |(a, b): (&f64, &f64)| (a - b).abs() <= b.abs() / 1024.0 + 1e-6;
        assert!(ours.3.iter().zip(&theirs.3).all(near), "{}", ours.0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damaged_files_do_not_panic(
        file in 0usize..3,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = read(["kinds.pt", "kinds_old.pt", "nested.bin"][file]);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(weights) = open(bytes) {
            for name in weights.names() {
                let _ = weights.tensor(name, &Device::Cpu);
            }
        }
    }
}
