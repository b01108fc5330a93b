//! Runs `test` declarations: expectations, and snapshots of what was generated.

pub mod junit;
pub mod outcome;
mod recorder;
pub mod report;
pub mod snapshot;
pub mod store;
pub mod tier;

use std::path::Path;

use crate::base::Diagnostic;
use crate::lang::ir::{CheckKind, Program, Test};
use crate::plan::{self, Plan, passes};
use crate::runtime::engine::Engine;
use crate::runtime::error::{Failure, RunError};
use crate::runtime::events::Events;
use crate::runtime::execute::{Executor, Resolve};
use crate::runtime::recording::Recording;
use crate::runtime::value::Value;

use outcome::{Finding, Outcome};
use recorder::{Recorder, deviation};
use report::Shown;
use store::Store;
use tier::Tier;

/// What is done with snapshots that are missing or differ.
pub enum Keep<'a> {
    /// The test fails; nothing is written.
    Compare,
    /// The new one is written, unless something is not as expected.
    Update,
    /// The new one is written if the answer is yes. What was found is given, failures of
    /// `expect` too.
    Ask(&'a mut dyn FnMut(&str, &[Diagnostic]) -> bool),
}

/// What the tests of one file share.
pub struct Session<'a> {
    pub engine: &'a mut Engine,
    /// Where a test gives none.
    pub seed: u64,
    pub resolve: &'a Resolve<'a>,
    pub events: &'a mut dyn Events,
    pub keep: Keep<'a>,
    /// Which stages run.
    pub tier: Tier,
    /// Whether what the language model writes is kept for every test, also for one without a snapshot.
    pub record: bool,
    /// Whether snapshots are to be shown, kept and present ones.
    pub show: bool,
    /// The .agpt file: its snapshots lie in `snapshots/` beside it.
    pub file: &'a Path,
}

impl Session<'_> {
    /// Runs one test. What it finds is in the outcome; an error is one of the run itself.
    pub fn run(&mut self, program: &Program, test: &Test) -> Outcome {
        let (mut shown, mut asked) = (Vec::new(), false);
        let findings = self.findings(program, test, &mut shown, &mut asked);
        self.engine.replay = None;
        Outcome { title: test.title.clone(), span: test.span, findings, shown, asked }
    }

    fn findings(
        &mut self,
        program: &Program,
        test: &Test,
        shown: &mut Vec<Shown>,
        asked: &mut bool,
    ) -> Result<Vec<Finding>, RunError> {
        let lowered = plan::lower_test(program, test)
            .map_err(|diagnostic| Failure::Plan(Box::new(diagnostic)))?;
        let mut plan = passes::optimise(&lowered).0;
        if self.tier.leaves_codes() {
            plan = passes::undecoded(&plan);
        }
        let mut store = Store::open(self.file, test)?;
        if self.tier.replays() {
            self.engine.replay = Some(store.recording().cloned().unwrap_or_default());
        }
        self.engine.admits(&plan)?;
        let seed = test.seed.unwrap_or(self.seed);
        let (result, recording) = self.once(&plan, seed)?;
        let mut findings = Vec::new();
        if let Some(before) = store.recording() {
            let deviation = deviation(before, &recording);
            findings.extend(deviation.map(|found| Finding::Deviation { span: test.span, found }));
        }
        findings.extend(self.repeated(&plan, test, seed, &result)?);
        self.compare(&mut store, test, &result, &mut findings)?;
        if self.show {
            *shown = store.shown();
        }
        let snapshots = test.checks.iter().any(|check| matches!(check.kind, CheckKind::Snapshot));
        if self.record || snapshots || store.recording().is_some() {
            store.record(recording);
        }
        let changed = findings.iter().any(Finding::is_of_snapshot);
        let accepted = match &mut self.keep {
            Keep::Compare => self.record && !changed,
            Keep::Update => !findings.iter().any(Finding::is_unexpected),
            Keep::Ask(ask) => {
                let told: Vec<Diagnostic> = findings.iter().map(Finding::diagnostic).collect();
                *asked = changed;
                changed && ask(&test.title, &told)
            }
        };
        if accepted && store.save(self.engine.model(), seed)? {
            findings.retain(|finding| !finding.is_of_snapshot());
            findings.push(Finding::Accepted);
        }
        Ok(findings)
    }

    /// Compares what the test takes snapshots of with what is kept.
    fn compare(
        &self,
        store: &mut Store,
        test: &Test,
        result: &Value,
        findings: &mut Vec<Finding>,
    ) -> Result<(), RunError> {
        let field = |name: &str| match result {
            Value::Record(fields) => fields.iter().find(|(known, _)| known == name).map(|f| &f.1),
            _ => None,
        };
        for check in &test.checks {
            if matches!(check.kind, CheckKind::Snapshot) {
                let value = field(&check.field).unwrap_or(&Value::None);
                if let Some(difference) = store.compare(value, self.tier)? {
                    findings.push(Finding::Snapshot { span: check.span, difference });
                }
            }
        }
        findings.extend(store.stale().map(|count| Finding::Stale { span: test.span, count }));
        Ok(())
    }

    fn once(&mut self, plan: &Plan, seed: u64) -> Result<(Value, Recording), RunError> {
        let mut events = Recorder { inner: self.events, recording: Recording::new() };
        let mut executor =
            Executor { engine: self.engine, seed, resolve: self.resolve, events: &mut events };
        let value = executor.run(plan, &[], &mut |_, _| Ok(()))?;
        Ok((value, events.recording))
    }

    /// What of `expect` does not hold, as often as the test runs; nothing if it holds often
    /// enough. It goes on only as long as that is open.
    fn repeated(
        &mut self,
        plan: &Plan,
        test: &Test,
        seed: u64,
        first: &Value,
    ) -> Result<Vec<Finding>, RunError> {
        let (mut held, mut failed) = (0, 0);
        let mut shown = Vec::new();
        // Only the first run is recorded.
        let (repeat, pass) = if self.tier.replays() { (1, 1) } else { (test.repeat, test.pass) };
        for time in 0..repeat {
            let unexpected = match time {
                0 => unexpected(test, first),
                _ => unexpected(test, &self.once(plan, seed.wrapping_add(u64::from(time)))?.0),
            };
            if unexpected.is_empty() {
                held += 1;
            } else {
                failed += 1;
                if shown.is_empty() {
                    shown = unexpected;
                }
            }
            if held >= pass {
                return Ok(Vec::new());
            }
            if failed > repeat - pass {
                break;
            }
        }
        if repeat > 1 {
            shown.push(Finding::TooSeldom { span: test.span, held, failed, pass, repeat });
        }
        Ok(shown)
    }
}

/// Expectations that do not hold.
fn unexpected(test: &Test, result: &Value) -> Vec<Finding> {
    let field = |name: &str| match result {
        Value::Record(fields) => fields.iter().find(|(known, _)| known == name).map(|f| &f.1),
        _ => None,
    };
    let mut findings = Vec::new();
    for check in &test.checks {
        let CheckKind::Expect { sides } = &check.kind else { continue };
        if field(&check.field) == Some(&Value::Bool(true)) {
            continue;
        }
        let shown = |name: &String| field(name).map(snapshot::brief);
        let sides = sides.as_ref().and_then(|(l, r)| Some((shown(l)?, shown(r)?)));
        findings.push(Finding::Unexpected { span: check.span, sides });
    }
    findings
}
