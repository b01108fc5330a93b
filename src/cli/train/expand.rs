//! `agpt train expand`.

use std::path::PathBuf;

use crate::train::TrainError;
use crate::train::expand::{Layout, Medium, Rows, Wanted, expand};

#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
The new tokens are AnyGPT's: role tokens, then for each medium its codes in ascending order, its start and \
its end (docs/training.md). Texts without them keep their ids. What is written is in HuggingFace's layout, \
and is a model for agpt too: without tokenizers and decoders of media, so for training.")]
pub struct Args {
    /// Folder of a LLaMA checkpoint: config.json, safetensors or .bin files, tokenizer.json
    model: PathBuf,
    /// Folder to write; it must be empty or not there
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// The model whose media and prompt format are taken, by name or folder
    #[arg(long, value_name = "NAME|DIR", default_value = "anygpt-base")]
    layout: String,
    /// Only these media, and sizes of their codebooks [default: as the layout has them]
    #[arg(long, value_name = "MEDIUM[=SIZE]", value_delimiter = ',')]
    media: Vec<Medium>,
    /// Tokens that are added in front of those of media
    #[arg(long, value_name = "TOKEN", value_delimiter = ',', default_values = ["[Human]", "[MMGPT]", "<eoh>", "<eos>"])]
    roles: Vec<String>,
    /// How the new rows begin: from N(0, 0.02) as AnyGPT does, or at the mean of the old rows with
    /// noise of a tenth of their deviation
    #[arg(long, value_enum, default_value_t = Rows::Normal)]
    init: Rows,
    /// Seed of the new rows
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Make the number of rows a multiple of N
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65536))]
    pad_to: Option<u32>,
    /// The most bytes of one file of weights
    #[arg(long, value_name = "SIZE", default_value = "5GB")]
    shard_size: crate::runtime::engine::Bytes,
}

pub fn run(args: &Args) -> Result<String, TrainError> {
    let wanted = Wanted {
        layout: Layout::of(&args.layout, &args.media, &args.roles)?,
        rows: args.init,
        seed: args.seed,
        pad_to: args.pad_to.unwrap_or(1) as usize,
        shard_bytes: args.shard_size.0,
    };
    let done = expand(&args.model, &args.out, &wanted)?;
    let mut text = format!(
        "{} tokens added: ids {} to {}; the network has {} rows\n",
        done.added,
        done.first,
        done.first + done.added - 1,
        done.rows
    );
    for (medium, first, start, end) in &done.media {
        text.push_str(&format!("{medium}: codes from {first}, start {start}, end {end}\n"));
    }
    text.push_str(&format!("wrote {}\n", args.out.display()));
    Ok(text)
}
