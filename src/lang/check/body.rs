//! Local names and blocks: the surroundings of an expression.

use std::collections::HashMap;

use crate::base::{Diagnostic, Span};
use crate::lang::ir::{self, Expr, ExprKind, LocalId};
use crate::lang::resolve::{ItemRef, ModuleIndex, Target};
use crate::lang::syntax::ast;
use crate::lang::types::Type;

use super::coerce::coerce;
use super::{Checker, index};

/// What a parameter is called in diagnostics.
const PARAMETER: &str = "parameter";

/// What kind of code is being checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    Pipeline(ItemRef),
    Template(ItemRef),
    /// A constant or a default value, named for diagnostics.
    Constant(&'static str),
}

struct Local {
    name: String,
    ty: Type,
    span: Span,
    used: bool,
    /// What it is, in a sentence.
    what: &'static str,
}

/// Checks one body: a pipeline's, a template's or a constant's.
pub struct Body<'c, 'a> {
    pub checker: &'c mut Checker<'a>,
    pub module: ModuleIndex,
    pub mode: Mode,
    locals: Vec<Local>,
    /// Names in scope.
    scope: HashMap<String, LocalId>,
}

impl<'c, 'a> Body<'c, 'a> {
    pub fn new(checker: &'c mut Checker<'a>, module: ModuleIndex, mode: Mode) -> Self {
        Body { checker, module, mode, locals: Vec::new(), scope: HashMap::new() }
    }

    pub fn error(&mut self, diagnostic: Diagnostic) {
        self.checker.error(diagnostic);
    }

    pub fn params(&mut self, params: &[ir::Param]) {
        for param in params {
            let name = ast::Ident { text: param.name.clone(), span: param.span };
            self.declare(&name, param.ty.clone(), PARAMETER);
        }
    }

    /// Brings a name into scope. One name means one thing in a file and its bodies.
    ///
    /// Gives what the name meant before, for [`Body::leave`].
    pub fn declare(
        &mut self,
        name: &ast::Ident,
        ty: Type,
        what: &'static str,
    ) -> (LocalId, Option<LocalId>) {
        if let Some(first) = self.scope.get(&name.text) {
            let first = &self.locals[first.0 as usize];
            self.checker.error(
                Diagnostic::error("E0203", format!("`{}` has a meaning already", name.text))
                    .label(name.span, "again here")
                    .label(first.span, format!("a {} here", first.what))
                    .help("values never change: choose another name for the new one"),
            );
        } else if let Some(binding) =
            self.checker.resolved.modules[self.module].names.get(&name.text)
        {
            let span = binding.span;
            self.error(
                Diagnostic::error("E0203", format!("`{}` has a meaning already", name.text))
                    .label(name.span, format!("a {what} of the same name"))
                    .label(span, "first named here")
                    .help("choose another name, or rename the import with `as`"),
            );
        }
        let local = LocalId(u32::try_from(self.locals.len()).unwrap_or(u32::MAX));
        if what != PARAMETER {
            self.checker.index.define(index::value(name, &ty));
        }
        let used = name.text.starts_with('_');
        let name_text = name.text.clone();
        self.locals.push(Local { name: name_text, ty, span: name.span, used, what });
        let before = self.scope.insert(name.text.clone(), local);
        (local, before)
    }

    /// A local that no source text can name.
    pub fn hidden(&mut self, name: &str, ty: Type, span: Span) -> LocalId {
        let local = LocalId(u32::try_from(self.locals.len()).unwrap_or(u32::MAX));
        self.locals.push(Local { name: name.to_string(), ty, span, used: true, what: "value" });
        local
    }

    /// Ends the scope of a name.
    pub fn leave(&mut self, name: &str, before: Option<LocalId>) {
        match before {
            Some(before) => self.scope.insert(name.to_string(), before),
            None => self.scope.remove(name),
        };
    }

    pub fn local_names(&self) -> Vec<String> {
        self.scope.keys().cloned().collect()
    }

    /// A local by name, which counts as a use.
    pub fn local(&mut self, name: &str, span: Span) -> Option<(LocalId, Type)> {
        let id = *self.scope.get(name)?;
        let local = &mut self.locals[id.0 as usize];
        local.used = true;
        self.checker.index.record(span, local.span);
        Some((id, local.ty.clone()))
    }

    pub fn is_local(&self, name: &str) -> bool {
        self.scope.contains_key(name)
    }

    pub fn warn_unused(&mut self) {
        for local in &self.locals {
            if local.used {
                continue;
            }
            let (code, help) = match local.what {
                PARAMETER => ("W0203", "remove it, or start its name with `_`"),
                _ => ("W0201", "remove it, or start its name with `_` to keep it"),
            };
            self.checker.diagnostics.push(
                Diagnostic::warning(code, format!("`{}` is never used", local.name))
                    .label(local.span, "")
                    .help(help),
            );
        }
    }

    /// A module's name, unless a local has it.
    pub fn module_named(&mut self, expr: &ast::Expr) -> Option<Target> {
        let ast::ExprKind::Name(name) = &expr.kind else { return None };
        if self.is_local(name) {
            return None;
        }
        let names = &self.checker.resolved.modules[self.module].names;
        match names.get(name)?.target {
            Target::Item(_) => None,
            Target::Module(_) | Target::Broken => self.checker.lookup(self.module, name, expr.span),
        }
    }

