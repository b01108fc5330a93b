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
}
