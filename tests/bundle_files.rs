//! Manifests, places, files and weights: what opens, and what every kind of damage says.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use agpt::base::Medium;
use agpt::base::hash::Digest;
use agpt::bundle::{Blob, Bundle, BundleError, Manifest, Search, Source, Weights};
use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;

const TINY: &str = include_str!("fixtures/bundle/tiny/bundle.yaml");

fn blob(bytes: &[u8]) -> Blob {
    Blob::Owned(bytes.into())
}

/// A safetensors file of two tensors: `a.weight` f32 [2, 3] and `b` bf16 [2].
fn file(prefix: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let a = Tensor::arange(0f32, 6., &Device::Cpu).unwrap().reshape((2, 3)).unwrap();
    let b = Tensor::new(&[1.5f32, -2.], &Device::Cpu).unwrap().to_dtype(DType::BF16).unwrap();
    let n = Tensor::new(&[7i64], &Device::Cpu).unwrap();
    let named = |name: &str| format!("{prefix}{name}");
    let tensors = HashMap::from([(named("a.weight"), a), (named("b"), b), (named("n"), n)]);
    candle_core::safetensors::save(&tensors, &path).unwrap();
    fs::read(path).unwrap()
}

fn bundle_at(folder: &Path, manifest: &str) -> Result<Bundle, BundleError> {
    fs::write(folder.join("bundle.yaml"), manifest).unwrap();
    Bundle::open(Source::Folder(folder.to_path_buf()))
}

#[test]
fn windows_of_sound_have_a_length() {
    let error = |settings: &str| {
        let text = TINY.replacen("top_k: 200", &format!("top_k: 200, {settings}"), 1);
        Manifest::parse(&text, "bundle.yaml").unwrap_err().to_string()
    };
    assert!(error("window_seconds: 0").contains("window_seconds: 0` must be above 0"));
    assert!(error("window_seconds: .nan").contains("must be above 0"));
    let overlap = error("window_seconds: 2, overlap_seconds: 2");
    assert!(overlap.contains("must be below `window_seconds`"), "{overlap}");
}

#[test]
fn mistakes_in_a_manifest_are_found_at_their_line() {
    let error = |from: &str, to: &str| {
        assert!(TINY.contains(from), "{from}");
        Manifest::parse(&TINY.replacen(from, to, 1), "bundle.yaml").unwrap_err().to_string()
    };
    insta::assert_snapshot!([
        error("context: 64", "contexts: 64"),
        error("context: 64", "context: many"),
        error("license: CC0-1.0\n", ""),
        error("context: 64", "context: [64"),
        error("top_k: 200", "topk: 200"),
        error("format: 1", "format: 2"),
        error("architecture: llama", "architecture: lama"),
        error("path: eyes", "path: ../eyes"),
        error("path: eyes", "path: /etc"),
        error("tokens: 4", "tokens: 0"),
        error("tokens: 4", "seconds: 4"),
        error("codebook_size: 8", "codebook_size: 4000000000"),
        error("repetition_penalty: 1.15", "repetition_penalty: 0"),
        error("stop: [<eos>, </s>]", "stop: []"),
        error("name: tiny", "name: ../tiny"),
    ]
    .join("\n"), @r#"
    bundle.yaml:27:1: unknown field `contexts`, expected one of format, name, description, license, components, vocabulary, prompt, context, sampling, perceptual, sources
    bundle.yaml:27:10: a whole number is needed here
    bundle.yaml:27:1: missing field `license`
    bundle.yaml:27:10: one value is needed here
    bundle.yaml:29:12: unknown field `topk`, expected one of temperature, top_k, top_p, min_p, repetition_penalty, max_tokens, min_tokens, window_seconds, overlap_seconds
    bundle.yaml: `format: 2` is not known; this program reads format 1: update agpt
    bundle.yaml: `components.llm.architecture: lama` is not known here; known: llama
    bundle.yaml: `components.tokenizers.image.path: ../eyes` must be a path below the bundle's folder, with `/` and without `..`
    bundle.yaml: `components.tokenizers.image.path: /etc` must be a path below the bundle's folder, with `/` and without `..`
    bundle.yaml: `vocabulary.media.image.length.tokens: 0` must be a multiple of `codebooks: 1` above 0
    bundle.yaml:11:83: unknown variant `seconds`, expected one of tokens, frames_per_second
    bundle.yaml: `vocabulary.media.image`: codebook_size × codebooks is 4000000000; it must be from 1 to 16777216
    bundle.yaml: `sampling.music.repetition_penalty: 0` must be above 0
    bundle.yaml: `prompt.stop` names no token, so that no reply would end
    bundle.yaml: `name: ../tiny`: a name is letters, digits, `-`, `_` and `.`
    "#);
    assert!(Manifest::parse("", "x").is_err());
}

#[test]
fn nano_is_inside_the_binary() {
    let bundle = Bundle::open(Search::default().find("nano").unwrap()).unwrap();
    assert_eq!(bundle.name(), "nano");
    assert_eq!(bundle.llm().architecture(), "llama");
    for medium in [Medium::Image, Medium::Speech, Medium::Music] {
        assert!(bundle.tokenizer(medium).is_ok() && bundle.detokenizer(medium).is_ok());
    }
}

#[test]
fn a_bundle_without_a_medium_says_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = bundle_at(folder.path(), TINY).unwrap();
    assert_eq!(
        bundle.tokenizer(Medium::Speech).err().unwrap().to_string(),
        "the bundle `tiny` has no speech tokenizer; image can be given to it; for more use \
         another model (--model)"
    );
}

