//! What was published for the tasks of the ready evaluations, to stand beside one's own values.
//!
//! All figures are those of the evaluation tables of Zhan et al. (2024), "AnyGPT: Unified Multimodal
//! LLM with Discrete Sequence Modeling", arXiv:2402.12226; rows of other models are as cited there.

/// Rows for one measure of one ready evaluation, in the units of the report.
pub struct Published {
    pub evaluation: &'static str,
    pub measure: &'static str,
    /// What one should know before comparing.
    pub note: &'static str,
    pub rows: &'static [(&'static str, f64)],
}

pub const SOURCE: &str = "Zhan et al. (2024), arXiv:2402.12226";

pub static PUBLISHED: [Published; 7] = [
    Published {
        evaluation: "coco_captions",
        measure: "cider_d",
        note: "MS-COCO 2014, Karpathy test split, zero-shot",
        rows: &[
            ("Flamingo (9B)", 79.4),
            ("Flamingo (80B)", 84.3),
            ("Emu (14B)", 112.4),
            ("DreamLLM (8B)", 115.4),
            ("InstructBLIP (14B)", 102.2),
            ("SEED-LLaMA (8B)", 123.6),
            ("AnyGPT (8B)", 107.5),
        ],
    },
    Published {
        evaluation: "coco_pictures",
        measure: "clip_score",
        note: "30,000 captions of the MS-COCO validation set; how the score was scaled is not said",
        rows: &[("GILL", 0.67), ("Emu", 0.66), ("SEED-LLaMA", 0.69), ("AnyGPT", 0.65)],
    },
    Published {
        evaluation: "librispeech_words",
        measure: "wer_anygpt",
        note: "LibriSpeech test-clean; AnyGPT's evaluation normalises as this, dates and measures aside",
        rows: &[
            ("Human-level", 5.8),
            ("Wav2vec 2.0", 2.7),
            ("Whisper Large V2", 2.7),
            ("AnyGPT", 8.5),
        ],
    },
    Published {
        evaluation: "vctk_voices",
        measure: "spoken_wer",
        note: "VCTK, speakers that were not trained on",
        rows: &[("Ground Truth", 1.9), ("VALL-E", 7.9), ("USLM", 6.5), ("AnyGPT", 8.5)],
    },
    Published {
        evaluation: "vctk_voices",
        measure: "speaker_similarity",
        note: "VCTK, speakers that were not trained on",
        rows: &[("Ground Truth", 0.93), ("VALL-E", 0.75), ("USLM", 0.84), ("AnyGPT", 0.77)],
    },
    Published {
        evaluation: "music_captions",
        measure: "generated_caption",
        note: "MusicCaps; with the real captions the score is 0.16",
        rows: &[("AnyGPT", 0.11)],
    },
    Published {
        evaluation: "music_pieces",
        measure: "clap_score",
        note: "MusicCaps",
        rows: &[("Riffusion", 0.19), ("Mousai", 0.23), ("AnyGPT", 0.14)],
    },
];

/// What was published for a measure of a ready evaluation.
pub fn of(evaluation: &str, measure: &str) -> Option<&'static Published> {
    PUBLISHED.iter().find(|rows| rows.evaluation == evaluation && rows.measure == measure)
}
