//! What came of a test.

use crate::base::{Diagnostic, Span};
use crate::runtime::error::RunError;

use super::snapshot::Difference;

pub struct Outcome {
    pub title: String,
    pub span: Span,
    /// Nothing found is a pass; an error is a run that failed.
    pub findings: Result<Vec<Finding>, RunError>,
}

impl Outcome {
    pub fn passed(&self) -> bool {
        self.findings.as_ref().is_ok_and(|findings| findings.iter().all(Finding::accepted))
    }

    /// Snapshots that were written.
    pub fn written(&self) -> bool {
        self.findings.as_ref().is_ok_and(|findings| findings.iter().any(Finding::accepted))
    }

    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        match &self.findings {
            Ok(findings) => {
                findings.iter().filter(|f| !f.accepted()).map(Finding::diagnostic).collect()
            }
            Err(error) => vec![error.diagnostic()],
        }
    }
}

pub enum Finding {
    /// An `expect` that is false, with both sides of a comparison.
    Unexpected {
        span: Span,
        sides: Option<(String, String)>,
    },
    Snapshot {
        span: Span,
        difference: Difference,
    },
    /// The file holds snapshots that the test no longer takes.
    Stale {
        span: Span,
        count: usize,
    },
    /// A snapshot that differed and was written anew.
    Accepted,
}

impl Finding {
    /// Marks a snapshot as written; an expectation stays what it is.
    pub fn accept(&mut self) {
        if !matches!(self, Finding::Unexpected { .. }) {
            *self = Finding::Accepted;
        }
    }

    pub fn accepted(&self) -> bool {
        matches!(self, Finding::Accepted)
    }

    pub fn diagnostic(&self) -> Diagnostic {
        match self {
            Finding::Unexpected { span, sides } => {
                let diagnostic = Diagnostic::error("E0801", "this is not as expected");
                match sides {
                    None => diagnostic.label(*span, "is false"),
                    Some((left, right)) => diagnostic
                        .label(*span, "is false")
                        .help(format!("left:  {left}\nright: {right}")),
                }
            }
            Finding::Snapshot { span, difference } => difference.diagnostic(*span),
            Finding::Stale { span, count } => {
                Diagnostic::error("E0803", format!("{count} kept snapshots are no longer taken"))
                    .label(*span, "by this test")
                    .help("drop them with `agpt test --update`")
            }
            // Never shown.
            Finding::Accepted => Diagnostic::warning("E0802", "a snapshot was written"),
        }
    }
}
