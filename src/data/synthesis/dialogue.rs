//! A dialogue as it was written: turns with media in words.

use serde_json::Value as Json;

use crate::base::Medium;

/// The media of a turn in the order in which they are made and written out.
pub const MEDIA: [Medium; 3] = [Medium::Image, Medium::Speech, Medium::Music];

#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// `user` or `assistant`
    pub role: String,
    pub text: String,
    /// What each medium shows, says or sounds like.
    pub media: Vec<(Medium, String)>,
}

/// The turns of a reply whose type was checked when it came.
pub fn turns(json: &Json) -> Option<Vec<Turn>> {
    let turns = json.as_array()?.iter().map(|turn| {
        let text = |name: &str| turn.get(name).and_then(Json::as_str);
        let media = MEDIA.into_iter();
        let media = media.filter_map(|medium| Some((medium, text(medium.name())?.to_string())));
        Some(Turn {
            role: text("role")?.to_string(),
            text: text("text")?.to_string(),
            media: media.collect(),
        })
    });
    turns.collect()
}

/// All that is said and described, for comparisons between dialogues.
pub fn words(turns: &[Turn]) -> String {
    let mut out = String::new();
    for turn in turns {
        for part in [&turn.text].into_iter().chain(turn.media.iter().map(|(_, words)| words)) {
            out.push_str(part);
            out.push('\n');
        }
    }
    out
}
