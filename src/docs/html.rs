//! Text and Markdown as HTML that cannot do anything: documentation may come from strangers.

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

/// Markdown without HTML of its own, without images (a page loads nothing), and with links to web
/// addresses and places in the site only.
pub fn markdown(text: &str) -> String {
    let mut images = 0usize;
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).filter_map(|event| match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Some(Event::Text(raw)),
        Event::Start(Tag::Image { .. }) => {
            images += 1;
            None
        }
        Event::End(TagEnd::Image) => {
            images = images.saturating_sub(1);
            None
        }
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            let dest_url = if harmless(&dest_url) { dest_url } else { CowStr::Borrowed("#") };
            Some(Event::Start(Tag::Link { link_type, dest_url, title, id }))
        }
        // The page has headings of its own above these.
        Event::Start(Tag::Heading { .. }) => Some(Event::Start(Tag::Paragraph)),
        Event::End(TagEnd::Heading(_)) => Some(Event::End(TagEnd::Paragraph)),
        other => Some(other),
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    out
}

fn harmless(address: &str) -> bool {
    let lower = address.trim().to_ascii_lowercase();
    lower.starts_with("https://")
        || lower.starts_with("http://")
        || lower.starts_with('#')
        || !lower.contains(':') && !lower.starts_with("//")
}

/// The first paragraph, as one line of plain text.
pub fn first_line(text: &str) -> String {
    let lines = text.lines().skip_while(|line| line.trim().is_empty());
    lines.take_while(|line| !line.trim().is_empty()).map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_cannot_run_or_load_anything() {
        let page = markdown(
            "# T\n<script>alert(1)</script>\n\n<img src=x onerror=y> ![alt](http://x/y.png) \
             [a](javascript:alert(1)) [b](JAVASCRIPT:x) [c](data:text/html,x) [d](https://e.org) `x<y`",
        );
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
        assert!(!page.to_lowercase().contains("javascript:") && !page.contains("data:"), "{page}");
        assert!(page.contains("&lt;script&gt;") && page.contains("https://e.org"), "{page}");
        assert!(page.contains("<code>x&lt;y</code>") && page.contains("alt"), "{page}");
    }
}
