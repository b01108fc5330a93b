//! A page to look at: what each test found, kept and present snapshots side by side, pictures
//! with their difference, sounds with players, waveforms and spectrograms. One file that loads
//! nothing else.

mod pictures;
mod spectrogram;

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use similar::{ChangeTag, TextDiff};

use crate::base::markup::escape;
use crate::media::{MediaError, RgbImage, Sound, encode_png, encode_wav};
use crate::runtime::value::Media;

use super::snapshot::likeness;
use super::store::pretty;

/// A snapshot as it was kept and as it is.
pub struct Shown {
    pub same: bool,
    pub before: Option<Json>,
    pub now: Json,
    pub media: Vec<Pair>,
}

pub struct Pair {
    pub name: String,
    /// None where it was not kept, or cannot be read any more.
    pub before: Option<Media>,
    pub now: Media,
}

/// A test of the page.
pub struct Entry {
    pub file: String,
    pub title: String,
    pub passed: bool,
    pub seconds: f64,
    pub problems: Vec<Problem>,
    pub shown: Vec<Shown>,
}

pub struct Problem {
    pub code: &'static str,
    pub message: String,
    pub help: Option<String>,
    /// The line of the source with its number.
    pub line: Option<(usize, String)>,
}

/// The whole page; what failed stands first.
pub fn html(entries: &[Entry]) -> Result<String, MediaError> {
    let failed = entries.iter().filter(|entry| !entry.passed).count();
    let mut out = String::from(HEAD);
    let _ = writeln!(out, "<h1>{} passed, {failed} failed</h1>", entries.len() - failed);
    let (bad, good): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(|entry| !entry.passed);
    for entry in bad.into_iter().chain(good) {
        test(entry, &mut out)?;
    }
    out.push_str("</body></html>\n");
    Ok(out)
}

fn test(entry: &Entry, out: &mut String) -> Result<(), MediaError> {
    let (open, mark, class) = match entry.passed {
        true => ("", "passed", "pass"),
        false => (" open", "failed", "fail"),
    };
    let _ = writeln!(
        out,
        "<details{open} class=\"{class}\"><summary><b>{}</b> <span class=\"mark\">{mark}</span> \
         <span class=\"note\">{}, {:.2} s</span></summary>",
        escape(&entry.title),
        escape(&entry.file),
        entry.seconds
    );
    for problem in &entry.problems {
        let _ = write!(
            out,
            "<p class=\"problem\"><code>{}</code> {}",
            problem.code,
            escape(&problem.message)
        );
        if let Some((number, line)) = &problem.line {
            let _ = write!(out, "<br><code class=\"line\">{number}: {}</code>", escape(line));
        }
        if let Some(help) = &problem.help {
            let _ = write!(
                out,
                "<br><span class=\"note\">{}</span>",
                escape(help).replace('\n', "<br>")
            );
        }
        out.push_str("</p>\n");
    }
    for (place, shown) in entry.shown.iter().enumerate() {
        let state = match (&shown.before, shown.same) {
            (_, true) => "as kept",
            (None, false) => "new",
            (Some(_), false) => "differs",
        };
        let _ =
            writeln!(out, "<h3>snapshot {} <span class=\"note\">{state}</span></h3>", place + 1);
        values(shown, out);
        for pair in &shown.media {
            media(pair, out)?;
        }
    }
    out.push_str("</details>\n");
    Ok(())
}

/// The data of a snapshot, with what went and came marked line by line.
fn values(shown: &Shown, out: &mut String) {
    let now = pretty(&shown.now, 0);
    let before = match &shown.before {
        Some(before) if !shown.same => pretty(before, 0),
        _ => now.clone(),
    };
    out.push_str("<pre>");
    for change in TextDiff::from_lines(&before, &now).iter_all_changes() {
        let (tag, sign) = match change.tag() {
            ChangeTag::Equal => ("span", ' '),
            ChangeTag::Delete => ("del", '-'),
            ChangeTag::Insert => ("ins", '+'),
        };
        let line = escape(change.value().trim_end_matches('\n'));
        let _ = writeln!(out, "<{tag}>{sign} {line}</{tag}>");
    }
    out.push_str("</pre>\n");
}

fn media(pair: &Pair, out: &mut String) -> Result<(), MediaError> {
    let _ = write!(out, "<h4>{}", escape(&pair.name));
    if let Some(before) = &pair.before {
        let told = match likeness(before, &pair.now) {
            Some(decibels) if decibels.is_infinite() => "equal".to_string(),
            Some(decibels) => format!("{decibels:.1} dB alike"),
            None => "of another size".to_string(),
        };
        let _ = write!(out, " <span class=\"note\">{told}</span>");
    }
    out.push_str("</h4>\n<div class=\"media\">");
    match (&pair.before, &pair.now) {
        (before, Media::Image(now)) => {
            if let Some(Media::Image(before)) = before {
                picture("kept", before, out)?;
            }
            picture("now", now, out)?;
            if let Some(Media::Image(before)) = before
                && let Some(difference) = pictures::difference(before, now)?
            {
                picture(&format!("difference, {} times", pictures::GAIN), &difference, out)?;
            }
        }
        (before, Media::Speech(now) | Media::Music(now)) => {
            if let Some(Media::Speech(before) | Media::Music(before)) = before {
                sound("kept", before, out)?;
            }
            sound("now", now, out)?;
        }
    }
    out.push_str("</div>\n");
    Ok(())
}

