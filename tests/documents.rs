//! Every example in the documents compiles. Those marked `fragment` lack what stands around them.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{agpt, stderr, temp};

fn documents(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            documents(&path, out);
        } else if path.extension().is_some_and(|ext| ext == "md") {
            out.push(path);
        }
    }
}

/// The blocks of a document that begin with exactly this line.
fn blocks<'t>(text: &'t str, opening: &str) -> Vec<&'t str> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(&format!("\n{opening}\n")) {
        let body = &rest[at + opening.len() + 2..];
        let end = body.find("\n```").expect("a block has an end");
        out.push(&body[..=end]);
        rest = &body[end + 1..];
    }
    out
}

#[test]
fn examples_in_the_documents_compile() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("README.md")];
    documents(&root.join("docs"), &mut found);
    documents(&root.join("examples"), &mut found);
    let folder = temp();
    let mut count = 0;
    for path in found {
        // Pages of errors have wrong examples on purpose and a test of their own.
        if path.starts_with(root.join("docs/errors")) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        for (place, block) in blocks(&text, "```agpt").into_iter().enumerate() {
            fs::write(folder.path().join(format!("{name}-{place}.agpt")), block).unwrap();
            count += 1;
        }
    }
    assert!(count >= 8, "only {count} examples were found");
    let output = agpt(["check"]).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}
