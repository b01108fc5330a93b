//! The stages one after the other, and what comes of them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value as Json, json};

use crate::base::atomic::{sweep, write_atomic, write_atomic_with};
use crate::base::hash::Digest;
use crate::base::{Medium, Span};
use crate::data::providers::{
    Client, Maker, Meter, Provider, ProviderError, RemoteWriter, Scope, Stop, Usage,
};
use crate::runtime::engine::Engine;
use crate::runtime::error::{Failure, RunError};
use crate::runtime::events::{Events, Silent};
use crate::runtime::execute::Executor;
use crate::runtime::json;
use crate::runtime::value::Value;

use super::SynthesisError;
use super::assemble::{Finished, Order, Piece, Rejected, View, shown};
use super::dialogue::MEDIA;
use super::journal::{Entry, Journal, Outcome};
use super::pool;
use super::recipe::Recipe;
use super::stages::{Stage, Stages, key};
use super::tokens;

/// So many pieces failing in a row are no accident.
const HOPELESS: usize = 20;
/// Carries the plans of a server's writer; nothing of it is loaded.
const NO_MODEL: &str = "nano";

pub const JOURNAL: &str = "journal";
pub const DIALOGUES: &str = "dialogues.jsonl";
pub const REJECTED: &str = "rejected.jsonl";
pub const CONVERSATIONS: &str = "conversations.jsonl";
const MEDIA_FOLDER: &str = "media";

/// Is told how a run goes on.
pub trait Watch {
    /// A stage begins, of `total` pieces of which so many are there.
    fn stage(&mut self, name: &str, total: usize, there: usize);

    /// Another piece is there; `spent` is the total of all runs.
    fn piece(&mut self, spent: &Usage);

    /// Something worth a line.
    fn say(&mut self, line: &str);

    fn cancelled(&mut self) -> bool;
}

/// Finds the file that `file("…")` in a stage names.
pub type Beside<'a> = dyn Fn(Span, &str) -> PathBuf + Sync + 'a;
/// Opens a model by name or folder.
pub type Open<'a> = dyn Fn(&str) -> Result<Engine, RunError> + Sync + 'a;

pub struct Synthesis<'a> {
    pub recipe: &'a Recipe,
    pub stages: &'a Stages,
    pub out: &'a Path,
    /// At most so many dialogues are asked for.
    pub limit: Option<usize>,
    /// Also write conversations, with the tokens of this model.
    pub tokens: Option<&'a str>,
    pub beside: &'a Beside<'a>,
    pub open: &'a Open<'a>,
}

/// What there is after a run.
#[derive(Debug, Default)]
pub struct Summary {
    /// Pieces of each stage: there, of.
    pub stages: Vec<(String, usize, usize)>,
    pub dialogues: usize,
    /// Dialogues that wait for media.
    pub waiting: usize,
    /// By stage and reason.
    pub rejected: BTreeMap<(String, String), usize>,
    /// Of all runs in this folder.
    pub used: Usage,
    /// Pieces that failed in this run, and may be tried again.
    pub failed: usize,
    pub last_failure: Option<String>,
}

impl Summary {
    pub fn is_complete(&self) -> bool {
        self.failed == 0 && self.stages.iter().all(|(_, there, of)| there == of)
    }

    pub fn to_json(&self) -> Json {
        let stages: Vec<Json> = self
            .stages
            .iter()
            .map(|(stage, there, of)| json!({ "stage": stage, "there": there, "of": of }))
            .collect();
        let rejected: Vec<Json> = self
            .rejected
            .iter()
            .map(|((stage, reason), count)| {
                json!({ "stage": stage, "reason": reason, "count": count })
            })
            .collect();
        json!({
            "complete": self.is_complete(),
            "dialogues": self.dialogues,
            "waiting": self.waiting,
            "stages": stages,
            "rejected": rejected,
            "failed": self.failed,
            "used": self.used,
        })
    }
}

/// What all stages of a run share.
struct Run<'a, 'w> {
    of: &'a Synthesis<'a>,
    metas: Vec<String>,
    journal: Journal,
    meter: Arc<Meter>,
    stop: Arc<Stop>,
    watch: &'w mut dyn Watch,
    summary: Summary,
}

/// Ends a model's work when the run is stopped.
struct Listening(Arc<Stop>);

