//! The grammar for editors: its words are the compiler's, and it colours what it should.

use std::collections::BTreeSet;

use fancy_regex::Regex;
use serde_json::Value;

fn grammar() -> Value {
    serde_json::from_str(include_str!("../editors/vscode/syntaxes/agpt.tmLanguage.json")).unwrap()
}

/// The words between quotes in a rule of the compiler's grammar.
fn quoted(rule: &str) -> impl Iterator<Item = String> {
    rule.split('"').skip(1).step_by(2).map(str::to_string)
}

#[test]
fn words_are_the_compilers() {
    let pest = include_str!("../grammar/agpt.pest");
    let (_, rest) = pest.split_once("\nreserved ").unwrap();
    let (reserved, _) = rest.split_once("~ !word_char").unwrap();
    let contextual = pest.lines().filter(|line| line.starts_with("kw_")).flat_map(quoted);
    let wanted: BTreeSet<String> = quoted(reserved).chain(contextual).collect();
    assert!(wanted.len() > 30, "{wanted:?}");

    let grammar = grammar();
    let patterns = grammar["repository"]["words"]["patterns"].as_array().unwrap();
    let lists = patterns.iter().map(|pattern| pattern["match"].as_str().unwrap());
    let words = lists.flat_map(|list| {
        let list = list.strip_prefix("\\b(?:").and_then(|list| list.strip_suffix(")\\b"));
        list.expect("a list of words").split('|').map(str::to_string)
    });
    assert_eq!(words.collect::<BTreeSet<_>>(), wanted);
}

/// What a rule does when it is entered.
#[derive(Clone)]
struct Open {
    end: Regex,
    end_scope: Option<String>,
    name: Option<String>,
    patterns: Vec<Value>,
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"))
}

/// The rules that a list of patterns comes to, includes followed.
fn rules(grammar: &Value, patterns: &[Value]) -> Vec<Value> {
    patterns
        .iter()
        .flat_map(|pattern| match pattern["include"].as_str() {
            Some(name) => {
                let rule = &grammar["repository"][name.strip_prefix('#').unwrap()];
                assert!(rule.is_object(), "{name} is not in the repository");
                rules(grammar, std::slice::from_ref(rule))
            }
            // A rule without a match of its own is a group.
            None if pattern["match"].is_null() && pattern["begin"].is_null() => {
                rules(grammar, pattern["patterns"].as_array().unwrap())
            }
            None => vec![pattern.clone()],
        })
        .collect()
}

fn scope(rule: &Value, captures: &str) -> Option<String> {
    rule[captures]["0"]["name"].as_str().map(str::to_string)
}

/// The words of a text with the innermost scope of each: as editors do it, line by line.
fn scopes(text: &str) -> Vec<(String, String)> {
    let grammar = grammar();
    let mut stack: Vec<Open> = Vec::new();
    let mut out = Vec::new();
    for line in text.lines() {
        let mut at = 0;
        loop {
            let top = stack.last().cloned();
            let patterns = top.as_ref().map_or_else(
                || grammar["patterns"].as_array().unwrap().clone(),
                |top| top.patterns.clone(),
            );
            // The leftmost match wins, and among equals the first in the list; the end comes first.
            let end = top.as_ref().and_then(|top| top.end.find_from_pos(line, at).unwrap());
            let mut best = end.map(|found| (found.start(), found.end(), None));
            for rule in rules(&grammar, &patterns) {
                let source = rule["match"].as_str().or(rule["begin"].as_str()).unwrap();
                if let Some(found) = regex(source).find_from_pos(line, at).unwrap()
                    && best.as_ref().is_none_or(|(start, ..)| found.start() < *start)
                {
                    best = Some((found.start(), found.end(), Some(rule)));
                }
            }
            let inside = top.as_ref().and_then(|top| top.name.clone()).unwrap_or_default();
            let (start, end) =
                best.as_ref().map_or((line.len(), line.len()), |(start, end, _)| (*start, *end));
            out.push((line[at..start].to_string(), inside.clone()));
            let Some((.., rule)) = best else { break };
            let found = line[start..end].to_string();
            match rule {
                None => {
                    stack.pop();
                    out.push((found, top.and_then(|top| top.end_scope).unwrap_or(inside)));
                }
                Some(rule) if rule["begin"].is_string() => {
                    let name = rule["name"].as_str().map(str::to_string);
                    let begin = scope(&rule, "beginCaptures").or(name.clone());
                    out.push((found, begin.unwrap_or(inside)));
                    stack.push(Open {
                        end: regex(rule["end"].as_str().unwrap()),
                        end_scope: scope(&rule, "endCaptures"),
                        name,
                        patterns: rule["patterns"].as_array().unwrap().clone(),
                    });
                }
                Some(rule) => {
                    let name = rule["name"].as_str().unwrap_or(&inside).to_string();
                    let matched = regex(rule["match"].as_str().unwrap());
                    let captures = matched.captures_from_pos(line, at).unwrap().unwrap();
                    let mut from = start;
                    for group in 1..captures.len() {
                        let Some(part) = captures.get(group) else { continue };
                        let scope = rule["captures"][group.to_string()]["name"].as_str();
                        out.push((line[from..part.start()].to_string(), name.clone()));
                        out.push((part.as_str().to_string(), scope.unwrap_or(&name).to_string()));
                        from = part.end();
                    }
                    out.push((line[from..end].to_string(), name));
                }
            }
            assert!(end > at || start > at || line.is_empty() || end == line.len(), "{line}");
            if end == line.len() && stack.last().is_none_or(|top| !top.end.is_match("").unwrap()) {
                break;
            }
            at = end;
        }
    }
    out.retain(|(text, _)| !text.trim().is_empty());
    out.into_iter().map(|(text, scope)| (text.trim().to_string(), scope)).collect()
}

