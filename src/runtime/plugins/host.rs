//! The engine of WebAssembly: components are compiled once, and every call gets a fresh
//! instance, so that no call can leave anything behind for the next.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wasmtime::component::{Component, InstancePre, Val};
use wasmtime::{Config, Engine, Store, Trap, UpdateDeadline};

use crate::base::hash::Digest;
use crate::lang::ir::Plugin;
use crate::lang::plugin::{Grant, size};
use crate::plan::PluginCall;
use crate::runtime::events::Events;
use crate::runtime::value::Value;

use super::cache::Cache;
use super::convert;
use super::sandbox::{self, Sandbox};
use super::{Call, MAX_RESULT, PluginError};

/// How often a running call is asked whether its time is over.
const TICK: Duration = Duration::from_millis(10);

pub struct Host {
    engine: Engine,
    cache: Option<Cache>,
    /// By component and grants: what a component is linked to decides what it can do.
    ready: HashMap<(Digest, Vec<Grant>), InstancePre<Sandbox>>,
}

/// The same numbers on every machine, and a call can be stopped at any time.
fn config() -> Config {
    let mut config = Config::new();
    config.consume_fuel(true);
    config.epoch_interruption(true);
    config.cranelift_nan_canonicalization(true);
    config.relaxed_simd_deterministic(true);
    config
}

impl Host {
    pub fn new(cache: Option<PathBuf>) -> Result<Host, String> {
        let engine = Engine::new(&config()).map_err(|error| format!("{error:#}"))?;
        let weak = engine.weak();
        let ticker = std::thread::Builder::new().name("plugins".to_string()).spawn(move || {
            // Ends with the engine.
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        });
        ticker.map_err(|error| format!("no thread can be started: {error}"))?;
        Ok(Host { cache: cache.map(Cache::new), engine, ready: HashMap::new() })
    }

    fn ready(&mut self, plugin: &Plugin) -> Result<InstancePre<Sandbox>, PluginError> {
        let key = (plugin.component.digest, plugin.grants.iter().copied().collect());
        if let Some(ready) = self.ready.get(&key) {
            return Ok(ready.clone());
        }
        let unusable = |error: wasmtime::Error| PluginError::Unusable {
            plugin: plugin.name.clone(),
            reason: format!("{error:#}"),
        };
        let kept =
            self.cache.as_ref().and_then(|cache| cache.find(&self.engine, &plugin.component));
        let component = match kept {
            Some(component) => component,
            None => {
                let made = Component::new(&self.engine, &*plugin.component.bytes);
                let made = made.map_err(unusable)?;
                if let Some(cache) = &self.cache {
                    cache.keep(&self.engine, &plugin.component, &made);
                }
                made
            }
        };
        let linker = sandbox::linker(&self.engine, &plugin.grants).map_err(unusable)?;
        let ready = linker.instantiate_pre(&component).map_err(unusable)?;
        self.ready.insert(key, ready.clone());
        Ok(ready)
    }

    pub fn call(&mut self, call: Call<'_>, events: &mut dyn Events) -> Result<Value, PluginError> {
        let plugin = &call.call.plugin;
        let ready = self.ready(plugin)?;
        let limits = plugin.limits;
        let mut store = Store::new(&self.engine, Sandbox::new(limits.memory, call.random));
        store.limiter(|sandbox| sandbox);
        // One tick more, because the present one is partly over.
        let ticks = (limits.deadline / TICK.as_secs_f64()).ceil() as u64 + 1;
        let stop = events.stop();
        watch(&mut store, ticks, stop.clone());
        store.set_hostcall_fuel(MAX_RESULT);
        let result = store
            .set_fuel(limits.fuel)
            .map_err(|error| stopped(&error, call.call, false))
            .and_then(|()| enter(&mut store, &ready, call.call, call.args));
        // Whatever it says then, the user has asked for an end.
        let result = match result {
            Err(_) if is_set(&stop) => Err(PluginError::Cancelled { call: call.call.name() }),
            result => result,
        };
        for line in &store.data().log {
            events.plugin_said(&plugin.name, line);
        }
        result
    }
}

