//! Settings and stages that are not where they belong, and what to do about each.

use crate::base::{Diagnostic, Medium, Reply, Span};
use crate::lang::settings::{self, Entry, Stage, TABLE};
use crate::lang::syntax::ast::{self, Ident, StageValue};
use crate::lang::types::Type;
use crate::lang::words::{listing, nearest};

use super::body::Body;
use super::did_you_mean;
use super::edits::{Block, Change, Item, bytes, close_after, open_after, open_before};

/// The braces of one generation as they are written, and which stages it has.
#[derive(Clone, Copy)]
pub enum Braces<'w> {
    Generate {
        stages: &'w [ast::Stage],
        reply: Reply,
        /// The type that is generated.
        out: &'w Type,
        perceptual: bool,
    },
    Decode(&'w [ast::Setting]),
}

impl Braces<'_> {
    fn has(&self, stage: Stage) -> bool {
        match self {
            Braces::Generate { perceptual, .. } => stage == Stage::Semantic || *perceptual,
            Braces::Decode(_) => stage == Stage::Perceptual,
        }
    }

    /// As places in the text.
    fn block(&self, text: &str) -> Option<Block> {
        let items: Vec<Item> = match self {
            Braces::Generate { stages, .. } => {
                stages.iter().map(|stage| stage_item(text, stage)).collect()
            }
            Braces::Decode(settings) => settings.iter().map(|s| setting_item(text, s)).collect(),
        };
        let open = open_before(text, items.first()?.at.start)?;
        let close = close_after(text, items.last()?.at.end)?;
        Some(Block { open, close, items })
    }
}

fn stage_item(text: &str, stage: &ast::Stage) -> Item {
    let inner = match &stage.value {
        StageValue::Bare(_) => None,
        StageValue::Settings(settings) => {
            let items: Vec<Item> = settings.iter().map(|s| setting_item(text, s)).collect();
            open_after(text, stage.name.span.end as usize).and_then(|open| {
                let close = close_after(text, items.last().map_or(open + 1, |last| last.at.end))?;
                Some(Block { open, close, items })
            })
        }
    };
    let at = match &stage.value {
        StageValue::Bare(_) => bytes(text, stage.span),
        StageValue::Settings(_) => stage.span.start as usize..stage.span.end as usize,
    };
    Item { name: stage.name.text.clone(), at, inner }
}

fn setting_item(text: &str, setting: &ast::Setting) -> Item {
    let at = bytes(text, setting.span);
    let inner = match &setting.value {
        Some(ast::Expr { kind: ast::ExprKind::Record(fields), span, .. }) => {
            let items = fields.iter().map(|(name, value)| {
                let whole = value.as_ref().map_or(name.span, |value| name.span.to(value.span));
                Item { name: name.text.clone(), at: bytes(text, whole), inner: None }
            });
            let (open, close) = (span.start as usize, (span.end as usize).saturating_sub(1));
            Some(Block { open, close, items: items.collect() })
        }
        _ => None,
    };
    Item { name: setting.name.text.clone(), at, inner }
}

impl Body<'_, '_> {
    /// A change of the braces, made of them and the text that they stand in.
    fn change(
        &self,
        braces: Braces<'_>,
        at: Span,
        make: impl Fn(&Block, &str) -> Option<Change>,
    ) -> Option<(Span, String)> {
        let text = &self.checker.sources.get(at.source)?.text;
        let (range, new) = make(&braces.block(text)?, text)?;
        Some((Span::new(at.source, range.start, range.end), new))
    }

    /// Takes a setting or a stage out.
    pub fn without(&self, braces: Braces<'_>, item: Span) -> Option<(Span, String)> {
        self.change(braces, item, |block, text| block.without(text, item.start as usize))
    }

    /// Moves a setting into the braces of a stage, or of a medium in them; one that is set there
    /// already is not moved.
    fn moved(&self, braces: Braces<'_>, name: &Ident, into: &[&str]) -> Option<(Span, String)> {
        self.change(braces, name.span, |block, text| {
            let taken = block.has(&[into, &[name.text.as_str()]].concat());
            if taken { None } else { block.moved(text, name.span.start as usize, into) }
        })
    }

    pub fn no_perceptual(&mut self, span: Span, braces: Braces<'_>, out: &Type) {
        let (why, help) = match out {
            Type::Tokens(medium) => (
                "tokens come out of the language model as they are",
                format!("write these settings at `decode`, which makes {medium} of the tokens"),
            ),
            _ => (
                "text comes out of the language model as it is",
                "only `semantic` settings apply".to_string(),
            ),
        };
        let change = self.without(braces, span);
        self.error(
            Diagnostic::error("E0406", format!("generating {out} has no perceptual stage"))
                .label(span, why)
                .remedy("remove the stage `perceptual`", change)
                .help(help),
        );
    }

