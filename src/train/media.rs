//! Which medium an id belongs to, and numbers per medium.

use serde::{Deserialize, Serialize};

use crate::base::Medium;
use crate::bundle::Vocabulary;

/// One number for each medium.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct PerMedium<T> {
    pub text: T,
    pub image: T,
    pub speech: T,
    pub music: T,
}

impl<T> PerMedium<T> {
    pub fn get(&self, medium: Medium) -> &T {
        match medium {
            Medium::Text => &self.text,
            Medium::Image => &self.image,
            Medium::Speech => &self.speech,
            Medium::Music => &self.music,
        }
    }

    pub fn get_mut(&mut self, medium: Medium) -> &mut T {
        match medium {
            Medium::Text => &mut self.text,
            Medium::Image => &mut self.image,
            Medium::Speech => &mut self.speech,
            Medium::Music => &mut self.music,
        }
    }

    pub fn of(mut each: impl FnMut(Medium) -> T) -> Self {
        PerMedium {
            text: each(Medium::Text),
            image: each(Medium::Image),
            speech: each(Medium::Speech),
            music: each(Medium::Music),
        }
    }
}

/// The medium of every id. Codes belong to their medium together with its start and end; all else is
/// text, control tokens too.
pub fn media(vocabulary: &Vocabulary, ids: usize) -> Vec<Medium> {
    let mut of = vec![Medium::Text; ids];
    for (medium, tokens) in vocabulary.media() {
        let codes = tokens.first..tokens.first.saturating_add(tokens.codes());
        for id in codes.chain([tokens.start, tokens.end]) {
            if let Some(entry) = of.get_mut(id as usize) {
                *entry = medium;
            }
        }
    }
    of
}

/// Sums of losses in nats, and of how many targets.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Losses {
    pub sums: PerMedium<f64>,
    pub targets: PerMedium<u64>,
}

impl Losses {
    pub fn add(&mut self, medium: Medium, loss: f64) {
        *self.sums.get_mut(medium) += loss;
        *self.targets.get_mut(medium) += 1;
    }

    /// The mean loss of a medium, in nats per target; `None` without targets.
    pub fn mean(&self, medium: Medium) -> Option<f64> {
        let targets = *self.targets.get(medium);
        (targets > 0).then(|| self.sums.get(medium) / targets as f64)
    }

    pub fn means(&self) -> PerMedium<Option<f64>> {
        PerMedium::of(|medium| self.mean(medium))
    }

    pub fn total(&self) -> u64 {
        Medium::ALL.iter().map(|medium| self.targets.get(*medium)).sum()
    }

    /// The mean over all targets, in nats.
    pub fn overall(&self) -> f64 {
        let sum: f64 = Medium::ALL.iter().map(|medium| self.sums.get(*medium)).sum();
        sum / self.total().max(1) as f64
    }
}
