//! Pairs of a text and a medium, in the public format: one JSON object a line.

use serde_json::{Map, Value as Json};

use super::codes;
use crate::base::Medium;
use crate::bundle::{Bundle, PromptPart};

/// A row: a text, and what its medium's key says (a path, or codes written out).
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    pub id: Option<Json>,
    pub text: String,
    pub medium: Medium,
    pub content: String,
}

impl Pair {
    pub fn parse(line: &str) -> Result<Pair, String> {
        let object: Map<String, Json> =
            serde_json::from_str(line).map_err(|error| format!("it is no JSON object: {error}"))?;
        let (mut id, mut text, mut medium) = (None, None, None);
        for (key, value) in object {
            match (key.as_str(), value) {
                ("id", value @ (Json::String(_) | Json::Number(_))) => id = Some(value),
                ("id", Json::Null) => {}
                ("id", _) => return Err("`id` is neither a text nor a number".into()),
                (name, Json::String(value)) => match Medium::from_name(name) {
                    Some(Medium::Text) => text = Some(value),
                    Some(found) => {
                        if let Some((other, _)) = medium.replace((found, value)) {
                            return Err(format!("it has both {other} and {found}"));
                        }
                    }
                    None => return Err(format!("it has the unknown key `{name}`")),
                },
                (name, _) => return Err(format!("`{name}` is no text")),
            }
        }
        let text = text.ok_or("it has no `text`")?;
        let (medium, content) = medium.ok_or("it has none of `image`, `speech` and `music`")?;
        if text.trim().is_empty() {
            return Err("its text is empty".into());
        }
        Ok(Pair { id, text, medium, content })
    }

    /// The codes of the medium, which must be all that its key holds.
    pub fn codes(&self, bundle: &Bundle) -> Result<Vec<u32>, String> {
        let parts = codes::parse(bundle, self.content.trim(), false)?;
        match <[PromptPart; 1]>::try_from(parts) {
            Ok([PromptPart::Tokens(medium, codes)]) if medium == self.medium => Ok(codes),
            _ => Err(format!(
                "`{}` is not the tokens of one {}; make them with `agpt data tokenize`",
                self.medium, self.medium
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_in_any_order_and_refused_with_a_reason() {
        let pair = Pair::parse(r#"{"image": "a.png", "text": "a \u2603", "id": 7}"#).unwrap();
        assert_eq!((pair.text.as_str(), pair.medium), ("a ☃", Medium::Image));
        assert_eq!((pair.content.as_str(), pair.id), ("a.png", Some(Json::from(7))));
        for (line, reason) in [
            ("[]", "no JSON object"),
            ("{", "no JSON object"),
            (r#"{"text": "a"}"#, "none of"),
            (r#"{"image": "a"}"#, "no `text`"),
            (r#"{"text": " ", "image": "a"}"#, "empty"),
            (r#"{"text": "a", "image": "a", "music": "b"}"#, "both image and music"),
            (r#"{"text": "a", "video": "a"}"#, "unknown key `video`"),
            (r#"{"text": 1, "image": "a"}"#, "`text` is no text"),
            (r#"{"text": "a", "image": "a", "id": []}"#, "`id` is neither"),
        ] {
            let error = Pair::parse(line).unwrap_err();
            assert!(error.contains(reason), "{line}: {error}");
        }
    }
}
