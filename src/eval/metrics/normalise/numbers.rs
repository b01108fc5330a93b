//! Number words as digits, by the rules of Whisper's `EnglishNumberNormalizer`.

use super::amounts::{spaced, with_cents, without_zero_amounts};
use super::text::{is_word, replace_word};

const ONES: [&str; 19] = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const ORDINALS: [&str; 20] = [
    "zeroth",
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
];
const TENS: [&str; 8] =
    ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
/// Hundred, and from thousand on three zeros more each.
const MULTIPLIERS: [&str; 12] = [
    "hundred",
    "thousand",
    "million",
    "billion",
    "trillion",
    "quadrillion",
    "quintillion",
    "sextillion",
    "septillion",
    "octillion",
    "nonillion",
    "decillion",
];

/// What a word does to the number before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Zero,
    One(i128),
    /// With the ending of an ordinal or plural.
    OneWith(i128, &'static str),
    Ten(i128),
    TenWith(i128, &'static str),
    Multiplier(i128),
    MultiplierWith(i128, &'static str),
    /// A sign that stands before its number.
    Sign(&'static str),
    /// A currency, which is said after and written before its number.
    Money(&'static str),
    Percent,
    Per,
    And,
    /// Double and triple.
    Repeat(usize),
    Point,
}

fn ordinal(value: usize) -> &'static str {
    match value {
        1 => "st",
        2 => "nd",
        3 => "rd",
        _ => "th",
    }
}

impl Word {
    fn read(word: &str) -> Option<Word> {
        let place = |list: &[&str], word: &str| list.iter().position(|entry| *entry == word);
        let multiplier = |place: usize| {
            if place == 0 { 100 } else { 10_i128.pow(3 * place as u32) }
        };
        let fixed = match word {
            "o" | "oh" | "zero" => Some(Word::Zero),
            "minus" | "negative" => Some(Word::Sign("-")),
            "plus" | "positive" => Some(Word::Sign("+")),
            "pound" | "pounds" => Some(Word::Money("£")),
            "euro" | "euros" => Some(Word::Money("€")),
            "dollar" | "dollars" => Some(Word::Money("$")),
            "cent" | "cents" => Some(Word::Money("¢")),
            "per" => Some(Word::Per),
            "percent" => Some(Word::Percent),
            "and" => Some(Word::And),
            "double" => Some(Word::Repeat(2)),
            "triple" => Some(Word::Repeat(3)),
            "point" => Some(Word::Point),
            "sixes" => Some(Word::OneWith(6, "s")),
            _ => None,
        };
        if fixed.is_some() {
            return fixed;
        }
        if let Some(n) = place(&ONES, word) {
            return Some(Word::One(n as i128 + 1));
        }
        if let Some(n) = place(&ORDINALS, word) {
            return Some(Word::OneWith(n as i128, ordinal(n)));
        }
        if let Some(n) = place(&TENS, word) {
            return Some(Word::Ten(10 * (n as i128 + 2)));
        }
        if let Some(n) = place(&MULTIPLIERS, word) {
            return Some(Word::Multiplier(multiplier(n)));
        }
        for (ending, singular) in [("ies", "y"), ("ieth", "y")] {
            let tens = word.strip_suffix(ending).map(|stem| format!("{stem}{singular}"));
            if let Some(n) = tens.and_then(|tens| place(&TENS, &tens)) {
                return Some(Word::TenWith(
                    10 * (n as i128 + 2),
                    if ending == "ies" { "s" } else { "th" },
                ));
            }
        }
        if let Some(n) = word.strip_suffix("th").and_then(|stem| place(&MULTIPLIERS, stem)) {
            return Some(Word::MultiplierWith(multiplier(n), "th"));
        }
        let singular = word.strip_suffix('s')?;
        if let Some(n) = place(&ONES, singular).filter(|_| singular != "six") {
            return Some(Word::OneWith(n as i128 + 1, "s"));
        }
        place(&MULTIPLIERS, singular).map(|n| Word::MultiplierWith(multiplier(n), "s"))
    }

    /// What may follow "point".
    fn is_decimal(self) -> bool {
        matches!(self, Word::Zero | Word::One(_) | Word::Ten(_))
    }
}

/// A number that is still being said: one that arithmetic goes on with, or digits said one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Whole(i128),
    Digits(String),
}

impl Value {
    fn text(&self) -> String {
        match self {
            Value::Whole(number) => number.to_string(),
            Value::Digits(digits) => digits.clone(),
        }
    }
}

/// The value as text, with nothing for none and for the whole number 0, as in the original.
fn digits(value: Option<&Value>) -> String {
    value.filter(|value| **value != Value::Whole(0)).map_or_else(String::new, Value::text)
}

/// `12`, `1.5`.
fn is_numeric(word: &str) -> bool {
    let all = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match word.split_once('.') {
        Some((whole, decimals)) => all(whole) && all(decimals),
        None => all(word),
    }
}

/// A decimal number times a multiplier, when that is whole and in range.
fn scaled(text: &str, multiplier: i128) -> Option<i128> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let all = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !all(whole) || !all(decimals) || (whole.is_empty() && decimals.is_empty()) {
        return None;
    }
    let number: i128 = format!("{whole}{decimals}").parse().ok()?;
    let product = number.checked_mul(multiplier)?;
    let divisor = 10_i128.checked_pow(u32::try_from(decimals.len()).ok()?)?;
    (product % divisor == 0).then_some(product / divisor)
}

/// `value` with its last three digits multiplied: "two thousand three" times hundred is 2300.
fn multiplied(value: i128, multiplier: i128) -> Option<i128> {
    let before = value / 1000 * 1000;
    (value % 1000).checked_mul(multiplier).and_then(|residual| before.checked_add(residual))
}

struct Reader {
    out: Vec<String>,
    prefix: Option<String>,
    value: Option<Value>,
}

/// A word with its neighbours.
struct Context<'a> {
    previous: Option<Word>,
    current: &'a str,
    next: Option<Word>,
    next_text: Option<&'a str>,
    next_is_numeric: bool,
}

