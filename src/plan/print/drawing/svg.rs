//! The plan as SVG.

use std::fmt::Write;

use crate::base::markup::escape;
use crate::base::{Medium, Sources};
use crate::plan::graph::Plan;

use super::TooLarge;
use super::cards::{Card, Colour, LETTER, LINE, PADDING, Sheet, Wire, sheet};
use super::layout::{Point, Size};

const MARGIN: f64 = 20.0;
/// The plan's name and the legend.
const HEAD: f64 = 62.0;

/// Colours in the light and in the dark: border and edge, filling.
const COLOURS: [(Colour, [&str; 4]); 5] = [
    (Colour::Medium(Medium::Text), ["#1d63c4", "#eaf2fd", "#7db1f5", "#16263d"]),
    (Colour::Medium(Medium::Image), ["#1a7f37", "#e8f6ec", "#66c982", "#14301d"]),
    (Colour::Medium(Medium::Speech), ["#b45309", "#fdf1e3", "#f2a65a", "#38240f"]),
    (Colour::Medium(Medium::Music), ["#8338c9", "#f5ecfc", "#c79af0", "#2c1a3f"]),
    (Colour::Other, ["#6b7280", "#f4f5f6", "#9aa3af", "#23272e"]),
];

/// The plan as one SVG file, readable on light and on dark ground.
pub fn svg(plan: &Plan, sources: &Sources) -> Result<String, TooLarge> {
    Ok(draw(plan, &sheet(plan, "n")?, sources))
}

pub(super) fn draw(plan: &Plan, sheet: &Sheet, sources: &Sources) -> String {
    let legend = legend_width(sheet);
    let title = format!("plan {}", plan.name);
    let named = title.chars().count() as f64 * LETTER * 1.2;
    let width = sheet.size.width.max(legend).max(named) + 2.0 * MARGIN;
    let height = sheet.size.height + HEAD + 2.0 * MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n<title>{}</title>\n<style>\n{}</style>\n",
        escape(&title),
        style()
    );
    let _ = writeln!(out, "<rect class=\"ground\" width=\"100%\" height=\"100%\"/>");
    let _ = writeln!(
        out,
        "<text class=\"name\" x=\"{MARGIN}\" y=\"{:.1}\">{}</text>",
        MARGIN + 12.0,
        escape(&title)
    );
    draw_legend(sheet, &mut out);
    let left = MARGIN + (width - 2.0 * MARGIN - sheet.size.width) / 2.0;
    draw_sheet(sheet, Point { x: left, y: MARGIN + HEAD }, sources, &mut out);
    out.push_str("</svg>\n");
    out
}

fn style() -> String {
    let mut out = String::from(
        "text { font: 12px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: #1f2328; }\n\
         .name { font-size: 15px; font-weight: bold; }\n\
         .title { font-weight: bold; }\n\
         .faint, .type { fill: #656d76; }\n\
         .type { font-size: 10.5px; paint-order: stroke; stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round; }\n\
         .cost { fill: #656d76; font-style: italic; }\n\
         .ground { fill: #ffffff; }\n\
         .card { stroke-width: 1.2; }\n\
         .model > .card { stroke-width: 2.4; }\n\
         .inner { fill: #ffffff; stroke: none; }\n\
         .wire { fill: none; stroke-width: 1.6; }\n\
         .tokens { stroke-dasharray: 5 3; }\n",
    );
    let mut dark = String::from(
        "text { fill: #e6edf3; }\n\
         .faint, .type, .cost { fill: #9aa4b0; }\n\
         .type { stroke: #0f1318; }\n\
         .ground, .inner { fill: #0f1318; }\n",
    );
    for (colour, [line, fill, dark_line, dark_fill]) in COLOURS {
        let name = colour.name();
        let rules = |out: &mut String, line: &str, fill: &str| {
            let _ = writeln!(out, ".{name} > .card {{ fill: {fill}; stroke: {line}; }}");
            let _ = writeln!(out, ".wire.{name} {{ stroke: {line}; }}");
            let _ = writeln!(out, ".tip.{name} {{ fill: {line}; stroke: none; }}");
        };
        rules(&mut out, line, fill);
        rules(&mut dark, dark_line, dark_fill);
    }
    let _ = writeln!(out, "@media (prefers-color-scheme: dark) {{\n{dark}}}");
    out
}

/// The colours that the plan has, in the order of the table.
fn colours(sheet: &Sheet) -> Vec<Colour> {
    fn collect(sheet: &Sheet, found: &mut Vec<Colour>) {
        found.extend(sheet.cards.iter().map(|card| card.colour));
        found.extend(sheet.wires.iter().map(|wire| wire.colour));
        sheet.cards.iter().filter_map(|card| card.inner.as_ref()).for_each(|s| collect(s, found));
    }
    let mut found = Vec::new();
    collect(sheet, &mut found);
    found.sort_unstable();
    found.dedup();
    found
}

/// The marks of the legend: what is shown, its class, its words.
fn legend(sheet: &Sheet) -> Vec<(Colour, bool, &'static str)> {
    let colours = colours(sheet).into_iter().map(|colour| (colour, false, colour.name()));
    colours.chain([(Colour::Other, true, "tokens")]).collect()
}

fn legend_width(sheet: &Sheet) -> f64 {
    let words = legend(sheet).iter().map(|(_, _, word)| mark_width(word)).sum::<f64>();
    words + mark_width("runs a network")
}

fn mark_width(word: &str) -> f64 {
    word.len() as f64 * LETTER + 50.0
}

