//! What is fuzzed: for each reader of untrusted input a function from bytes that must not panic,
//! hang or fill the memory, whatever they are. Errors are fine; properties are asserted.
//!
//! Used by the fuzzer (fuzz/fuzz_targets) and, over seeds and inputs that once failed, by
//! `cargo test --test fuzz_regressions`.

mod bundles;
mod data;
mod editor;
mod language;
mod media;
mod networks;
mod snapshots;

/// One target.
pub struct Target {
    /// The name of its folder of seeds, too.
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// Whether its inputs are programs, which are changed word by word.
    #[allow(dead_code)] // the fuzzer asks, the tests do not
    pub program: bool,
}

const fn program(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run, program: true }
}

const fn file(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run, program: false }
}

pub const TARGETS: &[Target] = &[
    program("syntax", language::syntax),
    program("check", language::check),
    program("format", language::format),
    program("editor", editor::session),
    file("package", bundles::package),
    file("bundle", bundles::bundle),
    file("recipe", data::recipe),
    file("snapshot", snapshots::snapshot),
    file("component", bundles::component),
    file("packed", data::packed),
    file("weights", bundles::weights),
    file("tokenizer", bundles::tokenizer),
    file("sentencepiece", bundles::sentencepiece),
    file("config", networks::config),
    file("results", data::results),
    file("picture", media::picture),
    file("sound", media::sound),
    file("rows", data::rows),
];

/// The target of a name.
pub fn named(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// A folder of this process, in memory where the system has one: some readers want files.
fn folder() -> &'static std::path::Path {
    static FOLDER: std::sync::OnceLock<std::path::PathBuf> = std::sync::OnceLock::new();
    FOLDER.get_or_init(|| {
        let memory = std::path::Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
        let folder = base.join(format!("agpt-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for files");
        folder
    })
}
