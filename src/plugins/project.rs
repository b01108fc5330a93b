//! What a new plugin starts with: its world, a source that builds, and how to build it.

/// A language that a plugin can be started in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    Rust,
    C,
}

/// Names of WIT, crates and folders all at once.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    let words = name.split('-').all(|word| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    });
    if !words {
        return Err("it is made of lower-case words with hyphens between them, such as title-case");
    }
    if name.len() > 64 {
        return Err("it is longer than 64 letters");
    }
    Ok(())
}

/// The files of a new plugin, with their paths in its folder.
pub fn files(name: &str, language: Language) -> Vec<(&'static str, String)> {
    let fill = |text: &str| {
        text.replace("NAME", name).replace("SNAKE", &name.replace('-', "_"))
    };
    let mut files = vec![
        ("wit/plugin.wit", fill(include_str!("project/plugin.wit"))),
        ("wit/deps/agpt-plugin/agpt-plugin.wit", super::WIT.to_string()),
        ("use.agpt", fill(include_str!("project/use.agpt"))),
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
