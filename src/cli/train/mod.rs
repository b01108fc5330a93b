//! `agpt train`: the language model by a recipe, and what comes before and after.

mod curve;
mod expand;
mod export;
mod run;

use std::path::PathBuf;

use crate::runtime::engine::{Bytes, Device};
use crate::train::TrainError;

use super::source::complain;
use super::{Exit, output};

pub const ABOUT: &str = "Train the language model by a recipe";

pub const HELP: &str = "\
The recipe (YAML) says everything that the result depends on: model, data, batches, optimizer, schedule, \
seed. `agpt train recipe finetune` prints one to start from; docs/training.md explains each key.

In the folder of --out are: step-N/ (checkpoints), log.jsonl (a line for each step and evaluation), \
loss.html (curves for each medium). The same command goes on from the newest checkpoint, and gives the \
same weights, bit by bit, as a training that was never interrupted. Ctrl-C writes a checkpoint first.

Examples:
  agpt train recipe finetune > my.yaml
  agpt train my.yaml --model nano --data packed --validation packed-test --out runs/first
  agpt train export runs/first --out models/mine
  agpt run ask.agpt --model ./models/mine
  agpt train expand ./llama-2-7b --out ./anygpt-start";

#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true
)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    run: run::Args,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Print a recipe with the hyper-parameters of the paper's code
    Recipe {
        /// pretrain (stage 1) or finetune (stage 2)
        stage: Stage,
    },
    /// Give a LLaMA checkpoint the tokens of media
    Expand(expand::Args),
    /// Write a checkpoint of a training as a model
    Export(export::Args),
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Stage {
    Pretrain,
    Finetune,
}

pub fn run(args: &Args) -> Exit {
    match &args.action {
        Some(Action::Recipe { stage }) => output::stdout(match stage {
            Stage::Pretrain => include_str!("../../../stdlib/training/pretrain.yaml"),
            Stage::Finetune => include_str!("../../../stdlib/training/finetune.yaml"),
        }),
        Some(Action::Expand(args)) => ended(expand::run(args)),
        Some(Action::Export(args)) => ended(export::run(args)),
        None => run::run(&args.run),
    }
}

/// Prints what was done, or why not.
fn ended(result: Result<String, TrainError>) -> Exit {
    match result {
        Ok(text) => output::stdout(&text),
        Err(error) => failed(&error),
    }
}

fn failed(error: &TrainError) -> Exit {
    complain(&error.to_string(), error.help().as_deref());
    match error {
        TrainError::Syntax { .. } | TrainError::Recipe { .. } => Exit::Usage,
        _ => Exit::Failed,
    }
}

/// Where it runs.
#[derive(Debug, clap::Args)]
struct Machine {
    /// Where the network runs: cpu, cuda:N or metal:N
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// Use at most SIZE of memory, such as 12GiB; a recipe that needs more is refused before it
    /// begins [default on processors: what the system has]
    #[arg(long, value_name = "SIZE")]
    memory: Option<Bytes>,
    /// Threads for the processor's part of the work [default: all cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

impl Machine {
    /// To be called before anything runs on threads.
    fn limit_threads(&self) {
        if let Some(threads) = self.threads {
            // Fails only when a pool exists already, which no code before this makes.
            let _ = rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global();
        }
    }

    fn place(&self, out: PathBuf) -> Result<crate::train::Place, Exit> {
        let device = self.device.open().map_err(|error| {
            complain(&format!("{} cannot be used: {error}", self.device), None);
            Exit::Failed
        })?;
        Ok(crate::train::Place { out, device, memory: self.memory.map(|bytes| bytes.0) })
    }
}
