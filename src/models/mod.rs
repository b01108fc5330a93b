//! The networks, one file or small folder each, named by the checkpoints they read.
//!
//! A network is described by its configuration alone: the public checkpoints and small ones are
//! the same code. Loading takes a `VarBuilder` whose paths are the checkpoint's tensor names, so
//! a missing or misshapen tensor is reported by that name. Randomness comes in as arguments.

mod audio_codec;
mod bert;
pub mod clap;
pub mod clip;
pub mod encodec;
pub mod llama;
pub mod sampling;
pub mod seed_tokenizer;
pub mod soundstorm;
pub mod speech_tokenizer;
pub mod unclip;
pub mod wavlm;
pub mod whisper;

/// What can go wrong in building or running a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("{model} configuration: `{field}` {reason}")]
    Config { model: &'static str, field: &'static str, reason: String },
    #[error("{model}: {input} has the shape {got:?}, expected {expected}")]
    Input { model: &'static str, input: &'static str, got: Vec<usize>, expected: String },
    #[error("token id {id} is outside the vocabulary of {vocab_size}")]
    TokenId { id: u32, vocab_size: usize },
    #[error("code {code} is outside the codebook of {codebook_size}")]
    Code { code: u32, codebook_size: usize },
    #[error("the context holds {len} of {max_len} tokens; {more} more do not fit")]
    ContextFull { len: usize, more: usize, max_len: usize },
    #[error("the cache was made for a network of another size or type")]
    ForeignCache,
    #[error("no tokens were given to the language model")]
    NoTokens,
    #[error(
        "{model}: none of the ids is the end of the text{}; use the tokenizer.json of the checkpoint",
        eos_token_id.map_or(String::new(), |id| format!(" (`eos_token_id` {id})"))
    )]
    NoEnd { model: &'static str, eos_token_id: Option<u32> },
    #[error("cancelled")]
    Cancelled,
    /// A tensor that is missing or misshapen (named in the message), or a failed operation.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// A language model that runs elsewhere has failed.
    #[error("remote model: {0}")]
    Remote(#[source] Box<dyn std::error::Error + Send + Sync>),
}

pub type Result<T> = std::result::Result<T, Error>;

/// A causal language model: ids in, logits out. It says nothing of where the network runs.
pub trait LanguageModel: Send + Sync {
    fn vocab_size(&self) -> usize;

    /// Begins an empty sequence of at most `max_len` ids.
    fn start(&self, max_len: usize) -> Result<Box<dyn Session>>;
}

/// One sequence that a [`LanguageModel`] has read so far.
pub trait Session: Send {
    /// Reads `ids` and returns the logits of the id that follows them, one per vocabulary entry.
    fn append(&mut self, ids: &[u32]) -> Result<Vec<f32>>;

    /// How many ids have been read.
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all but the first `len` ids, so that a common prefix need not be read again.
    fn truncate(&mut self, len: usize);
}

/// Collects the checks of a configuration under the model's name.
struct Check(&'static str);

impl Check {
    fn fail<T>(&self, field: &'static str, reason: impl Into<String>) -> Result<T> {
        Err(Error::Config { model: self.0, field, reason: reason.into() })
    }

    fn positive(&self, field: &'static str, value: usize) -> Result<()> {
        if value == 0 {
            return self.fail(field, "must be at least 1");
        }
        Ok(())
    }

    /// `value` must be a multiple of `divisor`, both at least 1.
    fn divides(&self, field: &'static str, divisor: usize, value: usize) -> Result<()> {
        self.positive(field, divisor)?;
        if value == 0 || !value.is_multiple_of(divisor) {
            return self.fail(field, format!("is {divisor}, which does not divide {value}"));
        }
        Ok(())
    }

    fn finite(&self, field: &'static str, value: f64) -> Result<()> {
        if !value.is_finite() || value <= 0. {
            return self.fail(field, format!("is {value}, expected a positive number"));
        }
        Ok(())
    }
}
