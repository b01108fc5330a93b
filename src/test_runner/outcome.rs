//! What came of a test.

use crate::base::{Diagnostic, Span};
use crate::runtime::error::RunError;

use super::recorder::Deviation;
use super::report::Shown;
use super::snapshot::Difference;

pub struct Outcome {
    pub title: String,
    pub span: Span,
    /// Nothing found is a pass; an error is a run that failed.
    pub findings: Result<Vec<Finding>, RunError>,
    /// Its snapshots, where they are to be shown.
    pub shown: Vec<Shown>,
    /// Whether what was found has been shown to somebody who was asked about it.
    pub asked: bool,
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
    /// The language model is asked or answers otherwise than was recorded.
    Deviation {
        span: Span,
        found: Deviation,
    },
    /// An `expect` that is false, with both sides of a comparison.
    Unexpected {
        span: Span,
        sides: Option<(String, String)>,
    },
    Snapshot {
        span: Span,
        difference: Difference,
    },
    /// It held less often than it should.
    TooSeldom {
        span: Span,
        held: u32,
        failed: u32,
        pass: u32,
        repeat: u32,
    },
    /// The file holds snapshots that the test no longer takes.
    Stale {
        span: Span,
        count: usize,
    },
    /// What was new or differed was written.
    Accepted,
}

impl Finding {
    pub fn is_of_snapshot(&self) -> bool {
        matches!(self, Finding::Deviation { .. } | Finding::Snapshot { .. } | Finding::Stale { .. })
    }

    pub fn is_unexpected(&self) -> bool {
        matches!(self, Finding::Unexpected { .. } | Finding::TooSeldom { .. })
    }

    pub fn accepted(&self) -> bool {
        matches!(self, Finding::Accepted)
    }

    pub fn diagnostic(&self) -> Diagnostic {
        match self {
            Finding::Deviation { span, found } => found.diagnostic(*span),
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
            Finding::TooSeldom { span, held, failed, pass, repeat } => {
                let message = format!("what is expected held in {held} of {} runs", held + failed);
                Diagnostic::error("E0801", message)
                    .label(*span, format!("{pass} of {repeat} must pass"))
                    .help("each run has another seed: the first one's, plus one each time; what is shown is of the first that failed")
            }
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
