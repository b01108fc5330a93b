//! Who writes texts and makes media for data: servers that speak OpenAI's protocol, local bundles,
//! and programs of the user's.
//!
//! A provider is told what to make and by when; it paces itself, tries again where that can help, and
//! keeps within the budget. Keys come from the environment only and stand in no message.

mod command;
mod error;
mod http;
mod media;
mod meter;
mod openai;
mod pace;
mod recipe;
mod retry;
mod writer;

pub use error::{ProviderError, Scope};
pub use media::Maker;
pub use meter::{Budget, Meter, Usage};
pub use openai::Client;
pub use recipe::{Command, Openai, Prices, Provider, Structured};
pub use writer::RemoteWriter;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Set once to have all waiting and asking end soon.
#[derive(Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    pub fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// For who only looks at it.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.0.clone()
    }

    /// Waits, but no longer than until it is set.
    pub fn wait(&self, time: Duration) -> Result<(), ProviderError> {
        let end = Instant::now() + time;
        loop {
            if self.is_set() {
                return Err(ProviderError::Stopped);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
    }
}
