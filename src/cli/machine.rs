//! The options of commands that run a model: which, where, with what seed and how many threads.

use crate::plan::Plan;
use crate::runtime::engine::{Budget, Choice, Device, Engine, Placement, Precision};
use crate::runtime::error::RunError;
use crate::runtime::plugins::Allow;

#[derive(Debug, clap::Args)]
pub struct Machine {
    /// A model by name, or the folder of one
    #[arg(long, value_name = "NAME|DIR", default_value = "nano")]
    pub model: String,
    /// Where models run: cpu, cuda:N or metal:N [default: cpu]
    ///
    /// PART is llm, tokenizers, detokenizers, or one of them such as tokenizers.image; without it
    /// all parts are meant, and the nearest name counts. So for --dtype.
    #[arg(long, value_name = "[PART=]DEVICE", value_delimiter = ',')]
    device: Vec<Choice<Device>>,
    /// Precision: f32, f16 or bf16; of the language model also q8_0 or q4_k (8 or 4 bits)
    /// [default: f32 on the processor, elsewhere what the model's manifest says]
    #[arg(long, value_name = "[PART=]KIND", value_delimiter = ',')]
    dtype: Vec<Choice<Precision>>,
    /// Keep the weights on a device within SIZE, such as 12GiB, by unloading what the plan needs
    /// last [default: nothing is unloaded]
    #[arg(long, value_name = "[DEVICE=]SIZE", value_delimiter = ',')]
    memory: Vec<Budget>,
    /// Give plugins what their file grants them: log, clock or random; NAME is the plugin
    /// [default: all plugins]
    #[arg(long, value_name = "[NAME=]GRANT", value_delimiter = ',')]
    allow: Vec<Allow>,
    /// Seed of all randomness; the same seed gives the same result
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Threads for the processor's part of the work [default: all cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

/// To be called before anything runs on threads.
pub fn limit_threads(threads: Option<u16>) {
    if let Some(threads) = threads {
        // Fails only when a pool exists already, which no code before this makes.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global();
    }
}

impl Machine {
    /// To be called before anything runs on threads.
    pub fn limit_threads(&self) {
        limit_threads(self.threads);
    }

    /// Where and how precisely models run, for records: as it was given.
    pub fn described(&self) -> String {
        let device: Vec<String> = self.device.iter().map(|choice| choice.to_string()).collect();
        let dtype: Vec<String> = self.dtype.iter().map(|choice| choice.to_string()).collect();
        let or = |given: Vec<String>, default: &str| match given.is_empty() {
            true => default.to_string(),
            false => given.join(","),
        };
        format!("{}, {}", or(device, "cpu"), or(dtype, "default precision"))
    }

    /// What is wrong with `--allow` for the one plan that is run, and what to do about it: a name
    /// that it does not call is a slip, and nothing would be allowed by it.
    pub fn misallowed(&self, plan: &Plan) -> Option<(String, String)> {
        self.allow.iter().find_map(|allow| {
            let (named, called) = allow.idle(plan)?;
            let called: Vec<String> = called.iter().map(|name| format!("`{name}`")).collect();
            let help = match called.is_empty() {
                true => "it calls no plugin; leave --allow out".to_string(),
                false => format!("the plugins that it calls: {}", called.join(", ")),
            };
            Some((format!("--allow names `{named}`, which this pipeline does not call"), help))
        })
    }

    pub fn engine(&self) -> Result<Engine, RunError> {
        Ok(self.prepared(Engine::open(&self.model, self.placement())?))
    }

    /// An engine of a model whose files need not all be there.
    pub fn engine_partly(&self) -> Result<Engine, RunError> {
        Ok(self.prepared(Engine::open_partly(&self.model, self.placement())?))
    }

    fn placement(&self) -> Placement {
        Placement {
            devices: self.device.clone(),
            precisions: self.dtype.clone(),
            budgets: self.memory.clone(),
        }
    }

    fn prepared(&self, mut engine: Engine) -> Engine {
        engine.plugins.allow(&self.allow);
        if let Some(dirs) = directories::ProjectDirs::from("", "", "agpt") {
            engine.plugins.keep_in(dirs.cache_dir().join("plugins"));
        }
        engine
    }
}
