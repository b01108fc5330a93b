//! `agpt eval`: the evaluations of a file or of the standard library.

mod bar;
mod suite;

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::base::Span;
use crate::base::atomic::write_atomic;
use crate::base::hash::Digest;
use crate::eval::error::EvalError;
use crate::eval::judge::{self, Judges, Named};
use crate::eval::loaders::{self, RowsFile};
use crate::eval::report::{self, Report};
use crate::eval::row::{Location, Row};
use crate::eval::runner::Runner;
use crate::eval::score;
use crate::eval::store::{Run, Store};
use crate::lang::ir::Evaluation;
use crate::lang::metrics;
use crate::plan::{self, Plan, passes, print};
use crate::runtime::engine::{Device, Engine};
use crate::runtime::error::Failure;

use super::machine::Machine;
use super::run::beside;
use super::{Exit, source};

use bar::Bar;
use suite::Suite;

#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
An evaluation is a declaration in an .agpt file: its parameters are the columns of a data set, and \
each `measure` becomes a line of the results, with a 95 % interval from drawing the rows again \
1,000 times. `agpt eval --list` shows the ready ones; `agpt eval nano` runs at once. Nothing is \
downloaded: public sets are read from the folder of --data.

Results lie in OUT/MODEL/EVALUATION: results.jsonl with a line for each row, media/ with what was \
generated, summary.json and report.html. A run that was broken off goes on where it was; a run with \
another model, seed or evaluation needs another folder or --restart. A row that fails is kept with \
its reason and counts as an empty answer.

Exit codes: 0 every row ran, 1 the .agpt file has errors, 2 wrong command line, data or judges, 3 \
rows failed (the table is printed all the same) or the run did, 130 cancelled.")]
pub struct Args {
    /// An .agpt file, or the name of a ready suite
    #[arg(required_unless_present = "list")]
    suite: Option<String>,
    /// List the ready suites, with the data and judges they need
    #[arg(long)]
    list: bool,
    /// Run only the evaluation NAME of the suite
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// The folder of a public data set; or, for rows of one's own, another .jsonl or .csv file
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// A network that metrics ask: clip, clap, whisper or speaker, with the name of one that was
    /// pulled (see `agpt models`) or its folder
    #[arg(long = "judge", value_name = "KIND=NAME|DIR")]
    judges: Vec<Named>,
    /// Where judges run: cpu, cuda:N or metal:N
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    judge_device: Device,
    /// Run at most N rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Draw the rows of --limit at random with this seed, instead of taking the first ones
    #[arg(long, value_name = "SEED", requires = "limit")]
    sample: Option<u64>,
    /// Folder for the results
    #[arg(short, long, value_name = "DIR", default_value = "evaluations")]
    out: PathBuf,
    /// Drop the results of an earlier run in the same folder
    #[arg(long)]
    restart: bool,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    machine: Machine,
}

/// Why it stops, and whether anything ran.
enum Stop {
    Said(Exit),
    Error(EvalError),
}

impl From<EvalError> for Stop {
    fn from(error: EvalError) -> Stop {
        Stop::Error(error)
    }
}

/// An evaluation with all that it needs, before a model is opened.
struct Ready<'s> {
    evaluation: &'s Evaluation,
    plan: Plan,
    rows: Vec<Row>,
    judges: Judges,
}

pub fn run(args: &Args) -> Exit {
    if args.list {
        return suite::list(args.json);
    }
    args.machine.limit_threads();
    let suite = match suite::open(args.suite.as_deref().unwrap_or_default()) {
        Ok(suite) => suite,
        Err(exit) => return exit,
    };
    match all(args, &suite) {
        Ok(exit) => exit,
        Err(Stop::Said(exit)) => exit,
        Err(Stop::Error(error)) => complain(&error, args),
    }
}

fn complain(error: &EvalError, args: &Args) -> Exit {
    if let EvalError::Run(failure) = error
        && matches!(**failure, Failure::Cancelled)
    {
        let out = args.out.display();
        eprintln!("cancelled; the same command goes on from what is in {out}");
        return Exit::Cancelled;
    }
    source::complain(&error.to_string(), error.help().as_deref());
    match error {
        EvalError::Run(_) | EvalError::Metric { .. } | EvalError::Unwritable { .. } => Exit::Failed,
        _ => Exit::Usage,
    }
}

