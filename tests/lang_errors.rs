//! Snapshots of what the compiler says: whole reports for mistakes, printed IR for programs.
//!
//! A case is a file in tests/lang. Further modules follow in the same file, each after a line
//! `//// file: path`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use agpt::base::Severity;
use agpt::lang::{self, Compilation, MemoryLoader};
use miette::{GraphicalReportHandler, GraphicalTheme};

const MARK: &str = "//// file: ";

fn compile(name: &str, case: &str) -> Compilation {
    let mut files = case.split(MARK);
    let root = files.next().unwrap_or_default();
    let tasks = include_str!("../stdlib/tasks.agpt");
    let mut loader = MemoryLoader::default().with("std/tasks", tasks);
    for file in files {
        let (path, text) = file.split_once('\n').expect("a line after the file's name");
        loader = loader.with(path.trim(), text);
    }
    lang::compile(name, root, &loader)
}

fn render(compilation: &Compilation) -> String {
    let handler =
        GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(90);
    let mut out = String::new();
    for diagnostic in &compilation.diagnostics {
        let report = diagnostic.report(&compilation.sources);
        handler.render_report(&mut out, report.as_ref()).expect("a report renders");
        out.push('\n');
    }
    out
}

fn cases(folder: &str) -> Vec<(PathBuf, String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lang").join(folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder of cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "agpt"))
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("a readable case");
        (path, name, text)
    };
    paths.into_iter().map(read).collect()
}

fn settings(folder: &str) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("lang/{folder}/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

#[test]
fn mistakes_are_explained() {
    for (_, name, text) in cases("errors") {
        let compilation = compile(&format!("{name}.agpt"), &text);
        assert!(!compilation.diagnostics.is_empty(), "{name} has no diagnostic");
        let errors = compilation.diagnostics.iter().any(|d| d.severity == Severity::Error);
        assert_eq!(compilation.program.is_none(), errors, "{name}");
        settings("errors").bind(|| insta::assert_snapshot!(name.as_str(), render(&compilation)));
    }
}

/// A fix that is offered takes its mistake away.
#[test]
fn fixes_take_mistakes_away() {
    let mut fixed = 0;
    for (_, name, text) in cases("errors") {
        let compilation = compile(&name, &text);
        let count = |found: &Compilation, message: &str| {
            found.diagnostics.iter().filter(|diagnostic| diagnostic.message == message).count()
        };
        for diagnostic in &compilation.diagnostics {
            let Some(fix) = &diagnostic.fix else { continue };
            let module = compilation.sources.get(fix.span.source).expect("a source of ours");
            // Modules follow the root in the same file.
            let Some(base) = text.find(&*module.text) else { panic!("{name}: {module:?}") };
            let mut next = text.clone();
            next.replace_range(
                base + fix.span.start as usize..base + fix.span.end as usize,
                &fix.replacement,
            );
            let (before, after) = (
                count(&compilation, &diagnostic.message),
                count(&compile(&name, &next), &diagnostic.message),
            );
            assert!(after < before, "{name}: {diagnostic:?}\n{next}");
            fixed += 1;
        }
    }
    assert!(fixed > 20, "only {fixed}");
}

#[test]
fn programs_become_ir() {
    for (_, name, text) in cases("good") {
        let compilation = compile(&format!("{name}.agpt"), &text);
        let mut out = render(&compilation);
        let program = compilation.program.unwrap_or_else(|| panic!("{name} fails:\n{out}"));
        let _ = write!(out, "{}", lang::printer::print(&program));
        settings("good").bind(|| insta::assert_snapshot!(name.as_str(), out));
    }
}

/// The pipelines that ship compile without a remark.
#[test]
fn shipped_pipelines_are_clean() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = |folder: &str| {
        let files = fs::read_dir(root.join(folder)).expect("a shipped folder");
        let paths = files.map(|file| file.unwrap().path());
        let paths = paths.filter(|path| path.extension().is_some_and(|end| end == "agpt"));
        let named = paths.map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).expect("a shipped file"))
        });
        named.collect::<Vec<_>>()
    };
    let pipelines = sources("pipelines");
    assert!(pipelines.len() >= 12);
    let mut loader = MemoryLoader::default();
    for (name, text) in sources("stdlib") {
        loader = loader.with(&format!("std/{name}"), &text);
    }
    for (name, text) in &pipelines {
        loader = loader.with(name, text);
    }
    for (name, text) in &pipelines {
        let compilation = lang::compile(&format!("{name}.agpt"), text, &loader);
        assert!(compilation.diagnostics.is_empty(), "{}", render(&compilation));
    }
}

/// What the reference shows is true.
#[test]
fn the_reference_compiles() {
    let reference = include_str!("../docs/language.md");
    let examples = reference.split("```agpt\n").skip(1);
    let mut count = 0;
    for example in examples {
        let (example, _) = example.split_once("```").expect("an end of the example");
        let compilation = compile("language.md", example);
        assert!(compilation.diagnostics.is_empty(), "{}", render(&compilation));
        count += 1;
    }
    assert!(count > 0);
}
