//! The plan as a picture, laid out here: no other program is needed to see it.

mod cards;
mod html;
mod layout;
mod svg;

pub use html::html;
pub use svg::svg;

/// A plan of which a drawing could not be read.
#[derive(Debug, thiserror::Error)]
#[error("a plan of {operations} operations is too large to be drawn")]
pub struct TooLarge {
    pub operations: usize,
}

/// Text in XML and HTML. Characters that XML does not have are replaced.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(' '),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}
