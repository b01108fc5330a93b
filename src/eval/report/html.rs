//! A page that loads nothing else: the table, what was published, and examples with pictures,
//! players and marked texts.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use crate::base::Medium;
use crate::base::markup::escape;
use crate::lang::types::Type;
use crate::media::{encode_png, encode_wav};
use crate::runtime::value::{Media, Value};

use super::super::metrics::{Edit, error_rate};
use super::super::published::SOURCE;
use super::super::row::{self, Cell, Row};
use super::super::score::{is_error, normaliser, texts};
use super::super::store::Record;
use super::{FAILURES, Report, examples, interval, reasons, shown};

/// The whole page.
pub fn html(report: &Report<'_>) -> String {
    let evaluation = report.evaluation;
    let mut out = String::from(HEAD);
    let _ = write!(out, "<title>{0}</title></head><body><h1>{0}</h1>", escape(&evaluation.name));
    if let Some(doc) = &evaluation.doc {
        let _ = write!(out, "<p>{}</p>", escape(doc.trim()));
    }
    let run = report.run;
    let _ = write!(
        out,
        "<p class=\"note\">{}, seed {}, {}, agpt {}{}</p>",
        escape(&run.model),
        run.seed,
        escape(&run.machine),
        escape(&run.agpt),
        match run.judges.is_empty() {
            true => String::new(),
            false => format!(", judged by {}", escape(&run.judges.join(", "))),
        }
    );
    table(report, &mut out);
    for (title, places) in examples::choose(report.scores, report.rows.len()) {
        if places.is_empty() {
            continue;
        }
        let _ = write!(out, "<h2>{title}</h2>");
        for place in places {
            if let (Some(row), Some(record)) = (report.rows.get(place), report.records.get(place)) {
                example(report, place, row, record, &mut out);
            }
        }
    }
    out.push_str("</body></html>\n");
    out
}

fn table(report: &Report<'_>, out: &mut String) {
    out.push_str("<table><tr><th>measure</th><th>value</th><th>95 % interval</th><th>rows</th><th>failed</th></tr>");
    for score in report.scores {
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&score.name),
            shown(score.metric, score.value),
            interval(score),
            score.rows,
            score.failed
        );
        if let Some(published) = report.published(score) {
            for (who, value) in published.rows {
                let _ = write!(
                    out,
                    "<tr class=\"published\"><td>{}</td><td>{value}</td><td colspan=\"3\">published: {}</td></tr>",
                    escape(who),
                    escape(published.note)
                );
            }
        }
    }
    out.push_str("</table>");
    if report.scores.iter().any(|score| report.published(score).is_some()) {
        let _ = write!(out, "<p class=\"note\">Published values: {}.</p>", escape(SOURCE));
    }
    if report.failed() > 0 {
        let _ = write!(out, "<p>{}</p><ul>", escape(FAILURES));
        for (reason, count) in reasons(report.records) {
            let _ = write!(out, "<li>{count} × {}</li>", escape(reason));
        }
        out.push_str("</ul>");
    }
}

fn example(report: &Report<'_>, place: usize, row: &Row, record: &Record, out: &mut String) {
    let _ = write!(out, "<section><h3>{}</h3>", escape(&row.id));
    if let Some(reason) = &record.error {
        let _ = write!(out, "<p class=\"error\">failed: {}</p>", escape(reason));
    }
    out.push_str("<dl>");
    let params = &report.evaluation.pipeline.params;
    for param in params {
        let Some(cell) = row.cell(&param.name) else { continue };
        let _ = write!(out, "<dt>{}</dt><dd>", escape(&param.name));
        column(cell, &param.ty, out);
        out.push_str("</dd>");
    }
    for (name, value) in &record.values {
        if params.iter().any(|param| param.name == *name) {
            continue;
        }
        let _ = write!(out, "<dt class=\"made\">{}</dt><dd>", escape(name));
        kept(report, value, out);
        out.push_str("</dd>");
    }
    for (measured, score) in report.evaluation.measures.iter().zip(report.scores) {
        let value = score.each.get(place).copied().flatten();
        let sign = if is_error(score.metric) { -1.0 } else { 1.0 };
        let value = shown(score.metric, value.map(|value| sign * value));
        let _ = write!(out, "<dt>{}</dt><dd>{value}", escape(&measured.name));
        if let Some(normaliser) = normaliser(score.metric)
            && let Some((answer, references)) = texts(measured, record)
            && let Some(reference) = references.first()
        {
            marked(&normaliser.apply(reference), &normaliser.apply(&answer), out);
        }
        out.push_str("</dd>");
    }
    out.push_str("</dl></section>");
}

