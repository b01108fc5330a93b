//! `loss.html`: the losses of a training as curves, one for each medium, in a page that loads nothing.

use std::fmt::Write;

use super::log::Record;
use super::recipe::Recipe;
use crate::base::Medium;
use crate::base::markup::escape;

pub const PAGE: &str = "loss.html";

const WIDTH: f64 = 920.0;
const HEIGHT: f64 = 420.0;
/// Left, top, right, bottom: room for numbers.
const MARGIN: [f64; 4] = [56.0, 16.0, 16.0, 40.0];
/// A curve has no more points than the drawing has columns; each is a mean.
const POINTS: usize = 900;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:960px;margin:2rem auto;\
padding:0 1rem;color:#222;background:#fff}svg{width:100%;height:auto}text{font-size:12px;fill:#555}\
.grid{stroke:#ddd}path{fill:none;stroke-width:1.6}.text{stroke:#222;fill:#222}.image{stroke:#c2410c;fill:#c2410c}\
.speech{stroke:#0369a1;fill:#0369a1}.music{stroke:#15803d;fill:#15803d}path{fill:none}\
table{border-collapse:collapse}td,th{padding:.2rem .9rem .2rem 0;text-align:right}td:first-child,\
th:first-child{text-align:left}details pre{overflow:auto;background:#f5f5f5;padding:1rem}\
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}text{fill:#aaa}.grid{stroke:#333}\
.text{stroke:#eee;fill:#eee}path{fill:none}details pre{background:#222}}";

/// One curve or row of marks: (step, loss).
type Points = Vec<(f64, f64)>;

/// The page.
pub fn html(records: &[Record], recipe: &Recipe) -> String {
    let (trained, measured) = (curves(records, false), curves(records, true));
    let all = || trained.iter().chain(&measured).flat_map(|(_, points)| points);
    let last = all().map(|(step, _)| *step).fold(1.0, f64::max);
    let low = all().map(|(_, loss)| *loss).fold(f64::INFINITY, f64::min);
    let high = all().map(|(_, loss)| *loss).fold(f64::NEG_INFINITY, f64::max);
    let axes = Axes::new(last, low, high);
    let mut svg = axes.grid();
    for (medium, points) in &trained {
        let points = thinned(points);
        let line: Vec<String> = points.iter().map(|point| axes.at(*point)).collect();
        let _ = write!(svg, "<path class=\"{medium}\" d=\"M{}\"/>", line.join("L"));
    }
    for (medium, points) in &measured {
        for point in points {
            let (x, y) = axes.place(*point);
            let _ = write!(
                svg,
                "<circle class=\"{medium}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\">\
                 <title>{medium}, validation after {} steps: {:.4}</title></circle>",
                point.0, point.1
            );
        }
    }
    let recipe = serde_json::to_string_pretty(recipe).unwrap_or_default();
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Losses</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style>\n\
         <h1>Losses by medium</h1>\n<p>Nats per target. Lines: the steps. Dots: the validation data.</p>\n\
         <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Losses over steps\">{svg}</svg>\n\
         {}\n<details><summary>Recipe</summary><pre>{}</pre></details>\n</html>\n",
        table(&trained, &measured),
        escape(&recipe)
    )
}

/// The losses of each medium that has any: of steps, or of evaluations.
fn curves(records: &[Record], evaluations: bool) -> Vec<(Medium, Points)> {
    let losses = |record: &Record| match record {
        Record::Step(step) if !evaluations => Some((step.step, step.losses)),
        Record::Evaluation(evaluation) if evaluations => Some((evaluation.step, evaluation.losses)),
        _ => None,
    };
    let points = |medium: Medium| -> Points {
        let each = records.iter().filter_map(losses);
        each.filter_map(|(step, losses)| Some((step as f64, (*losses.get(medium))?))).collect()
    };
    let all = Medium::ALL.into_iter().map(|medium| (medium, points(medium)));
    all.filter(|(_, points)| !points.is_empty()).collect()
}

/// Means of neighbours where there are too many to see.
fn thinned(points: &[(f64, f64)]) -> Points {
    let size = points.len().div_ceil(POINTS).max(1);
    let mean = |part: &[(f64, f64)]| {
        let count = part.len() as f64;
        let sum = part.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        (sum.0 / count, sum.1 / count)
    };
    points.chunks(size).map(mean).collect()
}

struct Axes {
    last: f64,
    low: f64,
    high: f64,
    tick: f64,
}

impl Axes {
    fn new(last: f64, low: f64, high: f64) -> Self {
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        let tick = step((high - low).max(1e-3) / 6.0);
        let (low, high) = ((low / tick).floor() * tick, (high / tick).ceil() * tick);
        Axes { last, low, high: high.max(low + tick), tick }
    }

    fn place(&self, (step, loss): (f64, f64)) -> (f64, f64) {
        let [left, top, right, bottom] = MARGIN;
        let x = left + step / self.last * (WIDTH - left - right);
        let y = top + (self.high - loss) / (self.high - self.low) * (HEIGHT - top - bottom);
        (x, y)
    }

    fn at(&self, point: (f64, f64)) -> String {
        let (x, y) = self.place(point);
        format!("{x:.1},{y:.1}")
    }

    fn grid(&self) -> String {
        let mut svg = String::new();
        let lines = ((self.high - self.low) / self.tick).round() as usize;
        for line in 0..=lines {
            let loss = self.low + line as f64 * self.tick;
            let (left, y) = self.place((0.0, loss));
            let (right, _) = self.place((self.last, loss));
            let digits = if self.tick < 0.01 { 4 } else { 2 };
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{left:.1}\" y1=\"{y:.1}\" x2=\"{right:.1}\" y2=\"{y:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{loss:.digits$}</text>",
                left - 6.0,
                y + 4.0
            );
        }
        let tick = step(self.last / 8.0).max(1.0);
        for mark in 0..=(self.last / tick) as usize {
            let at = mark as f64 * tick;
            let (x, _) = self.place((at, self.low));
            let _ = write!(
                svg,
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{at}</text>",
                HEIGHT - 18.0
            );
        }
        svg
    }
}

/// The next of 1, 2, 5, 10, … times a power of ten.
fn step(at_least: f64) -> f64 {
    let power = 10f64.powf(at_least.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    factors.into_iter().find(|step| *step >= at_least * 0.999).unwrap_or(10.0 * power)
}

fn table(trained: &[(Medium, Points)], measured: &[(Medium, Points)]) -> String {
    let find = |of: &[(Medium, Points)], medium: Medium, last: bool| {
        let points = &of.iter().find(|(other, _)| *other == medium)?.1;
        let point = if last { points.last() } else { points.first() };
        point.map(|point| point.1)
    };
    let mut rows = String::new();
    for medium in Medium::ALL {
        let cells = [
            find(trained, medium, false),
            find(trained, medium, true),
            find(measured, medium, false),
            find(measured, medium, true),
            find(measured, medium, true).map(f64::exp),
        ];
        if cells.iter().any(Option::is_some) {
            let cell = |value: &Option<f64>| match value {
                Some(value) => format!("<td>{value:.3}</td>"),
                None => "<td>–</td>".to_string(),
            };
            let cells: String = cells.iter().map(cell).collect();
            let _ =
                write!(rows, "<tr><td><span class=\"{medium}\">●</span> {medium}</td>{cells}</tr>");
        }
    }
    format!(
        "<table><tr><th>medium</th><th>first step</th><th>last step</th><th>first validation</th>\
         <th>last validation</th><th>its perplexity</th></tr>{rows}</table>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::log::{Evaluation, Step};
    use crate::train::media::{Losses, PerMedium};

    fn record(step: u64) -> Record {
        let loss = Some(5.0 - step as f64 / 1000.0);
        Record::Step(Step {
            step,
            loss: 1.0,
            losses: PerMedium {
                text: loss,
                music: (step == 7).then_some(9.0),
                ..Default::default()
            },
            targets: PerMedium::default(),
            rate: 1.0,
            norm: 1.0,
            step_tokens: 1,
            tokens: step,
            padding: 0.0,
            tokens_per_second: 1.0,
        })
    }

    fn recipe() -> Recipe {
        let text = "model: \"<a&b>\"\nlength: 8\nbatch: { rows: 1 }\nsteps: 4\n\
                    optimizer: { adamw: { rate: 0.1 } }\n";
        Recipe::parse(text, "r").unwrap()
    }

    #[test]
    fn every_medium_has_a_curve_and_long_ones_are_thinned() {
        let mut records: Vec<Record> = (1..=4000).map(record).collect();
        let mut losses = Losses::default();
        losses.add(Medium::Text, 2.0);
        records.push(Record::Evaluation(Evaluation::new(4000, &losses)));
        let page = html(&records, &recipe());
        assert_eq!(page.matches("<path").count(), 2);
        assert!(page.contains("validation after 4000 steps: 2.0000"));
        assert!(page.len() < 40_000, "{}", page.len());
        assert!(page.contains("&lt;a&amp;b&gt;") && !page.contains("<a&b>"));
        let start = page.find("<svg").unwrap();
        let end = page.find("</svg>").unwrap() + 6;
        roxmltree::Document::parse(&page[start..end]).unwrap();
        assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
    }

    #[test]
    fn a_page_without_records_is_one() {
        let page = html(&[], &recipe());
        assert!(page.contains("<table>") && !page.contains("NaN") && !page.contains("inf\""));
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!([0.9, 1.0, 1.1, 3.0, 70.0].map(step), [1.0, 1.0, 2.0, 5.0, 100.0]);
    }
}