#[test]
fn models_are_found_by_name_and_by_path() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("mine")).unwrap();
    let mine = folder.path().join("mine");
    bundle_at(&mine, TINY).unwrap();
    let search = Search { folders: vec!["/no/such/folder".into(), folder.path().to_path_buf()] };
    assert_eq!(search.names(), ["anygpt-base", "anygpt-chat", "mine", "nano"]);
    assert_eq!(search.find("mine").unwrap(), Source::Folder(mine.clone()));
    assert_eq!(search.find(mine.to_str().unwrap()).unwrap(), Source::Folder(mine.clone()));
    assert_eq!(search.find("nano").unwrap(), Source::Embedded("nano".into()));
    let error = |name: &str| search.find(name).unwrap_err().to_string();
    assert_eq!(
        error("other"),
        "there is no model named `other`; there are: anygpt-base, anygpt-chat, mine, nano"
    );
    assert!(error("./no/such").contains("there is no such folder"));
    assert!(error(folder.path().to_str().unwrap()).contains("it has no bundle.yaml"));
    assert!(error(mine.join("bundle.yaml").to_str().unwrap()).contains("it is a file"));
    for odd in ["", ".", "..", "\0"] {
        assert!(search.find(odd).is_err(), "{odd:?}");
    }
}

#[test]
fn weights_are_one_name_space_at_the_wanted_precision() {
    let weights =
        Weights::open([("one".into(), blob(&file(""))), ("two".into(), blob(&file("vit.")))])
            .unwrap();
    assert_eq!(weights.names().count(), 6);
    let builder = weights.var_builder(DType::F32, &Device::Cpu);
    let a = builder.pp("vit").pp("a").get((2, 3), "weight").unwrap();
    assert_eq!(a.to_vec2::<f32>().unwrap(), [[0., 1., 2.], [3., 4., 5.]]);
    assert_eq!(builder.get(2, "b").unwrap().to_vec1::<f32>().unwrap(), [1.5, -2.]);
    assert_eq!(weights.tensor("b", &Device::Cpu).unwrap().dtype(), DType::BF16);
    let half = weights.var_builder(DType::F16, &Device::Cpu);
    assert_eq!(half.get(2, "b").unwrap().dtype(), DType::F16);
    assert_eq!(weights.info("vit.b").unwrap().shape, [2]);
}

#[test]
fn unaligned_weights_are_read_too() {
    let bytes = [b"x".to_vec(), file("")].concat();
    let leaked: &'static [u8] = Box::leak(bytes.into_boxed_slice());
    let weights = Weights::open([("w".into(), Blob::Embedded(&leaked[1..]))]).unwrap();
    let b = weights.var_builder(DType::F32, &Device::Cpu).get(2, "b").unwrap();
    assert_eq!(b.to_vec1::<f32>().unwrap(), [1.5, -2.]);
}

