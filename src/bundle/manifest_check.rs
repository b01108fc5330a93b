//! Whether the parts of a manifest make sense, beyond their types.

use super::manifest::{
    ComponentSpec, DETOKENIZERS, FORMAT, ImagePerceptual, LLMS, Manifest, MediumLayout, PerMedium,
    Sampling, SpanLength, SpeechPerceptual, TOKENIZERS, WeightsEntry,
};
use crate::base::Medium;

/// A vocabulary beyond this is a slip of the pen.
const MAX_CODES: u64 = 1 << 24;

type Check = Result<(), String>;

impl Manifest {
    pub(super) fn check(&self) -> Check {
        if self.format != FORMAT {
            let hint = if self.format > FORMAT { "update agpt" } else { "the first format is 1" };
            return Err(format!(
                "`format: {}` is not known; this program reads format {FORMAT}: {hint}",
                self.format
            ));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.name.is_empty() || self.name.starts_with('.') || !self.name.chars().all(plain) {
            return Err(format!(
                "`name: {}`: a name is letters, digits, `-`, `_` and `.`",
                self.name
            ));
        }
        let components = &self.components;
        component("components.llm", &components.llm, LLMS)?;
        for (medium, spec) in components.tokenizers.iter() {
            component(
                &format!("components.tokenizers.{medium}"),
                spec,
                known(&TOKENIZERS, medium),
            )?;
            self.has_layout(medium)?;
        }
        for (medium, spec) in components.detokenizers.iter() {
            component(
                &format!("components.detokenizers.{medium}"),
                spec,
                known(&DETOKENIZERS, medium),
            )?;
            self.has_layout(medium)?;
        }
        path("vocabulary.tokenizer", &self.vocabulary.tokenizer)?;
        if let Some(added) = &self.vocabulary.added_tokens {
            path("vocabulary.added_tokens", added)?;
            if !self.vocabulary.tokenizer.ends_with(".model") {
                let reason = "`vocabulary.added_tokens` belongs to a `tokenizer.model`; a \
                              `tokenizer.json` has its own";
                return Err(reason.to_string());
            }
        }
        for source in &self.sources {
            path("sources.to", &source.to)?;
            path("sources.revision", &source.revision)?;
            if let Some(hub) = &source.hub {
                path("sources.hub", hub)?;
            }
            if source.hub.is_some() == source.url.is_some() {
                let to = &source.to;
                return Err(format!("the source of `{to}` needs either `hub` or `url`"));
            }
            if !source.folder.is_empty() {
                path("sources.folder", &source.folder)?;
            }
            for file in &source.files {
                path("sources.files", file)?;
            }
            let web = |url: &String| url.starts_with("https://") || url.starts_with("http://");
            if let Some(url) = source.url.as_ref().filter(|url| !web(url)) {
                return Err(format!("`{url}` is no address that begins with `https://`"));
            }
        }
        for (medium, layout) in self.vocabulary.media.iter() {
            check_layout(medium, layout)?;
        }
        if self.context == 0 {
            return Err("`context` must be at least 1 token".into());
        }
        if self.prompt.default_system.is_some() && self.prompt.system.is_none() {
            return Err(
                "`prompt.default_system` needs `prompt.system`, which says where it goes".into()
            );
        }
        if self.prompt.stop.is_empty() {
            return Err("`prompt.stop` names no token, so that no reply would end".into());
        }
        for medium in Medium::ALL {
            check_sampling(medium, self.sampling.get(medium))?;
        }
        check_image(&self.perceptual.image)?;
        check_speech(&self.perceptual.speech)
    }

    fn has_layout(&self, medium: Medium) -> Check {
        match self.vocabulary.media.get(medium) {
            Some(_) => Ok(()),
            None => Err(format!(
                "there is a component for {medium} but `vocabulary.media.{medium}` is missing"
            )),
        }
    }
}

/// The architectures that a medium's networks may have.
fn known<'a>(all: &'a PerMedium<&'static str>, medium: Medium) -> &'a [&'static str] {
    all.get(medium).map(std::slice::from_ref).unwrap_or_default()
}

fn component(place: &str, spec: &ComponentSpec, known: &[&str]) -> Check {
    if !known.contains(&spec.architecture.as_str()) {
        return Err(format!(
            "`{place}.architecture: {}` is not known here; known: {}",
            spec.architecture,
            known.join(", ")
        ));
    }
    path(&format!("{place}.path"), &spec.path)?;
    let weights = spec.weights.iter().map(WeightsEntry::file);
    for file in weights.chain(spec.files.keys().map(String::as_str)) {
        path(&format!("{place}: file"), file)?;
    }
    for (file, record) in &spec.files {
        let hash = &record.blake3;
        if hash.len() != 64 || !hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(format!(
                "`{place}.files.{file}.blake3` must be 64 lower-case hexadecimal digits"
            ));
        }
    }
    Ok(())
}

