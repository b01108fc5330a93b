//! SpeechTokenizer as a tokenizer of speech; SoundStorm and SpeechTokenizer as its de-tokenizer.

use std::sync::Arc;

use crate::base::Medium;
use crate::base::rng::Stream;
use crate::bundle::manifest::{SpeechPerceptual, VoiceSchedule};
use crate::media::Sound;
use crate::models::Error;
use crate::models::soundstorm::{Options, Schedule, SoundStorm};
use crate::models::speech_tokenizer::SpeechTokenizer;
use crate::runtime::error::Failure;
use crate::runtime::events::{Events, steps};
use crate::runtime::roles::{Detokenizer, Tokenizer};
use crate::runtime::settings::Settings;
use crate::runtime::value::{Media, Value};

use super::sound::samples;

/// Speech → the codes of the first layer, which say what is said.
pub struct SpeechTokens(pub Arc<SpeechTokenizer>);

impl Tokenizer for SpeechTokens {
    fn encode(&self, media: &[Arc<Media>]) -> Result<Vec<Vec<u32>>, Failure> {
        let encode = |media: &Arc<Media>| {
            let sound = samples(media, Medium::Speech, self.0.config().sample_rate)?;
            let mut layers = self.0.encode(sound.samples(), 1)?;
            layers.pop().ok_or(Failure::Defect("no layer", "semantic codes"))
        };
        media.iter().map(encode).collect()
    }
}

/// Codes of the first layer → speech, in the voice of a recording or in one that the seed picks.
pub struct Voice {
    pub acoustic: SoundStorm,
    pub codec: Arc<SpeechTokenizer>,
    pub defaults: SpeechPerceptual,
}

impl Voice {
    /// All layers of the beginning of a recording.
    fn prompt(&self, settings: &Settings) -> Result<Vec<Vec<u32>>, Failure> {
        let Some(Value::Media(media)) = settings.get("voice") else { return Ok(Vec::new()) };
        let rate = self.codec.config().sample_rate;
        let sound = samples(media, Medium::Speech, rate)?;
        let most = (self.defaults.voice_seconds * f64::from(rate)).ceil() as usize;
        let beginning = &sound.samples()[..sound.samples().len().min(most.max(1))];
        Ok(self.codec.encode(beginning, self.codec.config().n_q)?)
    }
}

impl Detokenizer for Voice {
    fn decode(
        &self,
        codes: &[u32],
        settings: &Settings,
        noise: &mut Stream,
        events: &mut dyn Events,
    ) -> Result<Media, Failure> {
        let (medium, size) = (Medium::Speech, self.codec.config().codebook_size);
        if codes.is_empty() {
            return Err(Failure::CodeCount { medium, count: 0, expected: 1 });
        }
        if let Some(code) = codes.iter().find(|code| **code as usize >= size) {
            return Err(Failure::Code { medium, code: *code, size });
        }
        let options = Options {
            steps: settings.count("steps", self.defaults.steps)?,
            greedy: settings.bool("greedy", self.defaults.greedy)?,
            schedule: match self.defaults.schedule {
                VoiceSchedule::Paper => Schedule::Paper,
                VoiceSchedule::Reference => Schedule::Reference,
            },
            ..Options::default()
        };
        let prompt = self.prompt(settings)?;
        let mut uniform = |count: usize| (0..count).map(|_| noise.uniform() as f32).collect();
        let mut progress = steps(events);
        let layers = self.acoustic.generate(codes, &prompt, &options, &mut uniform, &mut progress);
        let layers = match layers {
            Err(Error::Cancelled) => return Err(Failure::Cancelled),
            layers => layers?,
        };
        let samples = self.codec.decode(&layers)?;
        Ok(Media::Speech(Sound::new(self.codec.config().sample_rate, samples)?))
    }
}
