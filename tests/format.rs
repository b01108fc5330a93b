//! The formatter changes how a program is laid out and nothing that it says: on the repository's
//! files, on files whose gaps are filled with line ends and comments, and on ugly ones by snapshot.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use agpt::base::{Severity, SourceId};
use agpt::lang::format::format;
use agpt::lang::syntax::{ast, parse};
use proptest::prelude::*;

static SOURCES: LazyLock<Vec<(String, String)>> = LazyLock::new(sources);

/// The .agpt files of the repository, and each module of those that hold several.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in ["stdlib", "pipelines", "examples", "tests"] {
        collect(&root.join(folder), &mut paths);
    }
    paths.sort();
    let mut out = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("a source");
        for (index, part) in text.split("//// file: ").enumerate() {
            let part = if index == 0 { part } else { part.split_once('\n').map_or("", |p| p.1) };
            out.push((format!("{}#{index}", path.display()), part.to_string()));
        }
    }
    out
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "agpt") {
            paths.push(path);
        }
    }
}

fn read(text: &str) -> Option<ast::File> {
    let parsed = parse(text, SourceId(0));
    let errors = parsed.diagnostics.iter().any(|d| d.severity == Severity::Error);
    (!errors).then_some(parsed.file)
}

/// The tree without its places, and the comments as they are written.
fn meaning(text: &str, mut file: ast::File) -> String {
    let comments: Vec<&str> = file
        .comments
        .iter()
        .map(|comment| text[comment.span.start as usize..comment.span.end as usize].trim_end())
        .collect();
    file.comments.clear();
    let tree = format!("{file:?}");
    let mut out = String::new();
    let mut rest = tree.as_str();
    while let Some((before, after)) = rest.split_once("Span {") {
        out.push_str(before);
        rest = after.split_once('}').expect("a span's end").1;
    }
    format!("{out}{rest}\n{}", comments.join("\n"))
}

/// What must hold of every text. Gives whether it could be formatted.
fn check(name: &str, text: &str) -> bool {
    let Some(before) = read(text) else {
        let errors = format(text, SourceId(0)).expect_err("errors are not formatted");
        assert!(errors.iter().all(|error| error.code != "E0190"), "{name}: {errors:?}\n{text}");
        return false;
    };
    let once = match format(text, SourceId(0)) {
        Ok(once) => once,
        Err(errors) => panic!("{name}: {errors:?}\n{text}"),
    };
    let after = read(&once).unwrap_or_else(|| panic!("{name} is broken:\n{text}\n=>\n{once}"));
    let (before, after) = (meaning(text, before), meaning(&once, after));
    assert_eq!(before, after, "{name} means something else:\n{text}\n=>\n{once}");
    let twice = format(&once, SourceId(0)).expect("what was formatted");
    assert_eq!(once, twice, "{name} is not stable:\n{text}");
    assert!(
        once.lines().all(|line| line.contains("\"\"\"")
            || line == line.trim_end()
            || text.contains("\"\"\"")),
        "{name} has spaces at line ends:\n{once}"
    );
    assert!(once.is_empty() || (once.ends_with('\n') && !once.ends_with("\n\n")), "{name}");
    assert!(!once.starts_with('\n'), "{name}");
    true
}

#[test]
fn the_repositorys_files_keep_their_meaning() {
    let formatted = SOURCES.iter().filter(|(name, text)| check(name, text)).count();
    assert!(formatted > 40, "only {formatted} could be formatted");
}

#[test]
fn shipped_files_are_formatted() {
    let unformatted = SOURCES.iter().filter(|(name, text)| {
        let shipped = !name.contains("/tests/lang/");
        shipped && format(text, SourceId(0)).expect("a file without errors") != *text
    });
    assert_eq!(unformatted.map(|(name, _)| name.as_str()).collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn examples_in_the_documents_are_formatted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    let documents = fs::read_dir(root.join("docs")).expect("the documents");
    let documents = documents.map(|entry| entry.expect("an entry").path());
    for path in documents.chain([root.join("README.md")]).filter(|path| path.is_file()) {
        let text = fs::read_to_string(&path).expect("a document");
        for block in text.split("```agpt\n").skip(1) {
            let block = block.split("```").next().unwrap_or_default();
            let formatted = format(block, SourceId(0)).expect("an example without errors");
            assert_eq!(formatted, block, "{}", path.display());
            count += 1;
        }
    }
    assert!(count > 3, "only {count}");
}

#[test]
fn ugly_files_become_these() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lang/format");
    let mut paths = Vec::new();
    collect(&folder, &mut paths);
    paths.sort();
    assert!(paths.len() >= 3);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("lang/format/snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for path in paths {
        let text = fs::read_to_string(&path).expect("a source");
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let formatted = format(&text, SourceId(0)).expect("a file without errors");
        settings.bind(|| insta::assert_snapshot!(name, formatted));
    }
}

#[test]
fn line_ends_and_marks() {
    let formatted = |text: &str| format(text, SourceId(0)).expect("a file without errors");
    let text = "\u{feff}const  A = \"\"\"\r\n  a\r\n  \"\"\" // c\r\n\r\n\r\n\r\n// d  \r\n";
    let crlf = "const A = \"\"\"\r\n  a\r\n  \"\"\" // c\r\n\r\n// d\r\n";
    assert_eq!(formatted(text), crlf);
    assert_eq!(formatted(crlf), crlf);
    assert_eq!(formatted("const A = 1\nconst B = 2\r\n"), "const A = 1\nconst B = 2\n");
    assert_eq!(formatted(""), "");
    assert_eq!(formatted(" \n\n"), "");
    assert_eq!(formatted("\n\n  // only\n\n\n//! this"), "// only\n\n//! this\n");
    assert_eq!(formatted("const A = 1//c"), "const A = 1 //c\n");
}

