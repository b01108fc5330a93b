//! The command line: one file per subcommand. The only layer that prints.

mod breaks;
mod chat;
mod check;
mod data;
mod doc;
mod eval;
mod exit;
mod explain;
mod files;
mod fmt;
mod loader;
mod lsp;
mod machine;
mod man;
mod models;
mod new;
mod output;
mod packages;
mod params;
mod plan;
mod plugin;
mod progress;
mod run;
mod source;
mod test;
mod train;

use std::ffi::OsString;

use clap::{Command, CommandFactory, FromArgMatches, Parser, Subcommand};

pub use exit::Exit;

/// Typed pipelines for any-to-any generation of text, images, speech and music
#[derive(Debug, Parser)]
#[command(name = "agpt", version, about, max_term_width = 100, subcommand_required = true,
    arg_required_else_help = true, disable_help_subcommand = true,
    after_help = exit::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run a pipeline; its parameters are flags (`agpt run FILE --help` lists them)
    Run(run::Args),
    /// Hold a conversation: type text, attach files, get text and files back
    Chat(chat::Args),
    /// Check .agpt files without running anything
    Check(check::Args),
    /// Bring .agpt files into the one style
    Fmt(fmt::Args),
    /// Show the execution plan of a pipeline
    Plan(plan::Args),
    /// Write plugins: start one, make a component, look into one
    Plugin(plugin::Args),
    /// Run the tests of .agpt files and compare snapshots
    Test(test::Args),
    /// Evaluate a model: rows of a data set through it, metrics with intervals, a report
    Eval(eval::Args),
    /// Make a folder for a new project or library
    New(new::Args),
    /// Name a package in agpt.yaml, fetch it and lock it
    Add(packages::AddArgs),
    /// Fetch the packages of a project, as the lock file has them
    Fetch(packages::FetchArgs),
    /// Write a static site of a library's templates, pipelines, types and prompts
    Doc(doc::Args),
    /// Compare a library with an earlier version: what breaks, and which version it needs
    Breaks(breaks::Args),
    /// Make data for training: tokens, packed sequences
    Data(data::Args),
    #[command(about = train::ABOUT, after_long_help = train::HELP)]
    Train(train::Args),
    /// List the models at hand, or show or verify one
    Models(models::Args),
    #[command(about = lsp::ABOUT.lines().next(), long_about = lsp::ABOUT, after_help = lsp::HELP)]
    Lsp(lsp::Args),
    /// Say what the code of a diagnostic means, with examples
    Explain(explain::Args),
    /// Print a completion script for a shell
    Completions {
        /// The shell to complete in
        shell: clap_complete::Shell,
    },
    /// Write manual pages
    Man(man::Args),
}

/// Runs the program on command-line arguments (the first is the program's name).
pub fn run(args: impl IntoIterator<Item = OsString>) -> Exit {
    crate::base::contained::silence_contained_panics();
    let args: Vec<OsString> = args.into_iter().collect();
    let mut command = Cli::command();
    // A pipeline's own parameters become flags of `run` before the line is parsed.
    if let Some(file) = run::pipeline_file(&command, &args) {
        let pipeline = run::pipeline_name(&args);
        match run::prepare(&file, pipeline.as_deref()) {
            Ok(prepared) => {
                command = command.mut_subcommand("run", |run| prepared.flags(run));
                return parse(command, &args, |matches| {
                    let matches = matches.subcommand_matches("run");
                    matches.map_or(Exit::Usage, |matches| run::run(&prepared, matches))
                });
            }
            // `agpt run --help` and typing errors in other options come before the file's.
            Err(exit) => return exit,
        }
    }
    parse(command, &args, |matches| match Cli::from_arg_matches(matches) {
        Ok(cli) => dispatch(cli.command),
        Err(error) => usage(&error),
    })
}

fn parse(
    command: Command,
    args: &[OsString],
    then: impl FnOnce(&clap::ArgMatches) -> Exit,
) -> Exit {
    match command.try_get_matches_from(args) {
        Ok(matches) => then(&matches),
        Err(error) => usage(&error),
    }
}

fn usage(error: &clap::Error) -> Exit {
    // Printing help to a closed pipe is nothing to report.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Success }
}

fn dispatch(action: Action) -> Exit {
    match action {
        // Without a file there is nothing to take parameters from; clap has said so.
        Action::Run(_) => Exit::Usage,
        Action::Chat(args) => chat::run(&args),
        Action::Check(args) => check::run(&args),
        Action::Fmt(args) => fmt::run(&args),
        Action::Plan(args) => plan::run(&args),
        Action::Plugin(args) => plugin::run(&args),
        Action::Test(args) => test::run(&args),
        Action::Eval(args) => eval::run(&args),
        Action::New(args) => new::run(&args),
        Action::Add(args) => packages::add(&args),
        Action::Fetch(args) => packages::fetch(&args),
        Action::Doc(args) => doc::run(&args),
        Action::Breaks(args) => breaks::run(&args),
        Action::Data(args) => data::run(&args),
        Action::Train(args) => train::run(&args),
        Action::Models(args) => models::run(&args),
        Action::Lsp(args) => lsp::run(&args),
        Action::Explain(args) => explain::run(&args),
        Action::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "agpt", &mut std::io::stdout());
            Exit::Success
        }
        Action::Man(args) => man::run(&args, Cli::command()),
    }
}