    /// A block with its own names.
    pub fn block(&mut self, block: &ast::Block, want: Option<&Type>, place: &str) -> ir::Block {
        let mut lets = Vec::new();
        let mut names = Vec::new();
        for binding in &block.lets {
            let (bound, before) = self.bind(binding);
            names.push((&binding.name.text, before));
            lets.push(bound);
        }
        let result = match want {
            Some(want) => self.expect(&block.result, want, place),
            None => self.expr(&block.result, None),
        };
        for (name, before) in names.into_iter().rev() {
            self.leave(name, before);
        }
        ir::Block { lets, result: Box::new(result) }
    }

    /// One `let`: its value, and what its name meant before.
    pub fn bind(&mut self, binding: &ast::Let) -> (ir::Let, Option<LocalId>) {
        let value = match &binding.ty {
            Some(ty) => {
                let wanted = self.checker.lower_type(self.module, ty);
                let what = format!("`{}`", binding.name.text);
                self.expect(&binding.value, &wanted, &what)
            }
            None => self.expr(&binding.value, None),
        };
        if value.ty == Type::None {
            self.error(
                Diagnostic::error("E0308", "`none` alone does not say what is missing")
                    .label(binding.name.span, "of what type?")
                    .help(format!("write `let {}: text? = none`", binding.name.text)),
            );
        }
        let (local, before) = self.declare(&binding.name, value.ty.clone(), "value");
        let name = binding.name.text.clone();
        (ir::Let { local, name, value, span: binding.span }, before)
    }

    /// An expression that must have a type; `place` names what wants it.
    pub fn expect(&mut self, expr: &ast::Expr, want: &Type, place: &str) -> Expr {
        let value = self.expr(expr, Some(want));
        self.fit(value, want, place)
    }

    /// Coerces, or says why it cannot be.
    pub fn fit(&mut self, value: Expr, want: &Type, place: &str) -> Expr {
        match coerce(value, want) {
            Ok(value) => value,
            Err(value) => {
                self.mismatch(&value, want, place);
                Expr {
                    kind: ExprKind::Literal(crate::base::Literal::None),
                    ty: Type::Error,
                    ..*value
                }
            }
        }
    }

    fn mismatch(&mut self, value: &Expr, want: &Type, place: &str) {
        let found = &value.ty;
        let mut diagnostic =
            Diagnostic::error("E0301", format!("{place} must be {want}, but this is {found}"))
                .label(value.span, format!("expected {want}, found {found}"));
        if let Some(help) = bridge(value, want) {
            diagnostic = diagnostic.help(help);
        }
        self.error(diagnostic);
    }

    pub fn error_expr(span: Span) -> Expr {
        Expr { kind: ExprKind::Literal(crate::base::Literal::None), ty: Type::Error, span }
    }
}

/// How to come from a value to the type that is wanted.
fn bridge(value: &Expr, want: &Type) -> Option<String> {
    let found = &value.ty;
    Some(match (found, want) {
        (Type::Prompt(out), want) if out.as_ref() == want => {
            format!("a template only makes the prompt: write `generate {want} from …`")
        }
        (Type::Prompt(_), _) => {
            "a template only makes the prompt; `generate T from …` has it answered".to_string()
        }
        (Type::Tokens(medium), Type::Medium(other)) if medium == other => {
            "`decode` makes the medium of its tokens".to_string()
        }
        (Type::Medium(medium), Type::Tokens(other)) if medium == other => {
            "`encode` makes tokens of a medium".to_string()
        }
        (Type::Option(inner), want) if super::coerce::widens(inner, want) => {
            "this may be none: write `… ?? other` to say what to take then".to_string()
        }
        (Type::Int | Type::Float | Type::Bool | Type::Duration | Type::Union(_), want)
            if *want == Type::TEXT =>
        {
            "put it in a text: \"{…}\"".to_string()
        }
        (found, Type::List(inner)) if super::coerce::widens(found, inner) => {
            "write it in brackets to make a list of one: […]".to_string()
        }
        (Type::List(inner), want) if super::coerce::widens(inner, want) => {
            "take one item with `…[0]`, or all with `[… for item in …]`".to_string()
        }
        (found, Type::Union(_)) if *found == Type::TEXT => {
            "any text may come here at run time; give this the union's type as well".to_string()
        }
        (found, Type::Matching(_)) if *found == Type::TEXT => {
            "any text may come here at run time; give this the same type as well".to_string()
        }
        (Type::Medium(from) | Type::Lasting(from, _), Type::Lasting(to, _)) if from == to => {
            format!("it may be of another length: give it the type {want} where it comes from")
        }
        (Type::Float, Type::Int) => "write a whole number".to_string(),
        (Type::Medium(from), Type::Medium(to)) => {
            format!("make {to} of {from} with `generate {to} from …`")
        }
        (Type::Int, Type::Duration) | (Type::Float, Type::Duration) => {
            "a duration has a unit: 3s, 250ms, 2min".to_string()
        }
        (Type::Record(found), Type::Record(want)) => {
            let missing: Vec<String> = want
                .iter()
                .filter(|(name, _)| !found.iter().any(|(known, _)| known == name))
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            if missing.is_empty() {
                return None;
            }
            format!("it lacks {}", crate::lang::words::listing(&missing, "and"))
        }
        _ => return None,
    })
}
