//! Exit codes, documented in `--help` and docs/cli.md.

use std::process::ExitCode;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Success,
    /// The .agpt file has errors.
    Invalid,
    /// The command line is wrong.
    Usage,
    /// The run failed: an input, a model, an output.
    Failed,
    /// Ctrl-C.
    Cancelled,
}

pub const HELP: &str = "Exit codes: 0 success, 1 the .agpt file has errors, 2 wrong command line, \
3 the run failed, 130 cancelled";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Success => 0,
            Exit::Invalid => 1,
            Exit::Usage => 2,
            Exit::Failed => 3,
            Exit::Cancelled => 130,
        })
    }
}
