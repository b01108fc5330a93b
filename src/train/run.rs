//! A training: steps, evaluations and checkpoints, from where it starts or where it stopped.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::{DType, Device, Tensor};

use super::TrainError;
use super::chart;
use super::checkpoint::{self, Checkpoint, State};
use super::error::Diverged;
use super::feed::{DataSet, Feed, Fit, Item, Pass, passes};
use super::log::{Evaluation, Log, Record, Step};
use super::media::{Losses, PerMedium, media};
use super::memory::{self, Needs};
use super::network::{Attention, Error as NetworkError, Network};
use super::optimizer::{Gradients, Optimizer};
use super::recipe::{self, Precision, Recipe, StepSize};
use super::schedule::factor;
use super::start::{Start, shapes};
use crate::base::Medium;
use crate::base::atomic::write_atomic;
use crate::base::hold::hold;

/// Where a training runs and what it leaves.
pub struct Place {
    pub out: PathBuf,
    pub device: Device,
    /// The memory that may be used, in bytes; absent: what the system has.
    pub memory: Option<u64>,
}

/// What is told of a training while it runs.
pub trait Watch {
    /// The model and the data are open; `step` steps have been made before.
    fn begun(&mut self, begun: &Begun<'_>);
    fn step(&mut self, step: &Step);
    fn evaluated(&mut self, evaluation: &Evaluation);
    fn saved(&mut self, step: u64, folder: &Path);
    /// Asked after every step; then a checkpoint is written and the training ends.
    fn cancelled(&mut self) -> bool;
}

pub struct Begun<'a> {
    pub recipe: &'a Recipe,
    pub step: u64,
    pub parameters: u64,
    /// Sequences and tokens of the data.
    pub sequences: usize,
    pub tokens: u64,
    pub needs: Option<Needs>,
}

/// How a training ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub step: u64,
    pub cancelled: bool,
    pub checkpoint: PathBuf,
    /// Of all passes that were computed now.
    pub padding: f64,
}

/// A training that is under way.
struct Training<'a> {
    recipe: &'a Recipe,
    place: &'a Place,
    size: StepSize,
    start: Start,
    network: Network,
    optimizer: Optimizer,
    feed: Feed,
    validation: Vec<DataSet>,
    digests: Vec<String>,
    media: Vec<Medium>,
    log: Log,
    step: u64,
    tokens: u64,
    /// Tokens of all passes, without padding and with.
    computed: (u64, u64),
}

/// Trains by a recipe until its last step, from the newest checkpoint in the folder if there is one.
pub fn train(recipe: &Recipe, place: &Place, watch: &mut dyn Watch) -> Result<Outcome, TrainError> {
    let held = hold(&place.out).map_err(TrainError::Write)?;
    let held = held.ok_or_else(|| TrainError::Busy { folder: place.out.clone() })?;
    if held.exclusive() {
        checkpoint::sweep(&place.out);
    }
    let mut training = Training::open(recipe, place, watch)?;
    training.run(watch)
}

