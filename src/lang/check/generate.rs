//! `generate`, `encode`, `decode`, and their settings.

use crate::base::{Diagnostic, Literal, Medium, Reply, Span};
use crate::lang::ir::{self, Expr, ExprKind};
use crate::lang::json;
use crate::lang::settings::{self, Entry, Key, RIVALS, Stage};
use crate::lang::syntax::ast::{self, StageValue};
use crate::lang::types::Type;
use crate::lang::words::article;

use super::body::{Body, Mode};
use super::expr::bare;
use super::misplaced::Braces;

/// Replies of one `generate`.
const MAX_SAMPLES: u32 = 100;

impl Body<'_, '_> {
    /// Reports what must not happen in a template.
    pub fn effect_in_template(&mut self, span: Span, what: &str) {
        self.error(
            Diagnostic::error("E0506", format!("{what} has no place in a template"))
                .label(span, "a template only says what goes into a prompt")
                .help("do it in the pipeline and pass the result as an argument"),
        );
    }

    fn refuse_here(&mut self, span: Span, what: &str) {
        match self.mode {
            Mode::Pipeline(_) => {}
            Mode::Template(_) => self.effect_in_template(span, what),
            Mode::Constant(place) => self.error(
                Diagnostic::error("E0309", format!("{what} has no place in {place}"))
                    .label(span, "happens at run time only")
                    .help(format!("{place} is made of literals and constants only")),
            ),
        }
    }

    pub fn generate(
        &mut self,
        out: &ast::TypeExpr,
        prompt: &ast::Expr,
        stages: &[ast::Stage],
        span: Span,
    ) -> Expr {
        self.refuse_here(span, "`generate`");
        let out_span = out.span;
        let (out, samples) = self.samples(out);
        let out = self.checker.lower_type(self.module, out);
        let prompt = self.expr(prompt, None);
        let text = Reply::Only(Medium::Text);
        let (reply, perceptual, held) = match &out {
            Type::Medium(medium) => (Reply::Only(*medium), *medium != Medium::Text, None),
            Type::Lasting(medium, _) => (Reply::Only(*medium), true, Some("the type")),
            Type::Tokens(medium) => (Reply::Only(*medium), false, None),
            Type::Mixed => (Reply::Mixed, true, None),
            Type::Union(cases) if cases.iter().all(|case| matches!(case, Literal::Text(_))) => {
                (text, false, Some("the cases"))
            }
            Type::Matching(_) => (text, false, None),
            Type::Record(_) | Type::List(_) if json::pattern(&out).is_ok() => (text, false, None),
            Type::Error => return Self::error_expr(span),
            other => {
                let diagnostic = Diagnostic::error("E0509", format!("{other} cannot be generated"));
                self.error(match other {
                    Type::Union(_) => diagnostic
                        .label(out_span, "not of texts")
                        .help("write its cases as texts: \"1\" | \"2\""),
                    Type::List(inner) if matches!(**inner, Type::Medium(_) | Type::Mixed) => diagnostic
                        .label(out_span, "how many?")
                        .help(format!("say how many: `generate {other}[4] from …`")),
                    Type::Record(_) | Type::List(_) => {
                        let why = json::pattern(other).err().unwrap_or_default();
                        diagnostic.label(out_span, why).help(json::HELP)
                    }
                    _ => diagnostic.label(out_span, "not a medium").help(
                        "write text, image, speech, music, tokens of one of them, mixed, or a record",
                    ),
                });
                return Self::error_expr(span);
            }
        };
        // What a text is held to while it is written is still a text to be asked for.
        let asked = match &out {
            Type::Union(_) | Type::Matching(_) | Type::Record(_) | Type::List(_) => Type::TEXT,
            Type::Lasting(medium, _) => Type::Medium(*medium),
            _ => out.clone(),
        };
        let prompt = self.prompt(prompt, &out, out_span);
        let braces = Braces::Generate { stages, reply, out: &asked, perceptual };
        let (semantic, perceptual) = self.stages(braces, &asked);
        if let Some(what) = held {
            let refused = ["max_tokens", "min_tokens", "duration"];
            self.refuse_lengths(&semantic, &refused, (what, out_span), braces);
        } else if asked != out {
            self.refuse_lengths(&semantic, &["min_tokens"], ("the type", out_span), braces);
        }
        let Some(prompt) = prompt else { return Self::error_expr(span) };
        let ty = match samples {
            Some(_) => Type::List(Box::new(out.clone())),
            None => out.clone(),
        };
        let generate = ir::Generate { out, samples, prompt, semantic, perceptual };
        Expr { kind: ExprKind::Generate(Box::new(generate)), ty, span }
    }