    pub fn unknown_stage(&mut self, written: &ast::Stage, braces: Braces<'_>, reply: Reply) {
        let name = &written.name.text;
        let fits = |entry: &&Entry| match reply {
            Reply::Only(medium) => entry.media.contains(&medium) && braces.has(entry.stage),
            Reply::Mixed => true,
        };
        let mut named = TABLE.iter().filter(|entry| entry.name == *name);
        let diagnostic = match named.clone().find(fits).or_else(|| named.clone().next()) {
            Some(entry) => {
                let outside =
                    Diagnostic::error("E0407", format!("`{name}` stands outside of its stage"))
                        .label(written.name.span, "a setting, not a stage");
                let bare = matches!(written.value, StageValue::Bare(_));
                if !bare || reply == Reply::Mixed || named.clone().filter(fits).count() > 1 {
                    // In which stage or for which medium is not for us to say.
                    outside.help(format!("move it: `{}: {{ {name}: … }}`", entry.stage))
                } else if named.any(|entry| fits(&entry)) {
                    let change = self.moved(braces, &written.name, &[entry.stage.name()]);
                    move_it(outside, name, &[entry.stage.name()], change)
                } else {
                    remove_it(outside, name, self.without(braces, written.span))
                }
            }
            None => {
                let diagnostic = Diagnostic::error("E0407", format!("there is no stage `{name}`"))
                    .label(written.name.span, "not a stage");
                match nearest(name, Stage::ALL.map(Stage::name)) {
                    Some(near) => diagnostic.did_you_mean(near),
                    None => diagnostic.help("the stages are `semantic` and `perceptual`"),
                }
            }
        };
        self.error(diagnostic);
        match &written.value {
            StageValue::Bare(value) => {
                self.expr(value, None);
            }
            StageValue::Settings(settings) => {
                for setting in settings {
                    if let Some(value) = &setting.value {
                        self.expr(value, None);
                    }
                }
            }
        }
    }

    /// A setting that the stage does not have for the medium; `of` is the medium whose braces it
    /// stands in.
    pub fn unknown_setting(
        &mut self,
        name: &Ident,
        stage: Stage,
        (medium, of): (Medium, Option<Medium>),
        braces: Braces<'_>,
    ) {
        let text = name.text.as_str();
        let other = match stage {
            Stage::Semantic => Stage::Perceptual,
            Stage::Perceptual => Stage::Semantic,
        };
        if settings::find(text, other, medium).is_some() {
            let diagnostic = Diagnostic::error("E0402", format!("`{text}` is a {other} setting"))
                .label(name.span, format!("not one of the {stage} stage"));
            let diagnostic = match braces {
                Braces::Decode(_) => {
                    let help =
                        "it belongs to the `generate` that makes the tokens, not to `decode`";
                    remove_it(diagnostic, text, self.without(braces, name.span)).help(help)
                }
                Braces::Generate { out, .. } if !braces.has(other) => {
                    let diagnostic = remove_it(diagnostic, text, self.without(braces, name.span));
                    match out {
                        Type::Tokens(medium) => diagnostic.help(format!(
                            "write it at `decode`, which makes {medium} of the tokens"
                        )),
                        _ => diagnostic,
                    }
                }
                Braces::Generate { .. } => {
                    let mut into = vec![other.name()];
                    into.extend(of.map(Medium::name));
                    move_it(diagnostic, text, &into, self.moved(braces, name, &into))
                }
            };
            self.error(diagnostic);
            return;
        }
        let elsewhere: Vec<(Stage, Medium)> = TABLE
            .iter()
            .filter(|entry| entry.name == text)
            .flat_map(|entry| entry.media.iter().map(|medium| (entry.stage, *medium)))
            .collect();
        if !elsewhere.is_empty() {
            let media: Vec<&str> = elsewhere.iter().map(|(_, medium)| medium.name()).collect();
            let diagnostic =
                Diagnostic::error("E0403", format!("{medium} has no setting `{text}`"))
                    .label(name.span, format!("a setting of {}", listing(&media, "and")));
            let mixed = matches!(braces, Braces::Generate { reply: Reply::Mixed, .. });
            let diagnostic = match elsewhere.as_slice() {
                [(stage, medium)] if mixed => {
                    let into = [stage.name(), medium.name()];
                    move_it(diagnostic, text, &into, self.moved(braces, name, &into))
                }
                // A mixed reply has several media that it may be for.
                _ if mixed => diagnostic.help(self.available(stage, medium)),
                _ => remove_it(diagnostic, text, self.without(braces, name.span))
                    .help(self.available(stage, medium)),
            };
            self.error(diagnostic);
            return;
        }
        let here = settings::of(stage, medium).map(|entry| entry.name);
        let all = TABLE.iter().map(|entry| entry.name);
        let diagnostic = Diagnostic::error("E0401", format!("there is no setting `{text}`"))
            .label(name.span, "not known");
        let mut diagnostic = did_you_mean(diagnostic, text, here.chain(all));
        // `{ step }` with a value of that name becomes `{ steps: step }`.
        if let Some(fix) = &mut diagnostic.fix
            && self.checker.index.is_shorthand(name.span)
            && self.local_names().iter().any(|local| local == text)
        {
            fix.replacement = format!("{}: {text}", fix.replacement);
        }
        if diagnostic.help.is_none() {
            diagnostic = diagnostic.help(self.available(stage, medium));
        }
        self.error(diagnostic);
    }

    fn available(&self, stage: Stage, medium: Medium) -> String {
        let names: Vec<&str> = settings::of(stage, medium).map(|entry| entry.name).collect();
        if names.is_empty() {
            format!("{medium} has no {stage} settings")
        } else {
            format!("the {stage} settings of {medium} are {}", listing(&names, "and"))
        }
    }
}

fn move_it(
    diagnostic: Diagnostic,
    name: &str,
    into: &[&str],
    change: Option<(Span, String)>,
) -> Diagnostic {
    let (mut open, mut close) = (String::new(), String::new());
    for block in into {
        open.push_str(&format!("{block}: {{ "));
        close.push_str(" }");
    }
    diagnostic.remedy(&format!("move it: `{open}{name}: …{close}`"), change)
}

fn remove_it(diagnostic: Diagnostic, name: &str, change: Option<(Span, String)>) -> Diagnostic {
    diagnostic.remedy(&format!("remove `{name}`"), change)
}
