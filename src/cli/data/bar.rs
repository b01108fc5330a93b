//! Rows that are worked through, as a bar with their rate and the time that is left.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::progress::interrupted;
use crate::runtime::events::Events;

pub struct Bar {
    bar: ProgressBar,
    begun: bool,
    stop: Arc<AtomicBool>,
}

impl Bar {
    /// Shown on standard error when that is a terminal.
    pub fn new(quiet: bool) -> Self {
        let visible = !quiet && std::io::stderr().is_terminal();
        let bar = if visible { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if visible {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Bar { bar, begun: false, stop: interrupted() }
    }

    pub fn done(&self) {
        self.bar.finish_and_clear();
    }
}

impl Events for Bar {
    fn loading(&mut self, what: &str) {
        self.bar.set_message(format!("loading {what}"));
    }

    fn progress(&mut self, done: usize, total: usize) {
        if !self.begun {
            self.begun = true;
            let template = "{spinner} [{bar:30}] {pos}/{len} rows, {per_sec}, {eta} left {msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.bar.set_style(style);
            }
            self.bar.set_length(total as u64);
            // What was there already says nothing about the rate.
            self.bar.reset_elapsed();
        }
        self.bar.set_message("");
        self.bar.set_position(done as u64);
    }

    fn stop(&self) -> Option<Arc<AtomicBool>> {
        Some(self.stop.clone())
    }

    fn cancelled(&mut self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}
