//! Syntax errors in the user's words.

use pest::error::{ErrorVariant, InputLocation};

use crate::base::{Diagnostic, SourceId, Span};
use crate::lang::words::{listing, nearest};

use super::build::{Rule, words};
use super::scan::{self, STARTS, Segment};

/// Words kept for later versions, with what they will do.
const LATER: [(&str, &str); 2] = [
    ("try", "a run stops at its first error for now"),
    ("within", "resource limits come with a later version"),
];

pub const RESERVED: [&str; 29] = [
    "use", "pub", "const", "type", "template", "pipeline", "let", "return", "if", "else", "for",
    "in", "and", "or", "not", "true", "false", "none", "generate", "encode", "decode", "as",
    "match", "plugin", "test", "try", "expect", "snapshot", "within",
];

/// Words that cannot be names.
pub fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word)
}

/// What can be said of a stretch of source from its first word alone.
pub fn before_parsing(source: SourceId, base: usize, text: &str) -> Option<Diagnostic> {
    let mut words = words(text);
    let first = words.next();
    let second = words.next();
    let (at, word) = match (first, second) {
        (Some((_, "pub")), Some(second)) => second,
        (Some(first), _) => first,
        (None, _) => {
            let start = base + text.len() - text.trim_start().len();
            let end = start + text[start - base..].chars().next().map_or(0, char::len_utf8);
            return Some(outside(Span::new(source, start, end)).help(
                "a file is a list of declarations: use, const, type, template, pipeline, plugin, test, evaluation",
            ));
        }
    };
    let span = Span::new(source, base + at, base + at + word.len());
    if let Some(diagnostic) = later(word, span) {
        return Some(diagnostic);
    }
    if STARTS.contains(&word) {
        return None;
    }
    let diagnostic = outside(span);
    let help = match word {
        "fn" | "def" | "func" | "function" | "fun" => {
            "a function from inputs to outputs is a `pipeline`".to_string()
        }
        "let" | "var" => "outside of pipelines, values are declared with `const`".to_string(),
        "import" | "from" | "include" => "other modules are named with `use`".to_string(),
        _ => match nearest(word, STARTS) {
            Some(near) => return Some(diagnostic.did_you_mean(near)),
            None => {
                "a file is a list of declarations: use, const, type, template, pipeline, plugin, test, evaluation"
                    .to_string()
            }
        },
    };
    Some(diagnostic.help(help))
}

fn outside(span: Span) -> Diagnostic {
    Diagnostic::error("E0104", "this is not a declaration").label(span, "not expected here")
}

fn later(word: &str, span: Span) -> Option<Diagnostic> {
    let (_, help) = LATER.iter().find(|(later, _)| *later == word)?;
    Some(
        Diagnostic::error("E0110", format!("`{word}` is not in this version of agpt"))
            .label(span, "")
            .help(*help),
    )
}