/// Bundles come from strangers: a path must not leave the bundle's folder.
fn path(place: &str, path: &str) -> Check {
    let bad = path.is_empty()
        || path.contains(['\\', ':', '\0'])
        || path.split('/').any(|part| part.is_empty() || part == "..");
    if bad {
        return Err(format!(
            "`{place}: {path}` must be a path below the bundle's folder, with `/` and without `..`"
        ));
    }
    Ok(())
}

fn check_layout(medium: Medium, layout: &MediumLayout) -> Check {
    let place = format!("vocabulary.media.{medium}");
    if layout.prefix.is_empty() || layout.start.is_empty() || layout.end.is_empty() {
        return Err(format!("`{place}`: `prefix`, `start` and `end` must not be empty"));
    }
    let codes = u64::from(layout.codebook_size) * u64::from(layout.codebooks);
    if codes == 0 || codes > MAX_CODES {
        return Err(format!(
            "`{place}`: codebook_size × codebooks is {codes}; it must be from 1 to {MAX_CODES}"
        ));
    }
    match layout.length {
        SpanLength::Tokens(count) if count == 0 || count % layout.codebooks != 0 => Err(format!(
            "`{place}.length.tokens: {count}` must be a multiple of `codebooks: {}` above 0",
            layout.codebooks
        )),
        SpanLength::FramesPerSecond(rate) if !(rate.is_finite() && rate > 0.0) => {
            Err(format!("`{place}.length.frames_per_second: {rate}` must be above 0"))
        }
        _ => Ok(()),
    }
}

fn check_sampling(medium: Medium, sampling: &Sampling) -> Check {
    let place = format!("sampling.{medium}");
    let rule = |name: &str, value: f64, ok: bool, rule: &str| {
        if ok { Ok(()) } else { Err(format!("`{place}.{name}: {value}` must be {rule}")) }
    };
    let Sampling { temperature, top_p, min_p, repetition_penalty, .. } = *sampling;
    let finite = |value: f64| value.is_finite() && value >= 0.0;
    rule("temperature", temperature, finite(temperature), "0 or more")?;
    rule("top_p", top_p, top_p > 0.0 && top_p <= 1.0, "above 0 and at most 1")?;
    rule("min_p", min_p, (0.0..=1.0).contains(&min_p), "from 0 to 1")?;
    let positive = repetition_penalty.is_finite() && repetition_penalty > 0.0;
    rule("repetition_penalty", repetition_penalty, positive, "above 0")?;
    for (name, seconds) in
        [("window_seconds", sampling.window_seconds), ("overlap_seconds", sampling.overlap_seconds)]
    {
        let Some(seconds) = seconds else { continue };
        rule(name, seconds, seconds.is_finite() && seconds > 0.0, "above 0")?;
    }
    if let (Some(window), Some(overlap)) = (sampling.window_seconds, sampling.overlap_seconds) {
        rule("overlap_seconds", overlap, overlap < window, "below `window_seconds`")?;
    }
    match sampling.max_tokens {
        Some(0) => Err(format!("`{place}.max_tokens: 0` leaves no room for a reply")),
        Some(max) if sampling.min_tokens > max => Err(format!(
            "`{place}.min_tokens: {}` is more than `max_tokens: {max}`",
            sampling.min_tokens
        )),
        _ => Ok(()),
    }
}

fn check_image(image: &ImagePerceptual) -> Check {
    if image.steps == 0 || image.steps > 1000 {
        return Err(format!("`perceptual.image.steps: {}` must be from 1 to 1000", image.steps));
    }
    if !image.guidance.is_finite() {
        return Err(format!("`perceptual.image.guidance: {}` must be a number", image.guidance));
    }
    if image.noise_level > 999 {
        return Err(format!(
            "`perceptual.image.noise_level: {}` must be from 0 to 999",
            image.noise_level
        ));
    }
    Ok(())
}

fn check_speech(speech: &SpeechPerceptual) -> Check {
    if speech.steps == 0 || speech.steps > 100 {
        return Err(format!("`perceptual.speech.steps: {}` must be from 1 to 100", speech.steps));
    }
    if !(speech.voice_seconds > 0.0 && speech.voice_seconds <= 15.0) {
        return Err(format!(
            "`perceptual.speech.voice_seconds: {}` must be above 0 and at most 15",
            speech.voice_seconds
        ));
    }
    Ok(())
}
