//! Every metric by name: what it needs, how to read it, where it comes from.

use super::MetricError;

/// What one item of a metric is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Needs {
    /// A predicted text and one or more reference texts.
    TextAndReferences,
    /// A hypothesis and one reference transcript.
    Transcripts,
    /// An answer and the answers that are right.
    Answers,
    /// The CLIP embeddings of an image and a text.
    ImageAndText,
    /// The CLIP embeddings of an image, a text and reference texts.
    ImageTextAndReferences,
    /// The CLIP embeddings of two images.
    ImagePair,
    /// The CLAP embeddings of a sound and a text.
    SoundAndText,
    /// The speaker embeddings of two recordings.
    SpeechPair,
    /// The similarities of queries with candidates, and which candidate is right.
    Similarities,
}

impl Needs {
    pub fn describe(self) -> &'static str {
        match self {
            Needs::TextAndReferences => "text, reference texts",
            Needs::Transcripts => "transcript, reference transcript",
            Needs::Answers => "answer, right answers",
            Needs::ImageAndText => "image, text (CLIP)",
            Needs::ImageTextAndReferences => "image, text, reference texts (CLIP)",
            Needs::ImagePair => "image, real image (CLIP)",
            Needs::SoundAndText => "sound, text (CLAP)",
            Needs::SpeechPair => "speech, prompt speech (x-vectors)",
            Needs::Similarities => "similarities of queries and candidates",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    HigherIsBetter,
    LowerIsBetter,
}

/// How the score of a corpus comes from its items, and so how its interval is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Corpus {
    /// Mean of the items; bootstrap.
    Mean,
    /// A ratio of sums over the items; bootstrap of the sums.
    Sums,
    /// A share of the items; Wilson's interval.
    Proportion,
}

macro_rules! metrics {
    ($($variant:ident {
        name: $name:literal, title: $title:literal, needs: $needs:ident, direction: $direction:ident,
        corpus: $corpus:ident, unit: $unit:literal, range: $low:literal .. $high:expr,
        scale: $scale:literal, source: $source:literal,
    })*) => {
        /// A metric.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Metric { $($variant,)* }

        impl Metric {
            /// Every metric, in the order of the documentation.
            pub const ALL: &[Metric] = &[$(Metric::$variant,)*];

            /// The name in suites and reports.
            pub fn name(self) -> &'static str { match self { $(Metric::$variant => $name,)* } }

            /// The name for people.
            pub fn title(self) -> &'static str { match self { $(Metric::$variant => $title,)* } }

            pub fn needs(self) -> Needs { match self { $(Metric::$variant => Needs::$needs,)* } }

            pub fn direction(self) -> Direction {
                match self { $(Metric::$variant => Direction::$direction,)* }
            }

            pub fn corpus(self) -> Corpus { match self { $(Metric::$variant => Corpus::$corpus,)* } }

            /// What the number counts.
            pub fn unit(self) -> &'static str { match self { $(Metric::$variant => $unit,)* } }

            /// Least and greatest value; infinite where there is no bound.
            pub fn range(self) -> (f64, f64) { match self { $(Metric::$variant => ($low, $high),)* } }

            /// By what papers multiply the number that they print.
            pub fn scale(self) -> f64 { match self { $(Metric::$variant => $scale,)* } }

            /// Paper and, where it fixes details, program.
            pub fn source(self) -> &'static str { match self { $(Metric::$variant => $source,)* } }
        }
    };
}