/// Ends a call after so many ticks, or at the next one when the run is to stop.
fn watch(store: &mut Store<Sandbox>, ticks: u64, stop: Option<Arc<AtomicBool>>) {
    let mut left = ticks;
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| {
        left = left.saturating_sub(1);
        Ok(match left == 0 || is_set(&stop) {
            true => UpdateDeadline::Interrupt,
            false => UpdateDeadline::Continue(1),
        })
    });
}

fn is_set(stop: &Option<Arc<AtomicBool>>) -> bool {
    stop.as_ref().is_some_and(|stop| stop.load(Ordering::SeqCst))
}

fn enter(
    store: &mut Store<Sandbox>,
    ready: &InstancePre<Sandbox>,
    call: &PluginCall,
    args: &[Value],
) -> Result<Value, PluginError> {
    let name = || call.name();
    let function = call.function();
    let instance = match ready.instantiate(&mut *store) {
        Ok(instance) => instance,
        Err(error) => return Err(stopped(&error, call, store.data().exceeded)),
    };
    let entry = instance.get_func(&mut *store, function.export.as_str()).ok_or_else(|| {
        PluginError::Unusable {
            plugin: call.plugin.name.clone(),
            reason: format!("it does not export `{}`", function.export),
        }
    })?;
    let ty = entry.ty(&*store);
    let mut params = Vec::with_capacity(args.len());
    for ((name, ty), value) in ty.params().zip(args) {
        let lowered = convert::lower(value, &ty);
        params.push(lowered.map_err(|reason| PluginError::Argument {
            call: call.name(),
            reason: format!("`{name}`: {reason}"),
        })?);
    }
    let mut results = [Val::Bool(false)];
    if let Err(error) = entry.call(&mut *store, &params, &mut results) {
        return Err(stopped(&error, call, store.data().exceeded));
    }
    let [result] = results;
    let result = match result {
        Val::Result(Ok(Some(value))) => *value,
        Val::Result(Err(Some(message))) => {
            let message = match *message {
                Val::String(message) => message,
                _ => "for a reason that it does not tell".to_string(),
            };
            return Err(PluginError::Failed { call: name(), message: one_line(&message) });
        }
        Val::Result(_) => {
            let message = "for a reason that it does not tell".to_string();
            return Err(PluginError::Failed { call: name(), message });
        }
        value => value,
    };
    let ty = match &function.signature {
        Ok(ty) => &ty.result,
        Err(reason) => {
            return Err(PluginError::Result { call: name(), reason: reason.clone() });
        }
    };
    convert::lift(result, ty).map_err(|reason| PluginError::Result { call: name(), reason })
}

/// A message of a plugin, short and without what could move a cursor.
fn one_line(message: &str) -> String {
    let kept = message.chars().take(400).map(|c| if c.is_control() { ' ' } else { c });
    kept.collect::<String>().trim().to_string()
}

/// Why a call ended early.
fn stopped(error: &wasmtime::Error, call: &PluginCall, exceeded: bool) -> PluginError {
    let limits = call.plugin.limits;
    let call = call.name();
    if exceeded {
        return PluginError::Memory { call, memory: size(limits.memory) };
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => PluginError::Fuel { call, fuel: limits.fuel },
        Some(Trap::Interrupt) => PluginError::Deadline { call, seconds: limits.deadline },
        Some(trap) => {
            let text = trap.to_string();
            let reason = text.strip_prefix("wasm trap: ").unwrap_or(&text).to_string();
            PluginError::Trap { call, reason }
        }
        None => {
            let text = error.root_cause().to_string();
            if text.contains("fuel allocated for hostcalls") {
                return PluginError::Output { call };
            }
            PluginError::Trap { call, reason: one_line(&text) }
        }
    }
}
