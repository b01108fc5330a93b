//! From results to values with intervals.
//!
//! A row that failed counts as one that was answered with nothing: all words of its references are
//! errors, it matches nothing, its similarity is 0. Only where not even the references are known, as
//! of a row whose references are worked out by what failed, it cannot be counted, and that is said.

use serde_json::Value as Json;

use crate::lang::ir::Measured;

use super::error::EvalError;
use super::metrics::bleu::Bleu;
use super::metrics::cider::cider_d;
use super::metrics::error_rate::{self, ErrorCounts};
use super::metrics::interval::{self, Bootstrap};
use super::metrics::meteor::{self, Meteor};
use super::metrics::normalise::Normaliser;
use super::metrics::rouge::rouge_l;
use super::metrics::statistic::{Mean, Statistic};
use super::metrics::{MetricError, TokenItem};
use super::store::Record;

const LEVEL: f64 = 0.95;
/// Of the draws for intervals: the same results give the same interval.
const SEED: u64 = 0;
/// The weight of CLIPScore (Hessel et al., 2021, "CLIPScore: A Reference-free Evaluation Metric for
/// Image Captioning", section 3).
const CLIP_WEIGHT: f64 = 2.5;

/// A line of the results.
#[derive(Debug, Clone)]
pub struct Score {
    pub name: String,
    pub metric: &'static str,
    /// Of all rows together, as a fraction; none where no row could be counted.
    pub value: Option<f64>,
    /// 95 %: of shares Wilson's, else by drawing rows again.
    pub interval: Option<(f64, f64)>,
    pub rows: usize,
    pub failed: usize,
    /// Failed rows that could not even be counted as empty answers.
    pub uncounted: usize,
    /// Of every row, more is better; none where it is not counted.
    pub each: Vec<Option<f64>>,
}

/// How values of a metric are printed: times what, with how many decimals, and the unit.
pub fn scale(metric: &str) -> (f64, usize, &'static str) {
    match metric {
        "wer" | "wer_anygpt" | "spoken_wer" | "exact_match" => (100.0, 1, " %"),
        "clip_score" | "clip_similarity" | "clap_score" | "speaker_similarity" => (1.0, 3, ""),
        _ => (100.0, 1, ""),
    }
}

/// Whether less is better.
pub fn is_error(metric: &str) -> bool {
    normaliser(metric).is_some()
}

/// What a row adds to a value.
#[derive(Debug, Clone)]
enum Sums {
    Mean(Mean),
    Errors(ErrorCounts),
    Bleu(Order),
    Meteor(Meteor),
}

/// BLEU up to an order that is known at run time.
#[derive(Debug, Clone)]
struct Order {
    sums: Bleu,
    order: usize,
}

impl Sums {
    fn add(&mut self, other: &Sums) {
        match (self, other) {
            (Sums::Mean(mean), Sums::Mean(other)) => mean.add(other),
            (Sums::Errors(errors), Sums::Errors(other)) => errors.add(other),
            (Sums::Bleu(bleu), Sums::Bleu(other)) => bleu.sums.add(&other.sums),
            (Sums::Meteor(meteor), Sums::Meteor(other)) => meteor.add(other),
            // One measure has one kind of sums.
            _ => {}
        }
    }

    fn value(&self) -> Option<f64> {
        match self {
            Sums::Mean(mean) => mean.score(),
            Sums::Errors(errors) => errors.score(),
            Sums::Meteor(meteor) => meteor.score(),
            Sums::Bleu(bleu) => {
                let empty = bleu.sums.reference_length == 0 && bleu.sums.prediction_length == 0;
                let score =
                    bleu.order.checked_sub(1).and_then(|at| bleu.sums.scores().get(at).copied());
                score.filter(|_| !empty)
            }
        }
    }
}

/// For intervals: sums of one measure, or of nothing yet.
#[derive(Debug, Clone)]
struct Drawn(Option<Sums>);

