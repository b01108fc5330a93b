//! What is wrong with a package, joined with the texts that it points into.

use std::fmt;
use std::path::Path;

use crate::base::{Diagnostic, Sources};
use crate::lang::PackageError;

/// A diagnostic with the text of a manifest or lock file that it is about, if it is about one.
#[derive(Debug, Clone)]
pub struct Problem {
    /// In a box, so that a result with a problem is small.
    pub diagnostic: Box<Diagnostic>,
    pub sources: Sources,
}

impl Problem {
    /// A problem that is at no place in a text.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        let diagnostic = Box::new(Diagnostic::error(code, message));
        Problem { diagnostic, sources: Sources::default() }
    }

    pub fn at(diagnostic: Diagnostic, name: &Path, text: &str) -> Self {
        let mut sources = Sources::default();
        sources.add(name.display().to_string(), text);
        Problem { diagnostic: Box::new(diagnostic), sources }
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.diagnostic.help = Some(help.into());
        self
    }

    /// The same for a place in another text: `agpt.yaml:3:7: …`.
    pub fn to_error(&self) -> PackageError {
        PackageError {
            code: self.diagnostic.code,
            message: self.to_string(),
            help: self.diagnostic.help.clone(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(label) = self.diagnostic.labels.first()
            && let Some(file) = self.sources.get(label.span.source)
        {
            let before = file.text.get(..label.span.start as usize).unwrap_or("");
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
            write!(f, "{}:{line}:{column}: ", file.name)?;
        }
        f.write_str(&self.diagnostic.message)
    }
}

impl std::error::Error for Problem {}