#[test]
fn texts_stay_as_they_are() {
    for literal in [
        r#""{  f( x,"\}" )   } \{ {[1,2]}""#,
        "\"\"\"\n   one\n{  x }  \n\t two // no comment \n \"\"\"",
        "\"\"\"a \"b\" {  \n  x // a comment in a hole\n }\"\"\"",
    ] {
        let formatted = format(&format!("const  A={literal}"), SourceId(0)).expect("no errors");
        assert_eq!(formatted, format!("const A = {literal}\n"));
    }
}

#[test]
fn mistakes_are_reported_and_nothing_is_formatted() {
    let errors = format("const A = 1\nconst B = = 2\n", SourceId(0)).expect_err("an error");
    assert_eq!(errors.iter().map(|error| error.code).collect::<Vec<_>>(), ["E0101"]);
}

/// Where the gaps between tokens are: every one of them, also those without space. A text with its
/// holes is one token.
fn gaps(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut gaps = Vec::new();
    let mut at = 0;
    loop {
        let start = at;
        loop {
            while at < bytes.len() && bytes[at].is_ascii_whitespace() {
                at += 1;
            }
            if !text[at..].starts_with("//") {
                break;
            }
            at += text[at..].find('\n').unwrap_or(text.len() - at);
        }
        gaps.push((start, at));
        if at >= bytes.len() {
            return gaps;
        }
        at = token_end(text, at);
    }
}

fn token_end(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if bytes[at] == b'"' {
        return text_end(text, at);
    }
    // Paths and numbers are one token.
    if word(bytes[at]) || text[at..].starts_with("./") || text[at..].starts_with("../") {
        let path = |at: usize| matches!(bytes.get(at), Some(b'/' | b'-' | b'.'));
        let mut end = at;
        while end < bytes.len()
            && (word(bytes[end]) || (path(end) && !text[end..].starts_with("//")))
        {
            end += 1;
        }
        return end.max(at + 1);
    }
    let pairs = ["->", "=>", "==", "!=", "<=", ">=", "??"];
    let pair = pairs.iter().any(|pair| text[at..].starts_with(pair));
    at + if pair { 2 } else { text[at..].chars().next().map_or(1, char::len_utf8) }
}

fn text_end(text: &str, start: usize) -> usize {
    let quotes = if text[start..].starts_with("\"\"\"") { "\"\"\"" } else { "\"" };
    let mut at = start + quotes.len();
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with(quotes) {
            return at + quotes.len();
        }
        if let Some(escaped) = rest.strip_prefix('\\') {
            at += 1 + escaped.chars().next().map_or(0, char::len_utf8);
        } else if rest.starts_with('{') {
            let mut depth = 0;
            loop {
                match text.as_bytes().get(at) {
                    Some(b'{') => depth += 1,
                    Some(b'}') => depth -= 1,
                    Some(b'"') => {
                        at = text_end(text, at);
                        continue;
                    }
                    Some(_) => {}
                    None => return text.len(),
                }
                at += 1;
                if depth == 0 {
                    break;
                }
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

const FILLINGS: &[&str] = &[
    "",
    " ",
    "\n",
    "\n\n\n\n",
    "  \t",
    "\r\n",
    " // note\n",
    "\n// own line\n",
    "\n\n// apart\n\n",
    "// two\n//  of them  \n",
    "\n/// documents\n",
    " /// behind\n",
    "\n//! of the file\n",
    "//\n",
    ",",
    " , ",
    "\n,\n",
    " // before\n, // behind\n",
    "\n/// above\n,\n/// below\n",
];

#[derive(Debug, Clone)]
struct Filling {
    gap: prop::sample::Index,
    filling: usize,
}

fn fillings() -> impl Strategy<Value = Vec<Filling>> {
    let one = (any::<prop::sample::Index>(), 0..FILLINGS.len())
        .prop_map(|(gap, filling)| Filling { gap, filling });
    prop::collection::vec(one, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    /// Fills gaps anew, one after the other, as long as the text can still be read.
    #[test]
    fn gaps_may_hold_anything(source in any::<prop::sample::Index>(), fillings in fillings()) {
        let sources: Vec<_> =
            SOURCES.iter().filter(|(_, text)| text.len() < 4000 && read(text).is_some()).collect();
        let (name, text) = source.get(&sources);
        let mut text = text.clone();
        for Filling { gap, filling } in fillings {
            let (start, end) = *gap.get(&gaps(&text));
            let mut next = text.clone();
            next.replace_range(start..end, FILLINGS[filling]);
            if read(&next).is_some() {
                text = next;
            }
        }
        prop_assert!(check(name, &text));
    }
}

/// Every gap of what has all of the grammar, each with some of the fillings in turn.
#[test]
fn every_gap_may_hold_a_comment() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in ["ugly", "comments", "widths"] {
        let text = fs::read_to_string(root.join(format!("tests/lang/format/{file}.agpt")))
            .expect("a source");
        let mut formatted = 0;
        for (index, (start, end)) in gaps(&text).into_iter().enumerate() {
            for filling in FILLINGS.iter().skip(index % 6).step_by(6) {
                let mut next = text.clone();
                next.replace_range(start..end, filling);
                if next != text && read(&next).is_some() {
                    formatted += usize::from(check(file, &next));
                }
            }
        }
        assert!(formatted > 100, "{file}: only {formatted}");
    }
}
