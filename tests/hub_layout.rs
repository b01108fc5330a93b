//! What `agpt train expand` and `export` write, for `tests/reference/hub_layout.py` to load in
//! transformers. Run by hand, as that script says.

mod support;

use std::fs;
use std::path::PathBuf;

use agpt::bundle::{Bundle, Source};
use agpt::models::llama::{Config, Llama};
use candle_core::{DType, Device, Tensor};
use serde_json::json;
use support::{agpt, stderr};

const TEXTS: [&str; 5] = [
    "a red apple",
    "  two  spaces",
    "Ünïcode ☃ 42\n",
    "<s>[Human]: Draw it. This is input: a red apple<eoh> [MMGPT]: <soim><👀3><👀11><eoim><eos>",
    "<s>[Human]: words<sosp><🗣️1><🗣️2><eosp><eoh>",
];

fn run(args: &[&str]) {
    let output = agpt(args.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
}

#[test]
#[ignore = "AGPT_HUB_LAYOUT names the folder of hub_layout.py"]
fn writes_models_for_transformers() {
    let folder = std::env::var_os("AGPT_HUB_LAYOUT").expect("AGPT_HUB_LAYOUT names a folder");
    let folder = PathBuf::from(folder);
    let at = |name: &str| folder.join(name).display().to_string();
    run(&["data", "pack", "examples/training/data.yaml", "--out", &at("packed")]);
    run(&[
        "train",
        "examples/training/recipe.yaml",
        "--data",
        &at("packed"),
        "--steps",
        "2",
        "--out",
        &at("run"),
    ]);
    run(&["train", "export", &at("run"), "--form", "hf", "--out", &at("whole")]);
    let small = ["--shard-size", "5MB", "--dtype", "bf16"];
    let sharded = ["train", "export", &at("run"), "--form", "hf", "--out", &at("sharded")];
    run(&sharded.iter().copied().chain(small).collect::<Vec<_>>());
    run(&["train", "export", &at("run"), "--out", &at("bundle")]);
    for (base, out) in [("base", "expanded"), ("base-tied", "expanded-tied")] {
        run(&[
            "train",
            "expand",
            &at(base),
            "--out",
            &at(out),
            "--layout",
            "nano",
            "--media",
            "image=16,speech=8",
            "--pad-to",
            "64",
            "--shard-size",
            "100KB",
        ]);
    }

    let mut said = Vec::new();
    for (hub, bundle, llm) in [
        ("whole", "bundle", "llm"),
        ("sharded", "sharded", "."),
        ("expanded", "expanded", "."),
        ("expanded-tied", "expanded-tied", "."),
    ] {
        // The folder of an export has no manifest: its weights, with the tokenizer of the bundle.
        let words = if bundle == "sharded" { "bundle" } else { bundle };
        let words = Bundle::open(Source::Folder(folder.join(words))).unwrap();
        let below = folder.join(bundle).join(llm);
        let weights = match bundle {
            "sharded" => {
                let files = fs::read_dir(&below).unwrap().flatten().map(|entry| entry.file_name());
                let files = files.map(|name| name.to_string_lossy().into_owned());
                let files = files.filter(|name| name.ends_with(".safetensors"));
                let source = Source::Folder(below.clone());
                let files: Vec<_> = files
                    .map(|name| (name.clone(), source.open(&name).unwrap().unwrap()))
                    .collect();
                assert!(files.len() > 1);
                agpt::bundle::Weights::open(files).unwrap()
            }
            _ => words.llm().weights().unwrap(),
        };
        let config: Config =
            serde_json::from_slice(&fs::read(below.join("config.json")).unwrap()).unwrap();
        let weights = weights.var_builder(DType::F32, &Device::Cpu);
        let model = Llama::load(&config, weights).unwrap();
        let tokenizer = words.text_tokenizer().unwrap();
        for text in TEXTS {
            let ids = tokenizer.encode_format(text).unwrap();
            let input = Tensor::new(&ids[..], &Device::Cpu).unwrap().unsqueeze(0).unwrap();
            let mut cache = model.new_cache(ids.len()).unwrap();
            let logits = model.forward_all(&input, &mut cache).unwrap();
            let logits: Vec<Vec<f32>> = logits.squeeze(0).unwrap().to_vec2().unwrap();
            said.push(json!({ "model": hub, "text": text, "ids": ids, "logits": logits }));
        }
    }
    fs::write(folder.join("agpt.json"), json!(said).to_string()).unwrap();
}
