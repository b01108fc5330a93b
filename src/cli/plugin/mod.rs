//! `agpt plugin`: components for and of those who write plugins.

mod build;
mod inspect;
mod new;

use super::Exit;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Start a plugin: a folder with its world, its source and how to build it
    New(new::Args),
    /// Make a component of the core module that a compiler wrote
    Build(build::Args),
    /// Show what a component exports, as agpt sees it, and what it asks for
    Inspect(inspect::Args),
}

pub fn run(args: &Args) -> Exit {
    match &args.action {
        Action::New(args) => new::run(args),
        Action::Build(args) => build::run(args),
        Action::Inspect(args) => inspect::run(args),
    }
}
