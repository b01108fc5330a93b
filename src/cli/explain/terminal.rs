//! Markdown as a terminal shows it: the part of it that the pages use, which is headings,
//! paragraphs, `code` and fenced examples.

use clap::builder::styling::{AnsiColor, Style};

const HEADING: Style = Style::new().bold();
const CODE: Style = AnsiColor::Cyan.on_default();

/// The text for a terminal, with colours or without.
pub fn render(markdown: &str, colour: bool) -> String {
    let mut out = String::new();
    let mut fenced = false;
    for line in markdown.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            let indent = if line.is_empty() { "" } else { "    " };
            out.push_str(&format!("{indent}{line}\n"));
        } else if line.starts_with('#') {
            let heading = line.trim_start_matches('#').trim();
            out.push_str(&format!("{}\n", paint(heading, HEADING, colour)));
        } else {
            out.push_str(&format!("{}\n", spans(line, colour)));
        }
    }
    out
}

/// In colour the backticks around code are not needed; without it they say what is code.
fn spans(line: &str, colour: bool) -> String {
    let pieces: Vec<&str> = line.split('`').collect();
    // A backtick without its partner is a character.
    if !colour || pieces.len().is_multiple_of(2) {
        return line.to_string();
    }
    let piece = |(place, piece): (usize, &&str)| {
        if place % 2 == 1 { paint(piece, CODE, true) } else { (*piece).to_string() }
    };
    pieces.iter().enumerate().map(piece).collect()
}

fn paint(text: &str, style: Style, colour: bool) -> String {
    if colour { format!("{style}{text}{style:#}") } else { text.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str =
        "# E1: a `b`\n\nSay `c`.\n\n## Wrong\n\n```agpt\n# not a heading `\n\n  x\n```\n";

    #[test]
    fn without_colour_the_text_is_plain() {
        let plain = "E1: a `b`\n\nSay `c`.\n\nWrong\n\n    # not a heading `\n\n      x\n";
        assert_eq!(render(PAGE, false), plain);
    }

    #[test]
    fn in_colour_code_and_headings_stand_out() {
        let coloured = render(PAGE, true);
        assert!(coloured.contains("\u{1b}[1mWrong\u{1b}[0m"), "{coloured:?}");
        assert!(coloured.contains("Say \u{1b}[36mc\u{1b}[0m."), "{coloured:?}");
        assert!(coloured.contains("    # not a heading `\n"), "{coloured:?}");
    }
}
