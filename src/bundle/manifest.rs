//! `bundle.yaml`: what a model consists of, as typed data.
//!
//! Everything that differs between model families is said here and nowhere in the code: which
//! networks, how the joint vocabulary is laid out, how a conversation becomes one string, and
//! the sampling that the model was meant for.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::BundleError;
use crate::base::Medium;

/// The format version that this program reads.
pub const FORMAT: u32 = 1;

/// The networks this program can run, per role.
pub const LLMS: &[&str] = &["llama"];
pub const TOKENIZERS: PerMedium<&str> =
    PerMedium { image: Some("seed-2"), speech: Some("speech-tokenizer"), music: Some("encodec") };
pub const DETOKENIZERS: PerMedium<&str> =
    PerMedium { image: Some("stable-unclip"), speech: Some("soundstorm"), music: Some("encodec") };

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the manifest's format.
    pub format: u32,
    pub name: String,
    #[serde(default)]
    pub description: String,
    /// An SPDX expression, or words.
    pub license: String,
    pub components: Components,
    pub vocabulary: VocabularyLayout,
    pub prompt: PromptFormat,
    /// How many tokens prompt and reply may have together.
    pub context: usize,
    #[serde(default)]
    pub sampling: SamplingDefaults,
    #[serde(default)]
    pub perceptual: PerceptualDefaults,
    /// Where files come from that are not part of the bundle as it is handed on.
    #[serde(default)]
    pub sources: Vec<FileSource>,
}

/// Files from one place, for `agpt models pull`: a repository of the hub, or an address.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSource {
    /// The folder below the bundle's that they go to.
    pub to: String,
    /// A repository of the Hugging Face hub or of a mirror, such as `fnlp/AnyGPT-base`.
    #[serde(default)]
    pub hub: Option<String>,
    /// A branch, tag or commit of the repository.
    #[serde(default = "main_branch")]
    pub revision: String,
    /// The folder in the repository that the files are in.
    #[serde(default)]
    pub folder: String,
    /// Instead of a repository: an address; the files are below it.
    #[serde(default)]
    pub url: Option<String>,
    /// Paths there, and below `to`.
    pub files: Vec<String>,
}

impl FileSource {
    /// The path of a file in the repository.
    pub fn there(&self, file: &str) -> String {
        match self.folder.as_str() {
            "" => file.to_string(),
            folder => format!("{folder}/{file}"),
        }
    }

    /// The path of a file in the bundle.
    pub fn here(&self, file: &str) -> String {
        format!("{}/{file}", self.to)
    }
}

fn main_branch() -> String {
    "main".to_string()
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Components {
    pub llm: ComponentSpec,
    /// Medium → tokens.
    #[serde(default)]
    pub tokenizers: PerMedium<ComponentSpec>,
    /// Tokens → medium.
    #[serde(default)]
    pub detokenizers: PerMedium<ComponentSpec>,
}

/// Something that each medium but text may have.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerMedium<T> {
    #[serde(default = "nothing")]
    pub image: Option<T>,
    #[serde(default = "nothing")]
    pub speech: Option<T>,
    #[serde(default = "nothing")]
    pub music: Option<T>,
}

fn nothing<T>() -> Option<T> {
    None
}

impl<T> Default for PerMedium<T> {
    fn default() -> Self {
        PerMedium { image: None, speech: None, music: None }
    }
}

