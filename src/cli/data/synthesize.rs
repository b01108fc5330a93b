//! `agpt data synthesize`: dialogues with media, written and made by models.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::base::{Severity, Sources, Span};
use crate::bundle::embedded;
use crate::cli::loader::FileLoader;
use crate::cli::output::stdout;
use crate::cli::progress::interrupted;
use crate::cli::run::beside;
use crate::cli::source::{self, complain};
use crate::cli::{Exit, machine};
use crate::data::providers::{Provider, Usage};
use crate::data::synthesis::{Recipe, Stages, Summary, Synthesis, SynthesisError, Watch};
use crate::lang;
use crate::lang::ir::Program;
use crate::runtime::engine::{Choice, Device, Engine, Placement};

use super::grouped;

pub const ABOUT: &str = "Have dialogues with media written and made by models

As AnyInstruct was built: meta topics are widened to topics, topics to scenarios, scenarios to \
dialogues in which media are described, and the descriptions become media. RECIPE says who does each: \
a server that speaks OpenAI's protocol, a model of agpt's, or a program. The stages are pipelines \
(std/synthesis) that a file of your own can replace.

A run that was interrupted, even killed, goes on where it was: --out keeps a journal of all that was \
made, and only what it lacks is asked for. Keys are read from the environment variables that the \
recipe names and written nowhere.";

pub const HELP: &str = "Example: agpt data synthesize recipe.yaml --out dialogues --limit 20

docs/synthesis.md describes recipes and what is written.";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Who does what, and how much of it (YAML)
    recipe: PathBuf,
    /// Folder of the journal, the media and the dialogues; a run goes on with what is in it
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Ask for at most N dialogues; a later run without it goes on from them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Also write conversations.jsonl, with the media as tokens of this model
    #[arg(long, value_name = "NAME|DIR")]
    tokens: Option<String>,
    /// Where models of agpt's run: cpu, cuda:N or metal:N [default: cpu]
    #[arg(long, value_name = "[PART=]DEVICE", value_delimiter = ',')]
    device: Vec<Choice<Device>>,
    /// Threads for the processor's part of the work [default: all cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

pub fn run(args: &Args) -> Exit {
    machine::limit_threads(args.threads);
    let text = match source::read(&args.recipe) {
        Ok(text) => text,
        Err(exit) => return exit,
    };
    let recipe = match Recipe::parse(&text, &args.recipe) {
        Ok(recipe) => recipe,
        Err(error) => return failed(&error),
    };
    let (program, sources) = match program(&recipe, &args.recipe) {
        Ok(program) => program,
        Err(exit) => return exit,
    };
    let local =
        |medium: &crate::base::Medium| matches!(recipe.maker(*medium), Some(Provider::Bundle(_)));
    let local: Vec<_> = recipe.media().into_iter().filter(local).collect();
    let stages = match Stages::new(&program, &local) {
        Ok(stages) => stages,
        Err(error) => return failed(&error),
    };
    let placement = Placement { devices: args.device.clone(), ..Placement::default() };
    let synthesis = Synthesis {
        recipe: &recipe,
        stages: &stages,
        out: &args.out,
        limit: args.limit.map(|limit| limit as usize),
        tokens: args.tokens.as_deref(),
        beside: &|span: Span, path: &str| beside(&sources, span, path),
        open: &|model: &str| Engine::open(model, placement.clone()),
    };
    let mut bar = Bar::new(args.quiet || args.json);
    let result = synthesis.run(&mut bar);
    bar.bar.finish_and_clear();
    let (summary, error) = match result {
        Ok(done) => done,
        Err(error) => return failed(&error),
    };
    let printed = match args.json {
        true => {
            let mut json = summary.to_json();
            json["error"] = json!(error.as_ref().map(ToString::to_string));
            stdout(&format!("{json}\n"))
        }
        false => stdout(&lines(&summary, &args.out)),
    };
    match error {
        Some(error) => failed(&error),
        None if summary.failed > 0 => {
            let last = summary.last_failure.as_deref().unwrap_or_default();
            complain(
                &format!("{} pieces could not be had; the last: {last}", summary.failed),
                Some(
                    "run the command again: what is there is kept, and only the rest is asked for",
                ),
            );
            Exit::Failed
        }
        None => printed,
    }
}

