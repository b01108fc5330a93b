//! `agpt test`: the `test` declarations of some files.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;

use crate::base::atomic::write_atomic;
use crate::base::{Diagnostic, Sources, Span};
use crate::runtime::engine::Engine;
use crate::runtime::error::Failure;
use crate::test_runner::junit::{self, Case};
use crate::test_runner::outcome::Outcome;
use crate::test_runner::report::{self, Entry, Problem};
use crate::test_runner::{Keep, Session};

use super::machine::Machine;
use super::progress::Progress;
use super::run::beside;
use super::{Exit, check, files, source};

#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Snapshots lie in snapshots/FILE/TITLE/ beside the .agpt file: commit them. \
A missing or different one fails the test until it is accepted with --update."
)]
pub struct Args {
    /// .agpt files, or folders to look through
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,
    /// Run only tests whose title contains TEXT
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Accept all snapshots that are new or differ
    #[arg(long, conflicts_with = "ci")]
    update: bool,
    /// Show each snapshot that is new or differs and ask whether to accept it
    #[arg(long, conflicts_with_all = ["ci", "update", "json"])]
    review: bool,
    /// For continuous integration: GitHub annotations on failures; writes no snapshot
    #[arg(long)]
    ci: bool,
    /// Write a JUnit report
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write an HTML page with snapshots side by side: pictures, players, spectrograms
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print the outcomes as JSON
    #[arg(long)]
    json: bool,
    /// List the tests and run none
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    machine: Machine,
}

/// What is counted and reported at the end.
#[derive(Default)]
struct Report {
    cases: Vec<Case>,
    json: Vec<serde_json::Value>,
    page: Vec<Entry>,
    written: usize,
    left_out: usize,
    invalid: bool,
    cancelled: bool,
}

pub fn run(args: &Args) -> Exit {
    let mut files = Vec::new();
    for path in &args.paths {
        if let Err(error) = files::collect(path, &mut files) {
            source::complain(&format!("{} cannot be listed: {error}", path.display()), None);
            return Exit::Usage;
        }
    }
    args.machine.limit_threads();
    let mut report = Report::default();
    // Opened with the first test: files without tests need no model.
    let mut engine = None;
    for file in &files {
        if let Err(exit) = run_file(file, args, &mut engine, &mut report) {
            return exit;
        }
        if report.cancelled {
            break;
        }
    }
    finish(args, &report)
}

fn run_file(
    file: &Path,
    args: &Args,
    engine: &mut Option<Engine>,
    report: &mut Report,
) -> Result<(), Exit> {
    let compilation = source::compile(file)?;
    let sources = compilation.sources;
    let Some(program) = compilation.program else {
        source::show(&compilation.diagnostics, &sources);
        report.invalid = true;
        return Ok(());
    };
    for test in &program.tests {
        if args.filter.as_ref().is_some_and(|filter| !test.title.contains(filter.as_str())) {
            report.left_out += 1;
            continue;
        }
        if args.list {
            super::output::stdout(&format!("{}: {}\n", file.display(), test.title));
            continue;
        }
        if engine.is_none() {
            match args.machine.engine() {
                Ok(opened) => *engine = Some(opened),
                Err(error) => {
                    source::show(&[error.diagnostic()], &sources);
                    return Err(Exit::Failed);
                }
            }
        }
        let Some(engine) = engine.as_mut() else { return Err(Exit::Failed) };
        let resolve = |span: Span, path: &str| beside(&sources, span, path);
        let mut progress = Progress::new(args.json || args.ci || args.review, false);
        let begun = Instant::now();
        let mut ask = |title: &str, told: &[Diagnostic]| review(title, told, &sources);
        let outcome = Session {
            engine,
            seed: args.machine.seed,
            resolve: &resolve,
            events: &mut progress,
            keep: match (args.update, args.review) {
                (true, _) => Keep::Update,
                (_, true) => Keep::Ask(&mut ask),
                _ => Keep::Compare,
            },
            show: args.report.is_some(),
            file,
        }
        .run(&program, test);
        progress.done();
        tell(file, args, &sources, outcome, begun.elapsed().as_secs_f64(), report);
        if report.cancelled {
            return Ok(());
        }
    }
    Ok(())
}

/// Shows what is new or differs and asks. Anything but a yes leaves what is kept as it is, and so
/// does an end of the input.
fn review(title: &str, told: &[Diagnostic], sources: &Sources) -> bool {
    eprintln!("\n{title}");
    source::show(told, sources);
    loop {
        eprint!("accept as the new snapshot? [y/n] ");
        let mut answer = String::new();
        match std::io::stdin().read_line(&mut answer) {
            Ok(0) | Err(_) => {
                eprintln!();
                return false;
            }
            Ok(_) => match answer.trim() {
                "y" | "yes" => return true,
                "n" | "no" => return false,
                _ => eprintln!("y accepts it, n leaves what is kept"),
            },
        }
    }
}

