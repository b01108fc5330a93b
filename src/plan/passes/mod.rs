//! Passes: each is a function from a plan to a plan.

mod dead;
mod fold;
mod rewrite;
mod share;
mod undecoded;

use super::graph::Plan;

pub use undecoded::undecoded;

/// What one pass did, for `agpt plan --explain-passes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub pass: &'static str,
    pub purpose: &'static str,
    pub before: usize,
    pub after: usize,
}

type Pass = (&'static str, &'static str, fn(&Plan) -> Plan);

const PASSES: [Pass; 3] = [
    ("fold", "compute what is known before the run", fold::run),
    ("share", "merge equal operations on equal inputs", share::run),
    ("dead", "drop what no result needs", dead::run),
];

/// Runs all passes in order.
pub fn optimise(plan: &Plan) -> (Plan, Vec<Report>) {
    let mut plan = plan.clone();
    let mut reports = Vec::new();
    for (pass, purpose, run) in PASSES {
        let before = plan.node_count();
        plan = run(&plan);
        reports.push(Report { pass, purpose, before, after: plan.node_count() });
    }
    (plan, reports)
}
