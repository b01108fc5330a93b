//! Media inside of texts, as the published data write them: `<soim><👀1>…<eoim>`.

use std::fmt::Write;

use crate::base::Medium;
use crate::bundle::manifest::{PerMedium, SpanLength};
use crate::bundle::{Bundle, MediumTokens, Piece, PromptPart};

/// A medium as text, with the token names of a bundle's layout.
pub fn spelled(bundle: &Bundle, medium: Medium, codes: &[u32]) -> Result<String, String> {
    let layout = bundle.manifest().vocabulary.media.get(medium);
    let layout = layout.ok_or_else(|| format!("the model's vocabulary has no {medium} tokens"))?;
    let mut out = layout.start.clone();
    for code in codes {
        let _ = write!(out, "<{}{code}>", layout.prefix);
    }
    out.push_str(&layout.end);
    Ok(out)
}

/// A text with media, as what a prompt is made of.
///
/// With `marks`, the marks that a reply may hold between its words are recognised. Every other
/// control token is refused, as is a medium that is not whole: the reference's loader would
/// mask the row, or learn from it, without a word.
pub fn parse(bundle: &Bundle, text: &str, marks: bool) -> Result<Vec<PromptPart>, String> {
    let failed = |error: crate::bundle::BundleError| error.to_string();
    let vocabulary = bundle.vocabulary().map_err(failed)?;
    let marks = if marks {
        bundle.prompt_builder().and_then(|builder| builder.marks()).map_err(failed)?
    } else {
        Vec::new()
    };
    let mut parts: Vec<PromptPart> = Vec::new();
    let mut open: Option<(Medium, Vec<u32>)> = None;
    let named = |id: u32| vocabulary.name_of(id).unwrap_or("a token").to_string();
    for piece in bundle.text_tokenizer().map_err(failed)?.split_format(text) {
        match (piece, &mut open) {
            (Piece::Text(text), None) => {
                unknown(&bundle.manifest().vocabulary.media, &text)?;
                parts.push(PromptPart::Text(text));
            }
            (Piece::Text(text), Some((medium, codes))) => {
                unknown(&bundle.manifest().vocabulary.media, &text)?;
                return Err(format!(
                    "the text {text:?} stands within {medium}, behind code {}",
                    codes.len()
                ));
            }
            (Piece::Special(id), None) => match vocabulary.started_by(id) {
                Some(medium) => open = Some((medium, Vec::new())),
                None if vocabulary.medium_of(id).is_some() => {
                    return Err(format!("the code {} stands outside of a medium", named(id)));
                }
                None if marks.contains(&id) => {
                    // In front of the first words stands the separator, and a mark needs it too.
                    if parts.is_empty() {
                        parts.push(PromptPart::Text(String::new()));
                    }
                    parts.push(PromptPart::Ids(vec![id]));
                }
                None => return Err(format!("the control token {} stands in the text", named(id))),
            },
            (Piece::Special(id), Some((medium, codes))) => {
                let (medium, tokens) = (*medium, vocabulary.tokens(*medium));
                let tokens = tokens.ok_or_else(|| format!("the model has no {medium} tokens"))?;
                match vocabulary.medium_of(id) {
                    _ if id == tokens.end => {
                        check(medium, tokens, codes)?;
                        parts.push(PromptPart::Tokens(medium, std::mem::take(codes)));
                        open = None;
                    }
                    Some((other, code)) if other == medium => codes.push(code),
                    _ => return Err(format!("{} stands within {medium}", named(id))),
                }
            }
        }
    }
    match open {
        Some((medium, codes)) => {
            Err(format!("{medium} without an end after {} codes", codes.len()))
        }
        None => Ok(parts),
    }
}

