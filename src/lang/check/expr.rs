//! Expressions that are not calls, operators or generations.

use crate::base::{Diagnostic, Literal, Span};
use crate::lang::fold;
use crate::lang::ir::{self, Expr, ExprKind};
use crate::lang::resolve::{BUILTIN_FUNCTIONS, Target};
use crate::lang::syntax::ast::{self, Ident, ItemKind};
use crate::lang::types::Type;
use crate::lang::words::{listing, nearest};

use super::body::{Body, Mode};
use super::coerce::join;
use super::did_you_mean;

/// What is wanted of the value itself, were it not optional.
pub fn bare(want: Option<&Type>) -> Option<&Type> {
    match want {
        Some(Type::Option(inner)) => Some(inner),
        other => other,
    }
}

impl Body<'_, '_> {
    /// Checks an expression. `want` guides literals, records and lists; the result may still
    /// have another type.
    pub fn expr(&mut self, expr: &ast::Expr, want: Option<&Type>) -> Expr {
        let span = expr.span;
        match &expr.kind {
            ast::ExprKind::Literal(literal) => self.literal(literal.clone(), span, want),
            ast::ExprKind::Text(text) => self.text(text, want),
            ast::ExprKind::Name(name) => self.name(name, span),
            ast::ExprKind::Record(fields) => self.record(fields, span, want),
            ast::ExprKind::List(items) => self.list(items, span, want),
            ast::ExprKind::For { body, item, source, filter } => {
                self.comprehension(body, item, source, filter.as_deref(), span, want)
            }
            ast::ExprKind::Field(inner, name) => self.field(inner, name, span),
            ast::ExprKind::Index(list, index) => self.index(list, index, span),
            ast::ExprKind::Call { callee, args } => self.call(callee, args, span, want),
            ast::ExprKind::Unary(op, inner) => self.unary(*op, inner, span),
            ast::ExprKind::Binary { op, op_span, left, right } => {
                self.binary(*op, *op_span, left, right, span, want)
            }
            ast::ExprKind::Paren(inner) => {
                let inner = self.expr(inner, want);
                Expr { span, ..inner }
            }
            ast::ExprKind::If { branches, otherwise } => {
                self.if_expr(branches, otherwise, span, want)
            }
            ast::ExprKind::Match { subject, arms } => self.match_expr(subject, arms, span, want),
            ast::ExprKind::Generate { out, prompt, stages } => {
                self.generate(out, prompt, stages, span)
            }
            ast::ExprKind::Chat(turns) => self.chat(turns, span),
            ast::ExprKind::Encode(inner) => self.encode(inner, span, want),
            ast::ExprKind::Decode { tokens, settings } => self.decode(tokens, settings, span, want),
            ast::ExprKind::Error => Self::error_expr(span),
        }
    }

    fn literal(&mut self, literal: Literal, span: Span, want: Option<&Type>) -> Expr {
        let ty = match &literal {
            Literal::None => Type::None,
            Literal::Text(_) => Type::TEXT,
            Literal::Int(_) => Type::Int,
            Literal::Float(_) => Type::Float,
            Literal::Bool(_) => Type::Bool,
            Literal::Duration(_) => Type::Duration,
        };
        let expr = Expr { kind: ExprKind::Literal(literal), ty, span };
        self.literal_case(expr, want)
    }

    /// A literal where a union is wanted becomes one of its cases.
    pub fn literal_case(&mut self, expr: Expr, want: Option<&Type>) -> Expr {
        let (ExprKind::Literal(literal), Some(Type::Union(cases))) = (&expr.kind, bare(want))
        else {
            return expr;
        };
        if !matches!(expr.ty, Type::Medium(_) | Type::Int) {
            return expr;
        }
        if cases.contains(literal) {
            return Expr { ty: Type::Union(cases.clone()), ..expr };
        }
        let shown: Vec<String> = cases.iter().map(ToString::to_string).collect();
        let mut diagnostic =
            Diagnostic::error("E0307", format!("{literal} is not one of the values allowed here"))
                .label(expr.span, format!("expected {}", listing(&shown, "or")));
        if let Literal::Text(text) = literal {
            let texts = cases.iter().filter_map(|case| match case {
                Literal::Text(text) => Some(text.as_str()),
                _ => None,
            });
            if let Some(near) = nearest(text, texts) {
                diagnostic = diagnostic.help(format!("did you mean {near:?}?"));
            }
        }
        self.error(diagnostic);
        Self::error_expr(expr.span)
    }

