//! What can go wrong around an evaluation; a row that fails is no error of it.

use std::path::PathBuf;

use crate::base::unwritten;
use crate::lang::metrics::JudgeKind;
use crate::runtime::error::Failure;

#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    #[error("{path} cannot be read: {reason}")]
    Unreadable { path: PathBuf, reason: String },
    #[error("{path} cannot be written: {}", unwritten::reason(.source))]
    Unwritable { path: PathBuf, source: std::io::Error },
    #[error("{folder} is not laid out as {set} is: {missing} is missing")]
    Layout { set: &'static str, folder: PathBuf, missing: String },
    #[error("{path}, {place}: {reason}")]
    Malformed { path: PathBuf, place: String, reason: String },
    #[error("{0} has no rows")]
    Empty(String),
    #[error("the rows of {path} have no column `{column}`")]
    NoColumn { path: PathBuf, column: String, known: Vec<String> },
    #[error("{set} is read from a folder, and none was given")]
    NoData { set: &'static str },
    #[error("`{measure}` asks {} and no such judge was given", .kind.network())]
    NoJudge { measure: String, kind: JudgeKind },
    #[error("{path} cannot judge as {}: {reason}", .kind.name())]
    BadJudge { kind: JudgeKind, path: PathBuf, reason: String },
    #[error("{folder} holds results of another run: {what} differs")]
    OtherRun { folder: PathBuf, what: String },
    #[error("{folder} holds other files and no run of `agpt eval`")]
    Foreign { folder: PathBuf },
    #[error("another `agpt eval` writes to {folder}")]
    Busy { folder: PathBuf },
    #[error("`{measure}` cannot be computed: {reason}")]
    Metric { measure: String, reason: String },
    #[error(transparent)]
    Bundle(#[from] crate::bundle::BundleError),
    /// Something that would stop every row.
    #[error(transparent)]
    Run(#[from] Box<Failure>),
}

impl EvalError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            EvalError::Layout { set, .. } => super::loaders::layout(set).to_string(),
            EvalError::NoData { set } => {
                format!("give it with --data DIR\n{}", super::loaders::layout(set))
            }
            EvalError::NoJudge { kind, .. } => {
                format!(
                    "give its folder, or the name of one that was pulled: --judge {}=NAME",
                    kind.name()
                )
            }
            EvalError::OtherRun { .. } => {
                "give another folder with --out, or begin anew with --restart".to_string()
            }
            EvalError::Foreign { .. } => "give another folder with --out".to_string(),
            EvalError::Busy { .. } => "wait for it, or give another folder with --out".to_string(),
            EvalError::NoColumn { known, .. } => format!("its columns: {}", known.join(", ")),
            EvalError::Unwritable { source, .. } => {
                return unwritten::help(source).map(String::from);
            }
            _ => return None,
        })
    }

    pub fn unreadable(path: &std::path::Path, error: &std::io::Error) -> EvalError {
        let reason = match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_string(),
            std::io::ErrorKind::InvalidData => "it is not a UTF-8 text".to_string(),
            _ => error.to_string(),
        };
        EvalError::Unreadable { path: path.to_path_buf(), reason }
    }

    pub fn unwritable(path: &std::path::Path, source: std::io::Error) -> EvalError {
        EvalError::Unwritable { path: path.to_path_buf(), source }
    }
}