impl<'a> Training<'a> {
    fn open(
        recipe: &'a Recipe,
        place: &'a Place,
        watch: &mut dyn Watch,
    ) -> Result<Self, TrainError> {
        let failed = |message| TrainError::Recipe { path: "the recipe".into(), message };
        let size = recipe.step_size().map_err(failed)?;
        if recipe.data.is_empty() {
            return Err(TrainError::Input {
                message: "there is nothing to train on: the recipe has no `data`".into(),
                help: "name folders of `agpt data pack`: --data FOLDER, or `data` in the recipe",
            });
        }
        let compute = compute(recipe.dtype, &place.device)?;
        let start = Start::open(&recipe.model, recipe.init.as_ref())?;
        let fit = Fit {
            vocabulary_size: start.vocabulary_size,
            vocabulary_blake3: &start.vocabulary_blake3,
            length: recipe.length,
        };
        let open = |path: &PathBuf| DataSet::open(path, fit);
        let sets: Vec<DataSet> =
            recipe.data.iter().map(|data| open(&data.path)).collect::<Result<_, _>>()?;
        let validation: Vec<DataSet> =
            recipe.validation.iter().map(open).collect::<Result<_, _>>()?;
        let digests: Vec<String> = sets.iter().map(|set| set.digest().hex()).collect();
        let weights: Vec<Option<f64>> = recipe.data.iter().map(|data| data.weight).collect();
        let mut feed = Feed::new(sets, &weights, recipe.seed);
        let checkpoint = Checkpoint::latest(&place.out)?;
        if let Some(checkpoint) = &checkpoint {
            checkpoint.compare(recipe, &digests, &place.out)?;
            if !feed.seek(checkpoint.state.progress.clone()) {
                let reason = "its place in the data is none of these data".into();
                let path = checkpoint.folder.clone();
                let damaged = TrainError::Damaged { path, reason };
                return Err(checkpoint::unusable(&checkpoint.folder, damaged));
            }
        }
        let needs = needs(recipe, &start, &mut feed, size, place);
        if let (Some(needs), Some(available)) = (needs, available(place)) {
            needs.within(available)?;
        }
        let tensors = match &checkpoint {
            Some(checkpoint) => stored(checkpoint, &start, &place.device)?,
            None => start.tensors(recipe.init.as_ref(), &place.device)?,
        };
        let network = Network::new(&start.config, tensors, compute, &place.device)?;
        let mut optimizer = Optimizer::new(&recipe.optimizer, network.parameters())?;
        let (mut step, mut tokens) = (0, 0);
        if let Some(checkpoint) = &checkpoint {
            checkpoint.restore(&mut optimizer, &place.device)?;
            (step, tokens) = (checkpoint.state.step, checkpoint.state.tokens);
        }
        let media = media(start.bundle.vocabulary()?, start.config.vocab_size);
        watch.begun(&Begun {
            recipe,
            step,
            parameters: network.parameters().iter().map(|(_, p)| p.elem_count() as u64).sum(),
            sequences: feed.sets().iter().map(DataSet::len).sum(),
            tokens: feed.sets().iter().map(DataSet::tokens).sum(),
            needs,
        });
        let log = Log::open(&place.out, step)?;
        let computed = (0, 0);
        Ok(Training {
            recipe,
            place,
            size,
            start,
            network,
            optimizer,
            feed,
            validation,
            digests,
            media,
            log,
            step,
            tokens,
            computed,
        })
    }

    fn run(&mut self, watch: &mut dyn Watch) -> Result<Outcome, TrainError> {
        if self.step == 0 {
            self.evaluate(watch)?;
        }
        while self.step < self.recipe.steps {
            let step = self.train_step()?;
            watch.step(&step);
            self.log.add(Record::Step(step))?;
            let last = self.step == self.recipe.steps;
            let cancelled = watch.cancelled();
            if !cancelled && (last || self.step.is_multiple_of(self.recipe.evaluate_every)) {
                self.evaluate(watch)?;
            }
            if last || cancelled || self.step.is_multiple_of(self.recipe.checkpoint_every) {
                self.save(watch)?;
            }
            if cancelled {
                return Ok(self.outcome(true));
            }
        }
        Ok(self.outcome(false))
    }

    fn outcome(&self, cancelled: bool) -> Outcome {
        Outcome {
            step: self.step,
            cancelled,
            checkpoint: checkpoint::folder(&self.place.out, self.step),
            padding: padding(self.computed),
        }
    }

    /// The gradient of a step's sequences, and the update.
    fn train_step(&mut self) -> Result<Step, TrainError> {
        let begun = Instant::now();
        let items = self.feed.step(self.size);
        let passes = passes(self.feed.sets(), &items, self.size, attention(self.recipe));
        let mut targets = PerMedium::default();
        passes.iter().for_each(|pass| pass.count(&self.media, &mut targets));
        let weights = target_weights(self.recipe, &targets);
        let number = self.step + 1;
        if weights == PerMedium::default() {
            return Err(TrainError::Input {
                message: format!("step {number} has no target that counts, so it has no loss"),
                help: "give `batch` more sequences, or `shares` above 0 to the media of the data",
            });
        }
        let (mut losses, mut gradients) = (Losses::default(), Gradients::default());
        for pass in &passes {
            self.pass(pass, &weights, &mut losses, &mut gradients)?;
        }
        let norms = gradients.norms()?;
        let norm = norms.iter().map(|norm| norm * norm).sum::<f64>().sqrt();
        if !norm.is_finite() {
            return Err(self.diverged_gradient(&norms, norm, &items));
        }
        if let Some(limit) = self.recipe.clip {
            gradients.clip(norm, limit)?;
        }
        let factor = factor(&self.recipe.schedule, self.step, self.recipe.steps);
        self.optimizer.step(gradients.sums(), factor)?;
        let read: u64 = passes.iter().map(Pass::tokens).sum();
        let padded: u64 = passes.iter().map(Pass::padded).sum();
        self.step = number;
        self.tokens += read;
        self.computed = (self.computed.0 + read, self.computed.1 + padded);
        Ok(Step {
            step: number,
            loss: Medium::ALL.iter().map(|m| weights.get(*m) * losses.sums.get(*m)).sum(),
            losses: losses.means(),
            targets: losses.targets,
            rate: self.recipe.optimizer.adamw.rate * factor,
            norm,
            step_tokens: read,
            tokens: self.tokens,
            padding: padding((read, padded)),
            tokens_per_second: read as f64 / begun.elapsed().as_secs_f64().max(1e-9),
        })
    }

