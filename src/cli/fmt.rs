//! `agpt fmt`: .agpt files in the one style.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::base::atomic::replace_atomic;
use crate::base::unwritten;
use crate::base::{Diagnostic, Sources};
use crate::lang::format::format;

use super::output::stdout;
use super::{Exit, check, files, source};

#[derive(Debug, clap::Args)]
#[command(after_long_help = "A file with syntax errors is left as it is, and the exit code is 1. \
What brackets hold stands on one line where it fits into 100 columns; a line's end behind the \
opening bracket keeps a line for each item.")]
pub struct Args {
    /// .agpt files, folders to look through (without hidden ones and `target`), or `-` for
    /// standard input to standard output
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,
    /// Change nothing; show what would change, and exit with 1 if anything would
    #[arg(long)]
    check: bool,
    /// Print which files changed, or would, and diagnostics as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Default)]
struct Report {
    files: usize,
    changed: Vec<String>,
    diagnostics: Vec<serde_json::Value>,
    invalid: bool,
    failed: bool,
}

pub fn run(args: &Args) -> Exit {
    if args.paths.iter().any(|path| path.as_os_str() == "-") {
        return standard_input(args);
    }
    let mut files = Vec::new();
    for path in &args.paths {
        if let Err(error) = files::collect(path, &mut files) {
            source::complain(&format!("{} cannot be listed: {error}", path.display()), None);
            return Exit::Usage;
        }
    }
    // Two paths may lead to one file.
    let mut seen = std::collections::HashSet::new();
    files.retain(|file| seen.insert(file.clone()));
    let mut report = Report::default();
    for file in &files {
        let text = match source::read(file) {
            Ok(text) => text,
            Err(exit) => return exit,
        };
        if let Err(exit) = one_file(file, &text, args, &mut report) {
            return exit;
        }
    }
    finish(args, &report)
}

fn one_file(file: &Path, text: &str, args: &Args, report: &mut Report) -> Result<(), Exit> {
    report.files += 1;
    let name = file.display().to_string();
    let Some(formatted) = formatted(&name, text, args, report) else { return Ok(()) };
    if formatted == text {
        return Ok(());
    }
    if args.check {
        if !args.json && stdout(&difference(&name, text, &formatted)) != Exit::Success {
            return Err(Exit::Failed);
        }
    } else if let Err(error) = write(file, &formatted) {
        source::complain(&error.to_string(), unwritten::help(&error));
        report.failed = true;
        return Ok(());
    }
    report.changed.push(name);
    Ok(())
}

/// The formatted text, or nothing and a report of the errors.
fn formatted(name: &str, text: &str, args: &Args, report: &mut Report) -> Option<String> {
    let mut sources = Sources::default();
    let id = sources.add(name, text);
    match format(text, id) {
        Ok(formatted) => Some(formatted),
        Err(diagnostics) => {
            report.invalid = true;
            show(&diagnostics, &sources, args, report);
            None
        }
    }
}

fn show(diagnostics: &[Diagnostic], sources: &Sources, args: &Args, report: &mut Report) {
    if args.json {
        report.diagnostics.extend(diagnostics.iter().map(|d| check::to_json(d, sources)));
    } else {
        source::show(diagnostics, sources);
        source::summary(diagnostics);
    }
}

/// Through links to the file they lead to, with the permissions that it has.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    replace_atomic(fs::canonicalize(file)?, text.as_bytes())
}

fn difference(name: &str, before: &str, after: &str) -> String {
    let difference = similar::TextDiff::from_lines(before, after);
    let header = (name, &format!("{name} (formatted)"));
    difference.unified_diff().context_radius(3).header(header.0, header.1).to_string()
}

fn standard_input(args: &Args) -> Exit {
    if args.paths.len() > 1 || args.json {
        source::complain(
            "`-` stands alone",
            Some("give standard input without other paths and without --json"),
        );
        return Exit::Usage;
    }
    let mut bytes = Vec::new();
    if let Err(error) = std::io::stdin().lock().read_to_end(&mut bytes) {
        source::complain(&format!("standard input cannot be read: {error}"), None);
        return Exit::Usage;
    }
    let Ok(text) = String::from_utf8(bytes) else {
        source::complain("standard input is not a UTF-8 text", Some("pass an .agpt file to it"));
        return Exit::Usage;
    };
    let Some(formatted) = formatted("<stdin>", &text, args, &mut Report::default()) else {
        return Exit::Invalid;
    };
    if !args.check {
        return stdout(&formatted);
    }
    if formatted == text {
        return Exit::Success;
    }
    match stdout(&difference("<stdin>", &text, &formatted)) {
        Exit::Success => Exit::Invalid,
        exit => exit,
    }
}

fn finish(args: &Args, report: &Report) -> Exit {
    let changed = report.changed.len();
    if args.json {
        let json = json!({
            "files": report.files,
            "changed": report.changed,
            "diagnostics": report.diagnostics,
        });
        if stdout(&format!("{json}\n")) != Exit::Success {
            return Exit::Failed;
        }
    } else {
        for name in &report.changed {
            eprintln!("{name}: {}", if args.check { "not formatted" } else { "formatted" });
        }
        let what = if args.check { "would change" } else { "changed" };
        eprintln!("{}, {changed} {what}", check::count(report.files));
    }
    if report.failed {
        Exit::Failed
    } else if report.invalid || (args.check && changed > 0) {
        Exit::Invalid
    } else {
        Exit::Success
    }
}
