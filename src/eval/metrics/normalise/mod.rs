//! Normalisers of transcripts: what is done to references and hypotheses before words are compared.
//!
//! An error rate means nothing without the name of its normaliser.

mod amounts;
mod anygpt;
mod contractions;
mod english;
mod numbers;
mod spelling;
mod text;

pub use anygpt::anygpt;
pub use english::whisper_english;
pub use text::whisper_basic;

/// A normaliser by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Normaliser {
    /// As it stands.
    None,
    /// Whisper's `BasicTextNormalizer`: lower case, without brackets' contents, marks, symbols and
    /// punctuation. For languages other than English.
    Basic,
    /// Whisper's `EnglishTextNormalizer`: contractions written out, number words as digits, American
    /// spelling.
    Whisper,
    /// After the published evaluation of AnyGPT: lower case, contractions written out, numbers of the
    /// spoken form as digits.
    AnyGpt,
}

impl Normaliser {
    pub const ALL: [Normaliser; 4] =
        [Normaliser::None, Normaliser::Basic, Normaliser::Whisper, Normaliser::AnyGpt];

    /// `none`, `basic`, `whisper` or `anygpt`.
    pub fn name(self) -> &'static str {
        match self {
            Normaliser::None => "none",
            Normaliser::Basic => "basic",
            Normaliser::Whisper => "whisper",
            Normaliser::AnyGpt => "anygpt",
        }
    }

    pub fn by_name(name: &str) -> Option<Self> {
        Normaliser::ALL.into_iter().find(|normaliser| normaliser.name() == name)
    }

    pub fn apply(self, text: &str) -> String {
        match self {
            Normaliser::None => text.to_owned(),
            Normaliser::Basic => whisper_basic(text),
            Normaliser::Whisper => whisper_english(text),
            Normaliser::AnyGpt => anygpt(text),
        }
    }
}
