//! The report as a page that loads nothing.

use std::fmt::Write;

use super::report::Report;
use crate::base::Medium;
use crate::base::markup::escape;
use crate::data::packed::TokenCounts;

/// The kinds of tokens with the colours of their bars.
fn kinds(counts: &TokenCounts) -> [(&'static str, u64, &'static str); 5] {
    [
        ("text", counts.of(Medium::Text), "#4c78a8"),
        ("image", counts.of(Medium::Image), "#e45756"),
        ("speech", counts.of(Medium::Speech), "#72b7b2"),
        ("music", counts.of(Medium::Music), "#b279a2"),
        ("control", counts.control, "#9d9da1"),
    ]
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
padding:0 1rem;color:#222;background:#fff}table{border-collapse:collapse;margin:1rem 0}th,td\
{padding:.2rem .8rem;text-align:right;border-bottom:1px solid #ddd}th:first-child,td:first-child\
{text-align:left}svg text{font:12px system-ui,sans-serif;fill:currentColor}@media(prefers-color-\
scheme:dark){body{color:#ddd;background:#1b1b1d}th,td{border-color:#444}}";

pub fn page(report: &Report) -> String {
    let mut out = String::from("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n");
    let _ = writeln!(out, "<title>Packed data</title>\n<style>{STYLE}</style>");
    let _ = writeln!(out, "<h1>Packed data for {}</h1>", escape(&report.model));
    let _ = writeln!(
        out,
        "<p>{} samples in {} sequences of at most {} tokens, {:.1} % full. {} of {} tokens are \
         targets of the loss. Left out: {} too long, {} broken.</p>",
        report.samples,
        report.sequences,
        report.max_length,
        report.fill * 100.0,
        report.counted,
        report.tokens.total(),
        report.too_long,
        report.broken,
    );
    out.push_str(&bars(report));
    out.push_str(&table(report));
    out.push_str("</html>\n");
    out
}

/// One bar for all and one for each source: what its tokens are.
fn bars(report: &Report) -> String {
    const LEFT: f64 = 160.0;
    const WIDE: f64 = 600.0;
    const HIGH: f64 = 30.0;
    let mut rows = vec![("all", &report.tokens)];
    rows.extend(report.sources.iter().map(|it| (it.counts.name.as_str(), &it.counts.tokens)));
    let height = HIGH * (rows.len() as f64 + 1.0);
    let mut out =
        format!("<svg viewBox=\"0 0 800 {height}\" role=\"img\" aria-label=\"Tokens by kind\">\n");
    for (place, (name, counts)) in rows.iter().enumerate() {
        let (y, mut x) = (place as f64 * HIGH, LEFT);
        let shown: String = name.chars().take(20).collect();
        let _ = writeln!(out, "<text x=\"0\" y=\"{}\">{}</text>", y + 17.0, escape(&shown));
        for (kind, count, colour) in kinds(counts) {
            let share = count as f64 / counts.total().max(1) as f64;
            let _ = writeln!(
                out,
                "<rect x=\"{x:.2}\" y=\"{y}\" width=\"{:.2}\" height=\"22\" fill=\"{colour}\">\
                 <title>{kind}: {count} tokens, {:.1} %</title></rect>",
                share * WIDE,
                share * 100.0
            );
            x += share * WIDE;
        }
    }
    let y = rows.len() as f64 * HIGH;
    for (place, (kind, _, colour)) in kinds(&report.tokens).iter().enumerate() {
        let x = LEFT + place as f64 * 110.0;
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"{}\">{kind}</text>",
            y + 6.0,
            x + 18.0,
            y + 17.0
        );
    }
    out.push_str("</svg>\n");
    out
}

fn table(report: &Report) -> String {
    let mut out = String::from(
        "<table><tr><th>source<th>rows<th>epochs<th>samples<th>tokens<th>of samples<th>of \
         tokens<th>wanted<th>too long<th>broken</tr>\n",
    );
    for source in &report.sources {
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let _ = writeln!(
            out,
            "<tr><td>{}<td>{}<td>{:.2}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}</tr>",
            escape(&source.counts.name),
            source.rows,
            source.epochs,
            source.counts.samples,
            source.counts.tokens.total(),
            percent(source.share_of_samples),
            percent(source.share_of_tokens),
            source.wanted.map_or("–".into(), percent),
            source.counts.too_long,
            source.counts.broken,
        );
    }
    out.push_str("</table>\n");
    out
}
