//! Short forms of English written out.

use super::text::replace_word;

/// Writes out the short forms of a table.
pub(super) fn write_out(text: &str, table: &[(bool, &str, &str)]) -> String {
    let mut text = text.to_owned();
    for (whole, short, long) in table {
        if text.contains(short) {
            text = replace_word(&text, short, long, *whole);
        }
    }
    text
}

/// Short forms, in the order in which they are replaced. The first field tells whether the form must
/// start a word.
pub(super) const WHISPER: &[(bool, &str, &str)] = &[
    (true, "won't", "will not"),
    (true, "can't", "can not"),
    (true, "let's", "let us"),
    (true, "ain't", "aint"),
    (true, "y'all", "you all"),
    (true, "wanna", "want to"),
    (true, "gotta", "got to"),
    (true, "gonna", "going to"),
    (true, "i'ma", "i am going to"),
    (true, "imma", "i am going to"),
    (true, "woulda", "would have"),
    (true, "coulda", "could have"),
    (true, "shoulda", "should have"),
    (true, "ma'am", "madam"),
    (true, "mr", "mister "),
    (true, "mrs", "missus "),
    (true, "st", "saint "),
    (true, "dr", "doctor "),
    (true, "prof", "professor "),
    (true, "capt", "captain "),
    (true, "gov", "governor "),
    (true, "ald", "alderman "),
    (true, "gen", "general "),
    (true, "sen", "senator "),
    (true, "rep", "representative "),
    (true, "pres", "president "),
    (true, "rev", "reverend "),
    (true, "hon", "honorable "),
    (true, "asst", "assistant "),
    (true, "assoc", "associate "),
    (true, "lt", "lieutenant "),
    (true, "col", "colonel "),
    (true, "jr", "junior "),
    (true, "sr", "senior "),
    (true, "esq", "esquire "),
    (false, "'d been", " had been"),
    (false, "'s been", " has been"),
    (false, "'d gone", " had gone"),
    (false, "'s gone", " has gone"),
    (false, "'d done", " had done"),
    (false, "'s got", " has got"),
    (false, "n't", " not"),
    (false, "'re", " are"),
    (false, "'s", " is"),
    (false, "'d", " would"),
    (false, "'ll", " will"),
    (false, "'t", " not"),
    (false, "'ve", " have"),
    (false, "'m", " am"),
];
