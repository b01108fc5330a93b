//! What a new plugin starts with: its world, a source that builds, and how to build it.

/// A language that a plugin can be started in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    Rust,
    C,
}

/// Words of WIT, which a world cannot have as its name.
const WIT_WORDS: [&str; 43] = [
    "as",
    "async",
    "bool",
    "borrow",
    "char",
    "constructor",
    "enum",
    "error-context",
    "export",
    "f32",
    "f64",
    "flags",
    "from",
    "func",
    "future",
    "import",
    "include",
    "interface",
    "list",
    "map",
    "option",
    "own",
    "package",
    "record",
    "resource",
    "result",
    "s16",
    "s32",
    "s64",
    "s8",
    "static",
    "stream",
    "string",
    "tuple",
    "type",
    "u16",
    "u32",
    "u64",
    "u8",
    "use",
    "variant",
    "with",
    "world",
];

/// Names of WIT, crates, folders and the language all at once.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    let words = name.split('-').all(|word| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    });
    if !words {
        return Err("it is made of lower-case words with hyphens between them, such as title-case");
    }
    if WIT_WORDS.contains(&name) || crate::lang::syntax::is_reserved(name) {
        return Err("it is a word of WIT or of agpt");
    }
    if name.len() > 64 {
        return Err("it is longer than 64 letters");
    }
    Ok(())
}

/// The files of a new plugin, with their paths in its folder.
pub fn files(name: &str, language: Language) -> Vec<(&'static str, String)> {
    let fill = |text: &str| text.replace("NAME", name).replace("SNAKE", &name.replace('-', "_"));
    let mut files = vec![
        ("wit/plugin.wit", fill(include_str!("project/plugin.wit"))),
        ("wit/deps/agpt-plugin/agpt-plugin.wit", super::WIT.to_string()),
        ("example.agpt", fill(include_str!("project/example.agpt.in"))),
    ];
    match language {
        Language::Rust => {
            files.push(("README.md", fill(include_str!("project/rust/README.md"))));
            files.push(("Cargo.toml", fill(include_str!("project/rust/Cargo.toml.in"))));
            files.push(("src/lib.rs", fill(include_str!("project/rust/lib.rs.in"))));
        }
        Language::C => {
            files.push(("README.md", fill(include_str!("project/c/README.md"))));
            files.push(("plugin.c", fill(include_str!("project/c/plugin.c"))));
        }
    }
    files
}
