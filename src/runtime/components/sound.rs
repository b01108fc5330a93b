//! Sound on its way into a codec.

use std::sync::Arc;

use crate::base::Medium;
use crate::media::Sound;
use crate::runtime::error::Failure;
use crate::runtime::value::Media;

/// The longest sound that is encoded: what a codec holds in memory grows with it, and no
/// language model's context is nearly as long.
pub const MAX_SECONDS: f64 = 600.0;

/// The samples of a medium at a codec's rate.
pub fn samples(media: &Arc<Media>, medium: Medium, rate: u32) -> Result<Sound, Failure> {
    let sound = match (media.as_ref(), medium) {
        (Media::Speech(sound), Medium::Speech) | (Media::Music(sound), Medium::Music) => sound,
        (other, _) => return Err(Failure::Defect(other.medium().name(), medium.name())),
    };
    if sound.seconds() > MAX_SECONDS {
        return Err(Failure::TooLong { medium, seconds: sound.seconds(), most: MAX_SECONDS });
    }
    Ok(sound.resampled(rate)?)
}
