//! What `agpt test` keeps beside tests: snapshot.json and recording.json, apart by a line `////`.

use std::path::Path;
use std::sync::OnceLock;

use agpt::lang::ir::Test;
use agpt::lang::{self, MemoryLoader};
use agpt::runtime::value::Value;
use agpt::test_runner::report::{self, Entry};
use agpt::test_runner::store::Store;
use agpt::test_runner::tier::Tier;

use super::folder;

const PROGRAM: &str = "test \"kept\" { snapshot \"a\" }\n";

fn test() -> &'static Test {
    static TEST: OnceLock<Test> = OnceLock::new();
    TEST.get_or_init(|| {
        let compilation = lang::compile("fuzz.agpt", PROGRAM, &MemoryLoader::default());
        let mut program = compilation.program.expect("a program that is right");
        program.tests.remove(0)
    })
}

pub fn snapshot(bytes: &[u8]) {
    let file = folder().join("fuzz.agpt");
    let (kept, recorded) = match bytes.windows(6).position(|window| window == b"\n////\n") {
        Some(at) => (&bytes[..at], Some(&bytes[at + 6..])),
        None => (bytes, None),
    };
    let lies = Store::folder(&file, test());
    std::fs::create_dir_all(&lies).expect("a folder");
    std::fs::write(lies.join("snapshot.json"), kept).expect("a file");
    match recorded {
        Some(bytes) => std::fs::write(lies.join("recording.json"), bytes).expect("a file"),
        None => drop(std::fs::remove_file(lies.join("recording.json"))),
    }
    look(&file);
}

fn look(file: &Path) {
    let Ok(mut store) = Store::open(file, test()) else { return };
    for tier in [Tier::Full, Tier::Prompt] {
        let _ = store.compare(&Value::text("a".to_string()), tier);
    }
    store.stale();
    let shown = store.shown();
    let entry = Entry {
        file: "fuzz.agpt".into(),
        title: "kept".into(),
        passed: false,
        seconds: 0.0,
        problems: Vec::new(),
        shown,
    };
    let page = report::html(&[entry]).expect("a page");
    assert!(!page.contains("<script>alert"), "what is kept is escaped");
}
