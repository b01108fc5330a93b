//! Programs: reading, checking, lowering and laying out.

use std::collections::HashSet;

use agpt::base::{Diagnostic, Severity, SourceId, Sources};
use agpt::bundle::embedded;
use agpt::lang::{self, MemoryLoader};
use agpt::plan::{self, passes, print};

/// Text of any length would only show what is linear anyway.
const MOST: usize = 1 << 16;

pub fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| text.len() <= MOST)
}

/// The standard library, and two modules beside the program.
pub fn loader(text: &str) -> MemoryLoader {
    let words = "pub const WORDS = [\"a\", \"b\"]\npub type Tone = \"dry\" | \"warm\"\n";
    let mut loader = MemoryLoader::default().with("words", words).with("fuzz", text);
    for name in embedded::modules() {
        let module = embedded::module(name).unwrap_or_default();
        loader = loader.with(&format!("std/{name}"), module);
    }
    loader
}

/// Diagnostics point into their texts and can be shown.
fn told(diagnostics: &[Diagnostic], sources: &Sources) {
    let mut seen = HashSet::new();
    for diagnostic in diagnostics {
        for label in &diagnostic.labels {
            let file = sources.get(label.span.source).expect("a source of ours");
            let range = label.span.start as usize..label.span.end as usize;
            assert!(file.text.get(range).is_some(), "a span off the text: {diagnostic:?}");
        }
        // One of each kind: drawing is slow.
        if seen.insert(diagnostic.code) {
            assert!(!format!("{:?}", diagnostic.report(sources)).is_empty());
        }
    }
}

pub fn syntax(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let mut sources = Sources::default();
    let id = sources.add("fuzz.agpt", text);
    let parsed = lang::syntax::parse(text, id);
    told(&parsed.diagnostics, &sources);
    for item in &parsed.file.items {
        assert!(text.get(item.span.start as usize..item.span.end as usize).is_some());
    }
}

pub fn check(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let compilation = lang::compile("fuzz.agpt", text, &loader(text));
    let errors = compilation.diagnostics.iter().any(|d| d.severity == Severity::Error);
    assert_eq!(compilation.program.is_none(), errors, "a program if and only if nothing is wrong");
    told(&compilation.diagnostics, &compilation.sources);
    let Some(program) = &compilation.program else { return };
    lang::printer::print(program);
    let entries = program.entries.iter().map(|entry| plan::lower(program, *entry));
    let tests = program.tests.iter().map(|test| plan::lower_test(program, test));
    let measured = program.evaluations.iter().map(|e| plan::lower_evaluation(program, e));
    for lowered in entries.chain(tests).chain(measured) {
        match lowered {
            Err(diagnostic) => told(&[diagnostic], &compilation.sources),
            Ok(plan) => {
                let (optimised, _) = passes::optimise(&plan);
                for plan in [&plan, &optimised].into_iter().filter(|p| p.graph.node_count() < 500) {
                    print::text(plan);
                    print::dot(plan);
                    print::mermaid(plan);
                    print::json(plan);
                    let _ = print::svg(plan, &compilation.sources);
                }
            }
        }
    }
}

/// The formatter knows the whole grammar: it refuses what has errors, and nothing else; what it
/// writes says the same (it looks itself) and is laid out already.
pub fn format(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let id = SourceId(0);
    match lang::format::format(text, id) {
        Ok(once) => {
            assert_eq!(lang::format::format(&once, id).as_ref(), Ok(&once), "not stable: {text}");
        }
        Err(errors) => {
            assert!(errors.iter().all(|error| error.code != "E0190"), "{errors:?}\n{text}");
        }
    }
}
