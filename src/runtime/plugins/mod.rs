//! Plugins at run time: who allows them what, and calls of their functions in a sandbox.

#[cfg(feature = "plugins")]
mod cache;
#[cfg(feature = "plugins")]
mod convert;
#[cfg(feature = "plugins")]
mod host;
#[cfg(feature = "plugins")]
mod sandbox;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::str::FromStr;

use crate::base::Span;
use crate::base::rng::Stream;
use crate::lang::plugin::Grant;
use crate::plan::{Op, Plan, PluginCall};

use super::error::{Failure, RunError};
use super::events::Events;
use super::value::Value;

/// What the person who runs a file allows its plugins: `clock` for all, `NAME=clock` for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    pub plugin: Option<String>,
    pub grant: Grant,
}

impl FromStr for Allow {
    type Err = String;

    fn from_str(text: &str) -> Result<Allow, String> {
        let (plugin, word) = match text.split_once('=') {
            Some((plugin, word)) => (Some(plugin.to_string()), word),
            None => (None, text),
        };
        let known = Grant::ALL.map(Grant::name).join(", ");
        let grant = Grant::from_name(word)
            .ok_or_else(|| format!("there is no grant `{word}`; there are {known}"))?;
        Ok(Allow { plugin, grant })
    }
}

impl Allow {
    /// The plugin that is named and that a plan never calls, with those that it calls.
    pub fn idle<'a>(&'a self, plan: &Plan) -> Option<(&'a str, BTreeSet<String>)> {
        let named = self.plugin.as_deref()?;
        let mut called = BTreeSet::new();
        collect(plan, &mut called);
        (!called.contains(named)).then_some((named, called))
    }
}

/// The names of all plugins that a plan calls.
fn collect(plan: &Plan, names: &mut BTreeSet<String>) {
    for node in plan.graph.node_weights() {
        match &node.op {
            Op::Plugin(call) => drop(names.insert(call.plugin.name.clone())),
            Op::Map(body) => collect(body, names),
            _ => {}
        }
    }
}

/// Why a plugin could not give a value.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    #[error("plugin `{plugin}` wants to {}, which was not allowed", grant.doc())]
    NotAllowed { plugin: String, grant: Grant },
    #[error("the component of plugin `{plugin}` cannot be made ready: {reason}")]
    Unusable { plugin: String, reason: String },
    #[error("plugin `{call}` used up its fuel of {fuel}")]
    Fuel { call: String, fuel: u64 },
    #[error("plugin `{call}` ran longer than {seconds} s")]
    Deadline { call: String, seconds: f64 },
    #[error("plugin `{call}` asked for more than {memory} of memory")]
    Memory { call: String, memory: String },
    #[error("plugin `{call}` crashed: {reason}")]
    Trap { call: String, reason: String },
    #[error("plugin `{call}` gave more than a run takes")]
    Output { call: String },
    #[error("plugin `{call}` failed: {message}")]
    Failed { call: String, message: String },
    #[error("plugin `{call}` gave what is no value of its type: {reason}")]
    Result { call: String, reason: String },
    #[error("plugin `{call}` cannot take this: {reason}")]
    Argument { call: String, reason: String },
    #[error("the run was cancelled in plugin `{call}`")]
    Cancelled { call: String },
    #[error("plugin `{plugin}` cannot run: this agpt was built without plugins")]
    Absent { plugin: String },
}

impl PluginError {
    pub fn code(&self) -> &'static str {
        match self {
            PluginError::NotAllowed { .. } => "E0905",
            PluginError::Fuel { .. }
            | PluginError::Deadline { .. }
            | PluginError::Memory { .. }
            | PluginError::Trap { .. }
            | PluginError::Output { .. } => "E0906",
            PluginError::Failed { .. }
            | PluginError::Result { .. }
            | PluginError::Argument { .. } => "E0907",
            PluginError::Unusable { .. } | PluginError::Absent { .. } => "E0908",
            PluginError::Cancelled { .. } => "E0710",
        }
    }

    pub fn help(&self) -> String {
        match self {
            PluginError::NotAllowed { plugin, grant } => {
                format!("if you trust it with that, add --allow {plugin}={grant}")
            }
            PluginError::Fuel { .. } => {
                "give it more with `fuel: …` where it is declared, or a smaller input".to_string()
            }
            PluginError::Deadline { .. } => {
                "give it more with `deadline: …` where it is declared".to_string()
            }
            PluginError::Memory { .. } => {
                "give it more with `memory: …` where it is declared, or a smaller input".to_string()
            }
            PluginError::Argument { .. } => "give it another value".to_string(),
            PluginError::Absent { .. } => "build it with the cargo feature `plugins`".to_string(),
            PluginError::Output { .. } => {
                format!("at most {} MiB are taken from one call", MAX_RESULT >> 20)
            }
            PluginError::Unusable { .. } => {
                "`agpt plugin inspect FILE` shows what is in a component".to_string()
            }
            _ => "this is for the author of the plugin to mend".to_string(),
        }
    }
}

