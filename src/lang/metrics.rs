//! What an evaluation can name: metrics with their arguments, and sets of data with their columns.
//! How a metric is computed and how a set is read is `eval`'s concern; here is what a check needs.

use crate::base::Medium;

use super::types::Type;

/// What a metric takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// One text: an answer.
    Text,
    /// One text or a list of them: what would have been right.
    Texts,
    Medium(Medium),
}

impl Argument {
    pub fn ty(self) -> Type {
        match self {
            Argument::Text => Type::TEXT,
            Argument::Texts => Type::List(Box::new(Type::TEXT)),
            Argument::Medium(medium) => Type::Medium(medium),
        }
    }
}

/// A network outside of the evaluated model that a metric asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JudgeKind {
    /// Pictures and texts in one space.
    Clip,
    /// Sounds and texts in one space.
    Clap,
    /// Writes down speech.
    Transcriber,
    /// Voices as vectors.
    Speaker,
}

impl JudgeKind {
    pub const ALL: [JudgeKind; 4] =
        [JudgeKind::Clip, JudgeKind::Clap, JudgeKind::Transcriber, JudgeKind::Speaker];

    /// As given with `--judge`.
    pub fn name(self) -> &'static str {
        match self {
            JudgeKind::Clip => "clip",
            JudgeKind::Clap => "clap",
            JudgeKind::Transcriber => "whisper",
            JudgeKind::Speaker => "speaker",
        }
    }

    /// Which public network is meant.
    pub fn network(self) -> &'static str {
        match self {
            JudgeKind::Clip => "CLIP, such as openai/clip-vit-large-patch14",
            JudgeKind::Clap => "CLAP, such as laion/clap-htsat-unfused",
            JudgeKind::Transcriber => "Whisper, such as openai/whisper-medium",
            JudgeKind::Speaker => "a WavLM x-vector network, such as microsoft/wavlm-base-plus-sv",
        }
    }
}

/// A metric: what it is called, what it takes, whom it asks.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    /// Names and kinds in order.
    pub params: &'static [(&'static str, Argument)],
    /// Which of them says what is right, if one does: it is worked out first, so that an answer
    /// that fails can be counted as an empty one.
    pub reference: Option<usize>,
    pub judge: Option<JudgeKind>,
    pub doc: &'static str,
}

impl Metric {
    /// `wer(answer: text, references: list<text>)`
    pub fn usage(&self) -> String {
        let params: Vec<String> =
            self.params.iter().map(|(name, kind)| format!("{name}: {}", kind.ty())).collect();
        format!("{}({})", self.name, params.join(", "))
    }

    /// What it measures, and which network it asks.
    pub fn about(&self) -> String {
        match self.judge {
            Some(judge) => {
                format!(
                    "{}\n\nIt asks {}: `--judge {}=NAME`.",
                    self.doc,
                    judge.network(),
                    judge.name()
                )
            }
            None => self.doc.to_string(),
        }
    }
}

const IMAGE: Argument = Argument::Medium(Medium::Image);
const SPEECH: Argument = Argument::Medium(Medium::Speech);
const MUSIC: Argument = Argument::Medium(Medium::Music);
const ANSWER: (&str, Argument) = ("answer", Argument::Text);
const REFERENCES: (&str, Argument) = ("references", Argument::Texts);

const fn of_text(name: &'static str, doc: &'static str) -> Metric {
    Metric { name, params: &[ANSWER, REFERENCES], reference: Some(1), judge: None, doc }
}

const fn judged(
    name: &'static str,
    params: &'static [(&'static str, Argument)],
    reference: Option<usize>,
    judge: JudgeKind,
    doc: &'static str,
) -> Metric {
    Metric { name, params, reference, judge: Some(judge), doc }
}

