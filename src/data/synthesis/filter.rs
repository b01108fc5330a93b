//! Which dialogues are kept, as far as one of them alone can say.

use crate::base::Medium;

use super::dialogue::Turn;
use super::near::normalised;
use super::recipe::Filters;

/// Why something is left out: a word for counts, and the particulars.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    pub word: &'static str,
    pub detail: String,
}

pub const BROKEN: &str = "broken structure";
pub const DUPLICATE: &str = "duplicate";
pub const NEAR: &str = "near duplicate";
pub const MISSING: &str = "missing media";
pub const LONG: &str = "too long";
pub const REFUSED: &str = "refused";

fn reason(word: &'static str, detail: impl Into<String>) -> Option<Reason> {
    Some(Reason { word, detail: detail.into() })
}

/// What speaks against a dialogue; `media` are those that somebody makes.
pub fn against(turns: &[Turn], filters: &Filters, media: &[Medium]) -> Option<Reason> {
    if turns.len() < filters.least_turns {
        return reason(
            BROKEN,
            format!("{} turns, fewer than {}", turns.len(), filters.least_turns),
        );
    }
    if turns.len() > filters.most_turns {
        return reason(LONG, format!("{} turns, more than {}", turns.len(), filters.most_turns));
    }
    for (index, turn) in turns.iter().enumerate() {
        let number = index + 1;
        let due = if index % 2 == 0 { "user" } else { "assistant" };
        if turn.role != due {
            return reason(
                BROKEN,
                format!("turn {number} is the {}'s, not the {due}'s", turn.role),
            );
        }
        if turn.text.trim().is_empty() && turn.media.is_empty() {
            return reason(BROKEN, format!("turn {number} is empty"));
        }
        for (medium, words) in &turn.media {
            if words.trim().is_empty() {
                let detail = format!("the {medium} of turn {number} is not described");
                return reason(BROKEN, detail);
            }
            if !media.contains(medium) {
                return reason(MISSING, format!("turn {number} has {medium}, which nobody makes"));
            }
        }
        let described = turn.media.iter().map(|(_, words)| words);
        for words in [&turn.text].into_iter().chain(described) {
            let count = words.chars().count();
            if count > filters.most_characters {
                let detail = format!(
                    "turn {number} has {count} characters, more than {}",
                    filters.most_characters
                );
                return reason(LONG, detail);
            }
        }
    }
    if turns.len() % 2 == 1 {
        return reason(BROKEN, "the user has the last word");
    }
    let spoken = |turn: &Turn| format!(" {} ", normalised(&turn.text));
    for words in &filters.refusals {
        let sought = format!(" {} ", normalised(words));
        if turns.iter().any(|turn| turn.role == "assistant" && spoken(turn).contains(&sought)) {
            return reason(REFUSED, format!("the assistant says {words:?}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(role: &str, text: &str, media: &[(Medium, &str)]) -> Turn {
        let media = media.iter().map(|(medium, words)| (*medium, words.to_string())).collect();
        Turn { role: role.into(), text: text.into(), media }
    }

    #[test]
    fn each_reason_has_its_word() {
        let long = "a".repeat(3000);
        let good = turn("assistant", "Here.", &[(Medium::Image, "a cat")]);
        let user = || turn("user", "A cat?", &[]);
        let is = |turns: &[Turn], word: Option<&str>| {
            let found = against(turns, &Filters::default(), &[Medium::Image]);
            assert_eq!(found.map(|reason| reason.word), word, "{turns:?}");
        };
        is(&[user(), good.clone()], None);
        is(&[], Some(BROKEN));
        is(&[good.clone(), user()], Some(BROKEN));
        is(&[user(), good.clone(), user()], Some(BROKEN));
        is(&[user(), user()], Some(BROKEN));
        is(&[user(), turn("assistant", " ", &[])], Some(BROKEN));
        is(&[user(), turn("assistant", "x", &[(Medium::Image, " ")])], Some(BROKEN));
        is(&[user(), turn("assistant", "x", &[(Medium::Music, "a waltz")])], Some(MISSING));
        is(&[user(), turn("assistant", &long, &[])], Some(LONG));
        let sorry = "I’m sorry, but I can’t. As an AI language model, no.";
        is(&[user(), turn("assistant", sorry, &[])], Some(REFUSED));
        is(&[turn("user", sorry, &[]), good.clone()], None);
        let many: Vec<Turn> = (0..11).flat_map(|_| [user(), good.clone()]).collect();
        is(&many, Some(LONG));
    }
}