/// A column of the row; media are read again.
fn column(cell: &Cell, ty: &Type, out: &mut String) {
    let medium = match ty {
        Type::Option(inner) => return column(cell, inner, out),
        Type::Medium(medium) | Type::Lasting(medium, _) => *medium,
        _ => Medium::Text,
    };
    match row::value(cell, &Type::Medium(medium)) {
        Ok(Value::Media(made)) => player(&made, out),
        _ => out.push_str(&escape(&row::shown(cell))),
    }
}

fn player(media: &Media, out: &mut String) {
    let encoded = match media {
        Media::Image(image) => encode_png(image, &[]),
        Media::Speech(sound) | Media::Music(sound) => encode_wav(sound, ""),
    };
    match (encoded, media) {
        (Ok(bytes), Media::Image(_)) => picture(&bytes, out),
        (Ok(bytes), _) => sound(&bytes, out),
        (Err(error), _) => out.push_str(&escape(&error.to_string())),
    }
}

fn picture(bytes: &[u8], out: &mut String) {
    let _ = write!(out, "<img alt=\"\" src=\"data:image/png;base64,{}\">", STANDARD.encode(bytes));
}

fn sound(bytes: &[u8], out: &mut String) {
    let _ = write!(
        out,
        "<audio controls src=\"data:audio/wav;base64,{}\"></audio>",
        STANDARD.encode(bytes)
    );
}

/// A value as the results hold it.
fn kept(report: &Report<'_>, value: &Json, out: &mut String) {
    match value {
        Json::String(text) => out.push_str(&escape(text)),
        Json::Array(items) => {
            let items: Vec<String> = items
                .iter()
                .map(|item| {
                    escape(item.as_str().map_or_else(|| item.to_string(), str::to_string).as_str())
                })
                .collect();
            out.push_str(&items.join("<br>"));
        }
        Json::Object(object) => {
            for (kind, file) in object {
                let Some(name) = file.as_str() else { continue };
                match std::fs::read(report.folder.join(name)) {
                    Ok(bytes) if kind == Medium::Image.name() => picture(&bytes, out),
                    Ok(bytes) => sound(&bytes, out),
                    Err(error) => {
                        let _ = write!(out, "{}: {}", escape(name), escape(&error.to_string()));
                    }
                }
            }
        }
        other => out.push_str(&escape(&other.to_string())),
    }
}

/// The reference with what was left out and put in instead.
fn marked(reference: &str, answer: &str, out: &mut String) {
    let Ok(aligned) = error_rate::words(reference, answer) else { return };
    out.push_str("<p class=\"words\">");
    for chunk in &aligned.chunks {
        let part = |words: &[String], (from, to): (usize, usize)| {
            escape(&words.get(from..to).unwrap_or_default().join(" "))
        };
        let wanted = part(&aligned.reference, chunk.reference);
        let said = part(&aligned.hypothesis, chunk.hypothesis);
        let _ = match chunk.edit {
            Edit::Equal => write!(out, "{wanted} "),
            Edit::Delete => write!(out, "<del>{wanted}</del> "),
            Edit::Insert => write!(out, "<ins>{said}</ins> "),
            Edit::Substitute => write!(out, "<del>{wanted}</del> <ins>{said}</ins> "),
        };
    }
    out.push_str("</p>");
}

const HEAD: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:\">\
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #8885; }
td:first-child, th:first-child { text-align: left; } .published, .note { opacity: .75; } .published td:first-child { padding-left: 2rem; }
section { border: 1px solid #8885; border-radius: 8px; padding: 0 1rem; margin: 1rem 0; }
dl { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .3rem 1rem; } dd { margin: 0; overflow-wrap: anywhere; }
dt { opacity: .75; } .made { opacity: 1; font-weight: 600; } img { max-width: 256px; max-height: 256px; image-rendering: auto; } audio { width: 100%; max-width: 24rem; }
.error, del { color: #c22; } ins { color: #283; text-decoration: none; } .words { margin: 0; }
</style>";
