//! Similarities of embeddings, and retrieval.
//!
//! An embedding is a slice of finite numbers from one encoder; length and scale do not matter, since
//! only directions are compared. Sums are in f64.

use super::MetricError;

/// Cosine of the angle between two embeddings, in [-1, 1].
///
/// # Errors
/// Different lengths; an embedding without a direction (empty, all zeros, not finite).
pub fn cosine(left: &[f32], right: &[f32]) -> Result<f64, MetricError> {
    if left.len() != right.len() {
        return Err(MetricError::Dimensions { left: left.len(), right: right.len() });
    }
    let product = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
    };
    // Each root by itself: the product of squares could leave the range of f64.
    let norms = product(left, left).sqrt() * product(right, right).sqrt();
    let cosine = product(left, right) / norms;
    if cosine.is_finite() { Ok(cosine.clamp(-1.0, 1.0)) } else { Err(MetricError::NoDirection) }
}

/// CLIPScore (Hessel et al., 2021, "CLIPScore: A Reference-free Evaluation Metric for Image
/// Captioning", equation 1): `2.5 * max(cosine, 0)` of an image's and a text's embedding, in [0, 2.5].
///
/// The paper's numbers are of CLIP ViT-B/32 and put "A photo depicts" before a caption.
pub fn clip_score(image: &[f32], text: &[f32]) -> Result<f64, MetricError> {
    Ok(2.5 * cosine(image, text)?.max(0.0))
}

/// RefCLIPScore (same paper, section 4): harmonic mean of [`clip_score`] and the best cosine, cut at
/// 0, of the caption with a reference caption. Range [0, 10/7].
pub fn reference_clip_score(
    image: &[f32],
    text: &[f32],
    references: &[&[f32]],
) -> Result<f64, MetricError> {
    if references.is_empty() {
        return Err(MetricError::NoReferences { item: 0 });
    }
    let score = clip_score(image, text)?;
    let mut best = 0.0_f64;
    for reference in references {
        best = best.max(cosine(text, reference)?);
    }
    Ok(if score + best == 0.0 { 0.0 } else { 2.0 * score * best / (score + best) })
}

/// 100 times the cosine, in [-100, 100]: the scale of the logits of CLIP (Radford et al., 2021), and
/// the "CLIP score" of torchmetrics and of many papers on generation, which cut it at 0 or print the
/// mean.
pub fn cosine_percent(left: &[f32], right: &[f32]) -> Result<f64, MetricError> {
    Ok(100.0 * cosine(left, right)?)
}

/// Mean of the cosines of pairs, in [-1, 1].
///
/// Between the CLIP embeddings of a generated image and its caption this is the "CLIP score" of AnyGPT
/// (Zhan et al., 2024, image generation on MS-COCO, CLIP ViT-L): CLIPScore without factor and cut.
/// GILL (Koh et al., 2023) and after it NExT-GPT (Wu et al., 2023) also report it between a generated and
/// the *real* image. Which of the two it is depends on the embeddings passed; numbers of the one say
/// nothing about the other.
pub fn mean_cosine(pairs: &[(&[f32], &[f32])]) -> Result<f64, MetricError> {
    if pairs.is_empty() {
        return Err(MetricError::NoItems);
    }
    let mut sum = 0.0;
    for (left, right) in pairs {
        sum += cosine(left, right)?;
    }
    Ok(sum / pairs.len() as f64)
}

/// Speaker similarity: cosine of the speaker embeddings (x-vectors) of prompt and generated speech,
/// in [-1, 1]. AnyGPT takes those of WavLM-TDNN for zero-shot text to speech, as VALL-E (Wang et al., 2023)
/// does.
pub fn speaker_similarity(prompt: &[f32], speech: &[f32]) -> Result<f64, MetricError> {
    cosine(prompt, speech)
}

/// CLAP score: cosine of the CLAP embeddings of music or sound and of its text, in [-1, 1] (Wu et al.,
/// 2023, "Large-scale Contrastive Language-Audio Pretraining"; AnyGPT, text to music).
pub fn clap_score(sound: &[f32], text: &[f32]) -> Result<f64, MetricError> {
    cosine(sound, text)
}

