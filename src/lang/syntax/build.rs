//! Declarations: from the grammar's pairs to the syntax tree.

use pest::Parser as _;
use pest::iterators::Pairs;

use crate::base::{Diagnostic, SourceId, Span};

use super::ast::{
    Block, Comment, Const, Evaluation, EvaluationStep, Expr, ExprKind, File, Ident, Item, ItemKind,
    Let, Measured, Param, Part, Pipeline, Plugin, PluginSetting, PluginValue, Setting, Spoken,
    Template, Test, TestStep, Turn, TypeDecl, TypeExpr, TypeKind, Use, UseName,
};
use super::errors;
use super::scan::{self, Segment};

#[derive(pest_derive::Parser)]
#[grammar = "grammar/agpt.pest"]
pub(in crate::lang) struct Grammar;

pub(in crate::lang) type Pair<'i> = pest::iterators::Pair<'i, Rule>;

/// What is in a pair, but for the bracket at its end.
pub(super) fn content(pair: Pair<'_>) -> impl Iterator<Item = Pair<'_>> {
    pair.into_inner().filter(|pair| {
        !matches!(pair.as_rule(), Rule::close_brace | Rule::close_paren | Rule::close_bracket)
    })
}

/// What became of one file: always a tree, of the declarations that could be read.
pub struct Parsed {
    pub file: File,
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a file. Never fails: what cannot be read is left out and diagnosed.
pub fn parse(text: &str, source: SourceId) -> Parsed {
    let scan = scan::scan(text, source);
    let mut builder = Builder {
        text,
        source,
        base: 0,
        comments: &scan.comments,
        used_docs: vec![false; scan.comments.len()],
        diagnostics: scan.diagnostics,
        too_deep: false,
    };
    let mut file = File { doc: builder.module_doc(), ..File::default() };
    for segment in &scan.segments {
        match builder.segment(*segment) {
            Some(item) => file.items.push(item),
            None => file.broken.extend(builder.broken_name(*segment)),
        }
    }
    builder.dangling_docs();
    let diagnostics = builder.diagnostics;
    file.comments = scan.comments;
    Parsed { file, diagnostics }
}

pub(super) struct Builder<'a> {
    pub text: &'a str,
    pub source: SourceId,
    /// Where the present declaration starts: the grammar counts from there.
    pub base: usize,
    pub comments: &'a [Comment],
    /// Which comments were taken as documentation.
    pub used_docs: Vec<bool>,
    pub diagnostics: Vec<Diagnostic>,
    pub too_deep: bool,
}

impl Builder<'_> {
    fn segment(&mut self, segment: Segment) -> Option<Item> {
        if segment.broken {
            return None;
        }
        self.base = segment.start;
        self.too_deep = false;
        let source = &self.text[segment.start..segment.end];
        if let Some(diagnostic) = errors::before_parsing(self.source, segment.start, source) {
            self.diagnostics.push(diagnostic);
            return None;
        }
        match Grammar::parse(Rule::item, source) {
            Ok(mut pairs) => pairs.next().and_then(|item| self.item(item)),
            Err(error) => {
                self.diagnostics.push(errors::explain(self.source, self.text, segment, &error));
                None
            }
        }
    }

    /// The name that an unreadable declaration would have declared.
    fn broken_name(&self, segment: Segment) -> Option<Ident> {
        let source = &self.text[segment.start..segment.end];
        let mut words = words(source);
        let mut first = words.next()?;
        if first.1 == "pub" {
            first = words.next()?;
        }
        if !["const", "type", "template", "pipeline", "plugin"].contains(&first.1) {
            return None;
        }
        let (at, name) = words.next()?;
        let start = segment.start + at;
        let span = Span::new(self.source, start, start + name.len());
        Some(Ident { text: name.to_string(), span })
    }

    pub fn span(&self, pair: &Pair<'_>) -> Span {
        let span = pair.as_span();
        let end = span.start() + pair.as_str().trim_end().len();
        Span::new(self.source, self.base + span.start(), self.base + end)
    }

    pub fn ident(&self, pair: &Pair<'_>) -> Ident {
        Ident { text: pair.as_str().to_string(), span: self.span(pair) }
    }

    pub fn error(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn item(&mut self, item: Pair<'_>) -> Option<Item> {
        for pair in item.clone().into_inner() {
            self.refuse_semicolon(&pair);
        }
        let declaration = item.into_inner().find(|pair| pair.as_rule() == Rule::declaration)?;
        let span = self.span(&declaration);
        let doc = self.doc_before(span.start as usize);
        let mut inner = declaration.into_inner().peekable();
        let public =
            inner.next_if(|pair| pair.as_rule() == Rule::kw_pub).map(|pair| self.span(&pair));
        let body = inner.next()?;
        let rule = body.as_rule();
        let span = self.span(&body);
        let mut parts = body.into_inner();
        parts.next(); // the keyword
        let kind = match rule {
            Rule::use_decl => ItemKind::Use(self.use_decl(parts)?),
            Rule::const_decl => ItemKind::Const(self.const_decl(parts)?),
            Rule::type_decl => {
                let name = self.ident(&parts.next()?);
                ItemKind::Type(TypeDecl { name, ty: self.ty(parts.next()?) })
            }
            Rule::template_decl => ItemKind::Template(self.template_decl(parts)?),
            Rule::pipeline_decl => ItemKind::Pipeline(self.pipeline_decl(parts)?),
            Rule::plugin_decl => ItemKind::Plugin(self.plugin_decl(parts)?),
            Rule::test_decl => ItemKind::Test(self.test_decl(parts)?),
            Rule::evaluation_decl => ItemKind::Evaluation(self.evaluation_decl(parts)?),
            _ => return None,
        };
        if let (Some(public), ItemKind::Use(Use { names: None, path, path_span, .. })) =
            (public, &kind)
        {
            self.error(
                Diagnostic::error("E0110", "a whole module cannot be published again")
                    .label(public.to(*path_span), "names the module itself")
                    .help(format!("list what to publish: `pub use {path} {{ a, b }}`")),
            );
        }
        let unused = match &kind {
            ItemKind::Test(_) => Some("a test"),
            ItemKind::Evaluation(_) => Some("an evaluation"),
            _ => None,
        };
        if let (Some(public), Some(what)) = (public, unused) {
            self.error(
                Diagnostic::error("E0101", format!("{what} cannot be published"))
                    .label(public, "")
                    .help(format!("remove `pub`: nothing uses {what}"))
                    // With the space behind it.
                    .fix(Span { end: span.start, ..public }, ""),
            );
        }
        Some(Item { doc, public, kind, span })
    }

    fn use_decl(&mut self, mut parts: Pairs<'_, Rule>) -> Option<Use> {
        let path = parts.next()?;
        let mut out = Use {
            path: path.as_str().to_string(),
            path_span: self.span(&path),
            names: None,
            alias: None,
        };
        match parts.next() {
            Some(list) if list.as_rule() == Rule::use_list => {
                let names = content(list).filter_map(|name| {
                    let mut inner = name.into_inner();
                    let name = self.ident(&inner.next()?);
                    let alias = inner.next().and_then(|alias| self.alias(alias));
                    Some(UseName { name, alias })
                });
                out.names = Some(names.collect());
            }
            Some(alias) => out.alias = self.alias(alias),
            None => {}
        }
        Some(out)
    }

    fn alias(&self, pair: Pair<'_>) -> Option<Ident> {
        pair.into_inner().nth(1).map(|name| self.ident(&name))
    }

    fn const_decl(&mut self, mut parts: Pairs<'_, Rule>) -> Option<Const> {
        let name = self.ident(&parts.next()?);
        let mut next = parts.next()?;
        let mut ty = None;
        if next.as_rule() == Rule::type_mark {
            ty = next.into_inner().next().map(|ty| self.ty(ty));
            next = parts.next()?;
        }
        Some(Const { name, ty, value: self.expr(next) })
    }

    fn params(&mut self, pair: Pair<'_>) -> Vec<Param> {
        let mut out = Vec::new();
        for param in content(pair) {
            let span = self.span(&param);
            let doc = self.doc_before(span.start as usize);
            let mut inner = param.into_inner();
            let (Some(name), Some(mark)) = (inner.next(), inner.next()) else { continue };
            let name = self.ident(&name);
            let Some(ty) = mark.into_inner().next().map(|ty| self.ty(ty)) else { continue };
            let default = inner.next().map(|default| self.expr(default));
            out.push(Param { doc, name, ty, default, span });
        }
        out
    }

    /// `-> T`, or a diagnostic that it is missing.
    fn result_type(&mut self, mark: Option<Pair<'_>>, name: &Ident, what: &str) -> TypeExpr {
        if let Some(ty) = mark.and_then(|mark| mark.into_inner().next()) {
            return self.ty(ty);
        }
        self.error(
            Diagnostic::error(
                "E0109",
                format!("{what} `{}` does not say what it gives", name.text),
            )
            .label(name.span, "no result type")
            .help("write `-> text`, or another type, after the parameters"),
        );
        TypeExpr { kind: TypeKind::Error, span: name.span }
    }

    fn pipeline_decl(&mut self, parts: Pairs<'_, Rule>) -> Option<Pipeline> {
        let mut parts = parts.peekable();
        let name = self.ident(&parts.next()?);
        let params = self.params(parts.next()?);
        let mark = parts.next_if(|pair| pair.as_rule() == Rule::result_mark);
        let ret = self.result_type(mark, &name, "pipeline");
        let body = self.block(parts.next()?, Some(&name));
        Some(Pipeline { name, params, ret, body })
    }

    fn plugin_decl(&mut self, mut parts: Pairs<'_, Rule>) -> Option<Plugin> {
        let name = self.ident(&parts.next()?);
        parts.next(); // the `=`
        let format = self.ident(&parts.next()?);
        let path = self.string(parts.next()?);
        let mut settings = Vec::new();
        for pair in parts.next().into_iter().flat_map(content) {
            let span = self.span(&pair);
            let mut inner = pair.into_inner();
            let (Some(name), Some(value)) = (inner.next(), inner.next()) else { continue };
            let name = self.ident(&name);
            let value = match value.as_rule() {
                Rule::size => PluginValue::Size(size(value.as_str()), self.span(&value)),
                _ => PluginValue::Expr(self.expr(value)),
            };
            settings.push(PluginSetting { name, value, span });
        }
        Some(Plugin { name, format, path, settings })
    }

    /// `with { … } { steps }`
    fn with_and_steps<T>(
        &mut self,
        parts: Pairs<'_, Rule>,
        read: fn(&mut Self, Pair<'_>) -> Option<T>,
    ) -> (Vec<Setting>, Vec<T>) {
        let (mut settings, mut steps) = (Vec::new(), Vec::new());
        for part in parts {
            match part.as_rule() {
                Rule::test_with => {
                    let written = part.into_inner().find(|p| p.as_rule() == Rule::settings);
                    settings = written.map(|pair| self.settings(pair)).unwrap_or_default();
                }
                _ => {
                    for step in content(part) {
                        steps.extend(read(self, step));
                    }
                }
            }
        }
        (settings, steps)
    }

    fn test_decl(&mut self, mut parts: Pairs<'_, Rule>) -> Option<Test> {
        let title = self.string(parts.next()?);
        let (settings, steps) = self.with_and_steps(parts, Self::test_step);
        Some(Test { title, settings, steps })
    }

    fn test_step(&mut self, pair: Pair<'_>) -> Option<TestStep> {
        if self.refuse_semicolon(&pair) {
            return None;
        }
        let rule = pair.as_rule();
        if rule == Rule::let_stmt {
            return self.let_stmt(pair).map(TestStep::Let);
        }
        let value = self.expr(pair.into_inner().nth(1)?);
        Some(match rule {
            Rule::expect_stmt => TestStep::Expect(value),
            _ => TestStep::Snapshot(value),
        })
    }

    fn evaluation_decl(&mut self, mut parts: Pairs<'_, Rule>) -> Option<Evaluation> {
        let name = self.ident(&parts.next()?);
        let params = self.params(parts.next()?);
        let (settings, steps) = self.with_and_steps(parts, Self::evaluation_step);
        Some(Evaluation { name, params, settings, steps })
    }

    fn evaluation_step(&mut self, pair: Pair<'_>) -> Option<EvaluationStep> {
        if self.refuse_semicolon(&pair) {
            return None;
        }
        if pair.as_rule() == Rule::let_stmt {
            return self.let_stmt(pair).map(EvaluationStep::Let);
        }
        let span = self.span(&pair);
        let mut inner = pair.into_inner();
        inner.next(); // the keyword
        let metric = self.ident(&inner.next()?);
        let args = content(inner.next()?).map(|arg| self.expr(arg)).collect();
        let name = inner.next().and_then(|name| self.alias(name));
        Some(EvaluationStep::Measure(Measured { metric, args, name, span }))
    }

    fn template_decl(&mut self, parts: Pairs<'_, Rule>) -> Option<Template> {
        let mut parts = parts.peekable();
        let name = self.ident(&parts.next()?);
        let params = self.params(parts.next()?);
        let mark = parts.next_if(|pair| pair.as_rule() == Rule::result_mark);
        let out = self.result_type(mark, &name, "template");
        let turns = self.turns(parts.next()?);
        Some(Template { name, params, out, turns })
    }

    /// The turns of a template or of a `chat`.
    pub fn turns(&mut self, pair: Pair<'_>) -> Vec<Spoken> {
        let mut turns = Vec::new();
        for pair in content(pair) {
            if self.refuse_semicolon(&pair) {
                continue;
            }
            if pair.as_rule() == Rule::bare_hole {
                turns.push(Spoken::History(self.hole(pair)));
            } else {
                turns.extend(self.turn(pair).map(Spoken::Turn));
            }
        }
        turns
    }

    fn turn(&mut self, pair: Pair<'_>) -> Option<Turn> {
        let span = self.span(&pair);
        let mut inner = content(pair);
        let role = self.ident(&inner.next()?);
        let mut parts = Vec::new();
        for part in inner {
            if part.as_rule() == Rule::string {
                parts.push(Part::Text(self.string(part)));
            } else {
                parts.push(Part::Hole(self.hole(part)));
            }
        }
        Some(Turn { role, parts, span })
    }

    /// Reports `;` where lines end statements; gives whether it was one.
    fn refuse_semicolon(&mut self, pair: &Pair<'_>) -> bool {
        let found = pair.as_rule() == Rule::semicolon;
        if found {
            let span = self.span(pair);
            let line = self.text[span.end as usize..].lines().next().unwrap_or("").trim_start();
            let last = line.is_empty() || line.starts_with("//") || line.starts_with('}');
            self.error(
                Diagnostic::error("E0108", "statements end with the line, not with `;`")
                    .label(span, "remove this")
                    .help("write each statement on a line of its own")
                    .fix(span, if last { "" } else { "\n" }),
            );
        }
        found
    }

    /// A block of statements: a pipeline's, which returns, or a branch's, which just ends with
    /// its value.
    pub fn block(&mut self, pair: Pair<'_>, pipeline: Option<&Ident>) -> Block {
        let span = self.span(&pair);
        let mut lets = Vec::new();
        let mut result: Option<Expr> = None;
        for pair in content(pair) {
            if self.refuse_semicolon(&pair) {
                continue;
            }
            let at = self.span(&pair);
            if let Some(result) = &result {
                let before = result.span;
                self.error(
                    Diagnostic::error("E0112", "this is never reached")
                        .label(at, "stands after the value of the block")
                        .label(before, "the block ends here")
                        .help("move the value to the end, or name it with `let`"),
                );
                break;
            }
            match pair.as_rule() {
                Rule::let_stmt => lets.extend(self.let_stmt(pair)),
                Rule::return_stmt => result = Some(self.return_stmt(pair, pipeline)),
                _ => {
                    let value = self.expr(pair);
                    if let Some(name) = pipeline {
                        self.error(
                            Diagnostic::error("E0112", "a value stands alone in a pipeline")
                                .label(value.span, "neither named nor returned")
                                .help(format!(
                                    "write `return` before it to make it the result of `{}`, or \
                                     `let name =` to name it",
                                    name.text
                                )),
                        );
                        // One mistake, one diagnostic: what follows is still read.
                        result = Some(Expr::new(ExprKind::Error, value.span));
                        continue;
                    }
                    result = Some(value);
                }
            }
        }
        let result = result.unwrap_or_else(|| self.no_result(span, pipeline));
        Block { lets, result: Box::new(result), span }
    }

    fn let_stmt(&mut self, pair: Pair<'_>) -> Option<Let> {
        let span = self.span(&pair);
        let mut inner = pair.into_inner();
        inner.next();
        let name = self.ident(&inner.next()?);
        let mut next = inner.next()?;
        let mut ty = None;
        if next.as_rule() == Rule::type_mark {
            ty = next.into_inner().next().map(|ty| self.ty(ty));
            next = inner.next()?;
        }
        let value = self.expr(next);
        let span = span.to(value.span);
        Some(Let { name, ty, value, span })
    }

    fn return_stmt(&mut self, pair: Pair<'_>, pipeline: Option<&Ident>) -> Expr {
        let span = self.span(&pair);
        let mut inner = pair.into_inner();
        let keyword = inner.next().map_or(span, |keyword| self.span(&keyword));
        let value = inner.next().map(|value| self.expr(value));
        if pipeline.is_none() {
            self.error(
                Diagnostic::error("E0112", "`return` stands in a branch")
                    .label(keyword, "only a pipeline returns, as its last statement")
                    .help("a branch ends with its value: leave out `return`"),
            );
        }
        value.unwrap_or_else(|| {
            self.error(
                Diagnostic::error("E0112", "`return` gives no value")
                    .label(keyword, "of what?")
                    .help("write the value on the same line"),
            );
            Expr::new(ExprKind::Error, span)
        })
    }

    fn no_result(&mut self, block: Span, pipeline: Option<&Ident>) -> Expr {
        let end = Span { start: block.end.saturating_sub(1).max(block.start), ..block };
        let diagnostic = match pipeline {
            Some(name) => {
                Diagnostic::error("E0112", format!("pipeline `{}` returns nothing", name.text))
                    .label(name.span, "this pipeline")
                    .label(end, "`return` is missing before this brace")
                    .help("end it with `return` and the result")
            }
            None => Diagnostic::error("E0112", "this block has no value")
                .label(end, "a value is missing before this brace")
                .help("a branch of `if` ends with an expression, which is its value"),
        };
        self.error(diagnostic);
        Expr::new(ExprKind::Error, end)
    }
}

/// The bytes of `64MiB`; a number that is too large is as large as can be, and refused later.
fn size(text: &str) -> u64 {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let unit = match text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_') {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => 1 << 30,
    };
    digits.parse::<u64>().ok().and_then(|count| count.checked_mul(unit)).unwrap_or(u64::MAX)
}

/// The words of a source text with their offsets, comments skipped.
pub(super) fn words(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = &source[at..];
            let skip = rest.len() - rest.trim_start().len();
            at += skip;
            let rest = &source[at..];
            if !rest.starts_with("//") {
                break;
            }
            at += rest.find('\n').unwrap_or(rest.len());
        }
        let rest = &source[at..];
        let length =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        (length > 0).then(|| {
            let word = (at, &rest[..length]);
            at += length;
            word
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_goes_to_what_it_stands_above() {
        let text = "//! File.\n\n/// One.\n/// Two.\npub pipeline f(\n  /// P.\n  p: int,\n  q: int,\n) \
                    -> int { return p + q } // plain\n";
        let parsed = parse(text, SourceId(0));
        assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
        let file = parsed.file;
        assert_eq!(file.doc.as_deref(), Some("File."));
        assert_eq!(file.items[0].doc.as_deref(), Some("One.\nTwo."));
        let ItemKind::Pipeline(pipeline) = &file.items[0].kind else { panic!("no pipeline") };
        assert_eq!(pipeline.params[0].doc.as_deref(), Some("P."));
        assert_eq!(pipeline.params[1].doc, None);
        assert_eq!(file.comments.len(), 5);
        assert!(file.items[0].public.is_some());
    }

    #[test]
    fn a_broken_declaration_keeps_its_name_and_its_neighbours() {
        let parsed = parse("const A = 1\nconst B = = 2\nconst C = 3\n", SourceId(0));
        assert_eq!(parsed.diagnostics.len(), 1);
        assert_eq!(parsed.file.items.len(), 2);
        assert_eq!(parsed.file.broken[0].text, "B");
    }

    #[test]
    fn spans_are_those_of_the_words() {
        let text = "// first\nconst A = f(1) // last\n\n";
        let parsed = parse(text, SourceId(0));
        let ItemKind::Const(item) = &parsed.file.items[0].kind else { panic!("no constant") };
        let span = item.value.span;
        assert_eq!(&text[span.start as usize..span.end as usize], "f(1)");
    }
}