impl Events for Listening {
    fn stop(&self) -> Option<Arc<AtomicBool>> {
        Some(self.0.flag())
    }

    fn cancelled(&mut self) -> bool {
        self.0.is_set()
    }
}

impl Synthesis<'_> {
    /// Does what is missing and writes what is there, also after an error, which then is told beside
    /// the summary.
    pub fn run(
        &self,
        watch: &mut dyn Watch,
    ) -> Result<(Summary, Option<SynthesisError>), SynthesisError> {
        make_folder(&self.out.join(MEDIA_FOLDER))?;
        let journal = Journal::open(&self.out.join(JOURNAL))?;
        if journal.mended {
            watch.say("the last line of the journal was torn; its piece is done again");
        }
        // Whoever holds the journal's lock is alone here.
        sweep(self.out);
        sweep(&self.out.join(MEDIA_FOLDER));
        let meter = Arc::new(Meter::new(self.recipe.budget, journal.used));
        let metas = self.metas()?;
        let stop = Arc::new(Stop::default());
        let summary = Summary::default();
        let mut run = Run { of: self, metas, journal, meter, stop, watch, summary };
        let mut error = run.advance().err();
        let finished = run.write()?;
        if let (Some(model), None) = (self.tokens, &error) {
            error = run.conversations(model, &finished).err();
        }
        let mut summary = run.summary;
        summary.used = run.meter.spent();
        Ok((summary, error))
    }

    /// The list of meta topics, which no model is asked for.
    fn metas(&self) -> Result<Vec<String>, SynthesisError> {
        let mut engine = self.engine(NO_MODEL)?;
        let value = execute(self, &mut engine, &self.stages.meta_topics, &[], 0, &mut Silent)?;
        let json = json::of(&value).unwrap_or_default();
        let metas: Vec<String> = serde_json::from_value(json).unwrap_or_default();
        match metas.is_empty() {
            true => Err(SynthesisError::Stage("`meta_topics` gave no topics".to_string())),
            false => Ok(metas),
        }
    }

    fn engine(&self, model: &str) -> Result<Engine, ProviderError> {
        (self.open)(model).map_err(|error| ProviderError::Local(error.failure.to_string()))
    }
}

fn make_folder(path: &Path) -> Result<(), SynthesisError> {
    std::fs::create_dir_all(path).map_err(|error| SynthesisError::File {
        path: path.to_path_buf(),
        reason: error.to_string(),
    })
}

fn execute(
    of: &Synthesis<'_>,
    engine: &mut Engine,
    stage: &Stage,
    inputs: &[Option<Value>],
    seed: u64,
    events: &mut dyn Events,
) -> Result<Value, ProviderError> {
    let mut executor = Executor { engine, seed, resolve: of.beside, events };
    executor.run(&stage.plan, inputs, &mut |_, _| Ok(())).map_err(|error| match error.failure {
        Failure::Cancelled => ProviderError::Stopped,
        Failure::Writer(error) => match error.downcast::<ProviderError>() {
            Ok(error) => *error,
            Err(other) => ProviderError::Local(other.to_string()),
        },
        failure => ProviderError::Local(format!("`{}`: {failure}", stage.plan.name)),
    })
}

/// A writer's hand: a model of its own, and what it has used.
struct Hand {
    engine: Engine,
    tab: Option<Arc<Mutex<Usage>>>,
}

impl Hand {
    fn used(&self) -> Usage {
        let tab = self.tab.as_ref();
        let take = |tab: &Arc<Mutex<Usage>>| {
            std::mem::take(&mut *tab.lock().unwrap_or_else(PoisonError::into_inner))
        };
        tab.map(take).unwrap_or_default()
    }
}

/// A result with what it used, which a failure also has.
type Worked = (Result<Json, ProviderError>, Usage);

