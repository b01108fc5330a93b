//! Documentation comments: which declaration or parameter they belong to.

use crate::base::{Diagnostic, Severity};

use super::ast::{Comment, CommentKind};
use super::build::Builder;

impl Builder<'_> {
    fn comment_text(&self, comment: &Comment) -> &str {
        let text = &self.text[comment.span.start as usize..comment.span.end as usize];
        let text = text.get(3..).unwrap_or("").trim_end();
        text.strip_prefix(' ').unwrap_or(text)
    }

    /// The `///` lines right above an offset.
    pub fn doc_before(&mut self, offset: usize) -> Option<String> {
        let after = self.comments.partition_point(|c| (c.span.end as usize) <= offset);
        let mut first = after;
        let mut edge = offset;
        while first > 0 {
            let comment = &self.comments[first - 1];
            let between = &self.text[comment.span.end as usize..edge];
            if comment.kind != CommentKind::Doc || !between.trim().is_empty() {
                break;
            }
            edge = comment.span.start as usize;
            first -= 1;
        }
        self.used_docs[first..after].fill(true);
        let lines: Vec<&str> =
            self.comments[first..after].iter().map(|comment| self.comment_text(comment)).collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    /// The `//!` lines at the head of the file.
    pub fn module_doc(&mut self) -> Option<String> {
        let lines: Vec<&str> = self
            .comments
            .iter()
            .filter(|comment| comment.kind == CommentKind::Module)
            .map(|comment| self.comment_text(comment))
            .collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    /// Documentation that documents nothing is usually a slip.
    pub fn dangling_docs(&mut self) {
        if self.diagnostics.iter().any(|d| d.severity == Severity::Error) {
            return; // a broken declaration has not claimed its own
        }
        let mut last_end = None;
        for (index, comment) in self.comments.iter().enumerate() {
            if comment.kind != CommentKind::Doc || self.used_docs[index] {
                continue;
            }
            let adjacent = last_end.is_some_and(|end: usize| {
                self.text[end..comment.span.start as usize].trim().is_empty()
            });
            last_end = Some(comment.span.end as usize);
            if !adjacent {
                self.diagnostics.push(
                    Diagnostic::warning("W0101", "this documentation belongs to nothing")
                        .label(comment.span, "")
                        .help(
                            "`///` stands above a declaration or a parameter; an ordinary comment \
                             starts with `//`",
                        ),
                );
            }
        }
    }
}
