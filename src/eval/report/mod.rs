//! Results for people and machines: a table beside what was published, JSON, a page with examples.

mod examples;
mod html;

use serde_json::{Value as Json, json};

use crate::lang::ir::Evaluation;

use super::published::{self, SOURCE};
use super::row::Row;
use super::score::{Score, scale};
use super::store::{Record, Run};

pub use html::html;

/// All there is to say about a run.
pub struct Report<'a> {
    pub evaluation: &'a Evaluation,
    /// Only the evaluations of the standard library stand beside published figures.
    pub ready: bool,
    pub run: &'a Run,
    pub rows: &'a [Row],
    pub records: &'a [Record],
    pub scores: &'a [Score],
    pub folder: &'a std::path::Path,
}

/// What counts as what where rows failed.
pub const FAILURES: &str = "A row that failed counts as an empty answer: every word of its \
references is an error, it matches nothing, its similarity is 0.";

impl Report<'_> {
    pub fn failed(&self) -> usize {
        self.records.iter().filter(|record| record.error.is_some()).count()
    }

    fn published(&self, score: &Score) -> Option<&'static published::Published> {
        published::of(&self.evaluation.name, &score.name).filter(|_| self.ready)
    }

    /// The table of the terminal.
    pub fn table(&self) -> String {
        let mut lines =
            vec![["measure", "value", "95 % interval", "rows", "failed"].map(String::from)];
        for score in self.scores {
            lines.push([
                score.name.clone(),
                shown(score.metric, score.value),
                interval(score),
                score.rows.to_string(),
                score.failed.to_string(),
            ]);
        }
        let width = |column: usize| {
            lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)
        };
        let widths = [width(0), width(1), width(2), width(3), width(4)];
        let mut out =
            format!("{}, {} (seed {})\n\n", self.evaluation.name, self.run.model, self.run.seed);
        for line in &lines {
            let mut text = String::new();
            for (column, (cell, width)) in line.iter().zip(widths).enumerate() {
                let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
                // Numbers are aligned on their right.
                match column {
                    0 => text.push_str(&format!("  {cell}{pad}")),
                    _ => text.push_str(&format!("  {pad}{cell}")),
                }
            }
            out.push_str(text.trim_end());
            out.push('\n');
        }
        for score in self.scores {
            if let Some(published) = self.published(score) {
                out.push_str(&format!(
                    "\n{} as published, {}\n({SOURCE})\n",
                    score.name, published.note
                ));
                let rows = published.rows.iter();
                let width = rows.clone().map(|(who, _)| who.chars().count()).max().unwrap_or(0);
                for (who, value) in rows {
                    out.push_str(&format!("  {who:width$}  {value:>7}\n"));
                }
            }
        }
        if self.failed() > 0 {
            out.push_str(&format!("\n{FAILURES}\n"));
            for (reason, count) in reasons(self.records) {
                out.push_str(&format!("  {count} × {reason}\n"));
            }
        }
        for score in self.scores.iter().filter(|score| score.uncounted > 0) {
            out.push_str(&format!(
                "\n{} rows are not in `{}`: what they are compared with could not be worked out.\n",
                score.uncounted, score.name
            ));
        }
        out
    }

    pub fn json(&self) -> Json {
        let scores = self.scores.iter().map(|score| {
            let (factor, _, unit) = scale(score.metric);
            let scaled = |value: f64| value * factor;
            json!({
                "measure": score.name,
                "metric": score.metric,
                "value": score.value.map(scaled),
                "interval": score.interval.map(|(low, high)| [scaled(low), scaled(high)]),
                "unit": unit.trim(),
                "rows": score.rows,
                "failed": score.failed,
                "uncounted": score.uncounted,
                "published": self.published(score).map(|published| json!({
                    "source": SOURCE,
                    "note": published.note,
                    "rows": published.rows.iter().map(|(who, value)| json!({ "model": who, "value": value })).collect::<Vec<_>>(),
                })),
            })
        });
        json!({
            "evaluation": self.evaluation.name,
            "run": self.run,
            "rows": self.records.len(),
            "failed": self.failed(),
            "scores": scores.collect::<Vec<_>>(),
            "failures": reasons(self.records).into_iter().map(|(reason, count)| json!({ "reason": reason, "rows": count })).collect::<Vec<_>>(),
            "folder": self.folder.display().to_string(),
        })
    }
}

/// Why rows failed, the most frequent reason first.
fn reasons(records: &[Record]) -> Vec<(&str, usize)> {
    let mut out: Vec<(&str, usize)> = Vec::new();
    for reason in records.iter().filter_map(|record| record.error.as_deref()) {
        match out.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => out.push((reason, 1)),
        }
    }
    out.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    out.truncate(10);
    out
}

/// A value in the units that papers use.
pub fn shown(metric: &str, value: Option<f64>) -> String {
    let (factor, decimals, unit) = scale(metric);
    match value {
        Some(value) => format!("{:.decimals$}{unit}", value * factor),
        None => "none".to_string(),
    }
}

fn interval(score: &Score) -> String {
    let (factor, decimals, _) = scale(score.metric);
    match score.interval {
        Some((low, high)) => {
            format!("{:.decimals$} – {:.decimals$}", low * factor, high * factor)
        }
        None => "none".to_string(),
    }
}