    fn text(&mut self, text: &ast::StringLit, want: Option<&Type>) -> Expr {
        let mut segments = Vec::new();
        let mut failed = false;
        for segment in &text.segments {
            match segment {
                ast::Segment::Text(text) => segments.push(ir::Segment::Text(text.clone())),
                ast::Segment::Hole(hole) => {
                    let value = self.expr(hole, None);
                    failed |= value.ty == Type::Error || !self.fits_text(&value);
                    segments.push(ir::Segment::Hole(value));
                }
            }
        }
        if failed {
            return Self::error_expr(text.span);
        }
        let folded = fold::interpolate(&segments);
        let kind = match folded {
            Some(text) => ExprKind::Literal(Literal::Text(text)),
            None => ExprKind::Interpolate(segments),
        };
        self.literal_case(Expr { kind, ty: Type::TEXT, span: text.span }, want)
    }

    /// Whether a value can stand in a text; says why not.
    fn fits_text(&mut self, value: &Expr) -> bool {
        let help = match &value.ty {
            ty if *ty == Type::TEXT => return true,
            Type::Int | Type::Float | Type::Bool | Type::Duration | Type::Union(_) => return true,
            Type::Medium(_) | Type::Tokens(_) => {
                "media go into prompts through a template, whose turns may hold them"
            }
            Type::Option(_) => "this may be none: write {… ?? \"…\"} to say what to put then",
            Type::Record(_) => "take a field of it: {….name}",
            Type::List(_) => "take one of its items: {…[0]}",
            Type::Mixed => "take its text: {….text}",
            Type::Prompt(_) => "have the prompt answered first, with `generate text from …`",
            _ => "a text, a number, a duration, true or false can stand in a text",
        };
        self.error(
            Diagnostic::error("E0317", format!("{} cannot stand in a text", value.ty))
                .label(value.span, format!("is {}", value.ty))
                .help(help),
        );
        false
    }

    fn name(&mut self, name: &str, span: Span) -> Expr {
        if let Some((local, ty)) = self.local(name, span) {
            return Expr { kind: ExprKind::Local(local), ty, span };
        }
        let constant = matches!(self.mode, Mode::Constant(_));
        match self.checker.lookup(self.module, name, span) {
            Some(target) => self.target(target, name, span),
            None if constant && !BUILTIN_FUNCTIONS.contains(&name) => {
                let diagnostic = self.unknown(name, span);
                let consts =
                    self.checker.names_of(self.module, |kind| matches!(kind, ItemKind::Const(_)));
                self.error(did_you_mean(diagnostic, name, consts));
                Self::error_expr(span)
            }
            None => {
                let diagnostic = self.unknown(name, span);
                let diagnostic = if diagnostic.help.is_some() {
                    diagnostic
                } else {
                    let locals = self.local_names();
                    let tops = self.checker.names_of(self.module, |_| true);
                    let names = locals.iter().map(String::as_str).chain(tops);
                    did_you_mean(diagnostic, name, names)
                };
                self.error(diagnostic);
                Self::error_expr(span)
            }
        }
    }

    fn unknown(&self, name: &str, span: Span) -> Diagnostic {
        let diagnostic = Diagnostic::error("E0201", format!("there is nothing named `{name}`"))
            .label(span, "not known here");
        match name {
            "null" | "nil" | "None" | "undefined" => diagnostic.help("no value is written `none`"),
            "True" | "TRUE" => diagnostic.help("write `true`"),
            "False" | "FALSE" => diagnostic.help("write `false`"),
            "length" => diagnostic.help("`length(list)` counts the items of a list"),
            "file" => diagnostic.help("`file(\"path\")` reads a medium"),
            "pick" => diagnostic.help("`pick(list)` draws one item of a list"),
            "before" | "after" => {
                diagnostic.help(format!("`{name}(text, mark)` cuts a text at a mark"))
            }
            "out" if matches!(self.mode, Mode::Template(_)) => {
                diagnostic.help("`{out}` stands alone at the end of the assistant's turn")
            }
            _ => match self.mode {
                Mode::Constant(what) => {
                    diagnostic.help(format!("{what} is made of literals and constants only"))
                }
                _ => diagnostic,
            },
        }
    }