impl Reader {
    /// Writes a word or number, with the sign or currency that was heard before it.
    fn output(&mut self, text: &str) {
        let prefix = self.prefix.take().unwrap_or_default();
        self.out.push(prefix + text);
        self.value = None;
    }

    fn flush(&mut self) {
        if let Some(value) = self.value.take() {
            self.output(&value.text());
        }
    }

    /// A number in digits, with its sign or currency.
    fn arabic(&mut self, current: &str, bare: &str) {
        if let Some(Value::Digits(digits)) = &mut self.value
            && digits.ends_with('.')
        {
            digits.push_str(current);
            return;
        }
        self.flush();
        if bare.len() < current.len() {
            self.prefix = Some(current[..current.len() - bare.len()].to_owned());
        }
        // Numbers beyond the range stay as the digits they are.
        self.value =
            Some(scaled(bare, 1).map_or_else(|| Value::Digits(bare.to_owned()), Value::Whole));
    }

    /// The number with ones or teens said after it.
    fn with_ones(&self, ones: i128, previous: Option<Word>) -> Value {
        let room = if ones < 10 { 10 } else { 100 };
        match &self.value {
            None => Value::Whole(ones),
            Some(Value::Digits(digits)) => match digits.strip_suffix('0') {
                Some(start) if ones < 10 && matches!(previous, Some(Word::Ten(_))) => {
                    Value::Digits(format!("{start}{ones}"))
                }
                _ => Value::Digits(format!("{digits}{ones}")),
            },
            Some(Value::Whole(value))
                if !matches!(previous, Some(Word::One(_))) && value % room == 0 =>
            {
                value
                    .checked_add(ones)
                    .map_or_else(|| Value::Digits(format!("{value}{ones}")), Value::Whole)
            }
            Some(Value::Whole(value)) => Value::Digits(format!("{value}{ones}")),
        }
    }

    fn with_tens(&self, tens: i128) -> Value {
        match &self.value {
            None => Value::Whole(tens),
            Some(Value::Whole(value)) if value % 100 == 0 => value
                .checked_add(tens)
                .map_or_else(|| Value::Digits(format!("{value}{tens}")), Value::Whole),
            Some(value) => Value::Digits(format!("{}{tens}", value.text())),
        }
    }

    fn multiply(&mut self, multiplier: i128) {
        let text = match &self.value {
            None => return self.value = Some(Value::Whole(multiplier)),
            Some(Value::Whole(value)) if *value != 0 => {
                let product = multiplied(*value, multiplier);
                if product.is_some() {
                    return self.value = product.map(Value::Whole);
                }
                value.to_string()
            }
            Some(value) => value.text(),
        };
        match scaled(&text, multiplier) {
            Some(product) => self.value = Some(Value::Whole(product)),
            None => {
                self.output(&text);
                self.value = Some(Value::Whole(multiplier));
            }
        }
    }

    fn multiply_with(&mut self, multiplier: i128, ending: &str) {
        let product = match &self.value {
            None => Some(multiplier),
            Some(Value::Digits(digits)) => scaled(digits, multiplier),
            Some(Value::Whole(value)) => multiplied(*value, multiplier),
        };
        if product.is_none() {
            self.flush();
        }
        self.output(&format!("{}{ending}", product.unwrap_or(multiplier)));
    }