/// All metrics.
pub static METRICS: [Metric; 15] = [
    of_text("wer", "word error rate, of all words together"),
    of_text("wer_anygpt", "word error rate of texts normalised after AnyGPT's own evaluation"),
    of_text("cider_d", "CIDEr-D of captions, times 100 as papers give it"),
    of_text("bleu_1", "BLEU of single words over the whole set"),
    of_text("bleu_2", "BLEU up to pairs of words"),
    of_text("bleu_3", "BLEU up to three words"),
    of_text("bleu_4", "BLEU up to four words"),
    of_text("rouge_l", "ROUGE-L: the longest common subsequence of words"),
    of_text(
        "meteor_exact_stem",
        "METEOR without synonyms and paraphrases, so lower than METEOR and not to be compared with it",
    ),
    of_text(
        "exact_match",
        "share of answers that are one of the references, case and spaces aside",
    ),
    judged(
        "clip_score",
        &[("picture", IMAGE), ("words", Argument::Text)],
        None,
        JudgeKind::Clip,
        "CLIPScore: 2.5 times the cosine of a picture and words in CLIP's space, at least 0",
    ),
    judged(
        "clip_similarity",
        &[("picture", IMAGE), ("other", IMAGE)],
        None,
        JudgeKind::Clip,
        "cosine of two pictures in CLIP's space",
    ),
    judged(
        "clap_score",
        &[("piece", MUSIC), ("words", Argument::Text)],
        None,
        JudgeKind::Clap,
        "cosine of music and words in CLAP's space",
    ),
    judged(
        "spoken_wer",
        &[("spoken", SPEECH), REFERENCES],
        Some(1),
        JudgeKind::Transcriber,
        "word error rate of what a recogniser hears",
    ),
    judged(
        "speaker_similarity",
        &[("spoken", SPEECH), ("voice", SPEECH)],
        None,
        JudgeKind::Speaker,
        "cosine of two voices",
    ),
];

/// A metric by name.
pub fn metric(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

/// A public set that `agpt eval` can read from its folder.
#[derive(Debug, PartialEq, Eq)]
pub struct DataSet {
    pub name: &'static str,
    pub columns: &'static [(&'static str, Argument)],
    pub doc: &'static str,
}

/// All sets; rows of one's own have the columns that their file has.
pub static SETS: [DataSet; 5] = [
    DataSet {
        name: "coco-karpathy",
        columns: &[("picture", IMAGE), REFERENCES, ("caption", Argument::Text)],
        doc: "the 5,000 pictures of the Karpathy test split of MS-COCO 2014",
    },
    DataSet {
        name: "coco-val2014",
        columns: &[("picture", IMAGE), REFERENCES, ("caption", Argument::Text)],
        doc: "the 40,504 pictures of the validation set of MS-COCO 2014",
    },
    DataSet {
        name: "librispeech",
        columns: &[("recording", SPEECH), ("words", Argument::Text), ("speaker", Argument::Text)],
        doc: "a part of LibriSpeech, such as test-clean",
    },
    DataSet {
        name: "vctk",
        columns: &[
            ("words", Argument::Text),
            ("voice", SPEECH),
            ("voice_words", Argument::Text),
            ("recording", SPEECH),
            ("speaker", Argument::Text),
        ],
        doc: "VCTK, each sentence with three seconds of another recording of its speaker",
    },
    DataSet {
        name: "musiccaps",
        columns: &[("piece", MUSIC), ("caption", Argument::Text), ("aspects", Argument::Texts)],
        doc: "MusicCaps: ten seconds of music and an expert's caption",
    },
];

/// A set by name.
pub fn set(name: &str) -> Option<&'static DataSet> {
    SETS.iter().find(|set| set.name == name)
}

/// Whether `data` names a file of rows beside the source rather than a set.
pub fn is_rows(data: &str) -> bool {
    (data.starts_with("./") || data.starts_with("../"))
        && [".jsonl", ".csv"].iter().any(|ending| data.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_one_thing() {
        for (place, metric) in METRICS.iter().enumerate() {
            assert!(METRICS[place + 1..].iter().all(|other| other.name != metric.name));
            assert!(metric.reference.is_none_or(|at| at < metric.params.len()), "{}", metric.name);
        }
        for set in &SETS {
            assert!(super::set(set.name).is_some_and(|found| found == set));
            assert!(!is_rows(set.name));
        }
        assert!(is_rows("./a/rows.jsonl") && !is_rows("rows.jsonl") && !is_rows("./rows.txt"));
    }
}
