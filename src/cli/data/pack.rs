//! `agpt data pack`: samples into sequences.

use std::path::{Path, PathBuf};

use crate::base::{text, yaml};
use crate::cli::loader::FileLoader;
use crate::cli::output::stdout;
use crate::cli::{Exit, source};
use crate::data::pack::{Job, LEFT_OUT, REPORT_HTML, Report, clear};
use crate::data::recipe::Recipe;
use crate::data::{self, DataError};
use crate::runtime::engine::{Engine, Placement};

use super::bar::Bar;
use super::{failed, grouped};

pub const ABOUT: &str = "Turn a recipe's data into packed sequences for training

The recipe (YAML) names sources: pairs of texts and tokens with the templates of .agpt files that \
make prompts and replies of them, conversations of instruction data, plain text; and how they are \
mixed, packed and learned. docs/data.md lists its keys.

Samples are rendered by the code that renders prompts for generation. Rows that are broken or \
longer than a sequence are left out, counted, and listed in left_out.jsonl. The same recipe, data \
and seed give the same bytes on any number of threads; an interrupted run goes on where it was.";

pub const HELP: &str = "Example: agpt data pack data.yaml --model anygpt-base --out packed";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The recipe
    recipe: PathBuf,
    /// Folder for the shards; it is made if it is not there
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// A model by name, or the folder of one; only its vocabulary and prompt format are used
    #[arg(long, value_name = "NAME|DIR", default_value = "nano")]
    model: String,
    /// Seed, instead of the recipe's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Remove what an earlier run has left in the folder, and begin anew
    #[arg(long)]
    fresh: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

pub fn run(args: &Args) -> Exit {
    if let Some(threads) = args.threads {
        // Fails only when a pool exists already, which no code before this makes.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global();
    }
    let mut engine = match Engine::open(&args.model, Placement::default()) {
        Ok(engine) => engine,
        Err(error) => {
            source::show(&[error.diagnostic()], &crate::base::Sources::default());
            return Exit::Failed;
        }
    };
    let mut bar = Bar::new(args.quiet || args.json);
    let made = pack(args, &mut engine, &mut bar);
    bar.done();
    match made {
        Ok(report) if args.json => stdout(&report.json()),
        Ok(report) => stdout(&shown(&report, &args.out)),
        Err(error) => failed(error),
    }
}

fn pack(args: &Args, engine: &mut Engine, bar: &mut Bar) -> Result<Report, DataError> {
    let read = |source| DataError::Read { path: args.recipe.clone(), source };
    let text = text::read(&args.recipe, yaml::MAX_BYTES).map_err(read)?;
    let recipe = Recipe::parse(&text, &args.recipe)?;
    let folder = args.recipe.parent().unwrap_or(Path::new(""));
    let job = Job::open(&recipe, folder, args.seed, &FileLoader::default(), engine, bar)?;
    let _held = data::hold(&args.out)?;
    if args.fresh {
        clear(&args.out)?;
    }
    job.run(&args.out, engine, bar)
}

/// The report as a table.
fn shown(report: &Report, out: &Path) -> String {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let mut text = format!(
        "{} samples in {} sequences of at most {} tokens ({} full), {} shards\n",
        grouped(report.samples),
        grouped(report.sequences),
        grouped(report.max_length.into()),
        percent(report.fill),
        report.shards,
    );
    text.push_str(&super::inspect::shares(&report.tokens, report.counted));
    text.push_str(&format!(
        "\n{:20} {:>10} {:>7} {:>10} {:>12} {:>8} {:>8} {:>8}\n",
        "source", "rows", "epochs", "samples", "tokens", "samples", "tokens", "wanted"
    ));
    for source in &report.sources {
        text.push_str(&format!(
            "{:20} {:>10} {:>7.2} {:>10} {:>12} {:>8} {:>8} {:>8}\n",
            source.counts.name,
            grouped(source.rows),
            source.epochs,
            grouped(source.counts.samples),
            grouped(source.counts.tokens.total()),
            percent(source.share_of_samples),
            percent(source.share_of_tokens),
            source.wanted.map_or("-".into(), percent),
        ));
    }
    if report.too_long + report.broken > 0 {
        text.push_str(&format!(
            "\nleft out: {} too long, {} broken; see {}\n",
            grouped(report.too_long),
            grouped(report.broken),
            out.join(LEFT_OUT).display()
        ));
    }
    text.push_str(&format!("\n{}\n", out.join(REPORT_HTML).display()));
    text
}
