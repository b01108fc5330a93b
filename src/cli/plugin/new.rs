//! `agpt plugin new`: a folder to start from.

use std::path::PathBuf;

use crate::base::atomic::write_atomic;
use crate::base::unwritten;
use crate::cli::{Exit, source};
use crate::plugins::project::{self, Language};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The plugin's name, which becomes that of its folder: lower-case words and hyphens
    name: String,
    /// The language to write it in
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    lang: Language,
    /// Where the folder is made
    #[arg(long, value_name = "DIR", default_value = ".")]
    within: PathBuf,
}

pub fn run(args: &Args) -> Exit {
    if let Err(reason) = project::check_name(&args.name) {
        source::complain(
            &format!("{:?} cannot be the name of a plugin: {reason}", args.name),
            None,
        );
        return Exit::Usage;
    }
    let folder = args.within.join(&args.name);
    let made = std::fs::create_dir_all(&args.within).and_then(|()| std::fs::create_dir(&folder));
    if let Err(error) = made {
        let message = format!("{} cannot be made: {error}", folder.display());
        source::complain(&message, Some("choose another name, or remove what is there"));
        return Exit::Usage;
    }
    for (path, text) in project::files(&args.name, args.lang) {
        let file = folder.join(path);
        let made = file.parent().map_or(Ok(()), std::fs::create_dir_all);
        if let Err(error) = made.and_then(|()| write_atomic(&file, text.as_bytes())) {
            source::complain(&error.to_string(), unwritten::help(&error));
            return Exit::Failed;
        }
    }
    eprintln!("made {}; its README.md says how to build it", folder.display());
    Exit::Success
}
