//! What is counted and told of the tests.

use std::path::Path;

use serde_json::json;

use crate::base::atomic::write_atomic;
use crate::base::{Diagnostic, Sources, unwritten};
use crate::cli::{Exit, check, output, source};
use crate::runtime::error::Failure;
use crate::test_runner::junit::{self, Case};
use crate::test_runner::outcome::Outcome;
use crate::test_runner::report::{self, Entry, Problem};

use super::Args;

#[derive(Default)]
pub struct Report {
    cases: Vec<Case>,
    json: Vec<serde_json::Value>,
    /// Files that do not compile, with why.
    broken: Vec<serde_json::Value>,
    page: Vec<Entry>,
    written: usize,
    pub left_out: usize,
    pub cancelled: bool,
}

impl Report {
    /// A file that does not compile: none of its tests can run.
    pub fn broken(&mut self, file: &Path, args: &Args, told: &[Diagnostic], sources: &Sources) {
        if !args.json {
            source::show(told, sources);
        }
        if args.ci {
            for diagnostic in told {
                annotate(file, sources, "does not compile", diagnostic);
            }
        }
        self.broken.push(json!({
            "file": file.display().to_string(),
            "diagnostics": told.iter().map(|d| check::to_json(d, sources)).collect::<Vec<_>>(),
        }));
    }

    pub fn tell(
        &mut self,
        file: &Path,
        args: &Args,
        sources: &Sources,
        outcome: Outcome,
        seconds: f64,
    ) {
        let diagnostics = outcome.diagnostics();
        let passed = outcome.passed();
        let cancelled =
            |e: &crate::runtime::error::RunError| matches!(e.failure, Failure::Cancelled);
        self.cancelled |= outcome.findings.as_ref().is_err_and(cancelled);
        self.written += usize::from(outcome.written());
        if !args.json {
            let mark = if passed { "ok  " } else { "FAIL" };
            let note = if outcome.written() { ", snapshot written" } else { "" };
            eprintln!("{mark} {} ({:.2} s{note})", outcome.title, seconds);
            // Who was asked about them has seen them.
            if !outcome.asked {
                source::show(&diagnostics, sources);
            }
        }
        if args.ci {
            for diagnostic in &diagnostics {
                annotate(file, sources, &outcome.title, diagnostic);
            }
        }
        self.json.push(json!({
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
        self.cases.push(Case {
            file: file.display().to_string(),
            title: outcome.title.clone(),
            seconds,
            failure,
        });
        if args.report.is_some() {
            self.page.push(Entry {
                file: file.display().to_string(),
                title: outcome.title,
                passed,
                seconds,
                problems: diagnostics.iter().map(|d| problem(d, sources)).collect(),
                shown: outcome.shown,
            });
        }
    }

    pub fn finish(&self, args: &Args) -> Exit {
        if let Some(path) = &args.junit
            && let Err(error) = write_atomic(path, junit::xml(&self.cases).as_bytes())
        {
            source::complain(&error.to_string(), unwritten::help(&error));
            return Exit::Usage;
        }
        if let Some(path) = &args.report {
            let page = match report::html(&self.page) {
                Ok(page) => page,
                Err(error) => {
                    source::complain(&format!("the report cannot be made: {error}"), None);
                    return Exit::Failed;
                }
            };
            if let Err(error) = write_atomic(path, page.as_bytes()) {
                source::complain(&error.to_string(), unwritten::help(&error));
                return Exit::Usage;
            }
        }
        let failed = self.cases.iter().filter(|case| case.failure.is_some()).count();
        let passed = self.cases.len() - failed;
        if args.json {
            output::stdout(&format!(
                "{}\n",
                json!({ "passed": passed, "failed": failed, "left_out": self.left_out, "tests": self.json, "broken": self.broken })
            ));
        } else if !args.list {
            let mut line = format!("{passed} passed, {failed} failed");
            if self.left_out > 0 {
                line.push_str(&format!(", {} left out", self.left_out));
            }
            if self.written > 0 {
                line.push_str(&format!(", snapshots of {} written", self.written));
            }
            eprintln!("{line}");
        }
        if self.cancelled {
            Exit::Cancelled
        } else if !self.broken.is_empty() {
            Exit::Invalid
        } else if failed > 0 {
            Exit::Failed
        } else {
            Exit::Success
        }
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
