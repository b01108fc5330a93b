//! `agpt plugin build`: from a compiler's core module to a component.

use std::path::PathBuf;

use crate::base::atomic::write_atomic;
use crate::cli::{Exit, source};
#[cfg(feature = "plugins")]
use crate::plugins;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The core module: what a compiler to wasm32 wrote
    module: PathBuf,
    /// The WIT file with the plugin's world; without it, bindings must have left it in the module
    #[arg(long, value_name = "FILE")]
    wit: Option<PathBuf>,
    /// Where the component goes
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
}

pub fn run(args: &Args) -> Exit {
    match make(args) {
        Ok(bytes) => match write_atomic(&args.out, &bytes) {
            Ok(()) => {
                let size = bytes.len() as f64 / 1024.0;
                eprintln!("{}: {size:.1} KiB", args.out.display());
                Exit::Success
            }
            Err(error) => {
                source::complain(&error.to_string(), Some("choose another place with --out"));
                Exit::Failed
            }
        },
        Err((exit, message, help)) => {
            source::complain(&message, help);
            exit
        }
    }
}

type Stop = (Exit, String, Option<&'static str>);

#[cfg(feature = "plugins")]
fn make(args: &Args) -> Result<Vec<u8>, Stop> {
    let unreadable = |path: &PathBuf, error: std::io::Error| {
        (Exit::Usage, format!("{} cannot be read: {error}", path.display()), None)
    };
    let module = std::fs::read(&args.module).map_err(|error| unreadable(&args.module, error))?;
    let wit = match &args.wit {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, error))?;
            Some((path.display().to_string(), text))
        }
        None => None,
    };
    let failed = |reason: String| {
        let help = args.wit.is_none().then_some("name the plugin's world with --wit FILE");
        (Exit::Failed, format!("{} makes no component: {reason}", args.module.display()), help)
    };
    let made = plugins::build::component(module, wit).map_err(failed)?;
    // What agpt itself could not read would be of no use.
    let component = plugins::component(made.clone()).map_err(failed)?;
    if component.functions.is_empty() {
        return Err(failed("it exports no function of a world".to_string()));
    }
    Ok(made)
}

#[cfg(not(feature = "plugins"))]
fn make(_: &Args) -> Result<Vec<u8>, Stop> {
    let message = "this agpt was built without plugins".to_string();
    Err((Exit::Failed, message, Some("build it with the cargo feature `plugins`")))
}