fn picture(caption: &str, image: &RgbImage, out: &mut String) -> Result<(), MediaError> {
    let data = STANDARD.encode(encode_png(image, &[])?);
    // Small ones are enlarged, so that there is something to see.
    let width = u64::from(image.width().clamp(192, 384));
    let height = u64::from(image.height()) * width / u64::from(image.width().max(1));
    let _ = write!(
        out,
        "<figure><img alt=\"{caption}\" width=\"{width}\" height=\"{height}\" \
         src=\"data:image/png;base64,{data}\"><figcaption>{caption}, {} × {}</figcaption></figure>",
        image.width(),
        image.height()
    );
    Ok(())
}

fn sound(caption: &str, sound: &Sound, out: &mut String) -> Result<(), MediaError> {
    let data = STANDARD.encode(encode_wav(sound, "")?);
    let spectrogram = STANDARD.encode(encode_png(&spectrogram::of(sound)?, &[])?);
    let _ = write!(
        out,
        "<figure>{}<img alt=\"spectrogram\" class=\"wide\" src=\"data:image/png;base64,{spectrogram}\">\
         <audio controls src=\"data:audio/wav;base64,{data}\"></audio>\
         <figcaption>{caption}, {:.2} s at {} Hz; below the waveform the spectrogram, 0 to {} Hz, {} dB</figcaption></figure>",
        pictures::waveform(sound),
        sound.seconds(),
        sound.rate(),
        sound.rate() / 2,
        spectrogram::DEPTH
    );
    Ok(())
}

const HEAD: &str = "<!doctype html>
<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">
<title>agpt test</title><style>
:root { color-scheme: light dark; --line: #d0d7de; --note: #59636e; --bad: #cf222e; --good: #1a7f37;
  --del: #ffebe9; --ins: #dafbe1; --wave: #0969da; }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --note: #9198a1; --bad: #f85149;
  --good: #3fb950; --del: #542426; --ins: #1f4429; --wave: #4493f8; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
details { border: 1px solid var(--line); border-radius: 6px; padding: .5rem 1rem; margin: .5rem 0; }
summary { cursor: pointer; } .note { color: var(--note); font-weight: normal; font-size: .9em; }
.fail .mark { color: var(--bad); } .pass .mark { color: var(--good); }
.problem { border-left: 3px solid var(--bad); padding-left: .75rem; overflow-wrap: anywhere; }
pre { overflow-x: auto; max-height: 24rem; border: 1px solid var(--line); border-radius: 6px; padding: .5rem; font-size: 13px; line-height: 1.2; }
del { background: var(--del); text-decoration: none; } ins { background: var(--ins); text-decoration: none; }
.media { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; } figcaption { color: var(--note); font-size: .85em; max-width: 30rem; }
img { image-rendering: pixelated; border-radius: 4px; } .wide, .wave { display: block; width: 30rem; max-width: 100%; }
.wide { height: 8rem; } .wave { height: 4rem; } .wave path { fill: var(--wave); } audio { width: 30rem; max-width: 100%; }
</style></head><body>
";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_failed_stands_first_with_what_changed() {
        let tone: Vec<f32> = (0..8000u16).map(|i| (f32::from(i) * 0.3).sin() * 0.5).collect();
        let sound = |scale: f32| {
            let samples = tone.iter().map(|sample| sample * scale).collect();
            Media::Speech(Sound::new(16_000, samples).unwrap())
        };
        let image = |value: u8| Media::Image(RgbImage::filled(4, 2, [value; 3]));
        let entry = |title: &str, passed: bool, shown: Vec<Shown>| Entry {
            file: "a.agpt".into(),
            title: title.into(),
            passed,
            seconds: 0.5,
            problems: Vec::new(),
            shown,
        };
        let shown = Shown {
            same: false,
            before: Some(json!({ "text": "<old>" })),
            now: json!({ "text": "new" }),
            media: vec![
                Pair { name: "1-a.wav".into(), before: Some(sound(1.0)), now: sound(0.5) },
                Pair { name: "1-b.png".into(), before: Some(image(9)), now: image(12) },
            ],
        };
        let page =
            html(&[entry("good", true, Vec::new()), entry("bad & ugly", false, vec![shown])])
                .unwrap();
        assert!(page.find("<b>bad &amp; ugly").unwrap() < page.find("<b>good").unwrap());
        assert!(
            page.contains("<del>-   &quot;text&quot;: &quot;&lt;old&gt;&quot;</del>"),
            "{page}"
        );
        assert!(page.contains("<ins>+   &quot;text&quot;: &quot;new&quot;</ins>"));
        assert_eq!(page.matches("<audio").count(), 2);
        assert_eq!(page.matches("<img alt=\"difference").count(), 1);
        assert_eq!(page.matches("<img").count(), 5);
    }
}