/// Turns the grammar's error into a diagnostic.
pub fn explain(
    source: SourceId,
    text: &str,
    segment: Segment,
    error: &pest::error::Error<Rule>,
) -> Diagnostic {
    let offset = match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
    };
    let at = segment.start + offset;
    let positives = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives.as_slice(),
        ErrorVariant::CustomError { .. } => &[],
    };
    let found = token(&text[at..segment.end]);
    let span = Span::new(source, at, at + found.len());
    let before = text[segment.start..at].trim_end();
    let previous = before
        .rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .next()
        .filter(|word| !word.is_empty());

    let naming = names_something(previous);
    let labelled = text[at + found.len()..segment.end].trim_start().starts_with(':')
        && before.ends_with(['(', ',', '{', '\n']);
    if RESERVED.contains(&found) && (naming || labelled || before.ends_with('.')) {
        return Diagnostic::error("E0105", format!("`{found}` cannot be a name"))
            .label(span, "a word of the language")
            .help(format!("choose another name, such as `{found}_`"));
    }
    let called = text[at + found.len()..].trim_start().starts_with('{');
    if (RESERVED.contains(&found) || called)
        && let Some(diagnostic) = later(found, span)
    {
        return diagnostic;
    }
    // `with { … }`: the name itself was read, its brace was not.
    if found == "{"
        && let Some(word) = previous
    {
        let start = segment.start + before.len() - word.len();
        if let Some(diagnostic) = later(word, Span::new(source, start, start + word.len())) {
            return diagnostic;
        }
    }
    let open = scan::innermost(&text[segment.start..at])
        .map(|(offset, open)| (segment.start + offset, open));
    let expected = expectations(positives, open.map(|(_, open)| open));
    let shown = match found {
        "" => "the end of the file".to_string(),
        "\n" => "the end of the line".to_string(),
        _ => format!("`{found}`"),
    };
    let message = if expected.is_empty() {
        format!("did not expect {shown} here")
    } else {
        format!("expected {}, found {shown}", listing(&expected, "or"))
    };
    let mut diagnostic = Diagnostic::error("E0101", message).label(span, "");
    if let Some(help) = advice(found, previous, before, positives, open.map(|(_, open)| open)) {
        diagnostic = diagnostic.help(help);
    }
    diagnostic
}

/// The token that a text starts with.
fn token(text: &str) -> &str {
    let Some(first) = text.chars().next() else { return "" };
    let length = if first.is_ascii_alphanumeric() || first == '_' {
        text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len())
    } else if first == '"' {
        let line = text.find('\n').unwrap_or(text.len());
        text[1..line].find('"').map_or(line, |end| end + 2)
    } else {
        let pair = text.get(..2).unwrap_or("");
        if ["==", "!=", "<=", ">=", "&&", "||", "??", "->", "=>", "..", "::", "++", "+=", "**"]
            .contains(&pair)
        {
            2
        } else {
            first.len_utf8()
        }
    };
    &text[..length]
}

/// Whether a word is followed by a new name.
fn names_something(word: Option<&str>) -> bool {
    matches!(
        word,
        Some("let" | "for" | "const" | "type" | "template" | "pipeline" | "plugin" | "as")
    )
}

/// What the grammar would have taken, in few words.
fn expectations(positives: &[Rule], open: Option<char>) -> Vec<&'static str> {
    let mut out: Vec<&'static str> = Vec::new();
    let mut close = false;
    let mut add = |word: &'static str| {
        if !out.contains(&word) {
            out.push(word);
        }
    };
    let operators = positives.iter().any(|rule| matches!(rule, Rule::operator | Rule::minus));
    for rule in positives {
        match rule {
            Rule::ident | Rule::word | Rule::arg_name | Rule::use_name => add("a name"),
            Rule::param => add("a parameter"),
            Rule::pair if open == Some('{') => add("a name"),
            Rule::expr
            | Rule::operand
            | Rule::name
            | Rule::tight
            | Rule::arg
            | Rule::if_expr
            | Rule::match_expr
            | Rule::string
            | Rule::record
            | Rule::list
            | Rule::paren
            | Rule::prefix => {
                add("an expression");
            }
            Rule::ty | Rule::ty_term | Rule::ty_named => add("a type"),
            Rule::type_mark => add("`:` and a type"),
            Rule::result_mark => add("`->` and a type"),
            Rule::block | Rule::turns => add("`{`"),
            Rule::params => add("`(`"),
            Rule::turn => add("a turn"),
            Rule::use_path => add("the path of a module"),
            Rule::kw_from => add("`from`"),
            Rule::kw_in => add("`in`"),
            Rule::let_stmt => add("`let`"),
            Rule::expect_stmt => add("`expect`"),
            Rule::snapshot_stmt => add("`snapshot`"),
            Rule::measure_stmt => add("`measure`"),
            Rule::measured => add("`(`"),
            Rule::test_block | Rule::evaluation_block => add("`{`"),
            Rule::return_stmt => add("`return`"),
            Rule::settings | Rule::plugin_settings => add("`{`"),
            Rule::equals => add("`=`"),
            Rule::plugin_setting => add("a setting"),
            Rule::stage => add("a stage"),
            Rule::arm | Rule::pattern => add("a pattern"),
            Rule::arrow => add("`=>`"),
            Rule::close_brace | Rule::close_paren | Rule::close_bracket => close = true,
            _ => {}
        }
    }
    if out.contains(&"an expression") {
        out.retain(|word| *word != "a name");
    }
    // After a complete expression nearly everything may follow; say what ends it.
    if out.is_empty() && (operators || close) {
        match open {
            Some('(') => out.extend(["`,`", "`)`"]),
            Some('[') => out.extend(["`,`", "`]`"]),
            Some('{') if operators => out.push("a new line"),
            Some('{') => out.extend(["`,`", "`}`"]),
            _ => out.push("the end of the declaration"),
        }
    } else if close {
        out.extend(match open {
            Some('(') => Some("`)`"),
            Some('[') => Some("`]`"),
            Some('{') => Some("`}`"),
            _ => None,
        });
    }
    if out.len() > 3 {
        out.clear();
    }
    out
}