    /// A name of the file, or of a module, as a value.
    fn target(&mut self, target: Target, name: &str, span: Span) -> Expr {
        let item = match target {
            Target::Broken => return Self::error_expr(span),
            Target::Item(item) => item,
            Target::Module(_) => {
                self.error(
                    Diagnostic::error("E0211", format!("`{name}` is a module, not a value"))
                        .label(span, "a value is wanted here")
                        .help(format!("name one of its members: `{name}.…`")),
                );
                return Self::error_expr(span);
            }
        };
        let declared = self.checker.item(item);
        if matches!(declared.kind, ItemKind::Const(_)) {
            return match self.checker.const_of(item, span) {
                Some(value) => Expr { span, ..value },
                None => Self::error_expr(span),
            };
        }
        let what = declared.what();
        let diagnostic = Diagnostic::error("E0211", format!("`{name}` is a {what}, not a value"))
            .label(span, "a value is wanted here");
        self.error(match declared.kind {
            ItemKind::Type(_) => diagnostic,
            ItemKind::Plugin(_) => {
                diagnostic.help(format!("call one of its functions: `{name}.…(…)`"))
            }
            _ => diagnostic.help(format!("call it: `{name}(…)`")),
        });
        Self::error_expr(span)
    }

    fn record(
        &mut self,
        fields: &[(Ident, Option<ast::Expr>)],
        span: Span,
        want: Option<&Type>,
    ) -> Expr {
        let wanted = match bare(want) {
            Some(Type::Record(wanted)) => Some(wanted),
            _ => None,
        };
        let mut out: Vec<(String, Expr)> = Vec::new();
        let mut failed = false;
        let mut unknown = false;
        for (name, value) in fields {
            let ty = wanted.and_then(|wanted| {
                wanted.iter().find(|(known, _)| *known == name.text).map(|(_, ty)| ty)
            });
            let shorthand;
            let value = match value {
                Some(value) => value,
                None => {
                    self.checker.index.shorthand(name.span);
                    shorthand = ast::Expr::new(ast::ExprKind::Name(name.text.clone()), name.span);
                    &shorthand
                }
            };
            let value = match ty {
                Some(ty) => self.expect(value, ty, &format!("field `{}`", name.text)),
                None => self.expr(value, None),
            };
            failed |= value.ty == Type::Error;
            if out.iter().any(|(known, _)| *known == name.text) {
                failed = true;
                self.error(
                    Diagnostic::error("E0202", format!("field `{}` is given twice", name.text))
                        .label(name.span, "again here")
                        .help("remove one of them"),
                );
            } else if let (Some(wanted), None) = (wanted, ty) {
                unknown = true;
                let names = wanted.iter().map(|(name, _)| name.as_str());
                self.error(did_you_mean(
                    Diagnostic::error("E0311", format!("there is no field `{}` here", name.text))
                        .label(name.span, format!("not in {}", Type::Record(wanted.clone()))),
                    &name.text,
                    names,
                ));
            } else {
                out.push((name.text.clone(), value));
            }
        }
        if let Some(wanted) = wanted {
            let missing: Vec<String> = wanted
                .iter()
                .filter(|(name, _)| !fields.iter().any(|(given, _)| given.text == *name))
                .map(|(name, ty)| format!("`{name}: {ty}`"))
                .collect();
            // An unknown field is most often a missing one misspelt.
            if !missing.is_empty() && !unknown {
                failed = true;
                self.error(
                    Diagnostic::error(
                        "E0311",
                        format!("this record lacks {}", listing(&missing, "and")),
                    )
                    .label(span, format!("expected {}", Type::Record(wanted.clone()))),
                );
            }
            out.sort_by_key(|(name, _)| wanted.iter().position(|(known, _)| known == name));
        }
        if failed || unknown {
            return Self::error_expr(span);
        }
        let ty = Type::Record(out.iter().map(|(name, e)| (name.clone(), e.ty.clone())).collect());
        Expr { kind: ExprKind::Record(out), ty, span }
    }

