//! `agpt test`: the `test` declarations of some files.

mod report;
mod work;

use std::path::PathBuf;

use crate::base::{Diagnostic, Sources};
use crate::test_runner::tier::Tier;

use super::machine::Machine;
use super::{Exit, files, source};

use report::Report;
use work::Suite;

#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Snapshots lie in snapshots/FILE/TITLE/ beside the .agpt file: commit them. \
A missing or different one fails the test until it is accepted with --update or --review. What the \
language model wrote is kept beside it, so that `--tier prompt` tests templates and `--tier replay` \
tests decoders without a language model."
)]
pub struct Args {
    /// .agpt files, or folders to look through
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,
    /// Run only tests whose title contains TEXT
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Which stages run
    #[arg(long, value_enum, default_value_t, conflicts_with_all = ["update", "review", "record"])]
    tier: Tier,
    /// The same as --tier replay
    #[arg(long, conflicts_with_all = ["tier", "update", "review", "record"])]
    replay: bool,
    /// Accept all snapshots that are new or differ, of tests in which all is as expected
    #[arg(long, conflicts_with = "ci")]
    update: bool,
    /// Show each snapshot that is new or differs and ask whether to accept it
    #[arg(long, conflicts_with_all = ["ci", "update", "json", "jobs"])]
    review: bool,
    /// Keep what the language model writes for tests without snapshots too
    #[arg(long, conflicts_with = "ci")]
    record: bool,
    /// For continuous integration: GitHub annotations on failures; writes no snapshot
    #[arg(long)]
    ci: bool,
    /// Run so many tests at a time; each job has a model of its own in memory
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// Write a JUnit report
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write an HTML page with snapshots side by side: pictures, players, spectrograms
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print the outcomes as JSON
    #[arg(long)]
    json: bool,
    /// List the tests and run none
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    machine: Machine,
}

impl Args {
    fn tier(&self) -> Tier {
        if self.replay { Tier::Replay } else { self.tier }
    }
}

pub fn run(args: &Args) -> Exit {
    let mut files = Vec::new();
    for path in &args.paths {
        if let Err(error) = files::collect(path, &mut files) {
            source::complain(&format!("{} cannot be listed: {error}", path.display()), None);
            return Exit::Usage;
        }
    }
    args.machine.limit_threads();
    let mut report = Report::default();
    let suite = match Suite::compile(&files, args, &mut report) {
        Ok(suite) => suite,
        Err(exit) => return exit,
    };
    if args.list {
        for (file, title) in suite.titles() {
            super::output::stdout(&format!("{}: {title}\n", file.display()));
        }
    } else if let Err(exit) = suite.run(args, &mut report) {
        return exit;
    }
    report.finish(args)
}

/// Shows what is new or differs and asks. Anything but a yes leaves what is kept as it is, and so
/// does an end of the input.
fn review(title: &str, told: &[Diagnostic], sources: &Sources) -> bool {
    eprintln!("\n{title}");
    source::show(told, sources);
    loop {
        eprint!("accept as the new snapshot? [y/n] ");
        let mut answer = String::new();
        match std::io::stdin().read_line(&mut answer) {
            Ok(0) | Err(_) => {
                eprintln!();
                return false;
            }
            Ok(_) => match answer.trim() {
                "y" | "yes" => return true,
                "n" | "no" => return false,
                _ => eprintln!("y accepts it, n leaves what is kept"),
            },
        }
    }
}