impl Statistic for Drawn {
    fn zero() -> Self {
        Drawn(None)
    }

    fn add(&mut self, other: &Self) {
        match (&mut self.0, &other.0) {
            (Some(sums), Some(other)) => sums.add(other),
            (sums @ None, other) => *sums = other.clone(),
            (Some(_), None) => {}
        }
    }

    fn score(&self) -> Option<f64> {
        self.0.as_ref().and_then(Sums::value)
    }
}

/// The value so far of a measure, for the progress of a run.
pub struct Running(Drawn);

impl Running {
    pub fn new() -> Running {
        Running(Drawn::zero())
    }

    /// Counts a row in. CIDEr-D has no value before all rows are there.
    pub fn add(&mut self, measured: &Measured, record: &Record) {
        if measured.metric.name != "cider_d"
            && let Ok(sums) = sums(measured, record)
        {
            self.0.add(&Drawn(sums));
        }
    }

    pub fn value(&self) -> Option<f64> {
        self.0.score()
    }
}

impl Default for Running {
    fn default() -> Self {
        Running::new()
    }
}

/// Scores one measure over all rows.
pub fn score(measured: &Measured, records: &[Record]) -> Result<Score, EvalError> {
    let failed = |error: MetricError| EvalError::Metric {
        measure: measured.name.clone(),
        reason: error.to_string(),
    };
    let each = match measured.metric.name {
        "cider_d" => cider(measured, records).map_err(failed)?,
        _ => {
            let sums = records.iter().map(|record| sums(measured, record));
            sums.collect::<Result<Vec<_>, _>>().map_err(failed)?
        }
    };
    let counted: Vec<Drawn> = each.iter().flatten().map(|sums| Drawn(Some(sums.clone()))).collect();
    let mut all = Drawn::zero();
    for drawn in &counted {
        all.add(drawn);
    }
    let value = all.score();
    let interval = match value {
        Some(_) => interval(measured, &counted).map_err(failed)?,
        _ => None,
    };
    let sign = if is_error(measured.metric.name) { -1.0 } else { 1.0 };
    Ok(Score {
        name: measured.name.clone(),
        metric: measured.metric.name,
        value,
        interval,
        rows: records.len(),
        failed: records.iter().filter(|record| record.error.is_some()).count(),
        uncounted: each.iter().filter(|sums| sums.is_none()).count(),
        each: each.iter().map(|sums| Some(sign * sums.as_ref()?.value()?)).collect(),
    })
}

/// Wilson's interval of a share of rows, which has a width at 0 and 100 % too; else the percentile
/// bootstrap over rows.
fn interval(measured: &Measured, rows: &[Drawn]) -> Result<Option<(f64, f64)>, MetricError> {
    let found = match measured.metric.name {
        "exact_match" => {
            let right = rows.iter().filter(|row| row.score() == Some(1.0)).count();
            Some(interval::wilson(right as u64, rows.len() as u64, LEVEL)?)
        }
        _ if rows.len() < 2 => None,
        _ => interval::bootstrap(rows, &Bootstrap::new(SEED, format!("eval {}", measured.name)))?,
    };
    Ok(found.map(|found| (found.low, found.high)))
}

