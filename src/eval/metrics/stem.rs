//! The English stemmer of Snowball ("Porter2", snowballstem.org/algorithms/english/stemmer.html, as
//! METEOR 1.5 has it): Porter (1980, "An algorithm for suffix stripping") with its later mending.

/// Words whose stem the rules would miss.
const WHOLE: [(&str, &str); 18] = [
    ("skis", "ski"),
    ("skies", "sky"),
    ("dying", "die"),
    ("lying", "lie"),
    ("tying", "tie"),
    ("idly", "idl"),
    ("gently", "gentl"),
    ("ugly", "ugli"),
    ("early", "earli"),
    ("only", "onli"),
    ("singly", "singl"),
    ("sky", "sky"),
    ("news", "news"),
    ("howe", "howe"),
    ("atlas", "atlas"),
    ("cosmos", "cosmos"),
    ("bias", "bias"),
    ("andes", "andes"),
];

/// Words that stay as they are after the plural is gone.
const AFTER_PLURAL: [&str; 8] =
    ["inning", "outing", "canning", "herring", "earring", "proceed", "exceed", "succeed"];

const STEP_2: [(&str, &str); 22] = [
    ("ational", "ate"),
    ("ization", "ize"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("iveness", "ive"),
    ("tional", "tion"),
    ("biliti", "ble"),
    ("lessli", "less"),
    ("entli", "ent"),
    ("ation", "ate"),
    ("alism", "al"),
    ("aliti", "al"),
    ("ousli", "ous"),
    ("iviti", "ive"),
    ("fulli", "ful"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("abli", "able"),
    ("izer", "ize"),
    ("ator", "ate"),
    ("alli", "al"),
    ("bli", "ble"),
];

const STEP_3: [(&str, &str); 8] = [
    ("ational", "ate"),
    ("tional", "tion"),
    ("alize", "al"),
    ("icate", "ic"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ness", ""),
    ("ful", ""),
];

const STEP_4: [&str; 17] = [
    "ement", "ance", "ence", "able", "ible", "ment", "ant", "ent", "ism", "ate", "iti", "ous",
    "ive", "ize", "al", "er", "ic",
];

/// The stem of a lower-case word. Words of other alphabets come back as they are.
pub fn stem(word: &str) -> String {
    if let Some((_, stem)) = WHOLE.iter().find(|(whole, _)| *whole == word) {
        return (*stem).to_owned();
    }
    if !word.is_ascii() || word.len() <= 2 {
        return word.to_owned();
    }
    let mut stem = Stem::new(word);
    stem.plural();
    if !AFTER_PLURAL.contains(&stem.text.as_str()) {
        stem.past_and_gerund();
        stem.final_y();
        stem.step_2();
        stem.step_3();
        stem.step_4();
        stem.step_5();
    }
    stem.text.to_ascii_lowercase()
}

/// A word in the making; `Y` is a y that counts as a consonant.
struct Stem {
    text: String,
    /// Where the regions after the first and second pair of vowel and consonant begin.
    first: usize,
    second: usize,
}

fn is_vowel(letter: u8) -> bool {
    matches!(letter, b'a' | b'e' | b'i' | b'o' | b'u' | b'y')
}

fn region(letters: &[u8], from: usize) -> usize {
    let pair =
        (from + 1..letters.len()).find(|n| is_vowel(letters[n - 1]) && !is_vowel(letters[*n]));
    pair.map_or(letters.len(), |place| place + 1)
}

impl Stem {
    fn new(word: &str) -> Self {
        let mut letters = word.strip_prefix('\'').unwrap_or(word).as_bytes().to_vec();
        for place in 0..letters.len() {
            if letters[place] == b'y' && (place == 0 || is_vowel(letters[place - 1])) {
                letters[place] = b'Y';
            }
        }
        let prefix =
            ["gener", "commun", "arsen"].into_iter().find(|p| letters.starts_with(p.as_bytes()));
        let first = prefix.map_or_else(|| region(&letters, 0), str::len);
        let second = region(&letters, first);
        Stem { text: String::from_utf8_lossy(&letters).into_owned(), first, second }
    }

    fn letters(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Where the word without an ending stops, if it has that ending.
    fn before(&self, ending: &str) -> Option<usize> {
        self.text.strip_suffix(ending).map(str::len)
    }

    fn replace(&mut self, from: usize, by: &str) {
        self.text.truncate(from);
        self.text.push_str(by);
    }

    fn has_vowel(&self, end: usize) -> bool {
        self.letters().iter().take(end).any(|letter| is_vowel(*letter))
    }

    /// Whether the letters before `end` close with a short syllable.
    fn is_short(&self, end: usize) -> bool {
        match *self.letters().get(..end).unwrap_or_default() {
            [vowel, last] => is_vowel(vowel) && !is_vowel(last),
            [.., before, vowel, last] => {
                !is_vowel(before)
                    && is_vowel(vowel)
                    && !is_vowel(last)
                    && !matches!(last, b'w' | b'x' | b'Y')
            }
            _ => false,
        }
    }

    fn plural(&mut self) {
        for ending in ["'s'", "'s", "'"] {
            if let Some(end) = self.before(ending) {
                self.replace(end, "");
                break;
            }
        }
        if let Some(end) = self.before("sses") {
            self.replace(end, "ss");
        } else if let Some(end) = self.before("ied").or(self.before("ies")) {
            self.replace(end, if end > 1 { "i" } else { "ie" });
        } else if self.before("us").or(self.before("ss")).is_none() {
            let vowel = |end: &usize| *end > 0 && self.has_vowel(end - 1);
            if let Some(end) = self.before("s").filter(vowel) {
                self.replace(end, "");
            }
        }
    }

    fn past_and_gerund(&mut self) {
        if let Some(end) = self.before("eedly").or(self.before("eed")) {
            if end >= self.first {
                self.replace(end, "ee");
            }
            return;
        }
        let endings = ["ingly", "edly", "ing", "ed"];
        let Some(end) =
            endings.into_iter().find_map(|e| self.before(e)).filter(|e| self.has_vowel(*e))
        else {
            return;
        };
        self.replace(end, "");
        if ["at", "bl", "iz"].into_iter().any(|e| self.text.ends_with(e)) {
            self.text.push('e');
        } else if let [.., a, b] = *self.letters()
            && a == b
            && b"bdfgmnprt".contains(&a)
        {
            self.replace(end - 1, "");
        } else if self.first >= self.text.len() && self.is_short(self.text.len()) {
            self.text.push('e');
        }
    }

    fn final_y(&mut self) {
        if let [_, .., before, b'y' | b'Y'] = *self.letters()
            && !is_vowel(before)
        {
            self.replace(self.text.len() - 1, "i");
        }
    }

    fn step_2(&mut self) {
        // The longest ending decides, though it may stand too early to be taken off.
        let found =
            STEP_2.iter().find_map(|(ending, by)| self.before(ending).map(|end| (end, *by)));
        if let Some((end, by)) = found {
            if end >= self.first {
                self.replace(end, by);
            }
        } else if let Some(end) = self.before("ogi") {
            if end >= self.first && self.text[..end].ends_with('l') {
                self.replace(end, "og");
            }
        } else if let Some(end) = self.before("li")
            && end >= self.first
            && self.text[..end].ends_with(['c', 'd', 'e', 'g', 'h', 'k', 'm', 'n', 'r', 't'])
        {
            self.replace(end, "");
        }
    }

    fn step_3(&mut self) {
        let found =
            STEP_3.iter().find_map(|(ending, by)| self.before(ending).map(|end| (end, *by)));
        if let Some((end, by)) = found {
            if end >= self.first {
                self.replace(end, by);
            }
        } else if let Some(end) = self.before("ative")
            && end >= self.first.max(self.second)
        {
            self.replace(end, "");
        }
    }

    fn step_4(&mut self) {
        let found = STEP_4.into_iter().find_map(|ending| self.before(ending));
        if let Some(end) = found {
            if end >= self.second {
                self.replace(end, "");
            }
        } else if let Some(end) = self.before("ion")
            && end >= self.second
            && self.text[..end].ends_with(['s', 't'])
        {
            self.replace(end, "");
        }
    }

    fn step_5(&mut self) {
        if let Some(end) = self.before("e") {
            if end >= self.second || (end >= self.first && !self.is_short(end)) {
                self.replace(end, "");
            }
        } else if let Some(end) = self.before("l")
            && end >= self.second
            && self.text[..end].ends_with('l')
        {
            self.replace(end, "");
        }
    }
}
