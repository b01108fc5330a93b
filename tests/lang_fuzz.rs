//! No input makes the compiler panic: programs with pieces cut out, doubled and put in.

use std::fs;
use std::path::Path;

use agpt::base::Severity;
use agpt::lang::{self, MemoryLoader};
use proptest::prelude::*;

/// Pieces that upset parsers.
const PIECES: &[&str] = &[
    "\"",
    "\"\"\"",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "<",
    ">",
    "\\",
    "\\u{",
    "//",
    "///",
    "\n",
    ";",
    ",",
    ":",
    "=",
    "==",
    "-",
    "->",
    "!",
    "?",
    "??",
    "..",
    ".",
    "|",
    "&&",
    "0",
    "9e999",
    "1_",
    "3s",
    "é",
    "“",
    "\u{feff}",
    "\u{0}",
    "\r\n",
    "use ",
    "pub ",
    "const ",
    "type ",
    "template ",
    "pipeline ",
    "let ",
    "return ",
    "if ",
    "else ",
    "for x in ",
    "not ",
    "generate text from ",
    "encode ",
    "decode ",
    "out",
    "{out}",
    "none",
    "true",
    "test ",
    "match ",
    "list<",
    "tokens<",
];

fn seeds() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut out = Vec::new();
    for folder in ["tests/lang/good", "tests/lang/errors", "stdlib", "pipelines"] {
        let entries = fs::read_dir(root.join(folder)).expect("a folder of sources");
        for entry in entries {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "agpt") {
                out.push(fs::read_to_string(path).expect("a source"));
            }
        }
    }
    out.sort();
    out
}

fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[derive(Debug, Clone)]
enum Edit {
    Cut(usize, usize),
    Insert(usize, usize),
    Double(usize, usize),
    Truncate(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (any::<usize>(), 1..20usize).prop_map(|(at, length)| Edit::Cut(at, length)),
        (any::<usize>(), 0..PIECES.len()).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        (any::<usize>(), 1..200usize).prop_map(|(at, length)| Edit::Double(at, length)),
        any::<usize>().prop_map(Edit::Truncate),
    ]
}

fn apply(mut text: String, edits: &[Edit]) -> String {
    for edit in edits {
        let size = text.len() + 1;
        match *edit {
            Edit::Cut(at, length) => {
                let start = boundary(&text, at % size);
                let end = boundary(&text, start + length).max(start);
                text.replace_range(start..end, "");
            }
            Edit::Insert(at, piece) => {
                let at = boundary(&text, at % size);
                text.insert_str(at, PIECES[piece]);
            }
            Edit::Double(at, length) => {
                let start = boundary(&text, at % size);
                let end = boundary(&text, start + length).max(start);
                let piece = text[start..end].to_string();
                text.insert_str(start, &piece);
            }
            Edit::Truncate(at) => text.truncate(boundary(&text, at % size)),
        }
    }
    text
}

fn check(text: &str) {
    let loader = MemoryLoader::default()
        .with("std/tasks", include_str!("../stdlib/tasks.agpt"))
        .with("words", text);
    let compilation = lang::compile("fuzz.agpt", text, &loader);
    let errors = compilation.diagnostics.iter().any(|d| d.severity == Severity::Error);
    assert_eq!(compilation.program.is_none(), errors);
    for diagnostic in &compilation.diagnostics {
        for label in &diagnostic.labels {
            let file = compilation.sources.get(label.span.source).expect("a source of ours");
            let range = label.span.start as usize..label.span.end as usize;
            assert!(file.text.get(range).is_some(), "a span off the text: {diagnostic:?}");
        }
    }
    if let Some(program) = &compilation.program {
        lang::printer::print(program);
    }
    check_format(text);
}