#[test]
fn wrong_tensors_are_named_with_their_file() {
    let weights = Weights::open([("w.safetensors".into(), blob(&file("vit.")))]).unwrap();
    let builder = weights.var_builder(DType::F32, &Device::Cpu);
    let twice = [("w".into(), blob(&file(""))), ("v".into(), blob(&file("")))];
    insta::assert_snapshot!([
        builder.get((3, 2), "vit.a.weight").unwrap_err().to_string(),
        builder.get(2, "c").unwrap_err().to_string(),
        builder.get(2, "seed.b").unwrap_err().to_string(),
        builder.get(1, "vit.n").unwrap_err().to_string(),
        Weights::open(twice).err().unwrap().to_string(),
    ]
    .join("\n"), @r#"
    the tensor `vit.a.weight` of `w.safetensors` has the shape [2, 3] where the configuration needs [3, 2]
    no tensor `c` in `w.safetensors` (they hold 3 tensors of other names)
    no tensor `seed.b` in `w.safetensors` (there is `vit.b`)
    the tensor `vit.n` of `w.safetensors` is of the type I64 where F32 is needed
    the tensor `a.weight` of `v` is also in `w`
    "#);
}

#[test]
fn damaged_weights_files_are_refused() {
    let whole = file("");
    let error = |bytes: &[u8]| {
        Weights::open([("w".into(), blob(bytes))]).err().expect("damaged").to_string()
    };
    for length in 0..whole.len() {
        error(&whole[..length]);
    }
    let json = |header: &str, data: usize| {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat()
    };
    let tensor = |start: u64, end: u64| {
        format!(r#"{{"t":{{"dtype":"F32","shape":[2],"data_offsets":[{start},{end}]}}}}"#)
    };
    insta::assert_snapshot!([
        error(b""),
        error(&whole[..40]),
        error(&whole[..whole.len() - 1]),
        error(&[&whole[..], b"x"].concat()),
        error(b"version https://git-lfs.github.com/spec/v1\n"),
        error(b"PK\x03\x04 archive.pkl"),
        error(b"some text that is long enough"),
        error(&json(&tensor(0, 4), 4)),
        error(&json(&tensor(4, 12), 12)),
        error(&json(&tensor(u64::MAX, 8), 8)),
        error(&json(r#"{"t":{"dtype":"F32"}}"#, 8)),
        error(&json("[]", 0)),
    ]
    .join("\n"), @r#"
    `w` is not a readable weights file: it has only 0 bytes; fetch it again
    `w` is not a readable weights file: it ends within its header; fetch it again
    `w` is not a readable weights file: it ends within tensor `b`, 1 bytes too early; fetch it again
    `w` is not a readable weights file: 1 bytes follow the last tensor; fetch it again
    `w` is not a readable weights file: it is a Git LFS pointer; fetch the file itself (`git lfs pull`)
    `w` is not a readable weights file: it is no whole zip file (invalid Zip archive: Could not find EOCD); fetch it again
    `w` is not a readable weights file: it does not start with a safetensors header
    `w` is not a readable weights file: tensor `t`: 4 bytes cannot hold F32 of shape [2]
    `w` is not a readable weights file: tensor `t`: its data overlap or leave a gap
    `w` is not a readable weights file: tensor `t`: its offsets make no sense
    `w` is not a readable weights file: tensor `t`: missing field `shape`
    `w` is not a readable weights file: its header is no safetensors header: invalid type: sequence, expected a map at line 1 column 0
    "#);
}

#[test]
fn components_find_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    let bundle = bundle_at(folder.path(), TINY).unwrap();
    let error = |bundle: &Bundle| bundle.llm().weights().err().unwrap().to_string();
    assert!(error(&bundle).contains("its folder is missing or empty"));
    fs::create_dir_all(at("llm/unet")).unwrap();
    fs::write(at("llm/pytorch_model.bin"), b"PK").unwrap();
    let checkpoint = error(&bundle);
    assert!(checkpoint.contains("pytorch_model.bin") && checkpoint.contains("only 2 bytes"));
    fs::remove_file(at("llm/pytorch_model.bin")).unwrap();
    fs::write(at("llm/config.json"), "{\"x\": 1").unwrap();
    assert!(bundle.llm().json::<serde_json::Value>("config.json").is_err());
    assert!(!bundle.llm().exists("none.json").unwrap());

    // Shards.
    fs::write(at("llm/m-1.safetensors"), file("")).unwrap();
    fs::write(at("llm/m-2.safetensors"), file("vit.")).unwrap();
    assert!(error(&bundle).contains("which of them belong together"));
    let index = r#"{"weight_map": {"b": "m-1.safetensors", "vit.b": "m-2.safetensors"}}"#;
    fs::write(at("llm/model.safetensors.index.json"), index).unwrap();
    assert_eq!(bundle.llm().weights().unwrap().names().count(), 6);
    let lie = index.replace("vit.b", "vit.c");
    fs::write(at("llm/model.safetensors.index.json"), lie).unwrap();
    assert!(error(&bundle).contains("no shard has the tensor `vit.c`"));
    let outside = index.replace("m-2", "../m-2");
    fs::write(at("llm/model.safetensors.index.json"), outside).unwrap();
    assert!(error(&bundle).contains("must lie in the same folder"));

    // Folders of a component, and the usual name before all others.
    fs::write(at("llm/unet/diffusion_pytorch_model.safetensors"), file("u.")).unwrap();
    let unet = bundle.llm().weights_in("unet").unwrap();
    assert_eq!(unet.names().next(), Some("u.a.weight"));
    fs::write(at("llm/model.safetensors"), file("one.")).unwrap();
    assert_eq!(bundle.llm().weights().unwrap().names().next(), Some("one.a.weight"));
    assert!(bundle.llm().display("config.json").ends_with("config.json"));
}

#[test]
fn sizes_are_checked_at_once_and_hashes_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("llm")).unwrap();
    let path = folder.path().join("llm/model.safetensors");
    let mut bytes = file("");
    fs::write(&path, &bytes).unwrap();
    let record = format!(
        "path: llm, files: {{ model.safetensors: {{ size: {}, blake3: {} }} }}",
        bytes.len(),
        Digest::of(&bytes)
    );
    let bundle = bundle_at(folder.path(), &TINY.replacen("path: llm", &record, 1)).unwrap();
    let mut seen = Vec::new();
    assert_eq!(bundle.verify(|name| seen.push(name.to_string())).unwrap(), 1);
    assert_eq!(seen.len(), 1);
    let digest = bundle.llm().digest().unwrap();

    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(bundle.llm().weights().is_ok());
    let error = bundle.verify(|_| ()).unwrap_err();
    assert!(matches!(error, BundleError::Hash { .. }), "{error}");

    fs::write(&path, &bytes[1..]).unwrap();
    let error = bundle.llm().weights().err().unwrap();
    assert!(matches!(error, BundleError::Size { .. }), "{error}");

    fs::write(folder.path().join("llm/config.json"), "{}").unwrap();
    assert_ne!(bundle.llm().digest().unwrap(), digest, "a new file counts");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn no_bytes_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        at in any::<proptest::sample::Index>(),
    ) {
        // Into a manifest, a weights file and a tokenizer, at any place, and alone.
        let splice = |whole: &[u8]| {
            let at = at.index(whole.len());
            [&whole[..at], &bytes[..bytes.len().min(6)], &whole[(at + 3).min(whole.len())..]].concat()
        };
        let _ = Manifest::parse(&String::from_utf8_lossy(&bytes), "x");
        let _ = Manifest::parse(&String::from_utf8_lossy(&splice(TINY.as_bytes())), "x");
        let _ = Weights::open([("w".to_string(), blob(&bytes))]);
        if let Ok(weights) = Weights::open([("w".to_string(), blob(&splice(&file(""))))]) {
            for name in weights.names() {
                let _ = weights.tensor(name, &Device::Cpu);
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let bundle = bundle_at(folder.path(), TINY).unwrap();
        fs::create_dir(folder.path().join("llm")).unwrap();
        let tokenizer = include_bytes!("fixtures/bundle/tiny/llm/tokenizer.json");
        fs::write(folder.path().join("llm/tokenizer.json"), splice(tokenizer)).unwrap();
        if let Ok(tokenizer) = bundle.text_tokenizer() {
            let _ = tokenizer.encode_text("a cat, 猫");
            let _ = tokenizer.decode(&[3, 50, 259]);
        }
    }
}
