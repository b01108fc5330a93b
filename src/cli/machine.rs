//! The options of commands that run a model: which, where, with what seed and how many threads.

use crate::runtime::engine::{Device, Engine};
use crate::runtime::error::RunError;

#[derive(Debug, clap::Args)]
pub struct Machine {
    /// A model by name, or the folder of one
    #[arg(long, value_name = "NAME|DIR", default_value = "nano")]
    pub model: String,
    /// Where models run: cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// Seed of all randomness; the same seed gives the same result
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Threads for the processor's part of the work [default: all cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

impl Machine {
    /// To be called before anything runs on threads.
    pub fn limit_threads(&self) {
        if let Some(threads) = self.threads {
            // Fails only when a pool exists already, which no code before this makes.
            let _ = rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global();
        }
    }

    pub fn engine(&self) -> Result<Engine, RunError> {
        Engine::open(&self.model, &self.device)
    }
}