    fn field(&mut self, inner: &ast::Expr, name: &Ident, span: Span) -> Expr {
        match self.module_named(inner) {
            Some(Target::Module(module)) => {
                let target = self.checker.member(module, name);
                return self.target(target, &name.text, span);
            }
            Some(_) => return Self::error_expr(span),
            None => {}
        }
        let value = self.expr(inner, None);
        let mixed;
        let (message, fields): (String, &[(String, Type)]) = match &value.ty {
            Type::Error => return Self::error_expr(span),
            Type::Mixed => {
                if let Some(ty) = Type::of_mixed(&name.text) {
                    let kind = ExprKind::Field(Box::new(value), name.text.clone());
                    return Expr { kind, ty, span };
                }
                mixed = ["text", "images", "speech", "music"]
                    .map(|field| (field.to_string(), Type::Error));
                let listed = "text, images, speech and music";
                (format!("a mixed reply has {listed}, not `{}`", name.text), &mixed)
            }
            Type::Record(fields) => {
                if let Some((_, ty)) = fields.iter().find(|(known, _)| *known == name.text) {
                    let ty = ty.clone();
                    let kind = ExprKind::Field(Box::new(value), name.text.clone());
                    return Expr { kind, ty, span };
                }
                (format!("there is no field `{}` in {}", name.text, value.ty), fields)
            }
            other => (format!("{other} has no fields"), &[]),
        };
        let diagnostic = Diagnostic::error("E0302", message)
            .label(name.span, "no such field")
            .label(value.span, format!("is {}", value.ty));
        let diagnostic = match &value.ty {
            Type::Option(inner) if matches!(**inner, Type::Record(_)) => {
                diagnostic.help("this may be none: write `(… ?? other).field`")
            }
            Type::List(_) if name.text == "length" || name.text == "len" => {
                diagnostic.help("`length(list)` counts the items of a list")
            }
            _ => {
                did_you_mean(diagnostic, &name.text, fields.iter().map(|(field, _)| field.as_str()))
            }
        };
        self.error(diagnostic);
        Self::error_expr(span)
    }

    fn if_expr(
        &mut self,
        branches: &[(ast::Expr, ast::Block)],
        otherwise: &ast::Block,
        span: Span,
        want: Option<&Type>,
    ) -> Expr {
        let mut checked: Vec<(Expr, ir::Block)> = Vec::new();
        for (cond, block) in branches {
            let cond = self.expect(cond, &Type::Bool, "a condition");
            checked.push((cond, self.block_of(block, want)));
        }
        let otherwise = self.block_of(otherwise, want);
        let ty = match want {
            Some(want) => Some(want.clone()),
            None => checked
                .iter()
                .try_fold(otherwise.result.ty.clone(), |ty, (_, b)| join(&ty, &b.result.ty)),
        };
        let Some(ty) = ty else {
            let mut diagnostic =
                Diagnostic::error("E0315", "the branches of this `if` have different types");
            for (_, block) in &checked {
                diagnostic = diagnostic.label(block.result.span, format!("is {}", block.result.ty));
            }
            let last = &otherwise.result;
            self.error(diagnostic.label(last.span, format!("is {}", last.ty)));
            return Self::error_expr(span);
        };
        let failed = ty == Type::Error
            || otherwise.result.ty == Type::Error
            || checked.iter().any(|(c, b)| c.ty == Type::Error || b.result.ty == Type::Error);
        if failed {
            return Self::error_expr(span);
        }
        let mut last = self.fit_block(otherwise, &ty);
        for (cond, then) in checked.into_iter().rev() {
            let then = self.fit_block(then, &ty);
            let kind = ExprKind::If { cond: Box::new(cond), then, otherwise: last };
            let whole = Expr { kind, ty: ty.clone(), span };
            last = ir::Block { lets: Vec::new(), result: Box::new(whole) };
        }
        *last.result
    }

    fn block_of(&mut self, block: &ast::Block, want: Option<&Type>) -> ir::Block {
        self.block(block, want, "this branch")
    }

    fn fit_block(&mut self, block: ir::Block, ty: &Type) -> ir::Block {
        let result = Box::new(self.fit(*block.result, ty, "this branch"));
        ir::Block { result, ..block }
    }
}