impl<T> PerMedium<T> {
    pub fn get(&self, medium: Medium) -> Option<&T> {
        match medium {
            Medium::Text => None,
            Medium::Image => self.image.as_ref(),
            Medium::Speech => self.speech.as_ref(),
            Medium::Music => self.music.as_ref(),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (Medium, &T)> {
        Medium::ALL.into_iter().filter_map(|medium| Some((medium, self.get(medium)?)))
    }
}

/// One network and its files.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentSpec {
    /// One of [`LLMS`], [`TOKENIZERS`] or [`DETOKENIZERS`].
    pub architecture: String,
    /// The component's folder, below the bundle's.
    pub path: String,
    /// Weight files that act as one name space; without them, the folder's usual ones.
    #[serde(default)]
    pub weights: Vec<WeightsEntry>,
    /// What is known of the files, by path below the component's folder.
    #[serde(default)]
    pub files: BTreeMap<String, FileRecord>,
    /// The precision the component is meant to run in, where that matters.
    #[serde(default)]
    pub dtype: Option<DtypeHint>,
}

/// A file of weights, and how its tensors are called here: some checkpoints hold a part of a
/// network under names of its own, or the whole below a name.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum WeightsEntry {
    Plain(String),
    Renamed(RenamedWeights),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenamedWeights {
    pub file: String,
    /// Only tensors whose names begin so are there, without this beginning.
    #[serde(default)]
    pub strip_prefix: String,
    /// Then put in front of their names.
    #[serde(default)]
    pub add_prefix: String,
}

impl WeightsEntry {
    pub fn file(&self) -> &str {
        match self {
            WeightsEntry::Plain(file) => file,
            WeightsEntry::Renamed(renamed) => &renamed.file,
        }
    }

    /// What a tensor of the file is called here; `None` for one that is not there.
    pub fn name(&self, tensor: &str) -> Option<String> {
        match self {
            WeightsEntry::Plain(_) => Some(tensor.to_string()),
            WeightsEntry::Renamed(RenamedWeights { strip_prefix, add_prefix, .. }) => {
                Some(format!("{add_prefix}{}", tensor.strip_prefix(strip_prefix.as_str())?))
            }
        }
    }
}

/// What a file must be: its size is checked when it is opened, its hash by `verify`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    pub size: u64,
    /// 64 hexadecimal digits.
    pub blake3: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DtypeHint {
    F32,
    F16,
    Bf16,
}

/// Where the joint vocabulary is defined and what each medium's tokens are called.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VocabularyLayout {
    /// The `tokenizer.json` below the bundle's folder, or a SentencePiece `tokenizer.model`.
    pub tokenizer: String,
    /// The `added_tokens.json` that belongs to a `tokenizer.model`: token → id.
    #[serde(default)]
    pub added_tokens: Option<String>,
    /// Whether every piece of text between added tokens gets SentencePiece's dummy prefix, as
    /// transformers' LLaMA tokenizer did before its `legacy` flag.
    #[serde(default = "yes")]
    pub legacy: bool,
    #[serde(default)]
    pub media: PerMedium<MediumLayout>,
}

fn yes() -> bool {
    true
}

/// The tokens of one medium: `<{prefix}{n}>` for n below `codebook_size * codebooks`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediumLayout {
    pub prefix: String,
    pub start: String,
    pub end: String,
    pub codebook_size: u32,
    /// Layers that take turns within a frame; layer `l` adds `l * codebook_size` to its codes.
    #[serde(default = "one")]
    pub codebooks: u32,
    pub length: SpanLength,
}

impl MediumLayout {
    /// How many different code tokens there are.
    pub fn codes(&self) -> u32 {
        self.codebook_size.saturating_mul(self.codebooks)
    }
}

fn one() -> u32 {
    1
}

/// How many codes a span of a medium has.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpanLength {
    /// Always this many.
    Tokens(u32),
    /// As many frames as the sound lasts; a frame has one code per codebook.
    FramesPerSecond(f64),
}

/// How a conversation becomes one string of the model.
///
/// `system`, `user` and `assistant` enclose what was said. Added tokens are recognised in these
/// strings and nowhere else.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptFormat {
    /// The token in front of everything; empty for none.
    #[serde(default)]
    pub begin: String,
    /// Absent in models that know no system prompt.
    #[serde(default)]
    pub system: Option<Around>,
    /// Said by the system when the conversation has no system turn.
    #[serde(default)]
    pub default_system: Option<String>,
    pub user: Around,
    pub assistant: Assistant,
    /// Between a finished reply and the next turn.
    #[serde(default)]
    pub between: String,
    /// Tokens that end a reply, by name.
    pub stop: Vec<String>,
    /// Other added tokens that a reply may hold between its words, by name: the marks of
    /// AnyGPT's chain from a spoken command to its answer. They stand in the text as written.
    #[serde(default)]
    pub marks: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Around {
    pub before: String,
    pub after: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assistant {
    /// Where the prompt for a text reply ends.
    pub before: String,
    /// What a reply begins with, in front of its first word or medium.
    #[serde(default)]
    pub lead: String,
    pub after: String,
}

/// Sampling per medium of the reply.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplingDefaults {
    #[serde(default)]
    pub text: Sampling,
    #[serde(default)]
    pub image: Sampling,
    #[serde(default)]
    pub speech: Sampling,
    #[serde(default)]
    pub music: Sampling,
    /// The most tokens of a reply that mixes media; absent: half of what the context has left,
    /// so that a conversation can go on.
    #[serde(default)]
    pub mixed_tokens: Option<usize>,
}

