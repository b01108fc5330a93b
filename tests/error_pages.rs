//! Every code of a diagnostic has a page in docs/errors, and what the pages show is true.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use agpt::base::{Diagnostic, Severity};
use agpt::lang::{self, MemoryLoader};
use agpt::plan;

use support::{agpt, stderr};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn is_code(word: &str) -> bool {
    word.len() == 5
        && word.starts_with(['E', 'W'])
        && word[1..].bytes().all(|byte| byte.is_ascii_digit())
}

/// The codes that stand as texts of their own in the Rust files below a folder.
fn codes_in(folder: &Path, codes: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes_in(&path, codes);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            codes.extend(text.split('"').filter(|word| is_code(word)).map(str::to_string));
        }
    }
}

/// The pages as (code, text).
fn pages() -> Vec<(String, String)> {
    let mut pages = Vec::new();
    for entry in fs::read_dir(root().join("docs/errors")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if name != "README" {
            pages.push((name, fs::read_to_string(path).unwrap()));
        }
    }
    pages.sort();
    pages
}

/// The language and the text of the example below a heading.
fn example<'a>(code: &str, page: &'a str, section: &str) -> (&'a str, &'a str) {
    let missing = || panic!("docs/errors/{code}.md has no example below `## {section}`");
    let (_, rest) = page.split_once(&format!("\n## {section}\n\n```")).unwrap_or_else(missing);
    let (language, rest) = rest.split_once('\n').unwrap();
    (language, rest.split_once("```").unwrap().0)
}

/// All that `agpt check` says of an example; its further modules follow `//// file: path` lines.
fn check(example: &str) -> Vec<Diagnostic> {
    let mut files = example.split("//// file: ");
    let root_text = files.next().unwrap();
    let mut loader = MemoryLoader::default();
    for name in ["tasks", "chat", "chains", "instructions"] {
        let text = fs::read_to_string(root().join(format!("stdlib/{name}.agpt"))).unwrap();
        loader = loader.with(&format!("std/{name}"), &text);
    }
    for file in files {
        let (path, text) = file.split_once('\n').unwrap();
        loader = loader.with(path.trim().trim_start_matches("./"), text);
    }
    let compilation = lang::compile("example.agpt", root_text, &loader);
    let mut diagnostics = compilation.diagnostics;
    if let Some(program) = &compilation.program {
        let entries = program.entries.iter().map(|entry| plan::lower(program, *entry));
        let tests = program.tests.iter().map(|test| plan::lower_test(program, test));
        diagnostics.extend(entries.chain(tests).filter_map(Result::err));
    }
    diagnostics
}

#[test]
fn codes_and_pages_are_the_same() {
    let mut codes = BTreeSet::new();
    codes_in(&root().join("src"), &mut codes);
    assert!(codes.len() > 80, "the search for codes finds only {codes:?}");
    let pages: BTreeSet<String> = pages().into_iter().map(|(code, _)| code).collect();
    let unexplained: Vec<_> = codes.difference(&pages).collect();
    assert!(unexplained.is_empty(), "write docs/errors/CODE.md for {unexplained:?}");
    let unused: Vec<_> = pages.difference(&codes).collect();
    assert!(unused.is_empty(), "no diagnostic has the codes {unused:?}: remove their pages");
}

#[test]
fn pages_have_a_title_a_meaning_and_examples() {
    for (code, page) in pages() {
        assert!(page.starts_with(&format!("# {code}: ")), "{code}.md begins with another heading");
        let meaning = page.split("\n## ").next().unwrap().lines().skip(1).collect::<String>();
        assert!(meaning.len() > 60, "{code}.md does not say what the code means");
        let headings: Vec<&str> = page.lines().filter(|line| line.starts_with("## ")).collect();
        assert_eq!(headings, ["## Wrong", "## Right"], "{code}.md");
        for section in ["Wrong", "Right"] {
            let (language, text) = example(&code, &page, section);
            assert!(["agpt", "text"].contains(&language), "{code}.md: ```{language}");
            assert!(!text.trim().is_empty(), "{code}.md: {section} is empty");
        }
    }
}