    /// Takes one word; tells whether the next one was taken with it.
    fn take(&mut self, word: Option<Word>, context: &Context<'_>) -> bool {
        match word {
            None => {
                self.flush();
                self.output(context.current);
            }
            Some(Word::Zero) => {
                self.value = Some(Value::Digits(digits(self.value.as_ref()) + "0"));
            }
            Some(Word::One(ones)) => self.value = Some(self.with_ones(ones, context.previous)),
            Some(Word::OneWith(ones, ending)) => {
                let text = self.with_ones(ones, context.previous).text();
                self.output(&(text + ending));
            }
            Some(Word::Ten(tens)) => self.value = Some(self.with_tens(tens)),
            Some(Word::TenWith(tens, ending)) => {
                let text = self.with_tens(tens).text();
                self.output(&(text + ending));
            }
            Some(Word::Multiplier(multiplier)) => self.multiply(multiplier),
            Some(Word::MultiplierWith(multiplier, ending)) => {
                self.multiply_with(multiplier, ending)
            }
            Some(Word::Sign(sign)) => {
                self.flush();
                if context.next.is_some() || context.next_is_numeric {
                    self.prefix = Some(sign.to_owned());
                } else {
                    self.output(context.current);
                }
            }
            Some(Word::Money(sign)) => match self.value.take() {
                Some(value) => {
                    self.prefix = Some(sign.to_owned());
                    self.output(&value.text());
                }
                None => self.output(context.current),
            },
            Some(Word::Percent) => match self.value.take() {
                Some(value) => self.output(&(value.text() + "%")),
                None => self.output(context.current),
            },
            Some(Word::Per) => return self.per(context),
            Some(special) => return self.special(special, context),
        }
        false
    }

    fn per(&mut self, context: &Context<'_>) -> bool {
        match self.value.take() {
            Some(value) if context.next_text == Some("cent") => {
                self.output(&(value.text() + "%"));
                return true;
            }
            value => {
                self.value = value;
                self.flush();
                self.output(context.current);
            }
        }
        false
    }

    /// "and", "double", "triple" and "point" count only before a word of numbers.
    fn special(&mut self, word: Word, context: &Context<'_>) -> bool {
        if context.next.is_none() && !context.next_is_numeric {
            self.flush();
            self.output(context.current);
            return false;
        }
        match (word, context.next) {
            (Word::And, _) if matches!(context.previous, Some(Word::Multiplier(_))) => {}
            (Word::Repeat(times), Some(next @ (Word::One(_) | Word::Zero))) => {
                let digit = if let Word::One(ones) = next { ones } else { 0 };
                let repeated = digit.to_string().repeat(times);
                self.value = Some(Value::Digits(digits(self.value.as_ref()) + &repeated));
                return true;
            }
            (Word::Point, next) => {
                if context.next_is_numeric || next.is_some_and(Word::is_decimal) {
                    self.value = Some(Value::Digits(digits(self.value.as_ref()) + "."));
                }
            }
            _ => {
                self.flush();
                self.output(context.current);
            }
        }
        false
    }
}

fn read(words: &[&str]) -> String {
    let mut reader = Reader { out: Vec::new(), prefix: None, value: None };
    let mut skip = false;
    for (place, current) in words.iter().enumerate() {
        if std::mem::take(&mut skip) {
            continue;
        }
        let next_text = words.get(place + 1).copied();
        let previous = place.checked_sub(1).and_then(|place| words.get(place));
        let context = Context {
            previous: previous.and_then(|word| Word::read(word)),
            current,
            next: next_text.and_then(Word::read),
            next_text,
            next_is_numeric: next_text.is_some_and(is_numeric),
        };
        let bare = current.strip_prefix(['-', '+', '£', '€', '$', '¢']).unwrap_or(current);
        if is_numeric(bare) {
            reader.arabic(current, bare);
        } else {
            skip = reader.take(Word::read(current), &context);
        }
    }
    reader.flush();
    reader.out.join(" ")
}

/// Number words of a lower-case text as digits. White space between words becomes single spaces.
pub(super) fn standardise(text: &str) -> String {
    let text = spaced(&halves(text));
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = read(&words);
    let text = without_zero_amounts(&with_cents(&text));
    replace_word(&replace_word(&text, "1s", "ones", true), "1", "one", true)
}

/// "two and a half" is "two point five".
fn halves(text: &str) -> String {
    let mut segments = vec![String::new()];
    let mut place = 0;
    while let Some(character) = text[place..].chars().next() {
        let starts = !text[..place].chars().next_back().is_some_and(is_word);
        match half_length(&text[place..]).filter(|_| starts) {
            Some(length) => {
                segments.push(String::new());
                place += length;
            }
            None => {
                segments.last_mut().into_iter().for_each(|segment| segment.push(character));
                place += character.len_utf8();
            }
        }
    }
    let last = segments.len() - 1;
    let mut results = Vec::new();
    for (number, segment) in segments.into_iter().enumerate() {
        let Some(word) = segment.split_whitespace().next_back().map(Word::read) else { continue };
        let number_word =
            matches!(word, Some(Word::Multiplier(_))) || word.is_some_and(Word::is_decimal);
        results.push(segment);
        if number < last {
            results.push(if number_word { "point five" } else { "and a half" }.to_owned());
        }
    }
    results.join(" ")
}

/// Length of "and a half" at the start of a text.
fn half_length(text: &str) -> Option<usize> {
    let mut rest = text.strip_prefix("and")?;
    for word in ["a", "half"] {
        let next = rest.trim_start();
        if next.len() == rest.len() {
            return None;
        }
        rest = next.strip_prefix(word)?;
    }
    (!rest.chars().next().is_some_and(is_word)).then(|| text.len() - rest.len())
}