metrics! {
    CiderD {
        name: "cider_d", title: "CIDEr-D", needs: TextAndReferences, direction: HigherIsBetter,
        corpus: Mean, unit: "score", range: 0.0 .. 10.0, scale: 100.0,
        source: "Vedantam et al. 2015; pycocoevalcap",
    }
    Bleu1 {
        name: "bleu_1", title: "BLEU-1", needs: TextAndReferences, direction: HigherIsBetter,
        corpus: Sums, unit: "fraction", range: 0.0 .. 1.0, scale: 100.0,
        source: "Papineni et al. 2002; pycocoevalcap",
    }
    Bleu2 {
        name: "bleu_2", title: "BLEU-2", needs: TextAndReferences, direction: HigherIsBetter,
        corpus: Sums, unit: "fraction", range: 0.0 .. 1.0, scale: 100.0,
        source: "Papineni et al. 2002; pycocoevalcap",
    }
    Bleu3 {
        name: "bleu_3", title: "BLEU-3", needs: TextAndReferences, direction: HigherIsBetter,
        corpus: Sums, unit: "fraction", range: 0.0 .. 1.0, scale: 100.0,
        source: "Papineni et al. 2002; pycocoevalcap",
    }
    Bleu4 {
        name: "bleu_4", title: "BLEU-4", needs: TextAndReferences, direction: HigherIsBetter,
        corpus: Sums, unit: "fraction", range: 0.0 .. 1.0, scale: 100.0,
        source: "Papineni et al. 2002; pycocoevalcap",
    }
    RougeL {
        name: "rouge_l", title: "ROUGE-L", needs: TextAndReferences, direction: HigherIsBetter,
        corpus: Mean, unit: "fraction", range: 0.0 .. 1.0, scale: 100.0,
        source: "Lin 2004; pycocoevalcap (beta 1.2)",
    }
    MeteorExactStem {
        name: "meteor_exact_stem", title: "meteor_exact_stem", needs: TextAndReferences,
        direction: HigherIsBetter, corpus: Sums, unit: "fraction", range: 0.0 .. 1.0, scale: 100.0,
        source: "Denkowski and Lavie 2014, without synonyms and paraphrases; not METEOR",
    }
    Wer {
        name: "wer", title: "word error rate", needs: Transcripts, direction: LowerIsBetter,
        corpus: Sums, unit: "errors per reference word", range: 0.0 .. f64::INFINITY, scale: 100.0,
        source: "jiwer 4",
    }
    Cer {
        name: "cer", title: "character error rate", needs: Transcripts, direction: LowerIsBetter,
        corpus: Sums, unit: "errors per reference character", range: 0.0 .. f64::INFINITY, scale: 100.0,
        source: "jiwer 4",
    }
    ExactMatch {
        name: "exact_match", title: "exact match", needs: Answers, direction: HigherIsBetter,
        corpus: Proportion, unit: "fraction", range: 0.0 .. 1.0, scale: 100.0,
        source: "definition",
    }
    Accuracy {
        name: "accuracy", title: "accuracy", needs: Answers, direction: HigherIsBetter,
        corpus: Proportion, unit: "fraction", range: 0.0 .. 1.0, scale: 100.0,
        source: "definition",
    }
    ClipScore {
        name: "clip_score", title: "CLIPScore", needs: ImageAndText, direction: HigherIsBetter,
        corpus: Mean, unit: "2.5 cosine", range: 0.0 .. 2.5, scale: 100.0,
        source: "Hessel et al. 2021, equation 1",
    }
    RefClipScore {
        name: "ref_clip_score", title: "RefCLIPScore", needs: ImageTextAndReferences,
        direction: HigherIsBetter, corpus: Mean, unit: "score", range: 0.0 .. 10.0 / 7.0, scale: 100.0,
        source: "Hessel et al. 2021, section 4",
    }
    ClipCosine {
        name: "clip_cosine", title: "CLIP similarity of image and text", needs: ImageAndText,
        direction: HigherIsBetter, corpus: Mean, unit: "cosine", range: -1.0 .. 1.0, scale: 1.0,
        source: "Radford et al. 2021",
    }
    ClipImageCosine {
        name: "clip_image_cosine", title: "CLIP similarity of images", needs: ImagePair,
        direction: HigherIsBetter, corpus: Mean, unit: "cosine", range: -1.0 .. 1.0, scale: 1.0,
        source: "Koh et al. 2023 (GILL)",
    }
    ClapScore {
        name: "clap_score", title: "CLAP score", needs: SoundAndText, direction: HigherIsBetter,
        corpus: Mean, unit: "cosine", range: -1.0 .. 1.0, scale: 1.0,
        source: "Wu et al. 2023 (LAION CLAP)",
    }
    SpeakerSimilarity {
        name: "speaker_similarity", title: "speaker similarity", needs: SpeechPair,
        direction: HigherIsBetter, corpus: Mean, unit: "cosine", range: -1.0 .. 1.0, scale: 1.0,
        source: "Wang et al. 2023 (VALL-E), x-vectors of WavLM",
    }
    RecallAt1 {
        name: "recall_at_1", title: "R@1", needs: Similarities, direction: HigherIsBetter,
        corpus: Proportion, unit: "fraction", range: 0.0 .. 1.0, scale: 100.0,
        source: "definition",
    }
    RecallAt5 {
        name: "recall_at_5", title: "R@5", needs: Similarities, direction: HigherIsBetter,
        corpus: Proportion, unit: "fraction", range: 0.0 .. 1.0, scale: 100.0,
        source: "definition",
    }
    RecallAt10 {
        name: "recall_at_10", title: "R@10", needs: Similarities, direction: HigherIsBetter,
        corpus: Proportion, unit: "fraction", range: 0.0 .. 1.0, scale: 100.0,
        source: "definition",
    }
}

impl Metric {
    /// # Errors
    /// [`MetricError::UnknownMetric`] with the known names.
    pub fn by_name(name: &str) -> Result<Self, MetricError> {
        let found = Metric::ALL.iter().copied().find(|metric| metric.name() == name);
        found.ok_or_else(|| {
            let known: Vec<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
            MetricError::UnknownMetric { name: name.to_owned(), known: known.join(", ") }
        })
    }

    /// The table of all metrics in Markdown, as docs/metrics.md has it.
    pub fn table() -> String {
        let mut out = "| name | needs | better | range | papers print | source |\n|---|---|---|---|---|---|\n".to_owned();
        for metric in Metric::ALL {
            let better = match metric.direction() {
                Direction::HigherIsBetter => "higher",
                Direction::LowerIsBetter => "lower",
            };
            let (low, high) = metric.range();
            let high = if high.is_infinite() {
                "no bound".to_owned()
            } else {
                format!("{:.4}", high).trim_end_matches('0').trim_end_matches('.').to_owned()
            };
            let scale = if metric.scale() == 1.0 {
                "as is".to_owned()
            } else {
                format!("× {}", metric.scale())
            };
            out += &format!(
                "| `{}` | {} | {better} | {low} to {high} | {scale} | {} |\n",
                metric.name(),
                metric.needs().describe(),
                metric.source(),
            );
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for metric in Metric::ALL {
            assert_eq!(Metric::by_name(metric.name()), Ok(*metric));
            assert!(metric.range().0 < metric.range().1);
        }
        let error = Metric::by_name("spice").unwrap_err().to_string();
        assert!(error.starts_with("unknown metric \"spice\". Known: cider_d, bleu_1"), "{error}");
    }

    #[test]
    fn the_documentation_has_this_table() {
        let path = format!("{}/docs/metrics.md", env!("CARGO_MANIFEST_DIR"));
        let page = std::fs::read_to_string(path).unwrap();
        assert!(
            page.contains(&Metric::table()),
            "docs/metrics.md should hold:\n{}",
            Metric::table()
        );
    }
}
