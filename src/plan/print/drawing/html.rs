//! The plan as one HTML file: the drawing, and a table of its operations beside it.

use std::fmt::Write;

use crate::base::markup::escape;
use crate::base::{Sources, Span};
use crate::plan::graph::Plan;

use super::cards::{About, Card, Sheet, sheet};
use super::{TooLarge, svg};

/// The file needs nothing from anywhere else; without scripts all is there but the highlights.
pub fn html(plan: &Plan, sources: &Sources) -> Result<String, TooLarge> {
    let sheet = sheet(plan, "n")?;
    let name = escape(&plan.name);
    let mut rows = String::new();
    table(&sheet, sources, &mut rows);
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>plan {name}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{}</main>\n\
         <aside>\n<div id=\"about\" aria-live=\"polite\"><p>Point at an operation to see what it does and where it \
         stands; click to keep it.</p></div>\n\
         <table>\n<thead><tr><th>no.</th><th>operation</th><th>type</th><th>settings</th><th>cost</th>\
         <th>source</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</aside>\n<script>\n{SCRIPT}</script>\n\
         </body>\n</html>\n",
        svg::draw(plan, &sheet, sources)
    ))
}

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

fn table(sheet: &Sheet, sources: &Sources, out: &mut String) {
    for card in &sheet.cards {
        if let Some(about) = &card.about {
            row(card, about, sources, out);
        }
        if let Some(inner) = &card.inner {
            table(inner, sources, out);
        }
    }
}

fn row(card: &Card, about: &About, sources: &Sources, out: &mut String) {
    let settings: Vec<String> = about
        .settings
        .iter()
        .map(|(key, value)| format!("{}: {}", escape(key), escape(value)))
        .collect();
    let _ = writeln!(
        out,
        "<tr data-node=\"{}\"><td>{}</td><td><b>{}</b><br><code>{}</code><br><small>{}</small></td><td><code>{}</code></td>\
         <td>{}</td><td>{}</td><td>{}<br><code>{}</code></td></tr>",
        card.id,
        card.id.trim_start_matches('n').replace('_', "."),
        escape(&card.title),
        escape(&about.does),
        escape(&about.path),
        escape(&about.ty),
        settings.join("<br>"),
        escape(card.cost.as_deref().unwrap_or("")),
        escape(&place(about.span, sources)),
        escape(line(about.span, sources)),
    );
}

/// `file:line` of a span.
pub(super) fn place(span: Span, sources: &Sources) -> String {
    let Some(file) = sources.get(span.source) else { return String::new() };
    let before = file.text.get(..span.start as usize).unwrap_or("");
    format!("{}:{}", file.name, before.matches('\n').count() + 1)
}

/// The line of the source where a span begins.
fn line(span: Span, sources: &Sources) -> &str {
    let Some(file) = sources.get(span.source) else { return "" };
    let start = span.start as usize;
    let Some((before, after)) = file.text.split_at_checked(start) else { return "" };
    let from = before.rfind('\n').map_or(0, |at| at + 1);
    let to = after.find('\n').map_or(file.text.len(), |at| start + at);
    file.text.get(from..to).unwrap_or("").trim()
}
