//! `agpt check`: all diagnostics of some files, and nothing else.

use std::path::{Path, PathBuf};

use crate::base::{Diagnostic, Severity, Sources};
use crate::package::graph::tidy;
use crate::package::modules::absolute;
use crate::package::{Graph, MANIFEST, Mode, Problem};
use crate::plan;

use super::{Exit, files, source};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// .agpt files, or folders to look through
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Print diagnostics as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Exit {
    let mut files = Vec::new();
    for path in &args.paths {
        if let Err(error) = files::collect(path, &mut files) {
            source::complain(&format!("{} cannot be listed: {error}", path.display()), None);
            return Exit::Usage;
        }
    }
    let mut all = Vec::new();
    let mut json = Vec::new();
    for problem in args.paths.iter().filter_map(|path| manifest_problem(path)) {
        if args.json {
            json.push(to_json(&problem.diagnostic, &problem.sources));
        } else {
            source::show(std::slice::from_ref(&problem.diagnostic), &problem.sources);
        }
        all.push(*problem.diagnostic);
    }
    for file in &files {
        let compilation = match source::compile(file) {
            Ok(compilation) => compilation,
            Err(exit) => return exit,
        };
        let mut diagnostics = compilation.diagnostics;
        // Limits of the plan are errors of the file too.
        if let Some(program) = &compilation.program {
            for entry in &program.entries {
                diagnostics.extend(plan::lower(program, *entry).err());
            }
            for test in &program.tests {
                diagnostics.extend(plan::lower_test(program, test).err());
            }
        }
        if args.json {
            json.extend(diagnostics.iter().map(|d| to_json(d, &compilation.sources)));
        } else {
            source::show(&diagnostics, &compilation.sources);
        }
        all.extend(diagnostics);
    }
    let errors = all.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    if args.json {
        println!("{}", serde_json::json!({ "files": files.len(), "diagnostics": json }));
    } else if all.is_empty() {
        eprintln!("{} checked, no errors", count(files.len()));
    } else {
        source::summary(&all);
    }
    if errors { Exit::Invalid } else { Exit::Success }
}

/// What is wrong with a folder's manifest and packages, whether a file uses them or not.
fn manifest_problem(folder: &Path) -> Option<Problem> {
    if !folder.join(MANIFEST).is_file() {
        return None;
    }
    // Absolute: packages are found from it by `..`.
    let folder = tidy(&absolute(folder));
    Graph::of(&folder, &Mode::Offline, &super::packages::read).err()
}

pub fn count(files: usize) -> String {
    if files == 1 { "1 file".to_string() } else { format!("{files} files") }
}

pub fn to_json(diagnostic: &Diagnostic, sources: &Sources) -> serde_json::Value {
    let labels: Vec<_> = diagnostic
        .labels
        .iter()
        .map(|label| {
            serde_json::json!({
                "file": sources.get(label.span.source).map(|file| &file.name),
                "start": label.span.start,
                "end": label.span.end,
                "text": label.text,
            })
        })
        .collect();
    serde_json::json!({
        "code": diagnostic.code,
        "severity": match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": diagnostic.message,
        "labels": labels,
        "help": diagnostic.help,
        "fix": diagnostic.fix.as_ref().map(|fix| serde_json::json!({
            "file": sources.get(fix.span.source).map(|file| &file.name),
            "start": fix.span.start,
            "end": fix.span.end,
            "replacement": fix.replacement,
        })),
    })
}
