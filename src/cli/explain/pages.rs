//! The pages of docs/errors/, one for each code of a diagnostic. They are inside the program.

use crate::lang::words::nearest;

include!(concat!(env!("OUT_DIR"), "/error_pages.rs"));

/// A page as it is written: `# CODE: title`, then what it means, `## Wrong` and `## Right`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    pub code: &'static str,
    pub markdown: &'static str,
}

impl Page {
    /// In one line, without the code.
    pub fn title(&self) -> &'static str {
        let heading = self.markdown.lines().next().unwrap_or_default();
        heading.split_once(": ").map_or(heading, |(_, title)| title)
    }

    /// The text between the heading and the first example.
    pub fn meaning(&self) -> &'static str {
        let body = self.markdown.split_once('\n').map_or("", |(_, body)| body);
        body.split("\n## ").next().unwrap_or_default().trim()
    }

    /// The example below `## Wrong` or `## Right`, without its fence.
    pub fn example(&self, section: &str) -> &'static str {
        let Some((_, rest)) = self.markdown.split_once(&format!("\n## {section}\n")) else {
            return "";
        };
        let inside = rest.split("```").nth(1).unwrap_or_default();
        // The first line of a fence is the example's language.
        inside.split_once('\n').map_or("", |(_, text)| text)
    }
}

/// All pages, by code.
pub fn all() -> impl Iterator<Item = Page> {
    PAGES.iter().map(|&(code, markdown)| Page { code, markdown })
}

/// The page of a code, in upper or lower case.
pub fn find(code: &str) -> Option<Page> {
    all().find(|page| page.code.eq_ignore_ascii_case(code))
}

/// The code that was probably meant.
pub fn nearest_code(code: &str) -> Option<&'static str> {
    nearest(&code.to_ascii_uppercase(), all().map(|page| page.code))
}