fn all(args: &Args, suite: &Suite) -> Result<Exit, Stop> {
    let chosen: Vec<&Evaluation> = suite
        .program
        .evaluations
        .iter()
        .filter(|evaluation| args.only.as_ref().is_none_or(|only| *only == evaluation.name))
        .collect();
    if chosen.is_empty() {
        let names: Vec<&str> =
            suite.program.evaluations.iter().map(|found| found.name.as_str()).collect();
        let (message, help) = match (&args.only, names.as_slice()) {
            (_, []) => {
                let help = "declare one with `evaluation name(…) with { data: … } { … }`";
                (format!("{} declares no evaluation", suite.name), help.to_string())
            }
            (only, names) => {
                let only = only.as_deref().unwrap_or_default();
                let help = format!("its evaluations: {}", names.join(", "));
                (format!("{} has no evaluation `{only}`", suite.name), help)
            }
        };
        source::complain(&message, Some(&help));
        return Err(Stop::Said(Exit::Usage));
    }
    // All that can be missing is found before anything runs.
    let mut ready = Vec::new();
    for evaluation in chosen {
        ready.push(prepare(args, suite, evaluation)?);
    }
    let mut engine = args.machine.engine().map_err(|error| failed(suite, &error))?;
    for one in &ready {
        engine.admits(&one.plan).map_err(|error| failed(suite, &error))?;
    }
    let (mut results, mut exit) = (Vec::new(), Exit::Success);
    for mut one in ready {
        let (json, failures) = evaluate(args, suite, &mut engine, &mut one)?;
        if failures > 0 {
            exit = Exit::Failed;
        }
        results.push(json);
    }
    if args.json {
        let text = format!("{:#}\n", json!({ "suite": suite.name, "evaluations": results }));
        let printed = super::output::stdout(&text);
        if printed != Exit::Success {
            return Ok(printed);
        }
    }
    Ok(exit)
}

fn failed(suite: &Suite, error: &crate::runtime::error::RunError) -> Stop {
    let diagnostics = [error.diagnostic()];
    source::show(&diagnostics, &suite.sources);
    source::explain(&diagnostics);
    Stop::Said(Exit::Failed)
}

fn prepare<'s>(
    args: &Args,
    suite: &'s Suite,
    evaluation: &'s Evaluation,
) -> Result<Ready<'s>, Stop> {
    let measures: Vec<_> =
        evaluation.measures.iter().map(|m| (m.name.as_str(), m.metric)).collect();
    let judges = judge::open(&measures, &args.judges, args.judge_device)?;
    let rows = match (metrics::set(&evaluation.data), &args.data) {
        (Some(set), Some(folder)) => loaders::public(set, folder)?,
        (Some(set), None) => return Err(EvalError::NoData { set: set.name }.into()),
        (None, given) => {
            let location = match given {
                Some(path) => Location::Disk(path.clone()),
                None => suite.beside(evaluation)?,
            };
            loaders::rows(&RowsFile { location, params: &evaluation.pipeline.params })?
        }
    };
    let limit = args.limit.and_then(|limit| usize::try_from(limit).ok());
    let rows = loaders::choose(rows, limit, args.sample);
    let lowered = plan::lower_evaluation(&suite.program, evaluation).map_err(|diagnostic| {
        source::show(&[diagnostic], &suite.sources);
        Stop::Said(Exit::Invalid)
    })?;
    Ok(Ready { evaluation, plan: passes::optimise(&lowered).0, rows, judges })
}

/// What the results depend on.
fn run_of(args: &Args, engine: &Engine, ready: &Ready<'_>) -> Run {
    let measures = ready.evaluation.measures.iter();
    let measures =
        measures.map(|m| format!("{} = {}({})", m.name, m.metric.name, m.fields.join(", ")));
    let does = format!("{}\n{}", print::text(&ready.plan), measures.collect::<Vec<_>>().join("\n"));
    Run {
        agpt: env!("CARGO_PKG_VERSION").to_string(),
        evaluation: ready.evaluation.name.clone(),
        plan: Digest::of(does.as_bytes()).hex(),
        model: engine.model(),
        seed: ready.evaluation.seed.unwrap_or(args.machine.seed),
        machine: args.machine.described(),
        judges: ready.judges.values().map(|judge| judge.identity()).collect(),
    }
}

fn evaluate(
    args: &Args,
    suite: &Suite,
    engine: &mut Engine,
    ready: &mut Ready<'_>,
) -> Result<(Json, usize), Stop> {
    let evaluation = ready.evaluation;
    let run = run_of(args, engine, ready);
    let model = engine.bundle().name().to_string();
    let folder = args.out.join(model).join(&evaluation.name);
    let mut store = Store::open(&folder, &run, args.restart)?;
    let sources = &suite.sources;
    let resolve = |span: Span, path: &str| beside(sources, span, path);
    let mut bar = Bar::new(evaluation, ready.rows.len(), args.quiet || args.json);
    let shown = bar.shown();
    let mut runner = Runner {
        engine,
        judges: &mut ready.judges,
        evaluation,
        plan: &ready.plan,
        seed: run.seed,
        resolve: &resolve,
        store: &mut store,
    };
    let records = runner.run(&ready.rows, &mut bar, &mut |told| shown.borrow_mut().told(told));
    bar.done();
    let records = records?;
    let scores = evaluation.measures.iter().map(|measured| score::score(measured, &records));
    let scores = scores.collect::<Result<Vec<_>, _>>()?;
    let report = Report {
        evaluation,
        ready: suite.ready,
        run: &run,
        rows: &ready.rows,
        records: &records,
        scores: &scores,
        folder: &folder,
    };
    let json = report.json();
    write(&folder.join("summary.json"), format!("{json:#}\n").as_bytes())?;
    write(&folder.join("report.html"), report::html(&report).as_bytes())?;
    if !args.json {
        super::output::stdout(&format!("{}\n", report.table()));
        eprintln!("examples: {}\n", folder.join("report.html").display());
    }
    Ok((json, report.failed()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), EvalError> {
    write_atomic(path, bytes).map_err(|error| EvalError::unwritable(path, error))
}
