//! Words with rules of their own.

/// Abbreviations whose full stop belongs to them in any case of letters.
const ABBREVIATIONS: &str = "jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu \
    thurs fri ala ariz calif colo conn dak fla ga ind kan kans ky md mich minn mo mont neb nev okla \
    penn tenn va vt wis wisc wyo inc co cos corp pty ptys ltd plc bancorp bhd assn univ intl sys jr \
    bros sr blvd rd esq etc al est ext tel sq bldg seq dept ph mr mrs ms dr drs prof profs sen sens \
    rep reps atty attys lt col gen messrs gov govs adm rev maj sgt cpl pvt capt st ste ave pres \
    lieut hon brig cmdr comdr pfc spc supt supts det mt ft adj adv asst assoc ens insp mlle mme msgr \
    sfc vs alex wm jos cie cf treas mfg ct rt";

/// Names of states that are words in lower case.
const NAMES: &str = "Ark Az Del Ill La Mass Miss Ore Pa Tex Wash";

/// Abbreviations that keep their full stop before a number only.
const NUMBERED: &str = "no nos prop fig figs ca pp op";

/// Words that begin sentences: a full stop between a single letter and one of them ends a sentence.
const STARTERS: &str = "A About According Additionally After An As At But Earlier He Her Here However \
    If In It Last Many More Now Once One Other Our She Since So Some Such That The Their Then There \
    These They This We What When While Yet You";

fn holds(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|entry| entry == word)
}

pub(super) fn is_abbreviation(word: &str) -> bool {
    holds(NAMES, word) || holds(ABBREVIATIONS, &lower_after_first(word))
}

pub(super) fn is_numbered(word: &str) -> bool {
    holds(NUMBERED, &lower_after_first(word))
}

pub(super) fn starts_sentences(word: &str) -> bool {
    holds(STARTERS, word)
}

/// `Dept` and `dept` are abbreviations, `DEPT` is not.
fn lower_after_first(word: &str) -> String {
    let mut characters = word.chars();
    characters
        .next()
        .map(|first| first.to_ascii_lowercase())
        .into_iter()
        .chain(characters)
        .collect()
}
