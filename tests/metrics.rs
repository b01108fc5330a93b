//! Metrics of texts against pycocoevalcap, jiwer, NumPy and Whisper's normaliser: the fixtures are
//! written by tests/reference/metrics.py.

use agpt::eval::metrics::bleu::Bleu;
use agpt::eval::metrics::cider::cider_d;
use agpt::eval::metrics::error_rate::{ErrorCounts, characters, corpus_rate, words};
use agpt::eval::metrics::meteor::Meteor;
use agpt::eval::metrics::normalise::{Normaliser, whisper_english};
use agpt::eval::metrics::ptb::caption_tokens;
use agpt::eval::metrics::rouge::rouge_l;
use agpt::eval::metrics::statistic::total;
use agpt::eval::metrics::stem::stem;
use agpt::eval::metrics::{Edit, TokenItem};
use serde_json::Value;

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/metrics/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    list(value).iter().map(|n| n.as_f64().unwrap()).collect()
}

fn assert_close(ours: &[f64], theirs: &[f64], tolerance: f64, what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (number, (our, their)) in ours.iter().zip(theirs).enumerate() {
        assert!(
            (our - their).abs() <= tolerance,
            "{what} of item {number}: {our}, expected {their}"
        );
    }
}

fn caption_items() -> (Vec<TokenItem>, Value) {
    let fixture = fixture("captions");
    let item = |item: &Value| {
        let references: Vec<&str> = list(&item["references"]).iter().map(text).collect();
        TokenItem::captions(text(&item["prediction"]), &references)
    };
    (list(&fixture["items"]).iter().map(item).collect(), fixture)
}

#[test]
fn tokens_are_those_of_the_penn_treebank_tokenizer() {
    for line in list(&fixture("ptb")) {
        let expected: Vec<&str> = list(&line["tokens"]).iter().map(text).collect();
        assert_eq!(caption_tokens(text(&line["text"])), expected, "{}", line["text"]);
    }
}

#[test]
fn bleu_equals_that_of_coco() {
    let (items, fixture) = caption_items();
    let each = Bleu::each(&items).unwrap();
    assert_close(&total(&each).scores(), &numbers(&fixture["bleu"]), 1e-12, "BLEU");
    let fours: Vec<f64> = each.iter().map(|sums| sums.scores()[3]).collect();
    assert_close(&fours, &numbers(&fixture["bleu_4_items"]), 1e-12, "BLEU-4");
}

#[test]
fn cider_equals_that_of_coco() {
    let (items, fixture) = caption_items();
    let scores = cider_d(&items).unwrap();
    assert_close(&scores, &numbers(&fixture["cider_items"]), 1e-9, "CIDEr-D");
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    assert_close(&[mean], &[fixture["cider"].as_f64().unwrap()], 1e-9, "CIDEr-D");
}

#[test]
fn rouge_equals_that_of_coco() {
    let (items, fixture) = caption_items();
    let scores = rouge_l(&items).unwrap();
    assert_close(&scores, &numbers(&fixture["rouge_l_items"]), 1e-12, "ROUGE-L");
}

fn counts(value: &Value) -> ErrorCounts {
    let n: Vec<u64> = list(&value["counts"]).iter().map(|n| n.as_u64().unwrap()).collect();
    ErrorCounts { hits: n[0], substitutions: n[1], deletions: n[2], insertions: n[3] }
}

#[test]
fn error_rates_and_alignments_equal_those_of_jiwer() {
    let fixture = fixture("error_rates");
    let (mut all_words, mut all_characters) = (Vec::new(), Vec::new());
    for pair in list(&fixture["pairs"]) {
        let (reference, hypothesis) = (text(&pair["reference"]), text(&pair["hypothesis"]));
        let aligned = words(reference, hypothesis).unwrap();
        assert_eq!(aligned.counts, counts(&pair["words"]), "{reference:?} {hypothesis:?}");
        let chunks: Vec<Value> = aligned
            .chunks
            .iter()
            .map(|chunk| {
                let kind = match chunk.edit {
                    Edit::Equal => "e",
                    Edit::Substitute => "s",
                    Edit::Insert => "i",
                    Edit::Delete => "d",
                };
                serde_json::json!([
                    kind,
                    chunk.reference.0,
                    chunk.reference.1,
                    chunk.hypothesis.0,
                    chunk.hypothesis.1
                ])
            })
            .collect();
        assert_eq!(&chunks, list(&pair["words"]["chunks"]), "{reference:?} {hypothesis:?}");
        if let Some(rate) = aligned.counts.rate() {
            assert_close(&[rate], &[pair["words"]["wer"].as_f64().unwrap()], 1e-15, "WER");
        }
        let others = [aligned.counts.match_error_rate(), aligned.counts.information_lost()];
        let expected = ["mer", "wil"].map(|name| pair["words"][name].as_f64().unwrap());
        assert_close(&others, &expected, 1e-12, "MER and WIL");
        let by_character = characters(reference, hypothesis).unwrap().counts;
        assert_eq!(by_character, counts(&pair["characters"]), "{reference:?} {hypothesis:?}");
        all_words.push(aligned.counts);
        all_characters.push(by_character);
    }
    for (name, items) in [("wer", all_words), ("cer", all_characters)] {
        let (rate, _) = corpus_rate(&items).unwrap();
        assert_close(&[rate], &[fixture[name].as_f64().unwrap()], 1e-15, name);
    }
}

#[test]
fn meteor_of_exact_and_stem_matches_equals_the_original() {
    let (items, fixture) = caption_items();
    let scored: Vec<TokenItem> = list(&fixture["meteor_of"])
        .iter()
        .map(|place| items[place.as_u64().unwrap() as usize].clone())
        .collect();
    let each = Meteor::each(&scored).unwrap();
    let values: Vec<f64> = each.iter().map(Meteor::value).collect();
    assert_close(&values, &numbers(&fixture["meteor_items"]), 1e-12, "meteor_exact_stem");
    let corpus = fixture["meteor_exact_stem"].as_f64().unwrap();
    assert_close(&[total(&each).value()], &[corpus], 1e-12, "meteor_exact_stem");
}

#[test]
fn stems_equal_those_of_snowball() {
    for row in list(&fixture("stems")) {
        assert_eq!(stem(text(&row[0])), text(&row[1]), "{}", row[0]);
    }
}

#[test]
fn normalised_texts_equal_those_of_whisper() {
    for row in list(&fixture("whisper")) {
        let spoken = text(&row[0]);
        assert_eq!(Normaliser::Whisper.apply(spoken), text(&row[1]), "{spoken:?}");
        assert_eq!(Normaliser::Basic.apply(spoken), text(&row[2]), "{spoken:?}");
    }
}

#[test]
fn american_spellings_equal_those_of_whisper() {
    let differ: Vec<String> = list(&fixture("spelling"))
        .iter()
        .filter(|pair| !["mhm", "mmm"].contains(&text(&pair[0])))
        .map(|pair| (text(&pair[0]), text(&pair[1]), whisper_english(text(&pair[0]))))
        .filter(|(_, expected, ours)| ours != expected)
        .map(|(british, expected, ours)| format!("{british}: {ours}, expected {expected}"))
        .collect();
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}
