//! PyTorch checkpoints: the same tensors as PyTorch reads, and no panic on any other bytes.
//! The files are made by tests/reference/torch_files.py.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use agpt::bundle::{Blob, BundleError, Weights};
use candle_core::{DType, Device};
use proptest::prelude::*;

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
    let stored = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored);
    zip.start_file("evil/data.pkl", stored).unwrap();
    let marker = std::env::temp_dir().join(format!("agpt-evil-{}", std::process::id()));
    let pickle = format!("cos\nsystem\n(Vtouch {}\ntR.", marker.display());
    std::io::Write::write_all(&mut zip, pickle.as_bytes()).unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    let error = open(bytes).err().unwrap().to_string();
    assert!(error.contains("it holds no tensors"), "{error}");
    assert!(!marker.exists());
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