/// The most that one result may take in this process, as values; a byte of a picture takes as
/// much as any other value.
const MAX_RESULT: usize = 1 << 30;

/// One call, with what belongs to it.
pub struct Call<'a> {
    pub call: &'a PluginCall,
    pub args: &'a [Value],
    /// For plugins that may draw random numbers: the stream of this node.
    pub random: Stream,
}

/// Runs plugins; compiled components are kept for the next call.
#[derive(Default)]
pub struct Plugins {
    allowed: Vec<Allow>,
    #[cfg_attr(not(feature = "plugins"), allow(dead_code))]
    cache: Option<PathBuf>,
    #[cfg(feature = "plugins")]
    host: Option<host::Host>,
}

impl Plugins {
    pub fn allow(&mut self, allowed: &[Allow]) {
        self.allowed = allowed.to_vec();
    }

    /// Keeps compiled components in a folder, which only its owner may be able to write to:
    /// they are machine code.
    pub fn keep_in(&mut self, folder: PathBuf) {
        self.cache = Some(folder);
    }

    /// Checks, before anything is loaded, that each plugin of a plan is allowed what its file
    /// grants it.
    pub fn admits(&self, plan: &Plan) -> Result<(), RunError> {
        for node in plan.graph.node_weights() {
            match &node.op {
                Op::Plugin(call) => self.admits_call(call, node.span)?,
                Op::Map(body) => self.admits(body)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn admits_call(&self, call: &PluginCall, span: Span) -> Result<(), RunError> {
        let plugin = &call.plugin;
        let missing = plugin.grants.difference(&self.given(&plugin.name)).next().copied();
        let failure = match missing {
            Some(grant) => PluginError::NotAllowed { plugin: plugin.name.clone(), grant },
            None if cfg!(not(feature = "plugins")) => {
                PluginError::Absent { plugin: plugin.name.clone() }
            }
            None => return Ok(()),
        };
        Err(RunError { failure: failure.into(), span: Some(span) })
    }

    fn given(&self, plugin: &str) -> BTreeSet<Grant> {
        let given = self
            .allowed
            .iter()
            .filter(|allow| allow.plugin.as_deref().is_none_or(|name| name == plugin));
        given.map(|allow| allow.grant).collect()
    }

    /// Calls a function in a sandbox of its own.
    #[cfg(feature = "plugins")]
    pub fn call(&mut self, call: Call<'_>, events: &mut dyn Events) -> Result<Value, Failure> {
        // The plan was admitted; a caller that forgot to ask must not thereby give authority.
        let plugin = &call.call.plugin;
        if let Some(grant) = plugin.grants.difference(&self.given(&plugin.name)).next() {
            let plugin = plugin.name.clone();
            return Err(PluginError::NotAllowed { plugin, grant: *grant }.into());
        }
        let host =
            match &mut self.host {
                Some(host) => host,
                empty => empty.insert(host::Host::new(self.cache.clone()).map_err(|reason| {
                    PluginError::Unusable { plugin: plugin.name.clone(), reason }
                })?),
            };
        Ok(host.call(call, events)?)
    }

    #[cfg(not(feature = "plugins"))]
    pub fn call(&mut self, call: Call<'_>, _: &mut dyn Events) -> Result<Value, Failure> {
        Err(PluginError::Absent { plugin: call.call.plugin.name.clone() }.into())
    }
}

impl From<PluginError> for Failure {
    fn from(error: PluginError) -> Failure {
        match error {
            PluginError::Cancelled { .. } => Failure::Cancelled,
            error => Failure::Plugin(Box::new(error)),
        }
    }
}
