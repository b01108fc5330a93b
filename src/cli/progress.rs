//! The run as seen on a terminal: what is being done, how far, how long it took.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value as Json, json};

use crate::runtime::events::{Events, Generated, Loaded, Unloaded};

/// Shows progress on standard error when it is a terminal, and keeps the record of the run.
pub struct Progress {
    bar: ProgressBar,
    stop: Arc<AtomicBool>,
    streamed: String,
    verbose: bool,
    pub generated: Vec<Json>,
    pub timings: Vec<Json>,
    /// What was loaded and unloaded, in order.
    pub components: Vec<Json>,
}

/// Set once by Ctrl-C; a second Ctrl-C ends the process at once.
pub fn interrupted() -> Arc<AtomicBool> {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    FLAG.get_or_init(|| {
        let flag = Arc::new(AtomicBool::new(false));
        let seen = flag.clone();
        // Without a handler Ctrl-C ends the process, which loses nothing but the tidy message.
        let _ = ctrlc::set_handler(move || {
            if seen.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
        });
        flag
    })
    .clone()
}

impl Progress {
    pub fn new(quiet: bool, verbose: bool) -> Self {
        let visible = !quiet && std::io::stderr().is_terminal();
        let bar = if visible { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if visible {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Progress {
            bar,
            stop: interrupted(),
            streamed: String::new(),
            verbose,
            generated: Vec::new(),
            timings: Vec::new(),
            components: Vec::new(),
        }
    }

    /// Forgets that Ctrl-C was pressed: in a conversation it ends a reply, not the program.
    pub fn reset(&self) {
        self.stop.store(false, Ordering::SeqCst);
    }

    pub fn done(&self) {
        self.bar.finish_and_clear();
    }

    /// A line above the bar.
    fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    fn style(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
    }
}

impl Events for Progress {
    fn loading(&mut self, what: &str) {
        self.style("{spinner} {msg}");
        self.bar.set_message(format!("loading {what}"));
    }

    fn loaded(&mut self, what: &Loaded) {
        let Loaded { part, device, precision, bytes, in_use, budget } = what;
        if self.verbose {
            let of = budget.map(|budget| format!(", {in_use} of {budget} in use"));
            let of = of.unwrap_or_default();
            self.say(&format!("{part}: loaded on {device} in {precision}, {bytes}{of}"));
        }
        self.components.push(json!({
            "loaded": part,
            "device": device.to_string(),
            "dtype": precision.to_string(),
            "bytes": bytes.0,
        }));
    }

    fn unloaded(&mut self, what: &Unloaded) {
        let Unloaded { part, device, bytes } = what;
        if self.verbose {
            self.say(&format!("{part}: unloaded from {device}, {bytes}"));
        }
        self.components.push(json!({
            "unloaded": part, "device": device.to_string(), "bytes": bytes.0,
        }));
    }

    fn started(&mut self, path: &str, doing: &str) {
        self.streamed.clear();
        self.style("{spinner} {msg}");
        self.bar.set_message(format!("{doing} {path}"));
    }

    fn progress(&mut self, done: usize, total: usize) {
        self.style("{spinner} {msg} [{bar:30}] {pos}/{len} {eta}");
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
    }

    fn text(&mut self, piece: &str) {
        self.streamed.push_str(piece);
        let line = self.streamed.replace('\n', " ");
        self.style("{spinner} {msg}");
        self.bar.set_message(line);
    }

    fn generated(&mut self, record: &Generated) {
        if self.verbose {
            let seconds = record.took.as_secs_f64();
            let total = record.prompt_ids.len() + record.ids.len();
            self.say(&format!(
                "{}: prompt {:?} ({} tokens), reply {} tokens, {seconds:.2} s, {:.0} tokens/s",
                record.path,
                record.prompt,
                record.prompt_ids.len(),
                record.ids.len(),
                total as f64 / seconds.max(1e-9),
            ));
        }
        self.generated.push(json!({
            "node": record.path,
            "medium": record.reply.to_string(),
            "prompt": record.prompt,
            "prompt_tokens": record.prompt_ids.len(),
            "ids": record.ids,
            "seconds": record.took.as_secs_f64(),
        }));
    }

    fn plugin_said(&mut self, plugin: &str, line: &str) {
        self.say(&format!("{plugin}: {line}"));
    }

    fn finished(&mut self, path: &str, took: Duration) {
        if self.verbose {
            self.say(&format!("{path}: {:.2} s", took.as_secs_f64()));
        }
        self.timings.push(json!({ "node": path, "seconds": took.as_secs_f64() }));
    }

    fn stop(&self) -> Option<Arc<AtomicBool>> {
        Some(self.stop.clone())
    }

    fn cancelled(&mut self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}
