//! `agpt run`: a pipeline from its file to its results.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{ArgMatches, Command, FromArgMatches};
use serde_json::json;

use crate::base::hash::Digest;
use crate::base::{Sources, Span};
use crate::lang::types::Type;
use crate::plan::{self, Plan, passes, print};
use crate::runtime::error::{Failure, RunError};
use crate::runtime::execute::Executor;

use super::machine::Machine;
use super::output::{Outputs, SoundFormat};
use super::progress::Progress;
use super::{Exit, params, source};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The .agpt file
    file: PathBuf,
    /// Which pipeline of the file; by default the one named like the file, or the only one
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,
    #[command(flatten)]
    machine: Machine,
    /// Folder for media, or the file name of a single one [default: out]
    #[arg(short, long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Format of speech and music, where `--out` does not name a file
    #[arg(long, value_enum, default_value_t = SoundFormat::Wav)]
    sound: SoundFormat,
    /// Print results, tokens and timings as JSON
    #[arg(long)]
    json: bool,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
    /// Say what each step did and how long it took
    #[arg(short, long, conflicts_with = "quiet")]
    verbose: bool,
}

/// A checked and lowered pipeline, ready for its parameters.
pub struct Prepared {
    plan: Plan,
    sources: Sources,
    doc: Option<String>,
}

/// The file of a `run` command line: its first word that is neither an option nor the value of
/// one of `run`'s own options.
pub fn pipeline_file(command: &Command, args: &[OsString]) -> Option<PathBuf> {
    let run = command.find_subcommand("run")?;
    let mut words = args.iter().skip(1);
    if words.next()? != "run" {
        return None;
    }
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        if !text.starts_with('-') {
            return Some(PathBuf::from(word));
        }
        let takes_value = run.get_arguments().any(|arg| {
            let named = arg.get_long().is_some_and(|long| text == format!("--{long}"))
                || arg.get_short().is_some_and(|short| text == format!("-{short}"));
            named && arg.get_action().takes_values()
        });
        if takes_value {
            words.next();
        }
    }
    None
}

/// The value of `--pipeline`, which decides what flags there are.
pub fn pipeline_name(args: &[OsString]) -> Option<String> {
    let words: Vec<_> = args.iter().map(|word| word.to_string_lossy()).collect();
    words.iter().enumerate().find_map(|(index, word)| match word.strip_prefix("--pipeline") {
        Some("") => words.get(index + 1).map(|name| name.to_string()),
        Some(rest) => rest.strip_prefix('=').map(str::to_string),
        None => None,
    })
}

/// Compiles a file down to the plan of one pipeline; prints what is wrong with it.
pub fn prepare(file: &Path, pipeline: Option<&str>) -> Result<Prepared, Exit> {
    let (program, sources) = source::program(file)?;
    let entry = source::choose(&program, file, pipeline)?;
    match plan::lower(&program, entry) {
        Ok(lowered) => {
            let doc = program.pipelines[entry.0 as usize].doc.clone();
            Ok(Prepared { plan: passes::optimise(&lowered).0, sources, doc })
        }
        Err(diagnostic) => {
            source::show(&[diagnostic], &sources);
            Err(Exit::Invalid)
        }
    }
}

impl Prepared {
    /// The `run` command with a flag for each parameter of the pipeline.
    pub fn flags(&self, run: Command) -> Command {
        let run = match &self.doc {
            Some(doc) => run.about(doc.trim().to_string()),
            None => run,
        };
        params::add(&self.plan, run)
    }
}

pub fn run(prepared: &Prepared, matches: &ArgMatches) -> Exit {
    let args = match Args::from_arg_matches(matches) {
        Ok(args) => args,
        Err(error) => return super::usage(&error),
    };
    if let Some((message, help)) = args.machine.misallowed(&prepared.plan) {
        source::complain(&message, Some(&help));
        return Exit::Usage;
    }
    args.machine.limit_threads();
    let begun = Instant::now();
    let mut progress = Progress::new(args.quiet || args.json, args.verbose);
    let result = execute(prepared, matches, &args, &mut progress);
    progress.done();
    match result {
        Ok(mut outputs) => match outputs.json.take() {
            Some(results) => super::output::stdout(&format!(
                "{}\n",
                json!({
                    "results": results,
                    "recipe": outputs.recipe,
                    "generated": progress.generated,
                    "timings": progress.timings,
                    "components": progress.components,
                    "seconds": begun.elapsed().as_secs_f64(),
                })
            )),
            None => {
                if args.verbose {
                    eprintln!("{:.2} s in all", begun.elapsed().as_secs_f64());
                }
                Exit::Success
            }
        },
        Err(error) => {
            let diagnostics = [error.diagnostic()];
            source::show(&diagnostics, &prepared.sources);
            if matches!(error.failure, Failure::Cancelled) {
                return Exit::Cancelled;
            }
            source::explain(&diagnostics);
            Exit::Failed
        }
    }
}

fn execute(
    prepared: &Prepared,
    matches: &ArgMatches,
    args: &Args,
    progress: &mut Progress,
) -> Result<Outputs, RunError> {
    let plan = &prepared.plan;
    let values = params::values(plan, matches).map_err(|bad| {
        let input = plan.inputs.iter().find(|input| input.name == bad.parameter);
        RunError { failure: *bad.cause, span: input.map(|input| input.span) }
    })?;
    let mut engine = args.machine.engine()?;
    engine.admits(plan)?;
    let recipe = json!({
        "agpt": env!("CARGO_PKG_VERSION"),
        "pipeline": plan.name,
        "plan": Digest::of(print::text(plan).as_bytes()).hex(),
        "model": engine.model(),
        "seed": args.machine.seed,
        "inputs": params::digests(plan, &values),
    });
    let mut outputs = Outputs {
        out: args.out.clone(),
        sound: args.sound,
        pipeline: plan.name.clone(),
        single: !matches!(plan.graph[plan.result].ty, Type::Record(_)),
        recipe,
        json: args.json.then(serde_json::Map::new),
    };
    let sources = &prepared.sources;
    let resolve = |span: Span, path: &str| beside(sources, span, path);
    let mut executor = Executor {
        engine: &mut engine,
        seed: args.machine.seed,
        resolve: &resolve,
        events: progress,
    };
    executor.run(plan, &values, &mut |name, value| outputs.take(name, value))?;
    Ok(outputs)
}

/// A path in a source file means a file beside that source.
pub fn beside(sources: &Sources, span: Span, path: &str) -> PathBuf {
    let source = sources.get(span.source).map(|file| PathBuf::from(&file.name));
    match source.as_deref().and_then(Path::parent) {
        Some(folder) => folder.join(path),
        None => PathBuf::from(path),
    }
}
