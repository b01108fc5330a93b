//! What a test's runs asked of the language model and got, and how that differs from a recording.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::base::{Diagnostic, Span};
use crate::runtime::events::{Events, Generated, Loaded, Unloaded};
use crate::runtime::recording::{Recorded, Recording};

/// Passes events on and keeps what was generated.
pub struct Recorder<'a> {
    pub inner: &'a mut dyn Events,
    pub recording: Recording,
}

impl Events for Recorder<'_> {
    fn loading(&mut self, what: &str) {
        self.inner.loading(what);
    }

    fn loaded(&mut self, what: &Loaded) {
        self.inner.loaded(what);
    }

    fn unloaded(&mut self, what: &Unloaded) {
        self.inner.unloaded(what);
    }

    fn started(&mut self, path: &str, doing: &str) {
        self.inner.started(path, doing);
    }

    fn progress(&mut self, done: usize, total: usize) {
        self.inner.progress(done, total);
    }

    fn text(&mut self, piece: &str) {
        self.inner.text(piece);
    }

    fn generated(&mut self, record: &Generated) {
        self.recording.insert(record.path.clone(), Recorded::of(record));
        self.inner.generated(record);
    }

    fn plugin_said(&mut self, plugin: &str, line: &str) {
        self.inner.plugin_said(plugin, line);
    }

    fn finished(&mut self, path: &str, took: Duration) {
        self.inner.finished(path, took);
    }

    fn stop(&self) -> Option<Arc<AtomicBool>> {
        self.inner.stop()
    }

    fn cancelled(&mut self) -> bool {
        self.inner.cancelled()
    }
}

/// Below this gap, in logits or in probability, another machine's rounding may choose otherwise.
const NEAR: f64 = 1e-3;

/// The first way in which replies differ from those that were recorded.
#[derive(Debug, PartialEq)]
pub enum Deviation {
    /// The language model is asked something else.
    Prompt { path: String, before: String, now: String },
    /// The same prompt is answered otherwise, from this id on.
    Reply { path: String, at: usize, gap: Option<f64> },
    /// It is asked where it was not.
    New { path: String },
    /// It is no longer asked.
    Gone { path: String },
}

/// Compares in the order of the nodes' addresses; prompts before replies, as they come first.
pub fn deviation(before: &Recording, now: &Recording) -> Option<Deviation> {
    let both = || now.iter().filter_map(|(path, now)| Some((path, before.get(path)?, now)));
    let prompt = both().find(|(_, before, now)| before.prompt_blake3 != now.prompt_blake3);
    if let Some((path, before, now)) = prompt {
        let (before, now) = (before.prompt.clone(), now.prompt.clone());
        return Some(Deviation::Prompt { path: path.clone(), before, now });
    }
    if let Some((path, before, now)) = both().find(|(_, before, now)| before.ids != now.ids) {
        let alike = before.ids.iter().zip(&now.ids).take_while(|(a, b)| a == b).count();
        let gap = before.gaps.get(alike).copied().flatten();
        return Some(Deviation::Reply { path: path.clone(), at: alike, gap });
    }
    if let Some(path) = now.keys().find(|path| !before.contains_key(*path)) {
        return Some(Deviation::New { path: path.clone() });
    }
    let gone = before.keys().find(|path| !now.contains_key(*path))?;
    Some(Deviation::Gone { path: gone.clone() })
}

impl Deviation {
    pub fn diagnostic(&self, span: Span) -> Diagnostic {
        let (message, label, help) = match self {
            Deviation::Prompt { path, before, now } => (
                format!("the prompt of `{path}` is not the recorded one"),
                "the template or what it is given differs",
                format!("before: {before:?}\nnow:    {now:?}"),
            ),
            Deviation::Reply { path, at, gap } => (
                format!("`{path}` answers the same prompt otherwise, from id {at} on"),
                "the language model differs",
                match gap {
                    Some(gap) if *gap < NEAR => format!(
                        "a numeric tie: the next candidate was {gap} away, so that another machine may round it otherwise"
                    ),
                    Some(gap) => format!("a real change: the next candidate was {gap} away"),
                    None => "the recorded reply ends there, or nothing else could be drawn".into(),
                },
            ),
            Deviation::New { path } => (
                format!("`{path}` asks the language model, which was not recorded"),
                "asks more than was recorded",
                String::new(),
            ),
            Deviation::Gone { path } => (
                format!("`{path}` was recorded, but does not ask the language model any more"),
                "asks less than was recorded",
                String::new(),
            ),
        };
        let accept = "accept it with `agpt test --update`";
        let help = if help.is_empty() { accept.to_string() } else { format!("{help}\n{accept}") };
        Diagnostic::error("E0805", message).label(span, label).help(help)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(entries: &[(&str, &str, &[u32])]) -> Recording {
        let one = |(path, prompt, ids): &(&str, &str, &[u32])| {
            let gaps = ids.iter().map(|id| Some(f64::from(*id) * 1e-4)).collect();
            let recorded = Recorded {
                prompt: prompt.to_string(),
                prompt_blake3: prompt.to_string(),
                ids: ids.to_vec(),
                gaps,
            };
            (path.to_string(), recorded)
        };
        entries.iter().map(one).collect()
    }

    #[test]
    fn the_first_layer_that_differs_is_named() {
        let before = recording(&[("a", "p", &[1, 2, 3]), ("b", "q", &[4])]);
        assert_eq!(deviation(&before, &before), None);
        let now = recording(&[("a", "p", &[1, 9]), ("b", "other", &[4])]);
        let Some(Deviation::Prompt { path, .. }) = deviation(&before, &now) else { panic!() };
        assert_eq!(path, "b", "a prompt is named before a reply");
        let now = recording(&[("a", "p", &[1, 9]), ("b", "q", &[4])]);
        let reply = Deviation::Reply { path: "a".into(), at: 1, gap: Some(2.0 * 1e-4) };
        assert_eq!(deviation(&before, &now), Some(reply));
        let now = recording(&[("a", "p", &[1, 2, 3])]);
        assert_eq!(deviation(&before, &now), Some(Deviation::Gone { path: "b".into() }));
        assert_eq!(deviation(&now, &before), Some(Deviation::New { path: "b".into() }));
    }
}
