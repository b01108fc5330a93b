//! `agpt data tokenize`: media files into tokens.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::machine::Machine;
use crate::cli::output::stdout;
use crate::cli::source::complain;
use crate::cli::{Exit, source};
use crate::data;
use crate::data::input::{Input, Renamed};
use crate::data::tokenize::{self, Cut, FAILURES, Form};

use super::bar::Bar;
use super::{failed, grouped};

pub const ABOUT: &str = "Turn pairs of a text and a medium into pairs of a text and tokens

PAIRS.jsonl has one JSON object a line: \"text\", one of \"image\", \"speech\" and \"music\" with the path \
of a file (relative to PAIRS.jsonl), and \"id\" if you like. The output has the same rows with the \
medium as the tokens of the model's vocabulary, in the format of the published data, in shards \
part-00000.jsonl and so on.

A .parquet file, as datasets are published, has the same as columns; a medium is a path, or its bytes, or \
both (`{bytes, path}`). --column says what columns with other names are: \
--column text=caption --column speech=audio.

A row whose medium is missing or broken fails alone: it is listed with its reason in \
failures.jsonl. A run that was interrupted goes on with the first shard that is not whole.";

pub const HELP: &str = "Example: agpt data tokenize pairs.jsonl --model anygpt-base --out tokens";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Pairs: one JSON object a line, or a .parquet file
    pairs: PathBuf,
    /// Folder for the tokens; it is made if it is not there
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Rows of a shard: what is done again after an interruption is less than this
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    shard_rows: u32,
    /// Rows that are read and encoded together
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch: u32,
    /// What a column of a .parquet file is: id, text, image, speech or music (may be repeated)
    #[arg(long, value_name = "KEY=COLUMN", value_parser = renamed)]
    column: Vec<Renamed>,
    /// What the shards are written as
    #[arg(long, value_enum, default_value_t = Form::Jsonl)]
    format: Form,
    /// Make shards with failed rows again
    #[arg(long)]
    retry: bool,
    /// Remove the shards of an earlier run from the folder first
    #[arg(long)]
    fresh: bool,
    /// Exit with 3 if a row fails
    #[arg(long)]
    strict: bool,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    machine: Machine,
}

fn renamed(text: &str) -> Result<Renamed, String> {
    match text.split_once('=') {
        Some((key @ ("id" | "text" | "image" | "speech" | "music"), name)) if !name.is_empty() => {
            Ok(Renamed { key: key.into(), name: name.into() })
        }
        _ => Err("expected KEY=COLUMN with a KEY of id, text, image, speech, music".into()),
    }
}

pub fn run(args: &Args) -> Exit {
    args.machine.limit_threads();
    let mut engine = match args.machine.engine() {
        Ok(engine) => engine,
        Err(error) => {
            source::show(&[error.diagnostic()], &crate::base::Sources::default());
            return Exit::Failed;
        }
    };
    let mut bar = Bar::new(args.quiet || args.json);
    let made = (|| {
        // What cannot be read must cost nothing that is there.
        let mut input = Input::open(&args.pairs, &args.column)?;
        let _held = data::hold(&args.out)?;
        if args.fresh {
            tokenize::clear(&args.out, &args.pairs)?;
        }
        let beside = args.pairs.parent().unwrap_or(Path::new(""));
        let cut = Cut {
            shard_rows: args.shard_rows as usize,
            batch: args.batch as usize,
            retry: args.retry,
            form: args.format,
        };
        tokenize::run(&mut input, beside, &args.out, cut, &mut engine, &mut bar)
    })();
    bar.done();
    let outcome = match made {
        Ok(outcome) => outcome,
        Err(error) => return failed(error),
    };
    let exit = match args.json {
        true => stdout(&format!("{}\n", json!(outcome))),
        false => stdout(&format!(
            "{} of {} rows in {} shards ({} were there already)\n",
            grouped(outcome.tokenised as u64),
            grouped(outcome.rows as u64),
            outcome.shards,
            outcome.kept
        )),
    };
    if outcome.failed > 0 {
        let many = if outcome.failed == 1 { "1 row" } else { "rows" };
        let count =
            if outcome.failed == 1 { String::new() } else { format!("{} ", outcome.failed) };
        let list = args.out.join(FAILURES);
        complain(
            &format!("{count}{many} failed; {} says which and why", list.display()),
            Some("mend the files and run the same command with --retry"),
        );
        if args.strict {
            return Exit::Failed;
        }
    }
    exit
}
