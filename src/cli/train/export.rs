//! `agpt train export`.

use std::path::PathBuf;

use crate::train::TrainError;
use crate::train::export::{Form, Precision, Wanted, export};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of a checkpoint (step-N), or of a training, whose newest one is taken
    checkpoint: PathBuf,
    /// Folder to write; it must be empty or not there
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// bundle: a whole model for agpt, with the other networks of the one it was trained from; hf: the
    /// language model alone, as HuggingFace lays it out
    #[arg(long, value_enum, default_value_t = Form::Bundle)]
    form: Form,
    /// Precision of the weights
    #[arg(long, value_enum, default_value_t = Precision::F32)]
    dtype: Precision,
    /// Name of the model [default: that of the folder]
    #[arg(long)]
    name: Option<String>,
    /// The most bytes of one file of weights
    #[arg(long, value_name = "SIZE", default_value = "5GB")]
    shard_size: crate::runtime::engine::Bytes,
}

pub fn run(args: &Args) -> Result<String, TrainError> {
    let wanted = Wanted {
        form: args.form,
        precision: args.dtype,
        name: args.name.clone(),
        shard_bytes: args.shard_size.0,
    };
    let step = export(&args.checkpoint, &args.out, &wanted)?;
    let folder = args.out.display();
    Ok(match args.form {
        Form::Bundle => {
            format!("wrote the weights of step {step} as the model {folder}: use it with --model\n")
        }
        Form::Hf => format!("wrote the weights of step {step} to {folder}\n"),
    })
}
