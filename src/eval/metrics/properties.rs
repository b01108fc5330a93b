//! Properties that hold for every input.

use super::bleu::Bleu;
use super::cider::cider_d;
use super::error_rate::{characters, words};
use super::meteor::Meteor;
use super::normalise::Normaliser;
use super::ptb::caption_tokens;
use super::rouge::rouge_l;
use super::statistic::{Mean, Statistic, total};
use super::stem::stem;
use super::{MetricError, TokenItem};
use proptest::prelude::*;

/// Texts of a few words that often meet.
fn tokens() -> impl Strategy<Value = Vec<String>> {
    let word =
        prop::sample::select(vec!["a", "dog", "dogs", "runs", "running", "the", "cat", "red"]);
    prop::collection::vec(word.prop_map(str::to_owned), 0..12)
}

fn items() -> impl Strategy<Value = Vec<TokenItem>> {
    let item = (tokens(), prop::collection::vec(tokens(), 1..4))
        .prop_map(|(prediction, references)| TokenItem { prediction, references });
    prop::collection::vec(item, 1..8)
}

/// Corpus scores of every caption metric: BLEU-1 to 4, CIDEr-D, ROUGE-L, meteor_exact_stem.
fn corpus(items: &[TokenItem]) -> Vec<f64> {
    let mean = |scores: Vec<f64>| total(&Mean::each(&scores)).score().unwrap();
    let mut scores = total(&Bleu::each(items).unwrap()).scores().to_vec();
    scores.push(mean(cider_d(items).unwrap()));
    scores.push(mean(rouge_l(items).unwrap()));
    scores.push(total(&Meteor::each(items).unwrap()).value());
    scores
}

proptest! {
    #[test]
    fn scores_are_within_their_ranges(items in items()) {
        let scores = corpus(&items);
        let ends = [1.0, 1.0, 1.0, 1.0, 10.0, 1.0, 1.0];
        for (score, end) in scores.iter().zip(ends) {
            prop_assert!((0.0..=end + 1e-9).contains(score), "{:?}", scores);
        }
    }

    #[test]
    fn the_order_of_items_and_references_does_not_matter(items in items(), turn in 0usize..8) {
        let scores = corpus(&items);
        let mut turned = items.clone();
        let by = turn % items.len();
        turned.rotate_left(by);
        let rotated = corpus(&turned);
        for item in &mut turned {
            item.references.reverse();
        }
        let mut reversed = corpus(&turned);
        // Of two references as good, METEOR counts the first, so only the order of items is free.
        reversed.pop();
        for (left, right) in scores.iter().zip(&rotated).chain(scores.iter().zip(&reversed)) {
            prop_assert!((left - right).abs() < 1e-9, "{left} and {right}");
        }
    }

    #[test]
    fn no_text_scores_better_than_the_reference(items in items()) {
        let same: Vec<TokenItem> = items
            .iter()
            .map(|item| TokenItem { prediction: item.references[0].clone(), references: vec![item.references[0].clone()] })
            .collect();
        let single: Vec<TokenItem> = items
            .iter()
            .map(|item| TokenItem { prediction: item.prediction.clone(), references: vec![item.references[0].clone()] })
            .collect();
        // CIDEr-D too: a prediction is at best as near to the reference as the reference itself.
        for (best, other) in corpus(&same).iter().zip(corpus(&single)) {
            prop_assert!(other <= best + 1e-6, "{other} is better than {best}");
        }
    }

    #[test]
    fn error_rates_of_equal_texts_are_zero_and_roles_swap(left in "\\PC{0,40}", right in "[ab ]{0,40}", other in "[ab ]{0,40}") {
        prop_assert_eq!(words(&left, &left).unwrap().counts.errors(), 0);
        prop_assert_eq!(characters(&left, &left).unwrap().counts.errors(), 0);
        let there = words(&right, &other).unwrap().counts;
        let back = words(&other, &right).unwrap().counts;
        prop_assert_eq!(there.errors(), back.errors());
        prop_assert_eq!(there.reference_tokens(), back.hypothesis_tokens());
        prop_assert!((0.0..=1.0).contains(&there.match_error_rate()));
        prop_assert!((0.0..=1.0).contains(&there.information_lost()));
    }

    #[test]
    fn no_text_breaks_tokens_stems_or_normalisers(text in "\\PC{0,60}", signs in "[a-z0-9 .,:;'\"<>()\\[\\]/@#$%&*_=~`’“½é-]{0,40}") {
        for text in [text, signs] {
            let tokens = caption_tokens(&text);
            prop_assert!(tokens.iter().all(|token| !token.is_empty() && !token.contains(' ')));
            tokens.iter().for_each(|token| { stem(token); });
            for normaliser in Normaliser::ALL {
                prop_assert!(!normaliser.apply(&text).contains("  ") || normaliser == Normaliser::None);
            }
        }
    }

    #[test]
    fn numbers_of_any_size_are_read(words in prop::collection::vec(
        prop::sample::select(vec!["nine", "ninety", "hundred", "decillion", "billions", "point", "oh", "99999999999999999999", "double", "half", "and", "a", "twentieth", "dollars"]), 0..30)) {
        Normaliser::Whisper.apply(&words.join(" "));
    }
}

#[test]
fn items_without_references_are_errors() {
    let bare = [TokenItem { prediction: vec!["a".to_owned()], references: Vec::new() }];
    let error = MetricError::NoReferences { item: 0 };
    assert_eq!(cider_d(&bare), Err(error.clone()));
    assert_eq!(rouge_l(&bare), Err(error.clone()));
    assert_eq!(Bleu::each(&bare), Err(error.clone()));
    assert_eq!(Meteor::each(&bare), Err(error));
    assert_eq!(cider_d(&[]), Err(MetricError::NoItems));
}

#[test]
fn long_texts_end_or_are_refused() {
    let long: Vec<String> = (0..4_000).map(|n| format!("w{}", n % 97)).collect();
    let item = TokenItem { prediction: long.clone(), references: vec![long[..2_000].to_vec()] };
    assert!(Bleu::of(&item).unwrap().scores()[3] > 0.4);
    assert!(rouge_l(std::slice::from_ref(&item)).unwrap()[0] > 0.7);
    assert!(matches!(Meteor::of(&item), Err(MetricError::TooLong { left: 4_000, .. })));
    let same = vec!["a".to_owned(); 200];
    let item = TokenItem { prediction: same.clone(), references: vec![same] };
    assert!((Meteor::of(&item).unwrap().value() - 1.0).abs() < 1e-12);
    let errors = words(&long.join(" "), &long[..2_000].join(" ")).unwrap().counts;
    assert_eq!(errors.deletions, 2_000);
}
