//! Files of packages, models and plugins.

use std::path::Path;
use std::sync::Arc;

use agpt::bundle::{Blob, Bundle, EvaluatorManifest, Manifest, Source, Weights};
use agpt::package::{self, Lock};
use candle_core::Device;

use super::folder;

/// More than that in one tensor is memory that a whole file of this size would need, too.
const LARGE: u64 = 64 << 20;

/// agpt.yaml and agpt.lock.
pub fn package(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let at = Path::new("agpt.yaml");
    if let Err(problem) = package::Manifest::parse(text, at) {
        assert!(!format!("{:?}", problem.diagnostic.report(&problem.sources)).is_empty());
    }
    if let Ok(lock) = Lock::parse(text, Path::new("agpt.lock")) {
        let again = Lock::parse(&lock.text(), Path::new("agpt.lock"));
        assert!(again.is_ok_and(|again| again == lock), "what is written is read again");
    }
}

/// bundle.yaml and evaluator.yaml.
pub fn bundle(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = Manifest::parse(text, "bundle.yaml").map_err(|error| error.to_string());
    let _ = EvaluatorManifest::parse(text, "evaluator.yaml").map_err(|error| error.to_string());
}

/// Components: their types are read and none of their code.
pub fn component(bytes: &[u8]) {
    let _ = agpt::plugins::component(bytes.to_vec());
}

/// Safetensors and PyTorch checkpoints.
pub fn weights(bytes: &[u8]) {
    let blob = Blob::Owned(Arc::from(bytes));
    let Ok(weights) = Weights::open([("fuzz".to_string(), blob)]) else { return };
    assert!(weights.size() <= LARGE.max(16 * bytes.len() as u64), "tensors beyond their file");
    for name in weights.names().take(64) {
        let _ = weights.tensor(name, &Device::Cpu).map_err(|error| error.to_string());
    }
}

/// tokenizer.json, with texts that are tokenized.
pub fn tokenizer(bytes: &[u8]) {
    words("tokenizer.json", bytes);
}

/// tokenizer.model, likewise.
pub fn sentencepiece(bytes: &[u8]) {
    words("tokenizer.model", bytes);
}

fn words(file: &str, bytes: &[u8]) {
    let folder = folder().join(file.replace('.', "-"));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join(file), bytes).expect("a file");
    let manifest = format!(
        "format: 1\nname: fuzz\ndescription: fuzz\nlicense: MIT\n\
         components:\n  llm: {{ architecture: llama, path: . }}\nvocabulary: {{ tokenizer: {file} }}\n\
         prompt:\n  user: {{ before: \"U:\", after: \"\\n\" }}\n  \
         assistant: {{ before: \"A:\", after: \"\\n\" }}\n  stop: [</s>]\ncontext: 64\n"
    );
    let bundle = Bundle::described(manifest.as_bytes(), Source::Folder(folder));
    let bundle = bundle.expect("a description that is right");
    let Ok(tokenizer) = bundle.text_tokenizer() else { return };
    for text in ["", "a", " the  cat\nsat. Über 12😀", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"] {
        if let Ok(ids) = tokenizer.encode_text(text) {
            tokenizer.decode(&ids);
            let mut stream = tokenizer.stream();
            ids.iter().for_each(|id| drop(stream.push(*id)));
            stream.finish();
        }
        tokenizer.split_format(text);
    }
    for id in 0..300 {
        tokenizer.bytes_of(id, id % 2 == 0);
    }
}
