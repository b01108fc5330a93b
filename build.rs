//! Lists stdlib/ (the language's modules and the shipped models) into a table of bytes and
//! docs/errors/ into one of texts, so that the binary needs no files beside it. Files that do not
//! exist yet are simply not in the tables.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let root = package.join("stdlib");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=stdlib");
    let mut files = Vec::new();
    if root.is_dir() {
        walk(&root, String::new(), &wanted, &mut files)?;
    }
    files.sort();
    let mut table = String::from("pub static FILES: &[(&str, &[u8])] = &[\n");
    for (name, path) in &files {
        // Weights are aligned, so that tensors can be read where they lie.
        let include = if name.ends_with(".safetensors") { "aligned" } else { "plain" };
        writeln!(table, "    ({name:?}, {include}!({path:?})),").map_err(io::Error::other)?;
    }
    table.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("embedded.rs");
    fs::write(out, table)?;
    error_pages(&package.join("docs/errors"))
}

/// The pages of `agpt explain`, by code.
fn error_pages(folder: &Path) -> io::Result<()> {
    println!("cargo::rerun-if-changed=docs/errors");
    let mut files = Vec::new();
    walk(folder, String::new(), &|name| name.ends_with(".md"), &mut files)?;
    files.sort();
    let mut table = String::from("static PAGES: &[(&str, &str)] = &[\n");
    for (name, path) in &files {
        if let Some(code) = name.strip_suffix(".md").filter(|code| *code != "README") {
            writeln!(table, "    ({code:?}, include_str!({path:?})),").map_err(io::Error::other)?;
        }
    }
    table.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("error_pages.rs");
    fs::write(out, table)
}

fn walk(
    folder: &Path,
    prefix: String,
    wanted: &dyn Fn(&str) -> bool,
    files: &mut Vec<(String, PathBuf)>,
) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if name.starts_with('.') {
            continue;
        }
        let key = format!("{prefix}{name}");
        if path.is_dir() {
            // How a model was made and what is said about it is not needed to run it.
            if !matches!(name, "recipe" | "card" | "__pycache__") {
                walk(&path, format!("{key}/"), wanted, files)?;
            }
        } else if wanted(&key) {
            files.push((key, path));
        }
    }
    Ok(())
}

fn wanted(key: &str) -> bool {
    let in_model = key.starts_with("models/") && !key.ends_with(".md");
    // Rows of ready evaluations, with their pictures and sounds.
    let in_evaluation = key.starts_with("evaluation/") && !key.ends_with(".md");
    let evaluator = key.starts_with("evaluators/") && key.ends_with("/evaluator.yaml");
    in_model || in_evaluation || evaluator || key.ends_with(".agpt")
}
