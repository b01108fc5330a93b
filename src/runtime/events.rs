//! What a run tells while it goes on.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::base::Reply;

use super::components::device::Device;
use super::components::placement::{Bytes, Precision};

/// Receives the progress of a run. All methods have empty defaults.
pub trait Events {
    /// A component's weights are about to be read.
    fn loading(&mut self, _what: &str) {}

    /// A component is ready.
    fn loaded(&mut self, _what: &Loaded) {}

    /// A component had to make room for another.
    fn unloaded(&mut self, _what: &Unloaded) {}

    /// A node that runs a model begins; `path` is its address in the plan.
    fn started(&mut self, _path: &str, _doing: &str) {}

    /// Steps of the node that began last.
    fn progress(&mut self, _done: usize, _total: usize) {}

    /// A piece of text that the language model has just made.
    fn text(&mut self, _piece: &str) {}

    /// The language model has read a prompt and written a reply.
    fn generated(&mut self, _record: &Generated) {}

    /// A plugin that may do so has written a line.
    fn plugin_said(&mut self, _plugin: &str, _line: &str) {}

    /// The node that began last has its value.
    fn finished(&mut self, _path: &str, _took: Duration) {}

    /// What becomes true when the run should stop, for work between whose steps nobody can ask.
    fn stop(&self) -> Option<Arc<AtomicBool>> {
        None
    }

    /// Whether the run should stop; asked between steps.
    fn cancelled(&mut self) -> bool {
        false
    }
}

/// What a network reports its steps to: they become progress, and a cancelled run breaks them off.
pub fn steps(events: &mut dyn Events) -> impl FnMut(usize, usize) -> ControlFlow<()> + '_ {
    |done, total| {
        events.progress(done, total);
        if events.cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// A component that was loaded, for records of a run.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub part: String,
    pub device: Device,
    pub precision: Precision,
    /// Its weights; of the language model also the keys and values of a full context.
    pub bytes: Bytes,
    /// All that is now on the device.
    pub in_use: Bytes,
    pub budget: Option<Bytes>,
}

/// A component that was unloaded.
#[derive(Debug, Clone)]
pub struct Unloaded {
    pub part: String,
    pub device: Device,
    pub bytes: Bytes,
}

/// One reply of the language model, for records of a run.
#[derive(Debug, Clone)]
pub struct Generated {
    pub path: String,
    pub reply: Reply,
    pub prompt: String,
    pub prompt_ids: Vec<u32>,
    /// Ids of the joint vocabulary, without the tokens that ended the reply.
    pub ids: Vec<u32>,
    /// For each id, how near another was; empty if the reply was recorded.
    pub gaps: Vec<f32>,
    pub took: Duration,
}

/// Ignores everything.
#[derive(Debug, Default)]
pub struct Silent;

impl Events for Silent {}
