//! Diagnostics: what is wrong, where, why, and what to do, each under a stable code.

use std::fmt;

use miette::{LabeledSpan, NamedSource, SourceSpan};

use super::span::{Sources, Span};

/// How grave a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}

/// A remark at a place in a source text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub span: Span,
    pub text: String,
}

/// A change of a source text that an editor can make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// Empty to put something in.
    pub span: Span,
    pub replacement: String,
    /// What the change does, where the two texts do not say it best.
    pub title: Option<String>,
}

/// One problem in the user's input. Pure data: rendering needs the [`Sources`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable, such as `E0107`.
    pub code: &'static str,
    pub severity: Severity,
    /// In the user's words, without a final full stop.
    pub message: String,
    /// The first label is the main one.
    pub labels: Vec<Label>,
    /// What to do about it.
    pub help: Option<String>,
    /// The same as a change, where one is certain enough to be offered. In a box: few have one.
    pub fix: Option<Box<Fix>>,
}

impl Diagnostic {
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity: Severity::Error,
            message: message.into(),
            labels: Vec::new(),
            help: None,
            fix: None,
        }
    }

    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Self::error(code, message) }
    }

    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub fn fix(mut self, span: Span, replacement: impl Into<String>) -> Self {
        self.fix = Some(Box::new(Fix { span, replacement: replacement.into(), title: None }));
        self
    }

    /// A remedy in words, which are the help as well, and as a change if there is one.
    pub fn remedy(mut self, what: &str, change: Option<(Span, String)>) -> Self {
        self.help = Some(what.to_string());
        self.fix = change.map(|(span, replacement)| {
            let mut letters = what.chars();
            let first = letters.next().map(|first| first.to_uppercase().to_string());
            let title = format!("{}{}", first.unwrap_or_default(), letters.as_str());
            Box::new(Fix { span, replacement, title: Some(title) })
        });
        self
    }

    /// Offers a name for the one that the first label is at.
    pub fn did_you_mean(self, name: &str) -> Self {
        let span = self.labels.first().map(|label| label.span);
        let diagnostic = self.help(format!("did you mean `{name}`?"));
        match span {
            Some(span) => diagnostic.fix(span, name),
            None => diagnostic,
        }
    }

    /// A miette report over the source of the first label.
    pub fn report(&self, sources: &Sources) -> miette::Report {
        miette::Report::new(Rendered::new(self, sources))
    }
}

/// A diagnostic joined with its source, as miette wants it.
#[derive(Debug)]
struct Rendered {
    code: &'static str,
    severity: Severity,
    message: String,
    help: Option<String>,
    source: Option<NamedSource<String>>,
    labels: Vec<LabeledSpan>,
}

impl Rendered {
    fn new(diagnostic: &Diagnostic, sources: &Sources) -> Self {
        let main = diagnostic.labels.first().map(|label| label.span.source);
        let file = main.and_then(|id| sources.get(id));
        let mut help = diagnostic.help.clone();
        let mut labels = Vec::new();
        for label in &diagnostic.labels {
            let range = label.span.start as usize..label.span.end as usize;
            if Some(label.span.source) == main {
                let span = SourceSpan::from(range);
                let text = Some(label.text.clone()).filter(|text| !text.is_empty());
                labels.push(if labels.is_empty() {
                    LabeledSpan::new_primary_with_span(text, span)
                } else {
                    LabeledSpan::new_with_span(text, span)
                });
            } else if let Some(other) = sources.get(label.span.source) {
                // miette shows one source; places in other files become words.
                let line = other.text.get(..range.start).map_or(1, |t| t.matches('\n').count() + 1);
                let note = format!("{} ({}:{line})", label.text, other.name);
                help = Some(help.map_or(note.clone(), |help| format!("{help}\n{note}")));
            }
        }
        Rendered {
            code: diagnostic.code,
            severity: diagnostic.severity,
            message: diagnostic.message.clone(),
            help,
            source: file.map(|file| {
                NamedSource::new(file.name.clone(), file.text.to_string()).with_language("agpt")
            }),
            labels,
        }
    }
}

impl fmt::Display for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Rendered {}

impl miette::Diagnostic for Rendered {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source.as_ref().map(|source| source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        (!self.labels.is_empty()).then(|| Box::new(self.labels.iter().cloned()) as Box<_>)
    }
}