#[track_caller]
fn has(text: &str, wanted: &[(&str, &str)]) {
    let found = scopes(text);
    let mut rest = found.iter();
    for (word, scope) in wanted {
        let scope = if scope.is_empty() { String::new() } else { format!("{scope}.agpt") };
        assert!(
            rest.any(|(text, found)| text == word && *found == scope),
            "no `{word}` in {scope:?}:\n{found:#?}"
        );
    }
}

#[test]
fn declarations_and_types() {
    has(
        "/// Says it.\npub pipeline speak(words: text, n: int = 3) -> list<speech> { // now",
        &[
            ("/// Says it.", "comment.line.documentation"),
            ("pub", "storage.modifier"),
            ("pipeline", "storage.type"),
            ("speak", "entity.name.function"),
            ("words", "variable.parameter"),
            ("text", "support.type"),
            ("=", "keyword.operator"),
            ("3", "constant.numeric"),
            ("->", "keyword.operator"),
            ("list", "support.type"),
            ("speech", "support.type"),
            ("{", "punctuation.section.braces.begin"),
            ("// now", "comment.line.double-slash"),
        ],
    );
    has(
        "use ../lib/std-tasks { caption as say }\ntype Tone = \"a\"",
        &[
            ("use", "keyword.other"),
            ("../lib/std-tasks", "entity.name.namespace"),
            ("as", "keyword.other"),
            ("type", "storage.type"),
            ("Tone", "entity.name.type"),
            ("\"", "string.quoted.double"),
        ],
    );
}

#[test]
fn texts_have_escapes_and_holes() {
    has(
        r#"let a = "x {f("in {y}")} \n \q // no" // yes"#,
        &[
            ("let", "storage.type"),
            ("a", "variable.other.constant"),
            ("x", "string.quoted.double"),
            ("{", "punctuation.section.embedded.begin"),
            ("f", "entity.name.function"),
            ("in", "string.quoted.double"),
            ("y", "meta.embedded"),
            ("}", "punctuation.section.embedded.end"),
            (r"\n", "constant.character.escape"),
            (r"\q", "invalid.illegal.escape"),
            ("// no", "string.quoted.double"),
            ("// yes", "comment.line.double-slash"),
        ],
    );
    has(
        "const A = \"\"\"\n  one \"two\" {b}\n\"\"\"\nconst B = 250ms",
        &[
            ("one \"two\"", "string.quoted.triple"),
            ("b", "meta.embedded"),
            ("\"\"\"", "string.quoted.triple"),
            ("const", "storage.type"),
            ("250ms", "constant.numeric.duration"),
        ],
    );
    // A text that has no end ends with its line.
    has(
        "const A = \"open\nconst B = 1",
        &[("open", "string.quoted.double"), ("const", "storage.type")],
    );
}

#[test]
fn prompts_and_settings() {
    has(
        "return generate text from chat { user { {photo} \"?\" } } {\n  semantic: { top_p: 0.9 }\n}",
        &[
            ("return", "keyword.control"),
            ("generate", "keyword.other"),
            ("text", "support.type"),
            ("from", "keyword.other"),
            ("chat", "keyword.other"),
            ("user", "entity.name.tag"),
            ("semantic", "entity.name.section"),
            ("top_p", "variable.parameter"),
            ("0.9", "constant.numeric"),
        ],
    );
    has(
        "reply.text contains \"a\" and not none",
        &[
            ("text", "variable.other.member"),
            ("contains", "keyword.operator.word"),
            ("and", "keyword.operator.word"),
            ("none", "constant.language"),
        ],
    );
}

#[test]
fn every_shipped_file_is_coloured_to_its_end() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in std::fs::read_dir(root.join("pipelines")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "agpt") {
            let text = std::fs::read_to_string(&path).unwrap();
            let found = scopes(&text);
            let illegal = found.iter().find(|(_, scope)| scope.starts_with("invalid"));
            assert_eq!(illegal, None, "{}", path.display());
            // Were a bracket or text left open, the last brace would close something else.
            let last = found.last().unwrap();
            assert_eq!(last.1, "punctuation.section.braces.end.agpt", "{}", path.display());
        }
    }
}