/// What a row adds; nothing where it cannot be counted.
fn sums(measured: &Measured, record: &Record) -> Result<Option<Sums>, MetricError> {
    if measured.metric.reference.is_none() {
        let said = record.judged.get(&measured.name).and_then(|said| said.get("score"));
        let cosine = match &record.error {
            Some(_) => 0.0,
            None => match said.and_then(Json::as_f64) {
                Some(score) => score,
                None => return Ok(None),
            },
        };
        let score = match measured.metric.name {
            "clip_score" => CLIP_WEIGHT * cosine.max(0.0),
            _ => cosine,
        };
        return Ok(Some(Sums::Mean(Mean::of(score))));
    }
    let Some((answer, references)) = texts(measured, record) else { return Ok(None) };
    if let Some(normaliser) = normaliser(measured.metric.name) {
        return Ok(Some(Sums::Errors(fewest(&answer, &references, normaliser)?)));
    }
    Ok(Some(match measured.metric.name {
        "meteor_exact_stem" => {
            let mut item = TokenItem::captions(&answer, &references);
            // One endless answer must not cost the values of all others.
            item.prediction.truncate(meteor::LIMIT);
            item.references.iter_mut().for_each(|reference| reference.truncate(meteor::LIMIT));
            Sums::Meteor(Meteor::of(&item)?)
        }
        "exact_match" => {
            let plain = plain(&answer);
            let right = !plain.is_empty() && references.iter().any(|one| self::plain(one) == plain);
            Sums::Mean(Mean::of(f64::from(u8::from(right))))
        }
        "rouge_l" => {
            let scores = rouge_l(&[TokenItem::captions(&answer, &references)])?;
            Sums::Mean(Mean::of(scores.first().copied().unwrap_or(0.0)))
        }
        bleu => {
            let order = bleu.strip_prefix("bleu_").and_then(|order| order.parse().ok());
            let sums = Bleu::of(&TokenItem::captions(&answer, &references))?;
            Sums::Bleu(Order { sums, order: order.unwrap_or(4) })
        }
    }))
}

/// Against the reference that is nearest.
fn fewest(
    answer: &str,
    references: &[String],
    normaliser: Normaliser,
) -> Result<ErrorCounts, MetricError> {
    let answer = normaliser.apply(answer);
    let mut best: Option<ErrorCounts> = None;
    for reference in references {
        let counts = error_rate::words(&normaliser.apply(reference), &answer)?.counts;
        if best.is_none_or(|best| counts.errors() < best.errors()) {
            best = Some(counts);
        }
    }
    Ok(best.unwrap_or_default())
}

/// What an error rate does to texts before it compares their words.
pub fn normaliser(metric: &str) -> Option<Normaliser> {
    match metric {
        "wer" | "spoken_wer" => Some(Normaliser::Whisper),
        "wer_anygpt" => Some(Normaliser::AnyGpt),
        _ => None,
    }
}

fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn cider(measured: &Measured, records: &[Record]) -> Result<Vec<Option<Sums>>, MetricError> {
    let texts: Vec<_> = records.iter().map(|record| texts(measured, record)).collect();
    let items: Vec<TokenItem> = texts
        .iter()
        .flatten()
        .map(|(answer, references)| TokenItem::captions(answer, references))
        .collect();
    if items.is_empty() {
        return Ok(vec![None; records.len()]);
    }
    let mut scores = cider_d(&items)?.into_iter();
    let each = texts.iter().map(|text| {
        text.as_ref()?;
        scores.next().map(|score| Sums::Mean(Mean::of(score)))
    });
    Ok(each.collect())
}

