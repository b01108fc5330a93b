//! What can go wrong in judging.

use crate::bundle::BundleError;
use crate::media::MediaError;
use crate::models;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JudgeError {
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Media(#[from] MediaError),
    #[error("the evaluation model could not be run: {0}")]
    Model(#[from] models::Error),
    #[error("the recogniser does not know the language `{code}`; it knows: {known}")]
    Language { code: String, known: String },
    #[error(
        "a sound of {seconds:.3} s is too short to tell whose voice it is; \
         it must be at least {least:.3} s long"
    )]
    TooShort { seconds: f64, least: f64 },
    #[error("the voice's vector has no direction; the model's weights may be damaged")]
    NoDirection,
}