    /// Adds the losses and the gradient of a pass.
    fn pass(
        &self,
        pass: &Pass,
        weights: &PerMedium<f64>,
        losses: &mut Losses,
        gradients: &mut Gradients,
    ) -> Result<(), TrainError> {
        let Some((nll, ids)) = self.losses(pass)? else { return Ok(()) };
        let values = nll.to_vec1::<f32>()?;
        for ((row, id), loss) in pass.targets().zip(&values) {
            let medium = self.media[id as usize];
            if !loss.is_finite() {
                let place =
                    self.feed.sets()[pass.rows[row].item.set].describe(pass.rows[row].item.at);
                return Err(self.diverged(
                    self.step + 1,
                    format!("the loss of a target of {medium}"),
                    f64::from(*loss),
                    format!(", in {place}"),
                ));
            }
            losses.add(medium, f64::from(*loss));
        }
        let weight = |id: &u32| *weights.get(self.media[*id as usize]) as f32;
        let weight = Tensor::from_iter(ids.iter().map(weight), &self.place.device)?;
        let store = (nll * weight)?.sum_all()?.backward()?;
        gradients.add(self.network.parameters(), store)?;
        Ok(())
    }

    /// The losses of a pass, unless none of its tokens counts.
    fn losses(&self, pass: &Pass) -> Result<Option<(Tensor, Vec<u32>)>, TrainError> {
        let losses = match self.network.losses(&pass.batch(), pass.attention()) {
            Err(NetworkError::NothingCounted) => return Ok(None),
            losses => losses?,
        };
        if !pass.targets().map(|(_, id)| id).eq(losses.1.iter().copied()) {
            return Err(candle_core::Error::Msg("the network has other targets".into()).into());
        }
        Ok(Some(losses))
    }

    fn diverged(&self, step: u64, what: String, value: f64, place: String) -> TrainError {
        let checkpoint = checkpoint::steps(&self.place.out).last().copied();
        TrainError::Diverged(Box::new(Diverged { step, what, value, place, checkpoint }))
    }

    fn diverged_gradient(&self, norms: &[f64], norm: f64, items: &[Item]) -> TrainError {
        let named = self.network.parameters().iter().zip(norms);
        let of = named.into_iter().find(|(_, norm)| !norm.is_finite());
        let (what, value) = match of {
            Some(((name, _), value)) => (format!("the gradient of `{name}`"), *value),
            None => ("the norm of the gradient".to_string(), norm),
        };
        let place = items.first().map_or(String::new(), |item| {
            let first = self.feed.sets()[item.set].describe(item.at);
            format!("; the first of its {} sequences is {first}", items.len())
        });
        self.diverged(self.step + 1, what, value, place)
    }

    /// Weights that an update left without numbers must not become the checkpoint to go on from.
    fn refuse_lost_weights(&self) -> Result<(), TrainError> {
        for (name, parameter) in self.network.parameters() {
            let tensor = parameter.as_detached_tensor();
            // x · 0 is 0 for every number, and no number for NaN and the infinities.
            let rest = (&tensor * 0.0)?.sum_all()?.to_dtype(DType::F32)?.to_scalar::<f32>()?;
            if rest != 0.0 {
                let what = format!("the parameter `{name}`");
                return Err(self.diverged(self.step, what, f64::NAN, " after its update".into()));
            }
        }
        Ok(())
    }

    /// Measures the loss on the validation data, if there are any.
    fn evaluate(&mut self, watch: &mut dyn Watch) -> Result<(), TrainError> {
        if self.validation.is_empty() {
            return Ok(());
        }
        let mut losses = Losses::default();
        // Not all at once: the sequences of a large set need not be in memory together.
        const TOGETHER: usize = 256;
        let all: Vec<Item> = (0..self.validation.len())
            .flat_map(|set| {
                let sequences = &self.validation[set];
                let item = move |at| Item { set, at, length: sequences.length(at) };
                (0..sequences.len()).map(item)
            })
            .collect();
        for items in all.chunks(TOGETHER) {
            for pass in passes(&self.validation, items, self.size, attention(self.recipe)) {
                let Some((nll, ids)) = self.losses(&pass)? else { continue };
                for (id, loss) in ids.iter().zip(nll.to_vec1::<f32>()?) {
                    losses.add(self.media[*id as usize], f64::from(loss));
                }
            }
        }
        let evaluation = Evaluation::new(self.step, &losses);
        if !evaluation.loss.is_finite() {
            let what = "the loss of the validation data".to_string();
            return Err(self.diverged(self.step, what, evaluation.loss, String::new()));
        }
        watch.evaluated(&evaluation);
        self.log.add(Record::Evaluation(evaluation))
    }