impl SamplingDefaults {
    pub fn get(&self, medium: Medium) -> &Sampling {
        match medium {
            Medium::Text => &self.text,
            Medium::Image => &self.image,
            Medium::Speech => &self.speech,
            Medium::Music => &self.music,
        }
    }
}

/// How the language model draws its tokens; what is left out changes nothing.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// 0 takes the most likely token.
    pub temperature: f64,
    /// 0 keeps all.
    pub top_k: usize,
    pub top_p: f64,
    pub min_p: f64,
    pub repetition_penalty: f64,
    /// Absent: as many as the context has room for.
    pub max_tokens: Option<usize>,
    pub min_tokens: usize,
    /// The longest stretch that the model was trained on, in seconds; longer sound is made in
    /// stretches that overlap. Absent: any length is made in one go.
    pub window_seconds: Option<f64>,
    /// How much of what is there a further stretch begins with; half a window if absent.
    pub overlap_seconds: Option<f64>,
}

impl Default for Sampling {
    fn default() -> Self {
        Sampling {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            max_tokens: None,
            min_tokens: 0,
            window_seconds: None,
            overlap_seconds: None,
        }
    }
}

/// Settings of the de-tokenizers.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerceptualDefaults {
    #[serde(default)]
    pub image: ImagePerceptual,
    #[serde(default)]
    pub speech: SpeechPerceptual,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpeechPerceptual {
    /// Passes over the first acoustic level.
    pub steps: usize,
    /// Always take the likeliest code.
    pub greedy: bool,
    pub schedule: VoiceSchedule,
    /// How much of a voice prompt is used, from its beginning.
    pub voice_seconds: f64,
}

/// How the first acoustic level is filled: as the paper says, or as AnyGPT's program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VoiceSchedule {
    Paper,
    Reference,
}

impl Default for SpeechPerceptual {
    /// The passes of the AnyGPT code, and the three seconds of its paper.
    fn default() -> Self {
        SpeechPerceptual {
            steps: 3,
            greedy: false,
            schedule: VoiceSchedule::Paper,
            voice_seconds: 3.0,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImagePerceptual {
    pub steps: usize,
    pub guidance: f64,
    pub noise_level: u32,
}

impl Default for ImagePerceptual {
    /// The call that the AnyGPT code makes.
    fn default() -> Self {
        ImagePerceptual { steps: 20, guidance: 10.0, noise_level: 0 }
    }
}

impl Manifest {
    /// Reads and checks a manifest; `path` is what errors call it.
    pub fn parse(text: &str, path: &str) -> Result<Self, BundleError> {
        let manifest: Manifest = crate::base::yaml::read(text).map_err(|error| {
            let place = error.location();
            BundleError::Syntax {
                path: path.to_string(),
                line: place.map_or(1, |place| place.line()),
                column: place.map_or(1, |place| place.column()),
                message: strip_place(&error.without_snippet().to_string()),
            }
        })?;
        manifest
            .check()
            .map_err(|message| BundleError::Manifest { path: path.to_string(), message })?;
        Ok(manifest)
    }
}

/// The parser's words in ours; it appends "at line …", which we say in front, as compilers do.
fn strip_place(message: &str) -> String {
    let end = message.rfind(" at line ").unwrap_or(message.len());
    match message[..end].trim_start_matches("error: ") {
        "invalid u64" | "invalid u32" => "a whole number is needed here".to_string(),
        "invalid f64" => "a number is needed here".to_string(),
        "expected string scalar" => "one value is needed here".to_string(),
        message => message.replace('\n', " "),
    }
}
