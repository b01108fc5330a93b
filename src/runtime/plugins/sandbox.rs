//! What surrounds one call: its limits, and the few things that it may be given.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use wasmtime::component::Linker;
use wasmtime::{Engine, ResourceLimiter, StoreContextMut};

use crate::base::rng::Stream;
use crate::lang::plugin::Grant;

/// A table's element is a pointer in this process.
const ELEMENT: usize = 16;
/// What one call may write to standard error.
const MAX_LOG: usize = 64 << 10;

/// The state of one call, gone with it.
pub struct Sandbox {
    /// Bytes that memories and tables may take together, and those they take.
    limit: usize,
    used: usize,
    /// Whether more was asked for.
    pub exceeded: bool,
    random: Stream,
    /// Lines that it wrote, within [`MAX_LOG`].
    pub log: Vec<String>,
    logged: usize,
}

impl Sandbox {
    pub fn new(memory: u64, random: Stream) -> Sandbox {
        let limit = usize::try_from(memory).unwrap_or(usize::MAX);
        Sandbox { limit, used: 0, exceeded: false, random, log: Vec::new(), logged: 0 }
    }

    fn grow(&mut self, more: usize) -> wasmtime::Result<bool> {
        match self.used.checked_add(more).filter(|used| *used <= self.limit) {
            Some(used) => {
                self.used = used;
                Ok(true)
            }
            // An error ends the call; `false` would let it go on and fail in some way of its own.
            None => {
                self.exceeded = true;
                Err(wasmtime::Error::msg("the limit of memory"))
            }
        }
    }

    fn write(&mut self, line: &str) {
        self.logged = self.logged.saturating_add(line.len() + 1);
        if self.logged <= MAX_LOG {
            // Control characters could rewrite what stands on a terminal.
            self.log.push(line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect());
        }
    }
}

impl ResourceLimiter for Sandbox {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(desired.saturating_sub(current))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(desired.saturating_sub(current).saturating_mul(ELEMENT))
    }

    fn instances(&self) -> usize {
        64
    }

    fn memories(&self) -> usize {
        16
    }

    fn tables(&self) -> usize {
        16
    }
}

/// Offers exactly what was granted: there is no WASI, and nothing else to import.
pub fn linker(engine: &Engine, grants: &BTreeSet<Grant>) -> wasmtime::Result<Linker<Sandbox>> {
    let mut linker: Linker<Sandbox> = Linker::new(engine);
    for grant in grants {
        let mut offered = linker.instance(&format!("agpt:plugin/{grant}@0.1.0"))?;
        match grant {
            Grant::Log => {
                offered.func_wrap(
                    "write",
                    |mut store: StoreContextMut<'_, Sandbox>, (line,): (String,)| {
                        store.data_mut().write(&line);
                        Ok(())
                    },
                )?;
            }
            Grant::Clock => {
                offered.func_wrap("now", |_: StoreContextMut<'_, Sandbox>, (): ()| {
                    // A clock before 1970 is set wrongly, which a plugin need not know.
                    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                    Ok((since.as_secs_f64(),))
                })?;
            }
            Grant::Random => {
                offered.func_wrap("next", |mut store: StoreContextMut<'_, Sandbox>, (): ()| {
                    let random = &mut store.data_mut().random;
                    let mut half = || (random.uniform() * 4_294_967_296.0) as u64;
                    Ok(((half() << 32) | half(),))
                })?;
            }
        }
    }
    Ok(linker)
}