    fn save(&mut self, watch: &mut dyn Watch) -> Result<(), TrainError> {
        self.refuse_lost_weights()?;
        let out = &self.place.out;
        let state =
            State::new(self.step, self.tokens, self.recipe, &self.digests, self.feed.progress());
        let parameters = self.network.parameters().iter();
        let parameters: Vec<_> =
            parameters.map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect();
        let moments = self.optimizer.state();
        let folder = checkpoint::save(out, &state, &self.start.config_json, &parameters, &moments)?;
        checkpoint::prune(out, self.recipe.keep).map_err(TrainError::Write)?;
        let page = chart::html(&self.log.records, self.recipe);
        write_atomic(out.join(chart::PAGE), page.as_bytes()).map_err(TrainError::Write)?;
        watch.saved(self.step, &folder);
        Ok(())
    }
}

fn padding((read, padded): (u64, u64)) -> f64 {
    (padded - read) as f64 / padded.max(1) as f64
}

fn attention(recipe: &Recipe) -> Attention {
    match recipe.attention {
        recipe::Attention::Sequence => Attention::Sequence,
        recipe::Attention::Sample => Attention::Sample,
    }
}

/// The type of the network's products.
fn compute(precision: Precision, device: &Device) -> Result<DType, TrainError> {
    match (precision, device) {
        (Precision::F32, _) => Ok(DType::F32),
        (Precision::Bf16, Device::Cpu) => Err(TrainError::Input {
            message: "processors do not compute in bf16 here: it would be fifty times slower"
                .into(),
            help: "write `dtype: f32`, or train on a GPU with --device cuda",
        }),
        (Precision::Bf16, _) => Ok(DType::BF16),
    }
}

/// How much the loss of one target counts: its medium's share of the mean, or the same for all.
fn target_weights(recipe: &Recipe, targets: &PerMedium<u64>) -> PerMedium<f64> {
    let total: u64 = Medium::ALL.iter().map(|medium| targets.get(*medium)).sum();
    PerMedium::of(|medium| match (*targets.get(medium), &recipe.shares) {
        (0, _) => 0.0,
        (count, Some(shares)) => shares.of(medium) / count as f64,
        (_, None) => 1.0 / total as f64,
    })
}

/// The needs of the largest pass of the first steps, as an estimate for all.
fn needs(
    recipe: &Recipe,
    start: &Start,
    feed: &mut Feed,
    size: StepSize,
    place: &Place,
) -> Option<Needs> {
    const LOOKED_AT: usize = 8;
    // As `Network::losses` chooses.
    let fused = place.device.is_cpu() && recipe.dtype == Precision::F32;
    let progress = feed.progress().to_vec();
    let mut largest: Option<Needs> = None;
    for _ in 0..LOOKED_AT {
        let items = feed.step(size);
        let passes = passes(feed.sets(), &items, size, attention(recipe));
        let needs = Needs::of_passes(recipe, &start.config, &passes, fused);
        largest = largest.into_iter().chain(needs).max_by_key(Needs::total);
    }
    feed.seek(progress);
    largest
}

fn available(place: &Place) -> Option<u64> {
    let system = || matches!(place.device, Device::Cpu).then(memory::available).flatten();
    place.memory.or_else(system)
}

/// The weights of a checkpoint.
fn stored(
    checkpoint: &Checkpoint,
    start: &Start,
    device: &Device,
) -> Result<HashMap<String, Tensor>, TrainError> {
    let broken = |error| checkpoint::unusable(&checkpoint.folder, error);
    let weights = checkpoint.weights().map_err(broken)?;
    let tensor = |(name, _): (String, Vec<usize>)| {
        // Read first and moved then: a device without memory is no fault of the file.
        let tensor = weights.tensor(&name, &Device::Cpu).map_err(|error| broken(error.into()))?;
        Ok((name, tensor.to_device(device)?))
    };
    shapes(&start.config).into_iter().map(tensor).collect()
}
