//! What a formatter must not change: the tree, the texts of its leaves, comments and what they
//! document. A second look, at the result itself.

use pest::Parser as _;

use crate::base::{Severity, SourceId};
use crate::lang::syntax::ast::{File, ItemKind};
use crate::lang::syntax::{Grammar, Pair, Rule, parse, scan};

/// What a source text says, however it is laid out.
#[derive(Debug, PartialEq, Eq)]
struct Content<'a> {
    nodes: Vec<Node<'a>>,
    comments: Vec<&'a str>,
    docs: Vec<Option<String>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Node<'a> {
    rule: Rule,
    /// The sign of a literal, which is no node of its own.
    negative: bool,
    /// Empty where there are nodes inside.
    text: &'a str,
    children: usize,
}

/// None where the text has an error.
fn content(text: &str) -> Option<Content<'_>> {
    let parsed = parse(text, SourceId(0));
    if parsed.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return None;
    }
    let scan = scan(text, SourceId(0));
    let comments = scan
        .comments
        .iter()
        .map(|comment| text[comment.span.start as usize..comment.span.end as usize].trim_end());
    let comments = comments.collect();
    let mut nodes = Vec::new();
    for segment in &scan.segments {
        let pairs = Grammar::parse(Rule::item, &text[segment.start..segment.end]).ok()?;
        pairs.for_each(|pair| flatten(pair, &mut nodes));
    }
    Some(Content { nodes, comments, docs: docs(&parsed.file) })
}

/// What the second text says otherwise than the first.
pub fn difference(before: &str, after: &str) -> Option<String> {
    let (Some(before), Some(after)) = (content(before), content(after)) else {
        return Some("the formatted text cannot be read".to_string());
    };
    if before == after {
        return None;
    }
    let nodes = before.nodes.iter().zip(&after.nodes).find(|(before, after)| before != after);
    Some(match nodes {
        Some((node, _)) => format!("the formatted text has another `{:?}`", node.rule),
        None if before.comments != after.comments => {
            "the formatted text has other comments".to_string()
        }
        None if before.docs != after.docs => {
            "the formatted text documents something else".to_string()
        }
        None => "the formatted text does not end as the text does".to_string(),
    })
}

fn flatten<'a>(pair: Pair<'a>, nodes: &mut Vec<Node<'a>>) {
    let (rule, text) = (pair.as_rule(), pair.as_str());
    let children: Vec<_> = match rule {
        // A text is not looked into.
        Rule::string => Vec::new(),
        _ => pair.into_inner().collect(),
    };
    let signed = matches!(rule, Rule::pattern | Rule::ty_literal);
    let inside = !children.is_empty() || !is_word(rule);
    nodes.push(Node {
        rule,
        negative: signed && text.starts_with('-'),
        text: if inside { "" } else { text },
        children: children.len(),
    });
    children.into_iter().for_each(|child| flatten(child, nodes));
}

/// Whether the text of a pair without pairs inside is all its own; others may end behind spaces.
fn is_word(rule: Rule) -> bool {
    !matches!(rule, Rule::EOI | Rule::minus | Rule::question | Rule::prefix)
}

fn docs(file: &File) -> Vec<Option<String>> {
    let mut docs = vec![file.doc.clone()];
    for item in &file.items {
        docs.push(item.doc.clone());
        let params = match &item.kind {
            ItemKind::Template(template) => template.params.as_slice(),
            ItemKind::Pipeline(pipeline) => pipeline.params.as_slice(),
            _ => &[],
        };
        docs.extend(params.iter().map(|param| param.doc.clone()));
    }
    docs
}
