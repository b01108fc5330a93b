//! `agpt man`: manual pages, made of the same descriptions as `--help`.

use std::path::{Path, PathBuf};

use clap::Command;

use crate::base::atomic::write_atomic;
use crate::base::unwritten;

use super::output::stdout;
use super::{Exit, source};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write a page for each command into this folder; without one, the main page is printed
    dir: Option<PathBuf>,
}

pub fn run(args: &Args, program: Command) -> Exit {
    let Some(folder) = &args.dir else {
        return match page(&program) {
            Ok(page) => stdout(&String::from_utf8_lossy(&page)),
            Err(error) => failed(Path::new("the manual page"), &error),
        };
    };
    if let Err(error) = std::fs::create_dir_all(folder) {
        return failed(folder, &error);
    }
    let mut commands = Vec::new();
    collect(program, "agpt", &mut commands);
    let count = commands.len();
    for (name, command) in commands {
        let path = folder.join(format!("{name}.1"));
        if let Err(error) = page(&command).and_then(|page| write_atomic(&path, &page)) {
            return failed(&path, &error);
        }
    }
    eprintln!(
        "{count} pages written to {}; try `man {}`",
        folder.display(),
        folder.join("agpt.1").display()
    );
    Exit::Success
}

fn page(command: &Command) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}

/// A command and those below it, each under its page's name such as `agpt-models-pull`.
fn collect(command: Command, name: &str, out: &mut Vec<(String, Command)>) {
    let below: Vec<Command> = command.get_subcommands().cloned().collect();
    for command in below.into_iter().filter(|command| !command.is_hide_set()) {
        let name = format!("{name}-{}", command.get_name());
        // The page is of this version, but only the program itself has the flag; and `help`, which
        // stands below every command that has others below it, needs no page.
        let command = command
            .version(env!("CARGO_PKG_VERSION"))
            .disable_version_flag(true)
            .disable_help_subcommand(true);
        collect(command, &name, out);
    }
    // What the page calls its command, and what is typed.
    let typed = name.replace('-', " ");
    let page = command.name(name.to_string()).display_name(name).bin_name(typed);
    out.push((name.to_string(), page));
}

fn failed(path: &Path, error: &std::io::Error) -> Exit {
    source::complain(
        &format!("{} cannot be written: {}", path.display(), unwritten::reason(error)),
        Some("choose another folder"),
    );
    Exit::Failed
}