/// What is not as it should be with the examples of a page that are agpt.
fn mistaken(code: &str, page: &str) -> Option<String> {
    let found = check(example(code, page, "Wrong").1);
    match found.first() {
        None => return Some("Wrong is right".to_string()),
        Some(first) if first.code != code => return Some(format!("Wrong gives {first:#?}")),
        Some(_) => {}
    }
    // A second mistake would distract from the one that the page is about.
    let other = found.iter().find(|d| d.severity == Severity::Error && d.code != code);
    if let Some(other) = other {
        return Some(format!("Wrong is wrong in another way too: {other:#?}"));
    }
    let found = check(example(code, page, "Right").1);
    (!found.is_empty()).then(|| format!("Right is not: {found:#?}"))
}

#[test]
fn wrong_examples_have_the_code_and_right_ones_none() {
    let mut mistakes = String::new();
    let mut tried = 0;
    for (code, page) in pages() {
        if example(&code, &page, "Wrong").0 == "agpt" {
            tried += 1;
            if let Some(mistake) = mistaken(&code, &page) {
                mistakes.push_str(&format!("{code}.md: {mistake}\n"));
            }
        } else {
            // Only what needs a run, or a defect, cannot be shown by a file alone; and a page should not
            // hold characters that change how it is shown, or megabytes.
            let unseen =
                ["E0115", "E0116", "E0190"].contains(&code.as_str()) || code.as_str() >= "E0603";
            assert!(unseen && code.starts_with('E'), "{code}.md shows no agpt");
        }
    }
    assert!(mistakes.is_empty(), "{mistakes}");
    assert!(tried > 60, "only {tried} examples were tried");
}

#[test]
fn the_program_holds_the_pages() {
    let output = agpt(["explain", "--json"]).output().unwrap();
    let listed = support::json(&output);
    let listed = listed.as_array().unwrap();
    let pages = pages();
    assert_eq!(listed.len(), pages.len());
    for ((code, page), entry) in pages.iter().zip(listed) {
        assert_eq!(entry["code"], **code);
        assert_eq!(entry["wrong"], example(code, page, "Wrong").1, "{code}");
        assert_eq!(entry["right"], example(code, page, "Right").1, "{code}");
        let title = page.lines().next().unwrap().split_once(": ").unwrap().1;
        assert_eq!(entry["title"], title, "{code}");
        assert!(page.contains(entry["meaning"].as_str().unwrap()), "{code}");
    }
}

#[test]
fn a_page_is_shown_as_plain_text() {
    let output = agpt(["explain", "e0107"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    insta::assert_snapshot!(text);
    let list = agpt(["explain"]).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(list.contains("E0107  an escape, a hole or a brace in a text is wrong\n"), "{list}");
}

#[test]
fn an_unknown_code_is_a_mistake_of_usage() {
    let near = agpt(["explain", "E010"]).output().unwrap();
    assert_eq!(near.status.code(), Some(2));
    assert!(stderr(&near).contains("did you mean E010"), "{}", stderr(&near));
    let far = agpt(["explain", "hello"]).output().unwrap();
    assert_eq!(far.status.code(), Some(2));
    assert!(stderr(&far).contains("lists all codes"), "{}", stderr(&far));
}

#[test]
fn reports_end_with_where_to_read_more() {
    let one = agpt(["check", "tests/lang/errors/syntax_misspelt_declaration.agpt"]);
    let text = stderr(&{ one }.output().unwrap());
    assert!(text.ends_with("`agpt explain E0104` says more\n"), "{text}");
    let several = agpt(["check", "tests/lang/errors/names_unknown.agpt"]).output().unwrap();
    let text = stderr(&several);
    assert_eq!(text.matches("agpt explain").count(), 1, "{text}");
}