/// Whether this is behind the brace of a turn.
fn begins_turn(before: &str) -> bool {
    let role = before.trim_end().strip_suffix('{').map(str::trim_end);
    role.is_some_and(|text| {
        let word = text.rsplit(|c: char| !c.is_ascii_alphanumeric()).next();
        matches!(word, Some("system" | "user" | "assistant"))
    })
}

fn advice(
    found: &str,
    previous: Option<&str>,
    before: &str,
    positives: &[Rule],
    open: Option<char>,
) -> Option<String> {
    let operators = positives.iter().any(|rule| matches!(rule, Rule::operator | Rule::minus));
    let naming = names_something(previous);
    Some(match found {
        "=" if operators => "to compare, write `==`".to_string(),
        "=" if !naming && matches!(open, Some('(' | '{')) => {
            "a value is given to a name with `:`".to_string()
        }
        "=>" => "what a pipeline gives is written after `->`".to_string(),
        "::" => "a module's member is written with a dot, as in `tasks.caption`".to_string(),
        "**" => "agpt has no power operator".to_string(),
        "++" => "texts and lists are joined with `+`".to_string(),
        "+=" => "values never change: give the new value a name with `let`".to_string(),
        ":" if before.ends_with(|c: char| c.is_ascii_alphanumeric()) && open == Some('{') => {
            "to give a record as the value of a block, write it in braces of its own: { { a: b } }"
                .to_string()
        }
        "," if open == Some('{') && operators => {
            "to give a record as the value of a block, write it in braces of its own: { { a, b } }"
                .to_string()
        }
        "elif" | "elseif" | "elsif" => "write `else if`".to_string(),
        "while" | "loop" => "lists are walked with `[f(x) for x in xs]`".to_string(),
        "{" if previous == Some("else") => "write the `else` block on the same line".to_string(),
        _ if positives.contains(&Rule::kw_from) => {
            "write `generate T from prompt`, as in `generate text from caption(photo)`".to_string()
        }
        _ if operators && open == Some('(') => {
            "put a comma between arguments, or close the `(` before this".to_string()
        }
        _ if operators && open == Some('[') => {
            "put a comma between items, or close the `[` before this".to_string()
        }
        _ if positives.contains(&Rule::type_mark) && positives.len() == 1 => {
            "every parameter and field has a type, as in `photo: image`".to_string()
        }
        _ if positives.contains(&Rule::let_stmt) => {
            "a pipeline is a list of `let name = …`, then `return …`".to_string()
        }
        _ if begins_turn(before) => {
            format!("a turn holds texts, and values in braces of their own: {{ {{{found}}} }}")
        }
        _ if positives.contains(&Rule::turn) => {
            "a template is a list of turns: system { \"…\" }, user { \"…\" }, assistant { {out} }"
                .to_string()
        }
        _ => return None,
    })
}
