//! The run on a terminal: how many rows, and the first measure so far.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::progress::Progress;
use crate::eval::report::shown;
use crate::eval::runner::Told;
use crate::eval::score::Running;
use crate::lang::ir::{Evaluation, Measured};
use crate::runtime::events::Events;

/// Listens to the rows of a run and to Ctrl-C.
pub struct Bar {
    /// Knows whether Ctrl-C was pressed; shows nothing.
    inner: Progress,
    shown: Rc<RefCell<Shown>>,
}

pub struct Shown {
    bar: ProgressBar,
    measured: Option<Measured>,
    running: Running,
    failed: usize,
}

impl Bar {
    pub fn new(evaluation: &Evaluation, rows: usize, quiet: bool) -> Bar {
        let visible = !quiet && std::io::stderr().is_terminal();
        let bar = match visible {
            true => ProgressBar::new(rows as u64),
            false => ProgressBar::hidden(),
        };
        let template = "{prefix} [{bar:30}] {pos}/{len} {msg} {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(evaluation.name.clone());
        let shown = Shown {
            bar,
            measured: evaluation.measures.first().cloned(),
            running: Running::new(),
            failed: 0,
        };
        Bar { inner: Progress::new(true, false), shown: Rc::new(RefCell::new(shown)) }
    }

    pub fn shown(&self) -> Rc<RefCell<Shown>> {
        self.shown.clone()
    }

    pub fn done(&self) {
        self.shown.borrow().bar.finish_and_clear();
    }
}

impl Shown {
    pub fn told(&mut self, told: &Told<'_>) {
        self.failed += usize::from(told.record.error.is_some());
        let mut message = String::new();
        if let Some(measured) = &self.measured {
            self.running.add(measured, told.record);
            if let Some(value) = self.running.value() {
                message = format!("{} {}", measured.name, shown(measured.metric.name, Some(value)));
            }
        }
        if self.failed > 0 {
            message.push_str(&format!(" ({} failed)", self.failed));
        }
        self.bar.set_message(message);
        self.bar.set_position(told.row as u64);
    }
}

impl Events for Bar {
    fn stop(&self) -> Option<Arc<AtomicBool>> {
        self.inner.stop()
    }

    fn cancelled(&mut self) -> bool {
        self.inner.cancelled()
    }
}