impl<'a> Run<'a, '_> {
    fn view(&self) -> View<'_> {
        View {
            recipe: self.of.recipe,
            stages: self.of.stages,
            metas: &self.metas,
            limit: self.of.limit,
            journal: &self.journal,
        }
    }

    /// All stages up to the media.
    fn advance(&mut self) -> Result<(), SynthesisError> {
        let of = self.of;
        let writer = self.client(&of.recipe.writer)?;
        let mut clients = HashMap::new();
        // A key that is missing is told before anything is paid for.
        for medium in of.recipe.media() {
            if let Some(provider) = of.recipe.maker(medium) {
                clients.insert(medium, self.client(provider)?);
            }
        }
        let pieces = self.view().topic_pieces();
        self.texts("topics", &of.stages.topics, pieces, writer.as_ref())?;
        let topics = self.view().topics(&mut Vec::new());
        let scenarios = self.view().scenario_pieces(&topics);
        self.texts("scenarios", &of.stages.scenarios, scenarios, writer.as_ref())?;
        let scenarios = self.view().scenario_pieces(&topics);
        let pieces = self.view().dialogue_pieces(&scenarios, &mut Vec::new());
        self.texts("dialogue", &of.stages.dialogue, pieces, writer.as_ref())?;
        let pieces = self.view().dialogue_pieces(&scenarios, &mut Vec::new());
        let dialogues = self.view().dialogues(&pieces, &mut Vec::new());
        let mut orders = self.view().orders(&dialogues);
        for medium in MEDIA {
            let (of_medium, others): (Vec<_>, Vec<_>) =
                orders.into_iter().partition(|order| order.medium == medium);
            orders = others;
            if let Some(provider) = of.recipe.maker(medium) {
                let client = clients.get(&medium).and_then(Option::as_ref);
                self.media(medium, provider, of_medium, client)?;
            }
        }
        Ok(())
    }

    /// The client of a server; other providers have none.
    fn client(&self, provider: &Provider) -> Result<Option<Arc<Client>>, SynthesisError> {
        let Provider::Openai(config) = provider else { return Ok(None) };
        let (meter, stop) = (Arc::clone(&self.meter), Arc::clone(&self.stop));
        let client = Client::new(config, meter, stop, self.of.recipe.seed)?;
        Ok(Some(Arc::new(client)))
    }

    fn texts(
        &mut self,
        name: &'static str,
        stage: &'a Stage,
        pieces: Vec<Piece>,
        client: Option<&Arc<Client>>,
    ) -> Result<(), SynthesisError> {
        let (of, stop) = (self.of, Arc::clone(&self.stop));
        let hire = || match &of.recipe.writer {
            Provider::Bundle(model) => Ok(Hand { engine: of.engine(model)?, tab: None }),
            _ => {
                let mut engine = of.engine(NO_MODEL)?;
                let Some(client) = client else {
                    return Err(ProviderError::Local("the writer has no server".to_string()));
                };
                let (writer, tab) = RemoteWriter::new(Arc::clone(client));
                engine.written_by(Box::new(writer));
                Ok(Hand { engine, tab: Some(tab) })
            }
        };
        let task = |hand: &mut Hand, piece: &Piece| {
            let mut events = Listening(Arc::clone(&stop));
            let made = execute(of, &mut hand.engine, stage, &piece.inputs, piece.seed, &mut events);
            let nothing = || ProviderError::Local("a stage gave no data".to_string());
            (made.and_then(|value| json::of(&value).ok_or_else(nothing)), hand.used())
        };
        let hands = of.recipe.writer.parallel();
        let pieces: Vec<(String, Piece)> =
            pieces.into_iter().map(|piece| (piece.key.clone(), piece)).collect();
        self.stage(name, hands, pieces, hire, task)
    }

    fn media(
        &mut self,
        medium: Medium,
        provider: &'a Provider,
        orders: Vec<Order>,
        client: Option<&Arc<Client>>,
    ) -> Result<(), SynthesisError> {
        let (of, stop) = (self.of, Arc::clone(&self.stop));
        let hire = || match (provider, client, of.stages.maker(medium)) {
            (Provider::Openai(_), Some(client), _) => Ok(Maker::Server(Arc::clone(client))),
            (Provider::Bundle(model), _, Some(stage)) => {
                let engine = Box::new(of.engine(model)?);
                engine.admits(&stage.plan).map_err(|error| {
                    ProviderError::Local(format!("{medium}: {}", error.failure))
                })?;
                Ok(Maker::Local { engine, plan: &stage.plan })
            }
            (Provider::Command(command), _, _) => Ok(Maker::Program(command, Arc::clone(&stop))),
            _ => Err(ProviderError::Local(format!("nobody makes {medium}"))),
        };
        let task = |maker: &mut Maker<'_>, order: &Order| {
            let mut events = Listening(Arc::clone(&stop));
            let made = maker.make(medium, &order.words, order.seed, &order.key, &mut events);
            let made = match made {
                Ok(made) => made,
                Err(error) => return (Err(error), Usage::default()),
            };
            // The file comes before the line that says it is there.
            let name: String = order.key.chars().take(32).collect();
            let file = format!("{MEDIA_FOLDER}/{name}.{}", made.extension);
            let path = of.out.join(&file);
            let written = write_atomic(&path, &made.bytes)
                .map_err(|source| ProviderError::Write { path, source });
            let digest = Digest::of(&made.bytes).hex();
            let about = json!({ "file": file, "bytes": made.bytes.len(), "blake3": digest });
            (written.map(|()| about), made.usage)
        };
        let orders: Vec<(String, Order)> =
            orders.into_iter().map(|order| (order.key.clone(), order)).collect();
        self.stage(medium.name(), provider.parallel(), orders, hire, task)
    }

    /// Does the pieces of a stage that the journal lacks.
    fn stage<T: Sync + Send, W>(
        &mut self,
        name: &'static str,
        hands: usize,
        pieces: Vec<(String, T)>,
        hire: impl Fn() -> Result<W, ProviderError> + Sync,
        task: impl Fn(&mut W, &T) -> Worked + Sync,
    ) -> Result<(), SynthesisError> {
        let total = pieces.len();
        let missing: Vec<(String, T)> =
            pieces.into_iter().filter(|(key, _)| !self.is_there(key)).collect();
        let place = self.summary.stages.len();
        self.summary.stages.push((name.to_string(), total - missing.len(), total));
        self.watch.stage(name, total, total - missing.len());
        if missing.is_empty() {
            return Ok(());
        }
        let mut in_a_row = 0;
        let stop = Arc::clone(&self.stop);
        let result = pool::work(
            &missing,
            hands,
            &stop,
            hire,
            |hand: &mut W, (_, piece): &(String, T)| Ok(task(hand, piece)),
            |report| {
                if self.watch.cancelled() {
                    self.stop.set();
                }
                let (index, worked) = match report {
                    None if self.stop.is_set() => return Err(SynthesisError::Cancelled),
                    None => return Ok(()),
                    Some((None, hired)) => return hired.map(drop).map_err(Into::into),
                    Some((Some(index), worked)) => (index, worked),
                };
                let (made, used) = worked?;
                let key = missing.get(index).map(|(key, _)| key.clone()).unwrap_or_default();
                let outcome = match made {
                    Ok(json) => Outcome::Made(json),
                    Err(error) => match error.scope() {
                        Scope::Piece => Outcome::Rejected {
                            reason: error.word().to_string(),
                            detail: error.to_string(),
                        },
                        Scope::Now => {
                            in_a_row += 1;
                            self.summary.failed += 1;
                            let last = error.to_string();
                            self.summary.last_failure = Some(last.clone());
                            self.watch.say(&last);
                            if in_a_row >= HOPELESS.min(missing.len().max(2)) {
                                return Err(SynthesisError::Hopeless { count: in_a_row, last });
                            }
                            return Ok(());
                        }
                        Scope::Run => {
                            return Err(match error {
                                ProviderError::Stopped => SynthesisError::Cancelled,
                                error => error.into(),
                            });
                        }
                    },
                };
                in_a_row = 0;
                let stage = name.to_string();
                self.journal.append(Entry { stage, key, outcome, used })?;
                if let Some((_, there, _)) = self.summary.stages.get_mut(place) {
                    *there += 1;
                }
                let spent = self.meter.spent();
                self.watch.piece(&spent);
                Ok(())
            },
        );
        let noted = self.journal.note(name, &self.meter.spent());
        match result {
            Ok(()) if self.stop.is_set() => Err(SynthesisError::Cancelled),
            other => other.and(noted),
        }
    }

    /// Whether a piece is done; a medium only with its file.
    fn is_there(&self, key: &str) -> bool {
        match self.journal.get(key) {
            Some(Outcome::Made(made)) => match (made["file"].as_str(), made["bytes"].as_u64()) {
                (Some(file), Some(bytes)) => {
                    let path = self.of.out.join(file);
                    path.metadata().is_ok_and(|there| there.len() == bytes)
                }
                _ => true,
            },
            Some(Outcome::Rejected { .. }) => true,
            Some(Outcome::Spent) | None => false,
        }
    }

    /// Writes the dialogues that are whole, and what was rejected.
    fn write(&mut self) -> Result<Vec<Finished>, SynthesisError> {
        let mut rejected = Vec::new();
        let view = self.view();
        let topics = view.topics(&mut rejected);
        let scenarios = view.scenario_pieces(&topics);
        let pieces = view.dialogue_pieces(&scenarios, &mut rejected);
        let dialogues = view.dialogues(&pieces, &mut rejected);
        let (finished, waiting) = view.finished(dialogues, &mut rejected);
        let rows = finished.iter().map(|Finished { dialogue, files }| {
            let turns = dialogue.turns.iter().zip(files);
            let turns: Vec<Json> = turns.map(|(turn, files)| shown(turn, files)).collect();
            let mut row = json!({ "id": dialogue.id });
            extend(&mut row, &dialogue.about);
            row["turns"] = json!(turns);
            row
        });
        self.save(DIALOGUES, rows)?;
        let rows = rejected.iter().map(|Rejected { stage, reason, about }| {
            let mut row = json!({ "stage": stage, "reason": reason.word, "detail": reason.detail });
            extend(&mut row, about);
            row
        });
        self.save(REJECTED, rows)?;
        self.summary.dialogues = finished.len();
        self.summary.waiting = waiting;
        for Rejected { stage, reason, .. } in &rejected {
            let count = (stage.to_string(), reason.word.to_string());
            *self.summary.rejected.entry(count).or_default() += 1;
        }
        Ok(finished)
    }

    fn save(&self, name: &str, rows: impl Iterator<Item = Json>) -> Result<(), SynthesisError> {
        let path = self.of.out.join(name);
        write_atomic_with(&path, |file| {
            for row in rows {
                writeln!(file, "{row}")?;
            }
            Ok(())
        })
        .map_err(|source| ProviderError::Write { path, source }.into())
    }

    /// Writes the finished dialogues with the tokens of a model; codes are kept in the journal.
    fn conversations(&mut self, model: &str, finished: &[Finished]) -> Result<(), SynthesisError> {
        let of = self.of;
        let bundle = of.engine(model)?.bundle().clone();
        let named = bundle.manifest_digest().hex();
        let mut files: BTreeMap<&str, Medium> = BTreeMap::new();
        for Finished { dialogue, files: of_turns } in finished {
            for (turn, paths) in dialogue.turns.iter().zip(of_turns) {
                let media = turn.media.iter().map(|(medium, _)| *medium);
                files.extend(paths.iter().map(String::as_str).zip(media));
            }
        }
        let key_of = |file: &str| key(&json!(["codes", named, file]));
        let pieces: Vec<(String, (String, Medium))> = files
            .iter()
            .map(|(file, medium)| (key_of(file), (file.to_string(), *medium)))
            .collect();
        let stop = Arc::clone(&self.stop);
        let hire = || of.engine(model);
        let task = |engine: &mut Engine, (file, medium): &(String, Medium)| {
            let mut events = Listening(Arc::clone(&stop));
            let codes = tokens::encode(engine, &of.out.join(file), *medium, &mut events);
            let codes = codes.map(|codes| json!(codes)).map_err(|failure| match failure {
                Failure::Cancelled => ProviderError::Stopped,
                failure @ (Failure::Media(_) | Failure::TooLong { .. }) => {
                    ProviderError::Media { medium: medium.name(), reason: failure.to_string() }
                }
                failure => ProviderError::Local(failure.to_string()),
            });
            (codes, Usage::default())
        };
        self.stage("tokens", 1, pieces, hire, task)?;
        let mut codes: HashMap<&str, Vec<u32>> = HashMap::new();
        for file in files.keys() {
            if let Some(made) = self.journal.made(&key_of(file)) {
                codes.insert(file, serde_json::from_value(made.clone()).unwrap_or_default());
            }
        }
        let look = |file: &str| codes.get(file).map(Vec::as_slice);
        let rows: Vec<Json> =
            finished.iter().filter_map(|finished| tokens::row(&bundle, finished, look)).collect();
        let left_out = finished.len() - rows.len();
        if left_out > 0 {
            let line = format!("{left_out} dialogues have media that {model} cannot encode");
            self.watch.say(&line);
        }
        self.save(CONVERSATIONS, rows.into_iter())
    }
}

fn extend(row: &mut Json, more: &Json) {
    if let (Some(row), Some(more)) = (row.as_object_mut(), more.as_object()) {
        row.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
}