/// Rank of each query's target in a table of similarities, from 1. `targets[query]` is a column.
///
/// A column as similar as the target counts as before it, so that a constant table scores no better
/// than chance would at its worst; a similarity that is not a number counts as before it too.
pub fn ranks(similarities: &[Vec<f64>], targets: &[usize]) -> Result<Vec<usize>, MetricError> {
    if similarities.len() != targets.len() {
        let (predictions, references) = (similarities.len(), targets.len());
        return Err(MetricError::Unpaired { predictions, references });
    }
    let mut ranks = Vec::with_capacity(targets.len());
    for (query, (row, target)) in similarities.iter().zip(targets).enumerate() {
        let Some(own) = row.get(*target) else {
            let (target, columns) = (*target, row.len());
            return Err(MetricError::Retrieval { k: 1, query, target, columns });
        };
        let behind = row.iter().filter(|other| **other < *own).count();
        ranks.push(row.len() - behind);
    }
    Ok(ranks)
}

/// Whether each rank is at most `k`, as 0 or 1; R@k is their mean, in [0, 1].
pub fn recall_at(ranks: &[usize], k: usize) -> Result<Vec<f64>, MetricError> {
    if k == 0 {
        return Err(MetricError::Retrieval { k, query: 0, target: 0, columns: 0 });
    }
    Ok(ranks.iter().map(|rank| f64::from(u8::from(*rank <= k))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn scores_of_known_angles() {
        let (x, y, slope) = ([1.0, 0.0], [0.0, 2.0], [3.0, 4.0]);
        assert_eq!(cosine(&x, &y), Ok(0.0));
        assert!((cosine(&x, &slope).unwrap() - 0.6).abs() < 1e-15);
        assert!((clip_score(&x, &slope).unwrap() - 1.5).abs() < 1e-15);
        assert_eq!(clip_score(&x, &[-1.0, 0.0]), Ok(0.0));
        assert_eq!(cosine_percent(&x, &[-1.0, 0.0]), Ok(-100.0));
        // 2 * 1.5 * 0.8 / (1.5 + 0.8)
        let reference = reference_clip_score(&x, &slope, &[&x, &y]).unwrap();
        assert!((reference - 2.4 / 2.3).abs() < 1e-12);
        assert_eq!(mean_cosine(&[(&x, &x), (&x, &y)]), Ok(0.5));
    }

    #[test]
    fn what_has_no_direction_has_no_cosine() {
        assert_eq!(cosine(&[], &[]), Err(MetricError::NoDirection));
        assert_eq!(cosine(&[0.0], &[1.0]), Err(MetricError::NoDirection));
        assert_eq!(cosine(&[f32::NAN], &[1.0]), Err(MetricError::NoDirection));
        assert_eq!(cosine(&[f32::INFINITY], &[1.0]), Err(MetricError::NoDirection));
        assert_eq!(cosine(&[1.0], &[]), Err(MetricError::Dimensions { left: 1, right: 0 }));
        assert!(cosine(&[f32::MAX; 4], &[f32::MAX; 4]).is_ok());
    }

    #[test]
    fn ranks_count_ties_against_the_target() {
        let table = vec![vec![0.9, 0.5, 0.1], vec![0.2, 0.2, 0.2], vec![0.1, f64::NAN, 0.0]];
        let ranks = ranks(&table, &[0, 1, 0]).unwrap();
        assert_eq!(ranks, [1, 3, 2]);
        assert_eq!(recall_at(&ranks, 1).unwrap(), [1.0, 0.0, 0.0]);
        assert_eq!(recall_at(&ranks, 2).unwrap(), [1.0, 0.0, 1.0]);
        assert!(recall_at(&ranks, 0).is_err());
        assert!(super::ranks(&table, &[0, 3, 0]).is_err());
    }

    proptest! {
        #[test]
        fn cosines_are_bounded_symmetric_and_blind_to_scale(
            pairs in prop::collection::vec((-1e3f32..1e3, -1e3f32..1e3), 1..40),
            scale in 0.01f32..100.0,
        ) {
            let (left, right): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            prop_assume!(left.iter().any(|x| x.abs() > 1e-3) && right.iter().any(|x| x.abs() > 1e-3));
            let score = cosine(&left, &right).unwrap();
            prop_assert!((-1.0..=1.0).contains(&score));
            prop_assert_eq!(cosine(&right, &left).unwrap(), score);
            let longer: Vec<f32> = left.iter().map(|x| x * scale).collect();
            prop_assert!((cosine(&longer, &right).unwrap() - score).abs() < 1e-5);
            prop_assert!((cosine(&left, &left).unwrap() - 1.0).abs() < 1e-12);
        }
    }
}