fn tell(
    file: &Path,
    args: &Args,
    sources: &Sources,
    outcome: Outcome,
    seconds: f64,
    report: &mut Report,
) {
    let diagnostics = outcome.diagnostics();
    let passed = outcome.passed();
    let cancelled = |e: &crate::runtime::error::RunError| matches!(e.failure, Failure::Cancelled);
    report.cancelled |= outcome.findings.as_ref().is_err_and(cancelled);
    report.written += usize::from(outcome.written());
    if !args.json {
        let mark = if passed { "ok  " } else { "FAIL" };
        let note = if outcome.written() { ", snapshot written" } else { "" };
        eprintln!("{mark} {} ({:.2} s{note})", outcome.title, seconds);
        source::show(&diagnostics, sources);
    }
    if args.ci {
        for diagnostic in &diagnostics {
            annotate(file, sources, &outcome.title, diagnostic);
        }
    }
    report.json.push(json!({
        "file": file.display().to_string(),
        "test": outcome.title,
        "passed": passed,
        "written": outcome.written(),
        "seconds": seconds,
        "diagnostics": diagnostics.iter().map(|d| check::to_json(d, sources)).collect::<Vec<_>>(),
    }));
    let failure = (!passed).then(|| {
        let lines = diagnostics.iter().map(|d| match &d.help {
            Some(help) => format!("{}: {}\n{help}", d.code, d.message),
            None => format!("{}: {}", d.code, d.message),
        });
        lines.collect::<Vec<_>>().join("\n")
    });
    report.cases.push(Case {
        file: file.display().to_string(),
        title: outcome.title.clone(),
        seconds,
        failure,
    });
    if args.report.is_some() {
        report.page.push(Entry {
            file: file.display().to_string(),
            title: outcome.title,
            passed,
            seconds,
            problems: diagnostics.iter().map(|d| problem(d, sources)).collect(),
            shown: outcome.shown,
        });
    }
}

fn problem(diagnostic: &Diagnostic, sources: &Sources) -> Problem {
    let line = diagnostic.labels.first().and_then(|label| {
        let text = &sources.get(label.span.source)?.text;
        let number = text.get(..label.span.start as usize)?.matches('\n').count();
        Some((number + 1, text.lines().nth(number)?.trim().to_string()))
    });
    Problem {
        code: diagnostic.code,
        message: diagnostic.message.clone(),
        help: diagnostic.help.clone(),
        line,
    }
}

/// GitHub shows these beside the line; its format escapes `%` and line ends.
fn annotate(file: &Path, sources: &Sources, title: &str, diagnostic: &Diagnostic) {
    let span = diagnostic.labels.first().map(|label| label.span);
    let text = span.and_then(|span| sources.get(span.source)).map_or("", |file| &file.text);
    let start = span.map_or(0, |span| span.start as usize);
    let line = text.get(..start).map_or(1, |before| before.matches('\n').count() + 1);
    let escape = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| escape(text).replace(':', "%3A").replace(',', "%2C");
    let message = match &diagnostic.help {
        Some(help) => format!("{}\n{help}", diagnostic.message),
        None => diagnostic.message.clone(),
    };
    eprintln!(
        "::error file={},line={line},title={}::{}",
        property(&file.display().to_string()),
        property(title),
        escape(&message)
    );
}

fn finish(args: &Args, report: &Report) -> Exit {
    if let Some(path) = &args.junit
        && let Err(error) = write_atomic(path, junit::xml(&report.cases).as_bytes())
    {
        source::complain(&format!("{} cannot be written: {error}", path.display()), None);
        return Exit::Usage;
    }
    if let Some(path) = &args.report {
        let page = match report::html(&report.page) {
            Ok(page) => page,
            Err(error) => {
                source::complain(&format!("the report cannot be made: {error}"), None);
                return Exit::Failed;
            }
        };
        if let Err(error) = write_atomic(path, page.as_bytes()) {
            source::complain(&format!("{} cannot be written: {error}", path.display()), None);
            return Exit::Usage;
        }
    }
    let failed = report.cases.iter().filter(|case| case.failure.is_some()).count();
    let passed = report.cases.len() - failed;
    if args.json {
        super::output::stdout(&format!(
            "{}\n",
            json!({ "passed": passed, "failed": failed, "left_out": report.left_out, "tests": report.json })
        ));
    } else if !args.list {
        let mut line = format!("{passed} passed, {failed} failed");
        if report.left_out > 0 {
            line.push_str(&format!(", {} left out", report.left_out));
        }
        if report.written > 0 {
            line.push_str(&format!(", snapshots of {} written", report.written));
        }
        eprintln!("{line}");
    }
    if report.cancelled {
        Exit::Cancelled
    } else if report.invalid {
        Exit::Invalid
    } else if failed > 0 {
        Exit::Failed
    } else {
        Exit::Success
    }
}