/// The recipe's own stages, or those of the standard library.
fn program(recipe: &Recipe, path: &Path) -> Result<(Program, Sources), Exit> {
    let Some(own) = &recipe.pipelines else {
        let text = embedded::module("synthesis").unwrap_or_default();
        let compiled = lang::compile("std/synthesis.agpt", text, &FileLoader::default());
        source::show(&compiled.diagnostics, &compiled.sources);
        return compiled.program.map(|program| (program, compiled.sources)).ok_or(Exit::Failed);
    };
    let file = path.parent().unwrap_or(Path::new("")).join(own);
    let compiled = source::compile(&file)?;
    source::show(&compiled.diagnostics, &compiled.sources);
    if compiled.diagnostics.iter().any(|found| found.severity == Severity::Error) {
        source::summary(&compiled.diagnostics);
    }
    compiled.program.map(|program| (program, compiled.sources)).ok_or(Exit::Invalid)
}

fn failed(error: &SynthesisError) -> Exit {
    complain(&error.to_string(), error.help());
    match error {
        SynthesisError::Cancelled => Exit::Cancelled,
        SynthesisError::Recipe { .. } => Exit::Usage,
        SynthesisError::Stage(_) => Exit::Invalid,
        _ => Exit::Failed,
    }
}

fn lines(summary: &Summary, out: &Path) -> String {
    let mut text = String::new();
    for (stage, there, of) in &summary.stages {
        text.push_str(&format!("{stage}: {} of {}\n", grouped(*there as u64), grouped(*of as u64)));
    }
    for ((stage, reason), count) in &summary.rejected {
        text.push_str(&format!("rejected, {stage}: {} {reason}\n", grouped(*count as u64)));
    }
    if summary.waiting > 0 {
        text.push_str(&format!("{} dialogues wait for media\n", grouped(summary.waiting as u64)));
    }
    text.push_str(&format!(
        "{} dialogues in {}; {}\n",
        grouped(summary.dialogues as u64),
        out.display(),
        spent(&summary.used)
    ));
    text
}

fn spent(used: &Usage) -> String {
    let Usage { requests, input, output, cost, .. } = used;
    let (requests, input, output) = (grouped(*requests), grouped(*input), grouped(*output));
    let cost = if *cost > 0.0 { format!(", cost {cost:.2}") } else { String::new() };
    format!("{requests} requests, {input} tokens read, {output} written{cost}")
}

struct Bar {
    bar: ProgressBar,
    stop: Arc<AtomicBool>,
}

impl Bar {
    fn new(quiet: bool) -> Bar {
        use std::io::IsTerminal;
        let visible = !quiet && std::io::stderr().is_terminal();
        let bar = if visible { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let template = "{spinner} {prefix} [{bar:30}] {pos}/{len}, {eta} left; {msg}";
        if let (true, Ok(style)) = (visible, ProgressStyle::with_template(template)) {
            bar.set_style(style);
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Bar { bar, stop: interrupted() }
    }
}

impl Watch for Bar {
    fn stage(&mut self, name: &str, total: usize, there: usize) {
        self.bar.set_prefix(name.to_string());
        self.bar.set_length(total as u64);
        self.bar.set_position(there as u64);
        // What was there already says nothing about the rate.
        self.bar.reset_eta();
    }

    fn piece(&mut self, used: &Usage) {
        self.bar.inc(1);
        self.bar.set_message(spent(used));
    }

    fn say(&mut self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    fn cancelled(&mut self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}