/// Whether codes are a whole medium.
pub fn check(medium: Medium, tokens: &MediumTokens, codes: &[u32]) -> Result<(), String> {
    if codes.is_empty() {
        return Err(format!("{medium} without codes"));
    }
    if let SpanLength::Tokens(count) = tokens.length
        && codes.len() != count as usize
    {
        return Err(format!(
            "{} codes are no {medium} of this model, which has {count}",
            codes.len()
        ));
    }
    for (place, code) in codes.iter().enumerate() {
        let id = tokens.first.saturating_add(*code);
        if !tokens.ids_at(place).contains(&id) {
            let book = place % tokens.codebooks.max(1) as usize;
            return Err(format!(
                "the {medium} code {code} at place {place} is not of codebook {book}"
            ));
        }
    }
    let books = tokens.codebooks.max(1) as usize;
    if !codes.len().is_multiple_of(books) {
        return Err(format!("{} {medium} codes are no whole frames of {books}", codes.len()));
    }
    Ok(())
}

/// A text that looks like a code of a medium but is no token of the vocabulary.
fn unknown(
    media: &PerMedium<crate::bundle::manifest::MediumLayout>,
    text: &str,
) -> Result<(), String> {
    for (medium, layout) in media.iter() {
        let begin = format!("<{}", layout.prefix);
        for (at, _) in text.match_indices(&begin) {
            let rest = &text[at + begin.len()..];
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            if digits > 0 && rest[digits..].starts_with('>') {
                let token = &text[at..at + begin.len() + digits + 1];
                return Err(format!(
                    "{token} is no token of this model, which has {} codes for {medium}",
                    layout.codes()
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nano() -> Bundle {
        Bundle::find("nano").unwrap()
    }

    #[test]
    fn what_is_spelled_is_read() {
        let nano = nano();
        let image: Vec<u32> = (0..32).map(|code| code * 31).collect();
        let music: Vec<u32> = (0..8).map(|place| (place % 4) * 256 + place).collect();
        let text = format!(
            "Look: {} and {}!",
            spelled(&nano, Medium::Image, &image).unwrap(),
            spelled(&nano, Medium::Music, &music).unwrap()
        );
        assert_eq!(
            parse(&nano, &text, false).unwrap(),
            [
                PromptPart::Text("Look: ".into()),
                PromptPart::Tokens(Medium::Image, image),
                PromptPart::Text(" and ".into()),
                PromptPart::Tokens(Medium::Music, music),
                PromptPart::Text("!".into()),
            ]
        );
    }

    #[test]
    fn broken_codes_are_named() {
        let nano = nano();
        let error = |text: &str| parse(&nano, text, true).unwrap_err();
        let codes = |prefix: &str, codes: &[u32]| -> String {
            codes.iter().map(|code| format!("<{prefix}{code}>")).collect()
        };
        let image = codes("👀", &[5; 31]);
        assert!(error(&format!("<soim>{image}<eoim>")).contains("31 codes are no image"));
        assert!(error("<soim><👀5>").contains("without an end after 1 codes"));
        assert!(error("a <👀5>").contains("<👀5> stands outside of a medium"));
        assert!(error("a <👀1024>").contains("<👀1024> is no token"));
        assert!(error("<soim><👀1><👀4096>").contains("<👀4096> is no token"));
        assert!(error("<soim><👀1> <👀2>").contains("within image, behind code 1"));
        assert!(error("<soim><🗣️1>").contains("<🗣️1> stands within image"));
        assert!(error("<sosp><eosp>").contains("without codes"));
        assert!(error("<somu><🎶0><🎶1><eomu>").contains("place 1 is not of codebook 1"));
        let music = codes("🎶", &[0, 256, 512]);
        assert!(error(&format!("<somu>{music}<eomu>")).contains("no whole frames of 4"));
        assert!(error("well <eos> then").contains("the control token <eos>"));
        assert!(error("[Human]: hi").contains("the control token [Human]"));
        assert!(parse(&nano, "<-Res-> yes", false).unwrap_err().contains("control token <-Res->"));
        let marked = parse(&nano, "<-Res-> yes", true).unwrap();
        assert!(matches!(marked[1], PromptPart::Ids(_)), "{marked:?}");
    }
}
