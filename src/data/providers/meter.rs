//! What was used, what it costs, and what may still be used.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Prices, ProviderError, Stop};

/// Work of providers, for totals.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    pub requests: u64,
    /// Tokens read and written.
    pub input: u64,
    pub output: u64,
    /// Characters read aloud.
    pub characters: u64,
    pub cost: f64,
}

impl Usage {
    pub fn add(&mut self, other: &Usage) {
        self.requests += other.requests;
        self.input += other.input;
        self.output += other.output;
        self.characters += other.characters;
        self.cost += other.cost;
    }

    /// What this has more than `other`; without requests, tokens or characters there is no cost either,
    /// but the rounding of two sums.
    pub fn beyond(&self, other: &Usage) -> Usage {
        let more = Usage {
            requests: self.requests.saturating_sub(other.requests),
            input: self.input.saturating_sub(other.input),
            output: self.output.saturating_sub(other.output),
            characters: self.characters.saturating_sub(other.characters),
            cost: 0.0,
        };
        match more == Usage::default() {
            true => more,
            false => Usage { cost: (self.cost - other.cost).max(0.0), ..more },
        }
    }

    pub fn tokens(&self) -> u64 {
        self.input + self.output
    }

    /// The same with its cost.
    pub fn priced(mut self, prices: &Prices) -> Usage {
        let million = |count: u64, price: f64| count as f64 * price / 1e6;
        self.cost = million(self.input, prices.input)
            + million(self.output, prices.output)
            + million(self.characters, prices.characters)
            + self.requests as f64 * prices.request;
        self
    }
}

/// The most that all runs together may use.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    pub tokens: Option<u64>,
    pub cost: Option<f64>,
}

#[derive(Debug, Default)]
struct State {
    spent: Usage,
    /// The most that requests on their way may use.
    pending: Usage,
}

/// Counts for all providers of a run. A request is let through only if the budget suffices for
/// the most that it can use.
#[derive(Debug, Default)]
pub struct Meter {
    budget: Budget,
    state: Mutex<State>,
}

impl Meter {
    /// `spent` is what earlier runs used.
    pub fn new(budget: Budget, spent: Usage) -> Meter {
        Meter { budget, state: Mutex::new(State { spent, pending: Usage::default() }) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Counts stay counts, whatever happened to another thread.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn spent(&self) -> Usage {
        self.state().spent
    }

    /// Waits while requests on their way may still leave room; an error once there is none.
    pub(super) fn reserve(&self, most: &Usage, stop: &Stop) -> Result<(), ProviderError> {
        loop {
            {
                let mut state = self.state();
                let mut then = state.spent;
                then.add(&state.pending);
                then.add(most);
                match self.over(&then) {
                    None => {
                        state.pending.add(most);
                        return Ok(());
                    }
                    Some(what) if state.pending.requests == 0 => {
                        return Err(ProviderError::Budget(what));
                    }
                    Some(_) => {}
                }
            }
            stop.wait(Duration::from_millis(20))?;
        }
    }

    fn over(&self, usage: &Usage) -> Option<String> {
        match (self.budget.tokens, self.budget.cost) {
            (Some(tokens), _) if usage.tokens() > tokens => Some(format!("{tokens} tokens")),
            (_, Some(cost)) if usage.cost > cost => Some(format!("{cost}")),
            _ => None,
        }
    }

    /// What a reserved request has really used; nothing if it failed.
    pub(super) fn settle(&self, most: &Usage, used: &Usage) {
        let mut state = self.state();
        let pending = &mut state.pending;
        pending.requests = pending.requests.saturating_sub(most.requests);
        pending.input = pending.input.saturating_sub(most.input);
        pending.output = pending.output.saturating_sub(most.output);
        pending.characters = pending.characters.saturating_sub(most.characters);
        pending.cost = (pending.cost - most.cost).max(0.0);
        state.spent.add(used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_might_go_beyond_the_budget_is_not_sent() {
        let budget = Budget { tokens: Some(100), cost: None };
        let meter = Meter::new(budget, Usage { input: 50, ..Usage::default() });
        let most = Usage { requests: 1, input: 10, output: 40, ..Usage::default() };
        let stop = Stop::default();
        meter.reserve(&most, &stop).unwrap();
        meter.settle(&most, &Usage { requests: 1, input: 10, output: 5, ..Usage::default() });
        assert_eq!(meter.spent().tokens(), 65);
        let error = meter.reserve(&most, &stop).unwrap_err();
        assert_eq!(error.to_string(), "the budget of 100 tokens is spent");
    }

    #[test]
    fn a_request_waits_for_those_that_may_leave_room() {
        let meter = Meter::new(Budget { tokens: Some(100), cost: None }, Usage::default());
        let most = Usage { requests: 1, output: 60, ..Usage::default() };
        let stop = Stop::default();
        meter.reserve(&most, &stop).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| meter.reserve(&most, &stop));
            std::thread::sleep(Duration::from_millis(50));
            assert!(!waiting.is_finished());
            meter.settle(&most, &Usage { requests: 1, output: 10, ..Usage::default() });
            waiting.join().unwrap().unwrap();
        });
    }

    #[test]
    fn costs_are_by_the_million() {
        let prices = Prices { input: 2.0, output: 8.0, request: 0.5, characters: 15.0 };
        let usage = Usage { requests: 2, input: 500_000, output: 250_000, ..Usage::default() };
        assert!((usage.priced(&prices).cost - 4.0).abs() < 1e-12);
    }
}