/// The answer, which is empty in a row that failed, and its references.
pub fn texts(measured: &Measured, record: &Record) -> Option<(String, Vec<String>)> {
    let field = |place: usize| record.values.get(measured.fields.get(place)?);
    let references = match field(measured.metric.reference?)? {
        Json::String(text) => vec![text.clone()],
        Json::Array(items) => {
            items.iter().filter_map(|item| item.as_str().map(str::to_string)).collect()
        }
        _ => return None,
    };
    if references.is_empty() {
        return None;
    }
    if record.error.is_some() {
        return Some((String::new(), references));
    }
    let answer = match measured.metric.judge {
        Some(_) => record.judged.get(&measured.name)?.get("heard")?.as_str()?,
        None => field(0)?.as_str()?,
    };
    Some((answer.to_string(), references))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{SourceId, Span};
    use crate::lang::metrics::{METRICS, metric};
    use serde_json::json;

    fn measured(name: &str) -> Measured {
        Measured {
            name: name.to_string(),
            metric: metric(name).unwrap(),
            fields: vec!["answer".to_string(), "references".to_string()],
            span: Span::new(SourceId(0), 0, 0),
        }
    }

    fn record(answer: Option<&str>, references: &[&str]) -> Record {
        let mut values = serde_json::Map::new();
        values.insert("references".to_string(), json!(references));
        if let Some(answer) = answer {
            values.insert("answer".to_string(), json!(answer));
        }
        Record {
            key: String::new(),
            id: String::new(),
            seconds: 0.0,
            values,
            judged: serde_json::Map::new(),
            error: answer.is_none().then(|| "the run failed".to_string()),
        }
    }

    #[test]
    fn failed_rows_stay_in_the_denominator() {
        let records =
            [record(Some("a red cat"), &["a red cat"]), record(None, &["blue green grey"])];
        let wer = score(&measured("wer"), &records).unwrap();
        assert_eq!((wer.value, wer.rows, wer.failed, wer.uncounted), (Some(0.5), 2, 1, 0));
        let exact = score(&measured("exact_match"), &records).unwrap();
        assert_eq!(exact.value, Some(0.5));
        assert_eq!(exact.each, [Some(1.0), Some(0.0)]);
        let mut lost = record(None, &[]);
        lost.values.clear();
        let wer = score(&measured("wer"), &[records[0].clone(), lost]).unwrap();
        assert_eq!((wer.value, wer.failed, wer.uncounted), (Some(0.0), 1, 1));
    }

    #[test]
    fn an_endless_answer_is_cut_for_meteor() {
        let endless = "word ".repeat(3000);
        let records = [record(Some(&endless), &["a red cat"]), record(Some("cat"), &["cat"])];
        let meteor = score(&measured("meteor_exact_stem"), &records).unwrap();
        assert!(meteor.value.unwrap() < 0.5 && meteor.each[1] == Some(1.0), "{meteor:?}");
    }

    #[test]
    fn error_rates_differ_by_their_normalisers() {
        // Whisper's normaliser writes American, AnyGPT's keeps the spelling.
        let records = [record(Some("the color"), &["the colour"])];
        let rate = |name| score(&measured(name), &records).unwrap().value;
        assert_eq!((rate("wer"), rate("wer_anygpt")), (Some(0.0), Some(0.5)));
    }

    #[test]
    fn judged_scores_are_means() {
        let mut good = record(Some(""), &[]);
        good.judged.insert("clip_score".to_string(), json!({ "score": 0.3 }));
        good.judged.insert("clap_score".to_string(), json!({ "score": -0.2 }));
        let records = [good, record(None, &[])];
        let clip = score(&measured("clip_score"), &records).unwrap();
        assert!((clip.value.unwrap() - 0.375).abs() < 1e-12);
        let clap = score(&measured("clap_score"), &records).unwrap();
        assert!((clap.value.unwrap() + 0.1).abs() < 1e-12);
    }

    #[test]
    fn every_metric_has_a_value() {
        let mut one = record(Some("a red cat sits there"), &["a red cat sits there"]);
        let mut two = record(Some("two blue dogs run fast"), &["two blue dogs run fast"]);
        for record in [&mut one, &mut two] {
            for metric in METRICS.iter().filter(|metric| metric.judge.is_some()) {
                let said = json!({ "score": 0.5, "heard": record.values["answer"] });
                record.judged.insert(metric.name.to_string(), said);
            }
        }
        for metric in &METRICS {
            let score = score(&measured(metric.name), &[one.clone(), two.clone()]).unwrap();
            let value = score.value.unwrap();
            let (low, high) = score.interval.unwrap();
            assert!(low <= value + 1e-9 && value <= high + 1e-9, "{score:?}");
            let best = match metric.name {
                "wer" | "wer_anygpt" | "spoken_wer" => 0.0,
                "cider_d" => 10.0,
                "clip_score" => 1.25,
                "clip_similarity" | "clap_score" | "speaker_similarity" => 0.5,
                _ => 1.0,
            };
            assert!((value - best).abs() < 1e-6, "{score:?}");
        }
    }
}
