//! Compiling a file from disk and showing its diagnostics.

use std::path::Path;

use crate::base::{Diagnostic, Severity, Sources};
use crate::lang::ir::{PipelineId, Program};
use crate::lang::{self, Compilation};

use super::Exit;
use super::loader::FileLoader;

/// Prints diagnostics to standard error, in colour on a terminal.
pub fn show(diagnostics: &[Diagnostic], sources: &Sources) {
    for diagnostic in diagnostics {
        eprintln!("{:?}", diagnostic.report(sources));
    }
}

/// A message that belongs to no source text.
pub fn complain(message: &str, help: Option<&str>) {
    let mut diagnostic = miette::MietteDiagnostic::new(message);
    diagnostic.help = help.map(str::to_string);
    eprintln!("{:?}", miette::Report::new(diagnostic));
}

/// Reads and checks a file; nothing is printed yet.
pub fn compile(path: &Path) -> Result<Compilation, Exit> {
    let text = read(path)?;
    Ok(lang::compile(&path.display().to_string(), &text, &FileLoader::default()))
}

/// The text of a file that the user named.
pub fn read(path: &Path) -> Result<String, Exit> {
    match crate::base::text::read(path, lang::syntax::MAX_BYTES) {
        Ok(text) => Ok(text),
        Err(error) => {
            let what = match error.kind() {
                std::io::ErrorKind::NotFound => "there is no such file".to_string(),
                std::io::ErrorKind::InvalidData => "it is not a UTF-8 text".to_string(),
                _ => error.to_string(),
            };
            complain(
                &format!("{} cannot be read: {what}", path.display()),
                Some("give the path of an .agpt file"),
            );
            Err(Exit::Usage)
        }
    }
}

/// A checked program or the reason to stop; prints what there is to say.
pub fn program(path: &Path) -> Result<(Program, Sources), Exit> {
    let compilation = compile(path)?;
    show(&compilation.diagnostics, &compilation.sources);
    match compilation.program {
        Some(program) => Ok((program, compilation.sources)),
        None => {
            summary(&compilation.diagnostics);
            Err(Exit::Invalid)
        }
    }
}

pub fn summary(diagnostics: &[Diagnostic]) {
    let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    let warnings = diagnostics.len() - errors;
    let plural = |count: usize, word: &str| match count {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    };
    eprintln!("{}, {}", plural(errors, "error"), plural(warnings, "warning"));
    explain(diagnostics);
}

/// Once, after all diagnostics: where to read more.
pub fn explain(diagnostics: &[Diagnostic]) {
    if let Some(hint) = super::explain::hint(diagnostics) {
        eprintln!("{hint}");
    }
}

/// The pipeline to use: the named one, the one named like the file, or the only one.
pub fn choose(program: &Program, path: &Path, name: Option<&str>) -> Result<PipelineId, Exit> {
    let named = |wanted: &str| {
        program.entries.iter().copied().find(|id| program.pipelines[id.0 as usize].name == wanted)
    };
    let names: Vec<&str> =
        program.entries.iter().map(|id| program.pipelines[id.0 as usize].name.as_str()).collect();
    let list = names.join(", ");
    if let Some(name) = name {
        return named(name).ok_or_else(|| {
            complain(
                &format!("{} has no pipeline `{name}`", path.display()),
                Some(&format!("its pipelines: {list}")),
            );
            Exit::Usage
        });
    }
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let stem = stem.replace('-', "_");
    match (named(&stem), program.entries.as_slice()) {
        (Some(id), _) | (None, &[id]) => Ok(id),
        (None, []) => {
            complain(
                &format!("{} declares no pipeline", path.display()),
                Some("it can be used by other files, or checked with `agpt check`"),
            );
            Err(Exit::Usage)
        }
        (None, _) => {
            complain(
                &format!("{} has several pipelines", path.display()),
                Some(&format!("choose one with --pipeline: {list}")),
            );
            Err(Exit::Usage)
        }
    }
}