    /// `list<T>[4]` is four replies of type T.
    fn samples<'t>(&mut self, out: &'t ast::TypeExpr) -> (&'t ast::TypeExpr, Option<u32>) {
        let ast::TypeKind::Sized(inner, bounds, at) = &out.kind else { return (out, None) };
        let ast::TypeKind::Generic(name, item) = &inner.kind else { return (out, None) };
        if name.text != "list" {
            return (out, None);
        }
        let count = match (&bounds.least, &bounds.most) {
            (Some(Literal::Int(least)), Some(Literal::Int(most))) if least == most => {
                u32::try_from(*least).ok().filter(|count| (1..=MAX_SAMPLES).contains(count))
            }
            _ => None,
        };
        if count.is_none() {
            self.error(
                Diagnostic::error("E0322", "this does not say how many replies there are")
                    .label(*at, format!("a number from 1 to {MAX_SAMPLES} is wanted"))
                    .help("write for example list<text>[4]"),
            );
        }
        (item, Some(count.unwrap_or(1)))
    }

    /// The type decides how long a reply is.
    fn refuse_lengths(
        &mut self,
        settings: &[ir::Setting],
        refused: &[&str],
        (what, out): (&str, Span),
        braces: Braces<'_>,
    ) {
        for setting in settings {
            if refused.contains(&setting.key.name) {
                let change = self.without(braces, setting.span);
                let decide = if what.ends_with('s') { "decide" } else { "decides" };
                self.error(
                    Diagnostic::error(
                        "E0408",
                        format!("`{}` has no meaning here", setting.key.name),
                    )
                    .label(setting.span, format!("{what} {decide} the length"))
                    .label(out, "this is written")
                    .remedy("remove the setting", change),
                );
            }
        }
    }

    /// A prompt for the output, or a value that makes a prompt of one turn.
    fn prompt(&mut self, prompt: Expr, out: &Type, out_span: Span) -> Option<Expr> {
        let span = prompt.span;
        let ty = match &prompt.ty {
            Type::Error => return None,
            Type::Prompt(asked) => {
                let serves = match (asked.as_ref(), out) {
                    (Type::Medium(asked), Type::Tokens(medium)) => asked == medium,
                    // What asks for any text serves for one that is held to something.
                    (
                        asked,
                        Type::Union(_) | Type::Matching(_) | Type::Record(_) | Type::List(_),
                    ) if *asked == Type::TEXT => true,
                    (Type::Medium(asked), Type::Lasting(medium, _)) => asked == medium,
                    (asked, out) => asked == out,
                };
                if serves {
                    return Some(prompt);
                }
                self.error(
                    Diagnostic::error(
                        "E0505",
                        format!("this prompt asks for {asked}, but {out} is generated"),
                    )
                    .label(span, format!("asks for {asked}"))
                    .label(out_span, format!("generates {out}"))
                    .help(format!("write `generate {asked} from …`, or use another template")),
                );
                return None;
            }
            // A conversation is answered with whatever is asked for.
            Type::Chat => return Some(prompt),
            Type::Union(_) | Type::Matching(_) => Type::TEXT,
            Type::Lasting(medium, _) => Type::Medium(*medium),
            ty @ (Type::Medium(_) | Type::Tokens(_) | Type::Mixed) => ty.clone(),
            other => {
                let diagnostic = Diagnostic::error("E0505", format!("{other} is no prompt"))
                    .label(span, "a template's prompt, a text, a medium or tokens are wanted here");
                self.error(match other {
                    Type::Option(_) => diagnostic.help("this may be none: write `… ?? other`"),
                    Type::List(_) => {
                        diagnostic.help("write a template whose user turn holds the list")
                    }
                    _ => diagnostic.help("put it in a text: \"{…}\""),
                });
                return None;
            }
        };
        let value = self.fit(prompt, &ty, "a prompt");
        if value.ty == Type::Error {
            return None;
        }
        let ty = Type::Prompt(Box::new(out.clone()));
        Some(Expr { kind: ExprKind::PromptOf(Box::new(value)), ty, span })
    }

    fn stages(&mut self, braces: Braces<'_>, out: &Type) -> (Vec<ir::Setting>, Vec<ir::Setting>) {
        let Braces::Generate { stages, reply, perceptual: has_perceptual, .. } = braces else {
            return Default::default();
        };
        let mut given: [Option<Span>; 2] = [None, None];
        let mut lists = [Vec::new(), Vec::new()];
        for written in stages {
            let stage = Stage::ALL.into_iter().find(|stage| stage.name() == written.name.text);
            let Some(stage) = stage else {
                self.unknown_stage(written, braces, reply);
                continue;
            };
            let place = stage as usize;
            if let Some(first) = given[place] {
                self.error(
                    Diagnostic::error("E0405", format!("`{stage}` is given twice"))
                        .label(written.name.span, "again here")
                        .label(first, "first given here")
                        .help("put all its settings in one"),
                );
            }
            given[place] = Some(written.name.span);
            let StageValue::Settings(settings) = &written.value else {
                self.error(
                    Diagnostic::error("E0407", format!("`{stage}` holds settings"))
                        .label(written.name.span, "its settings stand in braces")
                        .help(format!("write `{stage}: {{ name: value }}`")),
                );
                continue;
            };
            if stage == Stage::Perceptual && !has_perceptual {
                self.no_perceptual(written.name.span, braces, out);
                continue;
            }
            lists[place] = match reply {
                Reply::Only(medium) => self.settings(settings, stage, (medium, None), braces),
                Reply::Mixed => self.mixed_settings(settings, stage, braces),
            };
        }
        let [semantic, perceptual] = lists;
        (semantic, perceptual)
    }

    /// In a mixed reply a medium's name holds the settings of that medium; others are those of
    /// the text, or of the whole reply.
    fn mixed_settings(
        &mut self,
        settings: &[ast::Setting],
        stage: Stage,
        braces: Braces<'_>,
    ) -> Vec<ir::Setting> {
        let mut whole = Vec::new();
        let mut out = Vec::new();
        let mut seen: Vec<(Medium, Span)> = Vec::new();
        for setting in settings {
            let Some(medium) = Medium::from_name(&setting.name.text) else {
                whole.push(setting.clone());
                continue;
            };
            if let Some((_, first)) = seen.iter().find(|(known, _)| *known == medium) {
                self.error(
                    Diagnostic::error("E0405", format!("`{medium}` is given twice"))
                        .label(setting.name.span, "again here")
                        .label(*first, "first given here")
                        .help("put all its settings in one"),
                );
            }
            seen.push((medium, setting.name.span));
            let Some(ast::Expr { kind: ast::ExprKind::Record(fields), .. }) = &setting.value else {
                self.error(
                    Diagnostic::error("E0407", format!("`{medium}` holds settings"))
                        .label(setting.name.span, "its settings stand in braces")
                        .help(format!("write `{medium}: {{ name: value }}`")),
                );
                continue;
            };
            let inner: Vec<ast::Setting> = fields
                .iter()
                .map(|(name, value)| {
                    let span = value.as_ref().map_or(name.span, |value| name.span.to(value.span));
                    ast::Setting { name: name.clone(), value: value.clone(), span }
                })
                .collect();
            out.extend(self.settings(&inner, stage, (medium, Some(medium)), braces));
        }
        out.extend(self.settings(&whole, stage, (Medium::Text, None), braces));
        out
    }

    fn settings(
        &mut self,
        settings: &[ast::Setting],
        stage: Stage,
        (medium, of): (Medium, Option<Medium>),
        braces: Braces<'_>,
    ) -> Vec<ir::Setting> {
        let mut out: Vec<ir::Setting> = Vec::new();
        for setting in settings {
            let shorthand;
            let value = match &setting.value {
                Some(value) => value,
                None => {
                    self.checker.index.shorthand(setting.name.span);
                    shorthand = ast::Expr::new(
                        ast::ExprKind::Name(setting.name.text.clone()),
                        setting.name.span,
                    );
                    &shorthand
                }
            };
            let Some(entry) = settings::find(&setting.name.text, stage, medium) else {
                self.unknown_setting(&setting.name, stage, (medium, of), braces);
                if setting.value.is_some() {
                    self.expr(value, None);
                }
                continue;
            };
            self.checker.index.setting(setting.name.span, entry);
            let mut wanted = entry.kind.ty();
            let value = self.expr(value, Some(&wanted));
            // A value that may be none leaves the default where it is.
            if matches!(value.ty, Type::Option(_)) && !matches!(wanted, Type::Option(_)) {
                wanted = Type::Option(Box::new(wanted));
            }
            let value = self.fit(value, &wanted, &format!("setting `{}`", entry.name));
            self.check_range(entry, &value);
            if let Some(first) = out.iter().find(|known| known.key.name == entry.name) {
                let first = first.span;
                let change = self.without(braces, setting.span);
                self.error(
                    Diagnostic::error("E0405", format!("`{}` is given twice", entry.name))
                        .label(setting.name.span, "again here")
                        .label(first, "first given here")
                        .remedy("remove one of them", change),
                );
                continue;
            }
            let key = Key { medium: of, name: entry.name };
            out.push(ir::Setting { key, value, span: setting.span });
        }
        self.check_rivals(&out);
        out
    }

    fn check_rivals(&mut self, given: &[ir::Setting]) {
        let find = |name: &str| given.iter().find(|setting| setting.key.name == name);
        for (one, other) in RIVALS {
            if let (Some(first), Some(second)) = (find(one), find(other)) {
                let (first, second) = (first.span, second.span);
                self.error(
                    Diagnostic::error("E0408", format!("`{one}` and `{other}` exclude each other"))
                        .label(second, "both say how long the reply is")
                        .label(first, "already said here")
                        .help("remove one of them"),
                );
            }
        }
    }

    fn check_range(&mut self, entry: &Entry, value: &Expr) {
        let ExprKind::Literal(literal) = &value.kind else { return };
        if value.ty == Type::Error {
            return;
        }
        if let Some(range) = entry.refuses(literal) {
            let shown = match literal {
                Literal::Float(value) => value.to_string(),
                other => other.to_string(),
            };
            self.error(
                Diagnostic::error("E0404", format!("`{}` cannot be {shown}", entry.name))
                    .label(value.span, format!("must be {range}"))
                    .help(entry.doc),
            );
        }
    }

    pub fn encode(&mut self, inner: &ast::Expr, span: Span, want: Option<&Type>) -> Expr {
        self.refuse_here(span, "`encode`");
        let hint = match bare(want) {
            Some(Type::Tokens(medium)) => Some(Type::Medium(*medium)),
            _ => None,
        };
        let value = self.expr(inner, hint.as_ref());
        let value = match &value.ty {
            Type::Union(_) | Type::Matching(_) => self.fit(value, &Type::TEXT, "what is encoded"),
            Type::Lasting(medium, _) => {
                let plain = Type::Medium(*medium);
                self.fit(value, &plain, "what is encoded")
            }
            _ => value,
        };
        match &value.ty {
            Type::Medium(medium) => {
                let ty = Type::Tokens(*medium);
                Expr { kind: ExprKind::Encode(Box::new(value)), ty, span }
            }
            Type::Error => Self::error_expr(span),
            other => {
                let diagnostic =
                    Diagnostic::error("E0301", format!("`encode` takes a medium, not {other}"))
                        .label(value.span, format!("is {other}"));
                self.error(match other {
                    Type::Option(_) => diagnostic.help("this may be none: write `(… ?? other)`"),
                    Type::List(_) => diagnostic.help("encode each item: `[encode x for x in …]`"),
                    _ => diagnostic,
                });
                Self::error_expr(span)
            }
        }
    }

    pub fn decode(
        &mut self,
        tokens: &ast::Expr,
        written: &[ast::Setting],
        span: Span,
        want: Option<&Type>,
    ) -> Expr {
        self.refuse_here(span, "`decode`");
        let hint = match bare(want) {
            Some(Type::Medium(medium)) => Some(Type::Tokens(*medium)),
            _ => None,
        };
        let tokens = self.expr(tokens, hint.as_ref());
        let medium = match &tokens.ty {
            Type::Tokens(medium) => *medium,
            Type::Error => return Self::error_expr(span),
            other => {
                let diagnostic =
                    Diagnostic::error("E0301", format!("`decode` takes tokens, not {other}"))
                        .label(tokens.span, format!("is {other}"));
                self.error(match other {
                    Type::Medium(medium) => diagnostic.help(format!(
                        "it is {} already; `decode` makes it of tokens<{medium}>",
                        article(medium.name()),
                    )),
                    Type::List(_) => diagnostic.help("decode each item: `[decode t for t in …]`"),
                    _ => diagnostic,
                });
                return Self::error_expr(span);
            }
        };
        let perceptual =
            self.settings(written, Stage::Perceptual, (medium, None), Braces::Decode(written));
        let kind = ExprKind::Decode { tokens: Box::new(tokens), perceptual };
        Expr { kind, ty: Type::Medium(medium), span }
    }
}
