//! `agpt add`: a line more in agpt.yaml, and everything else as its author wrote it.

use std::path::Path;

use serde_json::json;

use super::Problem;
use super::manifest::{Git, Manifest, Origin, Reference};

/// The manifest's text with one more package; parsed again to be sure.
pub fn with_package(
    text: &str,
    path: &Path,
    name: &str,
    origin: &Origin,
) -> Result<String, Problem> {
    let before = Manifest::parse(text, path)?;
    if let Some(known) = before.packages.get(name) {
        if known.origin == *origin {
            return Ok(text.to_string());
        }
        return Err(Problem::new(
            "E1007",
            format!("{} names a package `{name}` already", path.display()),
        )
        .help("edit its line there, and run `agpt fetch`"));
    }
    let edited = insert(text, name, &flow(origin));
    let as_wanted = Manifest::parse(&edited, path).is_ok_and(|after| {
        after.packages.len() == before.packages.len() + 1
            && after.packages.get(name).is_some_and(|added| added.origin == *origin)
            && before.packages.iter().all(|(name, old)| {
                after.packages.get(name).is_some_and(|new| new.origin == old.origin)
            })
    });
    if as_wanted {
        return Ok(edited);
    }
    Err(Problem::new(
        "E1001",
        format!("`packages` in {} is not written over lines", path.display()),
    )
    .help(format!("add it yourself: `{name}: {}`", flow(origin))))
}

fn flow(origin: &Origin) -> String {
    match origin {
        Origin::Path(path) => format!("{{ path: {} }}", json!(path)),
        Origin::Git(Git { url, reference, folder }) => {
            let reference = match reference {
                Reference::Head => String::new(),
                Reference::Tag(name) => format!(", tag: {}", json!(name)),
                Reference::Rev(name) => format!(", rev: {}", json!(name)),
                Reference::Branch(name) => format!(", branch: {}", json!(name)),
            };
            let folder = match folder.as_str() {
                "" => String::new(),
                folder => format!(", folder: {}", json!(folder)),
            };
            format!("{{ git: {}{reference}{folder} }}", json!(url))
        }
    }
}

fn insert(text: &str, name: &str, value: &str) -> String {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    let key = lines.iter().position(|line| line.starts_with("packages:"));
    match key {
        None => {
            lines.push("packages:".to_string());
            lines.push(format!("  {name}: {value}"));
        }
        Some(at) => {
            let rest = lines[at]["packages:".len()..].trim().to_string();
            if rest == "{}" || rest == "~" || rest == "null" {
                lines[at] = "packages:".to_string();
            }
            let inside = |line: &String| line.starts_with([' ', '\t']) && !line.trim().is_empty();
            let block = lines[at + 1..]
                .iter()
                .take_while(|line| inside(line) || line.trim().is_empty() || line.starts_with('#'))
                .count();
            let block = &lines[at + 1..at + 1 + block];
            let last = block.iter().rposition(inside).map_or(at + 1, |last| at + 2 + last);
            let entry = block.iter().find(|line| inside(line) && !line.trim().starts_with('#'));
            let indent: String = match entry {
                Some(line) => line.chars().take_while(|c| c.is_whitespace()).collect(),
                None => "  ".to_string(),
            };
            lines.insert(last, format!("{indent}{name}: {value}"));
        }
    }
    let mut out = lines.join(end);
    out.push_str(end);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "name: a\nversion: 0.1.0\nedition: 2026\n";

    fn added(text: &str) -> Result<String, Problem> {
        with_package(text, Path::new("agpt.yaml"), "words", &Origin::Path("../words".into()))
    }

    #[test]
    fn comments_and_order_stay() {
        let text = format!(
            "# mine\n{HEAD}packages: # ours\n    # the first\n    b: {{ path: ../b }} # why\n\nlicense: MIT\n"
        );
        let wanted = text.replace("# why\n", "# why\n    words: { path: \"../words\" }\n");
        assert_eq!(added(&text).unwrap(), wanted);
        assert_eq!(
            added(HEAD).unwrap(),
            format!("{HEAD}packages:\n  words: {{ path: \"../words\" }}\n")
        );
        let empty = added(&format!("{HEAD}packages: {{}}\n")).unwrap();
        assert_eq!(empty, format!("{HEAD}packages:\n  words: {{ path: \"../words\" }}\n"));
        assert_eq!(added(&wanted).unwrap(), wanted, "twice is once");
    }

    #[test]
    fn what_cannot_be_edited_by_lines_is_left_alone() {
        let problem = added(&format!("{HEAD}packages: {{ b: {{ path: ../b }} }}\n")).unwrap_err();
        assert!(problem.diagnostic.help.unwrap().contains("words: { path: \"../words\" }"));
    }
}
