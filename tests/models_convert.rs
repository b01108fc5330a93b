//! `agpt models convert`: what is converted, what is copied, what is left alone, what is refused.

mod support;

use std::fs;
use std::io::Write;

use agpt::bundle::{Blob, Form, Weights};
use candle_core::{DType, Device};
use support::{agpt, copy_of, stderr};

/// A safetensors file of (name, type, shape, bytes).
fn file(tensors: &[(&str, &str, &[usize], &[u8])]) -> Weights {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, dtype, shape, bytes) in tensors {
        let offsets = [data.len(), data.len() + bytes.len()];
        let entry = serde_json::json!({ "dtype": dtype, "shape": shape, "data_offsets": offsets });
        header.insert(name.to_string(), entry);
        data.extend_from_slice(bytes);
    }
    let header = serde_json::Value::Object(header).to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend(data);
    Weights::open([("test".to_string(), Blob::Owned(bytes.into()))]).unwrap()
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[test]
fn types_that_are_not_computed_with_are_copied() {
    let folder = support::temp();
    let path = folder.path().join("out.safetensors");
    let numbers = floats(&[1.5, -2.0]);
    let weights = file(&[
        ("mask", "BOOL", &[3], &[1, 0, 1]),
        ("small", "I8", &[2], &[7, 255]),
        ("w", "F32", &[2], &numbers),
    ]);
    weights.write_safetensors(&path, Form::Precision(DType::F16), &mut |_| {}).unwrap();
    let written = fs::read(&path).unwrap();
    let read = Weights::open([("out".to_string(), Blob::Owned(written.into()))]).unwrap();
    assert_eq!(read.info("mask").unwrap().dtype, "BOOL");
    assert_eq!(read.info("small").unwrap().dtype, "I8");
    let w = read.tensor("w", &Device::Cpu).unwrap();
    assert_eq!(w.dtype(), DType::F16);
    assert_eq!(w.to_dtype(DType::F32).unwrap().to_vec1::<f32>().unwrap(), [1.5, -2.0]);
}

#[test]
fn numbers_that_do_not_fit_are_refused() {
    let folder = support::temp();
    let path = folder.path().join("out.safetensors");
    let large = floats(&[1e6, 2.0]);
    let weights = file(&[("w", "F32", &[2], &large)]);
    let error = weights.write_safetensors(&path, Form::Precision(DType::F16), &mut |_| {});
    let error = error.unwrap_err().to_string();
    assert!(error.contains("`w`") && error.contains("beyond the range of f16"), "{error}");
    assert!(!path.exists());
    weights.write_safetensors(&path, Form::Precision(DType::BF16), &mut |_| {}).unwrap();
    // What was infinite stays so.
    let infinite = floats(&[f32::INFINITY]);
    let weights = file(&[("w", "F32", &[1], &infinite)]);
    weights.write_safetensors(&path, Form::Precision(DType::F16), &mut |_| {}).unwrap();
}

/// `training_args.bin` has PyTorch's form and the settings of a training in it.
#[test]
fn files_without_tensors_are_left_alone() {
    let bundle = copy_of("tests/fixtures/bundle/sound");
    let settings = bundle.path().join("llm/training_args.bin");
    let mut archive = zip::ZipWriter::new(fs::File::create(&settings).unwrap());
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    archive.start_file("training_args/data.pkl", stored).unwrap();
    // {'lr': 1}
    archive.write_all(b"\x80\x02}X\x02\x00\x00\x00lrK\x01s.").unwrap();
    archive.finish().unwrap();
    let model = bundle.path().display().to_string();
    let output = agpt(["models", "convert", &model, "--remove"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("no PyTorch checkpoint to convert"), "{text}");
    assert!(settings.exists());
}
