//! Runs `test` declarations: expectations, and snapshots of what was generated.

pub mod junit;
pub mod outcome;
pub mod snapshot;
mod store;

use std::path::Path;

use crate::lang::ir::{CheckKind, Program, Test};
use crate::plan::{self, passes};
use crate::runtime::engine::Engine;
use crate::runtime::error::{Failure, RunError};
use crate::runtime::events::Events;
use crate::runtime::execute::{Executor, Resolve};
use crate::runtime::value::Value;

use outcome::{Finding, Outcome};
use store::Store;

/// What is done with snapshots that are missing or differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The test fails; nothing is written.
    Compare,
    /// The new one is written.
    Update,
}

/// What the tests of one file share.
pub struct Session<'a> {
    pub engine: &'a mut Engine,
    /// Where a test gives none.
    pub seed: u64,
    pub resolve: &'a Resolve<'a>,
    pub events: &'a mut dyn Events,
    pub keep: Keep,
    /// The .agpt file: its snapshots lie in `snapshots/` beside it.
    pub file: &'a Path,
}

impl Session<'_> {
    /// Runs one test. What it finds is in the outcome; an error is one of the run itself.
    pub fn run(&mut self, program: &Program, test: &Test) -> Outcome {
        let findings = self.findings(program, test);
        Outcome { title: test.title.clone(), span: test.span, findings }
    }

    fn findings(&mut self, program: &Program, test: &Test) -> Result<Vec<Finding>, RunError> {
        let lowered = plan::lower_test(program, test)
            .map_err(|diagnostic| Failure::Plan(Box::new(diagnostic)))?;
        let plan = passes::optimise(&lowered).0;
        self.engine.admits(&plan)?;
        let mut executor = Executor {
            engine: self.engine,
            seed: test.seed.unwrap_or(self.seed),
            resolve: self.resolve,
            events: self.events,
        };
        let result = executor.run(&plan, &[], &mut |_, _| Ok(()))?;
        let field = |name: &str| match &result {
            Value::Record(fields) => fields.iter().find(|(known, _)| known == name).map(|f| &f.1),
            _ => None,
        };
        let mut findings = Vec::new();
        let mut store = Store::open(self.file, test)?;
        for check in &test.checks {
            match (&check.kind, field(&check.field)) {
                (CheckKind::Expect { .. }, Some(Value::Bool(true))) => {}
                (CheckKind::Expect { sides }, _) => {
                    let shown = |name: &String| field(name).map(snapshot::brief);
                    let sides = sides.as_ref();
                    let sides = sides.and_then(|(l, r)| Some((shown(l)?, shown(r)?)));
                    findings.push(Finding::Unexpected { span: check.span, sides });
                }
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
        if self.keep == Keep::Update
            && store.save(self.engine.model(), test.seed.unwrap_or(self.seed))?
        {
            for finding in &mut findings {
                finding.accept();
            }
        }
        Ok(findings)
    }
}