fn draw_legend(sheet: &Sheet, out: &mut String) {
    let (mut x, y) = (MARGIN, MARGIN + 38.0);
    for (colour, tokens, word) in legend(sheet) {
        let name = colour.name();
        if tokens {
            let (end, y) = (x + 26.0, y - 4.0);
            let _ =
                writeln!(out, "<path class=\"wire tokens {name}\" d=\"M{x:.1} {y:.1}H{end:.1}\"/>");
        } else {
            let top = y - 11.0;
            let _ = writeln!(
                out,
                "<g class=\"{name}\"><rect class=\"card\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"26\" height=\"14\" rx=\"4\"/></g>"
            );
        }
        let _ =
            writeln!(out, "<text class=\"faint\" x=\"{:.1}\" y=\"{y:.1}\">{word}</text>", x + 32.0);
        x += mark_width(word);
    }
    let top = y - 11.0;
    let _ = writeln!(
        out,
        "<g class=\"other model\"><rect class=\"card\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"26\" height=\"14\" rx=\"4\"/></g>\
         <text class=\"faint\" x=\"{:.1}\" y=\"{y:.1}\">runs a network</text>",
        x + 32.0
    );
}

fn draw_sheet(sheet: &Sheet, at: Point, sources: &Sources, out: &mut String) {
    // Edges lie below boxes, and types above edges.
    for wire in &sheet.wires {
        draw_wire(sheet, wire, at, out);
    }
    for card in &sheet.cards {
        draw_card(card, at, sources, out);
    }
    // All edges of a box carry its value, so its type is said once, where they begin.
    let mut said = vec![false; sheet.cards.len()];
    for wire in &sheet.wires {
        if !std::mem::replace(&mut said[wire.from], true)
            && let Some(start) = wire.way.first()
        {
            let _ = writeln!(
                out,
                "<text class=\"type\" text-anchor=\"middle\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                at.x + start.x,
                at.y + start.y + 14.0,
                escape(&crate::plan::print::label::cut(&wire.ty, 30))
            );
        }
    }
}

fn draw_wire(sheet: &Sheet, wire: &Wire, at: Point, out: &mut String) {
    let mut path = String::new();
    for (index, point) in wire.way.iter().enumerate() {
        let (x, y) = (at.x + point.x, at.y + point.y);
        let last = index + 1 == wire.way.len();
        // The tip stands on the box.
        let y = if last { y - TIP } else { y };
        match index.checked_sub(1).and_then(|before| wire.way.get(before)) {
            None => {
                let _ = write!(path, "M{x:.1} {y:.1}");
            }
            Some(before) if (before.x - point.x).abs() < 0.05 => {
                let _ = write!(path, "V{y:.1}");
            }
            Some(before) => {
                let from = at.y + before.y;
                let middle = from + (y - from) / 2.0;
                let _ = write!(
                    path,
                    "C{:.1} {middle:.1} {x:.1} {middle:.1} {x:.1} {y:.1}",
                    at.x + before.x
                );
            }
        }
    }
    let (name, tokens) = (wire.colour.name(), if wire.tokens { " tokens" } else { "" });
    let (from, to) = (&sheet.cards[wire.from].id, &sheet.cards[wire.to].id);
    let _ = writeln!(
        out,
        "<path class=\"wire{tokens} {name}\" data-from=\"{from}\" data-to=\"{to}\" d=\"{path}\"><title>{}</title></path>",
        escape(&wire.ty)
    );
    if let Some(end) = wire.way.last() {
        let (x, y) = (at.x + end.x, at.y + end.y);
        let _ = writeln!(out, "<path class=\"tip {name}\" d=\"M{x:.1} {y:.1}l-4 -{TIP}h8z\"/>");
    }
}

const TIP: f64 = 8.0;

fn draw_card(card: &Card, at: Point, sources: &Sources, out: &mut String) {
    let (x, y) = (at.x + card.corner.x, at.y + card.corner.y);
    let Size { width, height } = card.size;
    let model = if card.runs_model { " model" } else { "" };
    let round = if card.about.is_some() { 6.0 } else { height / 2.0 };
    let _ = writeln!(
        out,
        "<g class=\"node {}{model}\" id=\"{}\">\n<rect class=\"card\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{round:.1}\"/>",
        card.colour.name(),
        card.id,
    );
    if let Some(about) = &card.about {
        let place = super::html::place(about.span, sources);
        let tip = format!("{} : {} ({place})", about.path, about.ty);
        let _ = writeln!(out, "<title>{}</title>", escape(&tip));
    }
    let text_x = x + PADDING;
    let mut text_y = y + LINE;
    let _ = writeln!(
        out,
        "<text class=\"title\" x=\"{text_x:.1}\" y=\"{text_y:.1}\">{}</text>",
        escape(&card.title)
    );
    if let Some(number) = card.number {
        let _ = writeln!(
            out,
            "<text class=\"faint\" text-anchor=\"end\" x=\"{:.1}\" y=\"{text_y:.1}\">%{number}</text>",
            x + width - PADDING
        );
    }
    let lines = card.lines.iter().map(|line| ("line", line));
    for (class, line) in lines.chain(card.cost.iter().map(|cost| ("cost", cost))) {
        text_y += LINE;
        let _ = writeln!(
            out,
            "<text class=\"{class}\" x=\"{text_x:.1}\" y=\"{text_y:.1}\">{}</text>",
            escape(line)
        );
    }
    if let Some(inner) = &card.inner {
        let top = y + card.head();
        let _ = writeln!(
            out,
            "<rect class=\"inner\" x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"4\"/>",
            x + PADDING / 2.0,
            width - PADDING,
            height - card.head() - PADDING / 2.0
        );
        let left = x + (width - inner.size.width) / 2.0;
        draw_sheet(inner, Point { x: left, y: top + PADDING / 2.0 }, sources, out);
    }
    out.push_str("</g>\n");
}
