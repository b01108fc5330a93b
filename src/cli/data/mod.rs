//! `agpt data`: what a model is trained on.

mod bar;
mod inspect;
mod pack;
mod synthesize;
mod tokenize;

use crate::base::Sources;
use crate::data::DataError;
use crate::runtime::error::{Failure, RunError};

use super::Exit;
use super::source::{self, complain};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    #[command(about = tokenize::ABOUT.lines().next(), long_about = tokenize::ABOUT,
        after_help = tokenize::HELP)]
    Tokenize(tokenize::Args),
    #[command(about = pack::ABOUT.lines().next(), long_about = pack::ABOUT,
        after_help = pack::HELP)]
    Pack(pack::Args),
    /// Show a packed data set: its counts, and its sequences in words
    Inspect(inspect::Args),
    #[command(about = synthesize::ABOUT.lines().next(), long_about = synthesize::ABOUT,
        after_help = synthesize::HELP)]
    Synthesize(synthesize::Args),
}

pub fn run(args: &Args) -> Exit {
    match &args.action {
        Action::Tokenize(args) => tokenize::run(args),
        Action::Pack(args) => pack::run(args),
        Action::Inspect(args) => inspect::run(args),
        Action::Synthesize(args) => synthesize::run(args),
    }
}

/// Says what is wrong.
fn failed(error: DataError) -> Exit {
    match error {
        DataError::Source(found) => {
            let (diagnostics, sources) = *found;
            source::show(&diagnostics, &sources);
            source::explain(&diagnostics);
            Exit::Invalid
        }
        DataError::Bundle(error) => {
            let diagnostic = RunError::from(Failure::from(error)).diagnostic();
            source::show(&[diagnostic], &Sources::default());
            Exit::Failed
        }
        DataError::Run(failure) => {
            source::show(&[RunError::from(failure).diagnostic()], &Sources::default());
            Exit::Failed
        }
        DataError::Cancelled => {
            complain(&error.to_string(), None);
            Exit::Cancelled
        }
        error => {
            complain(&error.to_string(), error.help());
            Exit::Failed
        }
    }
}

/// 12345 as 12,345.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_grouped() {
        let grouped = super::grouped;
        assert_eq!(
            (grouped(0), grouped(999), grouped(1000)),
            ("0".into(), "999".into(), "1,000".into())
        );
        assert_eq!(grouped(12345678), "12,345,678");
    }
}
