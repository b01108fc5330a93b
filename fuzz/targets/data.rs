//! Files for training and evaluating: recipes, shards, rows.

use std::path::Path;
use std::sync::OnceLock;

use agpt::base::{Medium, SourceId, Span};
use agpt::bundle::Bundle;
use agpt::data::packed::{INDEX, Index, Shard};
use agpt::data::pairs::Pair;
use agpt::data::sample::{Form, Loss, Message};
use agpt::eval::loaders::{self, RowsFile};
use agpt::eval::row::Location;
use agpt::eval::store::{Run, Store};
use agpt::lang::ir::{LocalId, Param};
use agpt::lang::types::Type;
use agpt::{data, train};

use super::folder;

/// Recipes of training, of data and of their synthesis.
pub fn recipe(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let at = Path::new("recipe.yaml");
    let _ = train::recipe::Recipe::parse(text, "recipe.yaml").map_err(|error| error.to_string());
    let _ = data::recipe::Recipe::parse(text, at).map_err(|error| error.to_string());
    let _ = data::synthesis::Recipe::parse(text, at).map_err(|error| error.to_string());
}

/// A shard, or the index of a set of them.
pub fn packed(bytes: &[u8]) {
    let folder = folder().join("packed");
    std::fs::create_dir_all(&folder).expect("a folder");
    if bytes.starts_with(b"{") {
        std::fs::write(folder.join(INDEX), bytes).expect("a file");
        if let Ok(index) = Index::read(&folder) {
            index.tokens();
            index.sequences();
            for entry in index.shards.iter().take(4) {
                let _ = index.open(&folder, entry).map_err(|error| error.to_string());
            }
        }
        return;
    }
    let path = folder.join("shard.safetensors");
    std::fs::write(&path, bytes).expect("a file");
    if let Ok(shard) = Shard::open(&path, 40_000, 4096) {
        for at in 0..shard.len() {
            let sequence = shard.sequence(at);
            assert_eq!(sequence.ids.len(), shard.length(at));
            assert_eq!(sequence.ids.len(), sequence.counted.len());
            let covered: usize = sequence.samples.iter().map(|sample| sample.len()).sum();
            assert_eq!(covered, sequence.ids.len(), "samples cover their sequence");
        }
    }
}

fn nano() -> &'static Bundle {
    static NANO: OnceLock<Bundle> = OnceLock::new();
    NANO.get_or_init(|| Bundle::find("nano").expect("the model that is in the program"))
}

/// Rows of pairs, of conversations, of text and of evaluations.
pub fn rows(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let form = Form { bundle: nano(), loss: Loss::Reply, end: None };
        for line in text.lines().take(16) {
            if let Ok(pair) = Pair::parse(line) {
                let _ = pair.codes(form.bundle);
            }
            if let Ok(messages) = serde_json::from_str::<Vec<Message>>(line)
                && let Ok(sample) = form.conversation(&messages)
            {
                assert_eq!(sample.ids.len(), sample.counted.len());
            }
            let _ = form.document(line);
        }
    }
    let param = |name: &str, ty: Type| Param {
        local: LocalId(0),
        name: name.to_string(),
        doc: None,
        ty,
        default: None,
        span: Span::new(SourceId(0), 0, 0),
    };
    let params = [
        param("words", Type::TEXT),
        param("picture", Type::Option(Box::new(Type::Medium(Medium::Image)))),
        param("references", Type::Option(Box::new(Type::List(Box::new(Type::TEXT))))),
        param("weight", Type::Option(Box::new(Type::Float))),
        param("good", Type::Option(Box::new(Type::Bool))),
    ];
    for name in ["rows.jsonl", "rows.csv"] {
        let path = folder().join(name);
        std::fs::write(&path, bytes).expect("a file");
        let file = RowsFile { location: Location::Disk(path), params: &params };
        let _ = loaders::rows(&file).map_err(|error| error.to_string());
    }
}

/// What an evaluation and a synthesis kept of an earlier run: results.jsonl and the journal.
/// Whatever lay there, it is refused, or goes on, and is then read again as it is.
pub fn results(bytes: &[u8]) {
    let place = folder().join("results");
    std::fs::create_dir_all(&place).expect("a folder");
    let words = |text: &str| text.to_string();
    let run = Run {
        agpt: words("0"),
        evaluation: words("e"),
        plan: words("p"),
        model: words("m"),
        seed: 1,
        machine: words("cpu"),
        judges: Vec::new(),
    };
    let about = serde_json::to_vec(&run).expect("a run is JSON");
    std::fs::write(place.join("run.json"), about).expect("a file");
    std::fs::write(place.join("results.jsonl"), bytes).expect("a file");
    if Store::open(&place, &run, false).map_err(|error| error.to_string()).is_ok() {
        assert!(Store::open(&place, &run, false).is_ok(), "what is mended is whole");
    }
    std::fs::write(place.join("run.json"), bytes).expect("a file");
    let _ = Store::open(&place, &run, false).map_err(|error| error.to_string());

    let journal = place.join("journal");
    std::fs::write(&journal, bytes).expect("a file");
    if data::synthesis::Journal::open(&journal).map_err(|error| error.to_string()).is_ok() {
        let again = data::synthesis::Journal::open(&journal).expect("what is mended is whole");
        assert!(!again.mended);
    }
}