/// The formatter knows the whole grammar: it refuses what has errors, and nothing else.
fn check_format(text: &str) {
    let id = agpt::base::SourceId(0);
    match lang::format::format(text, id) {
        Ok(once) => {
            assert_eq!(lang::format::format(&once, id).as_ref(), Ok(&once), "not stable: {text}");
        }
        Err(errors) => {
            assert!(errors.iter().all(|error| error.code != "E0190"), "{errors:?}\n{text}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn mutated_programs_never_panic(
        seed in any::<prop::sample::Index>(),
        edits in prop::collection::vec(edit(), 1..8),
    ) {
        let seeds = seeds();
        check(&apply(seed.get(&seeds).clone(), &edits));
    }

    #[test]
    fn soup_never_panics(pieces in prop::collection::vec(0..PIECES.len(), 0..60)) {
        let text: String = pieces.iter().map(|piece| PIECES[*piece]).collect();
        check(&text);
        check(&format!("pipeline f(x: int) -> int {{\n  return {text}\n}}\n"));
    }
}

/// What is just within the limits fits the stack of a test's thread.
#[test]
fn limits_are_reachable() {
    let wrap = |expr: &str| format!("pipeline f(x: int) -> int {{\n  return {expr}\n}}\n");
    for depth in 10..48 {
        for (open, middle, close) in [
            ("(", "1", ")"),
            ("[", "1", "]"),
            ("{ a: ", "1", " }"),
            ("f(", "1", ")"),
            ("-(", "1", ")"),
            ("if x == 1 { ", "1", " } else { 2 }"),
            ("if true { let y = ", "1", "\n y } else { 2 }"),
            ("\"{", "1", "}\""),
            ("[y for y in ", "[1]", "]"),
            ("generate text from ", "x", ""),
            ("decode ", "x", ""),
            ("generate text from x { semantic: { seed: ", "x", " } }"),
            ("generate text from x { semantic: { seed: ", "= x", " } }"),
            ("decode x { steps: ", "x", " }"),
            ("decode x { steps: ", "= x", " }"),
            ("(1 + 1 + 1 + ", "1", " + 1 + 1)"),
        ] {
            check(&wrap(&(open.repeat(depth) + middle + &close.repeat(depth))));
        }
        let ty = format!("type T = {}int{}", "list<".repeat(depth), ">".repeat(depth));
        check(&ty);
        check(&ty.replace('>', ""));
    }
    for length in 100..130 {
        check(&wrap(&("1".to_string() + &" + x".repeat(length))));
        check(&wrap(&("x".to_string() + &".y".repeat(length))));
        check(&wrap(&("if x == 1 { 1 }".to_string() + &" else if x == 2 { 2 }".repeat(length))));
        check(&wrap(&format!(
            "{}{}",
            "(".repeat(40),
            "x".to_string() + &")".repeat(40) + &" + x".repeat(length - 50)
        )));
    }
}

/// Depth that would exhaust the stack of a thread of the usual two megabytes.
#[test]
fn deep_and_long_inputs_are_bounded() {
    let deep = 100_000;
    let wrap = |expr: &str| format!("pipeline f(x: int) -> int {{\n  return {expr}\n}}\n");
    for text in [
        wrap(&("(".repeat(deep) + "1" + &")".repeat(deep))),
        wrap(&"not ".repeat(deep)),
        wrap(&"-".repeat(deep)),
        wrap(&"decode ".repeat(deep)),
        wrap(&"encode ".repeat(deep)),
        wrap(&"generate text from ".repeat(deep)),
        wrap(&("1".to_string() + &" + 1".repeat(deep))),
        wrap(&("x".to_string() + &".y".repeat(deep))),
        wrap(&("x".to_string() + &"(1)".repeat(deep))),
        wrap(&("if x == 1 { 1 }".to_string() + &" else if x == 2 { 2 }".repeat(2000))),
        wrap(&"if x == 1 { ".repeat(deep)),
        wrap(&"\"{".repeat(deep)),
        wrap(&"[x for x in ".repeat(deep)),
        format!("type T = {}int{}", "list<".repeat(deep), ">".repeat(deep)),
        format!("type T = int{}", "?".repeat(deep)),
        format!("type T = {}int", "(".repeat(deep)),
        (0..2000).map(|n| format!("const C{n} = C{} + 1\n", n + 1)).collect(),
        (0..2000).map(|n| format!("type T{n} = list<T{}>\n", n + 1)).collect(),
        (0..100).map(|n| format!("type T{n} = {{ a: T{m}, b: T{m} }}\n", m = n + 1)).collect(),
        (0..60).map(|n| format!("const C{n} = C{m} + C{m}\n", m = n + 1)).collect::<String>()
            + "const C60 = \"abc\"\n",
        (0..3000)
            .map(|n| format!("pipeline p{n}() -> int {{ return p{}() }}\n", n + 1))
            .collect::<String>()
            + "pipeline p3000() -> int { return 1 }\n",
    ] {
        check(&text);
    }
}
