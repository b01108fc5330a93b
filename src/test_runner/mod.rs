//! Runs `test` declarations: expectations, and snapshots of what was generated.

pub mod junit;
pub mod outcome;
pub mod report;
pub mod snapshot;
mod store;

use std::path::Path;

use crate::base::Diagnostic;
use crate::lang::ir::{CheckKind, Program, Test};
use crate::plan::{self, Plan, passes};
use crate::runtime::engine::Engine;
use crate::runtime::error::{Failure, RunError};
use crate::runtime::events::Events;
use crate::runtime::execute::{Executor, Resolve};
use crate::runtime::value::Value;

use outcome::{Finding, Outcome};
use report::Shown;
use store::Store;

/// What is done with snapshots that are missing or differ.
pub enum Keep<'a> {
    /// The test fails; nothing is written.
    Compare,
    /// The new one is written.
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
    /// Whether snapshots are to be shown, kept and present ones.
    pub show: bool,
    /// The .agpt file: its snapshots lie in `snapshots/` beside it.
    pub file: &'a Path,
}

impl Session<'_> {
    /// Runs one test. What it finds is in the outcome; an error is one of the run itself.
    pub fn run(&mut self, program: &Program, test: &Test) -> Outcome {
        let mut shown = Vec::new();
        let findings = self.findings(program, test, &mut shown);
        Outcome { title: test.title.clone(), span: test.span, findings, shown }
    }

    fn findings(
        &mut self,
        program: &Program,
        test: &Test,
        shown: &mut Vec<Shown>,
    ) -> Result<Vec<Finding>, RunError> {
        let lowered = plan::lower_test(program, test)
            .map_err(|diagnostic| Failure::Plan(Box::new(diagnostic)))?;
        let plan = passes::optimise(&lowered).0;
        self.engine.admits(&plan)?;
        let seed = test.seed.unwrap_or(self.seed);
        let result = self.once(&plan, seed)?;
        let field = |name: &str| match &result {
            Value::Record(fields) => fields.iter().find(|(known, _)| known == name).map(|f| &f.1),
            _ => None,
        };
        let mut findings = self.repeated(&plan, test, seed, &result)?;
        let mut store = Store::open(self.file, test)?;
        for check in &test.checks {
            match (&check.kind, field(&check.field)) {
                (CheckKind::Expect { .. }, _) => {}
                (CheckKind::Snapshot, value) => {
                    let value = value.unwrap_or(&Value::None);
                    let difference = store.compare(value)?;
                    if let Some(difference) = difference {
                        findings.push(Finding::Snapshot { span: check.span, difference });
                    }
                }
            }
        }
        findings.extend(store.stale().map(|count| Finding::Stale { span: test.span, count }));
        if self.show {
            *shown = store.shown();
        }
        let changed = findings.iter().any(Finding::is_of_snapshot);
        let accepted = match &mut self.keep {
            Keep::Compare => false,
            Keep::Update => true,
            Keep::Ask(ask) => {
                let told: Vec<Diagnostic> = findings.iter().map(Finding::diagnostic).collect();
                changed && ask(&test.title, &told)
            }
        };
        if accepted && store.save(self.engine.model(), seed)? {
            for finding in &mut findings {
                finding.accept();
            }
        }
        Ok(findings)
    }

    fn once(&mut self, plan: &Plan, seed: u64) -> Result<Value, RunError> {
        let mut executor =
            Executor { engine: self.engine, seed, resolve: self.resolve, events: self.events };
        executor.run(plan, &[], &mut |_, _| Ok(()))
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
        for time in 0..test.repeat {
            let unexpected = match time {
                0 => unexpected(test, first),
                _ => unexpected(test, &self.once(plan, seed.wrapping_add(u64::from(time)))?),
            };
            if unexpected.is_empty() {
                held += 1;
            } else {
                failed += 1;
                if shown.is_empty() {
                    shown = unexpected;
                }
            }
            if held >= test.pass {
                return Ok(Vec::new());
            }
            if failed > test.repeat - test.pass {
                break;
            }
        }
        if test.repeat > 1 {
            let (pass, repeat) = (test.pass, test.repeat);
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
