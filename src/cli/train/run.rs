//! `agpt train RECIPE`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::base::Medium;
use crate::cli::progress::interrupted;
use crate::cli::{Exit, output};
use crate::runtime::engine::Bytes;
use crate::train::recipe::{DataSource, Recipe};
use crate::train::{Begun, Evaluation, Outcome, PerMedium, Step, TrainError, Watch, listed, train};

use super::curve::Curve;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The recipe, a YAML file; paths in it are below its folder
    #[arg(required = true)] // but for subcommands, which is why it is an option
    recipe: Option<PathBuf>,
    /// Folder of the checkpoints and the log; a training that was begun there goes on
    #[arg(short, long, value_name = "DIR", required = true)]
    out: Option<PathBuf>,
    /// Fail if there is no checkpoint to go on from
    #[arg(long)]
    resume: bool,
    /// In place of the recipe's `model`
    #[arg(long, value_name = "NAME|DIR")]
    model: Option<String>,
    /// In place of the recipe's `data`: a folder of packed sequences, and its share of the tokens
    /// (may be repeated)
    #[arg(long, value_name = "DIR[=WEIGHT]", value_parser = source)]
    data: Vec<DataSource>,
    /// In place of the recipe's `validation` (may be repeated)
    #[arg(long, value_name = "DIR")]
    validation: Vec<PathBuf>,
    /// In place of the recipe's `steps`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,
    /// Print how it ended as JSON
    #[arg(long)]
    json: bool,
    /// No progress
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    machine: super::Machine,
}

fn source(text: &str) -> Result<DataSource, String> {
    match text.rsplit_once('=') {
        Some((path, weight)) => match weight.parse::<f64>() {
            Ok(weight) if weight.is_finite() && weight > 0.0 => {
                Ok(DataSource { path: path.into(), weight: Some(weight) })
            }
            _ => Err("expected FOLDER, or FOLDER=WEIGHT with a weight above 0".into()),
        },
        None => Ok(DataSource { path: text.into(), weight: None }),
    }
}

pub fn run(args: &Args) -> Exit {
    // clap has said what is missing.
    let (Some(file), Some(out)) = (&args.recipe, &args.out) else { return Exit::Usage };
    args.machine.limit_threads();
    let recipe = match recipe(args, file, out) {
        Ok(recipe) => recipe,
        Err(error) => return super::failed(&error),
    };
    let place = match args.machine.place(out.clone()) {
        Ok(place) => place,
        Err(exit) => return exit,
    };
    let mut watch = Terminal::new(&recipe, args.quiet || args.json);
    let outcome = train(&recipe, &place, &mut watch);
    watch.bar.finish_and_clear();
    match outcome {
        Err(error) => super::failed(&error),
        Ok(outcome) => ended(args, out, &outcome),
    }
}

fn recipe(args: &Args, file: &Path, out: &Path) -> Result<Recipe, TrainError> {
    let mut recipe = Recipe::read(file)?;
    if let Some(model) = &args.model {
        recipe.model.clone_from(model);
    }
    if !args.data.is_empty() {
        recipe.data.clone_from(&args.data);
    }
    if !args.validation.is_empty() {
        recipe.validation.clone_from(&args.validation);
    }
    if let Some(steps) = args.steps {
        recipe.steps = steps;
    }
    recipe.check(&file.display().to_string())?;
    if args.resume && crate::train::checkpoint::steps(out).is_empty() {
        return Err(TrainError::Input {
            message: format!("there is no checkpoint in `{}`", out.display()),
            help: "leave out --resume to begin there",
        });
    }
    Ok(recipe)
}

fn ended(args: &Args, out: &Path, outcome: &Outcome) -> Exit {
    let checkpoint = outcome.checkpoint.display().to_string();
    if args.json {
        let printed = json!({
            "step": outcome.step,
            "cancelled": outcome.cancelled,
            "checkpoint": checkpoint,
            "padding": outcome.padding,
        });
        output::stdout(&format!("{printed}\n"));
    } else if !args.quiet {
        eprintln!("{:.1} % of the computed tokens were padding", outcome.padding * 100.0);
        match outcome.cancelled {
            true => eprintln!("cancelled; the same command goes on from {checkpoint}"),
            false => {
                eprintln!("done: {checkpoint}; curves in {}", out.join("loss.html").display())
            }
        }
    }
    if outcome.cancelled { Exit::Cancelled } else { Exit::Success }
}

/// The training as seen on a terminal, or line by line elsewhere.
struct Terminal {
    bar: ProgressBar,
    quiet: bool,
    /// Steps between two lines where there is no terminal.
    every: u64,
    stop: Arc<AtomicBool>,
    /// Of the steps that were made now.
    curves: PerMedium<Curve>,
}

impl Terminal {
    fn new(recipe: &Recipe, quiet: bool) -> Self {
        let visible = !quiet && std::io::stderr().is_terminal();
        let bar = if visible { ProgressBar::new(recipe.steps) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{msg}\n[{bar:40}] {pos}/{len} {eta}") {
            bar.set_style(style);
        }
        if visible {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Terminal {
            bar,
            quiet,
            every: (recipe.steps / 50).max(1),
            stop: interrupted(),
            curves: PerMedium::default(),
        }
    }

    /// A line for each medium that has a curve.
    fn drawn(&mut self, step: &Step) -> String {
        let mut lines = String::new();
        for medium in Medium::ALL {
            let Some(loss) = *step.losses.get(medium) else { continue };
            let curve = self.curves.get_mut(medium);
            curve.add(loss);
            let drawn = curve.drawn();
            if !drawn.is_empty() {
                lines.push_str(&format!("\n{:6} {drawn} {loss:.3}", medium.name()));
            }
        }
        lines
    }

    /// A line above the bar.
    fn say(&self, line: &str) {
        if !self.quiet {
            self.bar.suspend(|| eprintln!("{line}"));
        }
    }
}

impl Watch for Terminal {
    fn begun(&mut self, begun: &Begun<'_>) {
        let memory = begun.needs.map(|needs| format!(", about {} of memory", Bytes(needs.total())));
        self.say(&format!(
            "{} parameters, {} sequences of {} tokens in all{}",
            begun.parameters,
            begun.sequences,
            begun.tokens,
            memory.unwrap_or_default()
        ));
        if begun.step > 0 {
            self.say(&format!("going on from step {}", begun.step));
        }
        self.bar.set_position(begun.step);
    }

    fn step(&mut self, step: &Step) {
        let line = format!(
            "step {}: loss {:.3} ({}), rate {:.2e}, norm {:.2}, {:.0} tokens/s, {:.0} % padding",
            step.step,
            step.loss,
            listed(&step.losses),
            step.rate,
            step.norm,
            step.tokens_per_second,
            step.padding * 100.0
        );
        if self.bar.is_hidden() && (step.step == 1 || step.step.is_multiple_of(self.every)) {
            self.say(&line);
        }
        let curves = self.drawn(step);
        self.bar.set_message(line + &curves);
        self.bar.set_position(step.step);
    }

    fn evaluated(&mut self, evaluation: &Evaluation) {
        self.say(&format!(
            "after {} steps, validation: loss {:.3}, perplexity {:.2} ({})",
            evaluation.step,
            evaluation.loss,
            evaluation.perplexity,
            listed(&evaluation.losses)
        ));
    }

    fn saved(&mut self, _: u64, folder: &Path) {
        self.say(&format!("wrote {}", folder.display()));
    }

    fn cancelled(&mut self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}
