//! Plugins: their settings, and calls of their functions.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use crate::base::{Diagnostic, Literal, Span};
use crate::lang::index::Fact;
use crate::lang::ir::{self, Expr, ExprKind, LocalId};
use crate::lang::plugin::{Function, Grant, Import, Limits, size};
use crate::lang::resolve::{ItemRef, Target};
use crate::lang::syntax::ast::{self, Arg, Ident, ItemKind, PluginValue};
use crate::lang::types::Type;
use crate::lang::words::listing;

use super::body::{Body, Mode};
use super::{Callable, Checker, Signature, did_you_mean};

const SETTINGS: [&str; 4] = ["fuel", "memory", "deadline", "grants"];

/// A declared plugin, and its functions as far as the language has types for them.
pub struct Declared {
    plugin: Arc<ir::Plugin>,
    functions: Vec<Result<Rc<Signature>, String>>,
}

impl Checker<'_> {
    pub fn plugin(&mut self, at: ItemRef, declared: &ast::Plugin) {
        let (limits, grants) = self.plugin_settings(at, declared);
        let resolved = self.resolved;
        let Some(loaded) = resolved.modules[at.module].plugins.get(&at.item) else { return };
        let span = declared.name.span;
        for import in &loaded.component.imports {
            self.plugin_import(declared, import, &grants);
        }
        let functions = loaded.component.functions.iter().map(|function| {
            let ty = function.signature.as_ref().map_err(String::clone)?;
            let params = ty.params.iter().enumerate().map(|(place, (name, ty))| ir::Param {
                local: LocalId(u32::try_from(place).unwrap_or(u32::MAX)),
                name: name.clone(),
                doc: None,
                ty: ty.clone(),
                default: None,
                span,
            });
            Ok(Rc::new(Signature {
                name: format!("{}.{}", declared.name.text, function.name),
                params: params.collect(),
                result: ty.result.clone(),
                callable: Callable::Plugin,
                item: at,
                span,
            }))
        });
        let functions = functions.collect();
        let plugin = Arc::new(ir::Plugin {
            name: declared.name.text.clone(),
            component: loaded.component.clone(),
            limits,
            grants,
            span,
        });
        self.plugins.insert(at, Declared { plugin, functions });
    }

    /// Everything that a component imports must be given to it.
    fn plugin_import(&mut self, declared: &ast::Plugin, import: &Import, grants: &BTreeSet<Grant>) {
        let name = &declared.name.text;
        match import {
            Import::Granted(grant) if grants.contains(grant) => {}
            Import::Granted(grant) => {
                let (word, doc) = (grant.name(), grant.doc());
                self.error(
                    Diagnostic::error("E0904", format!("plugin `{name}` is not granted `{word}`"))
                        .label(declared.path.span, format!("this component wants to {doc}"))
                        .help(format!(
                            "if it may, write `{{ grants: [{word:?}] }}` here and `--allow \
                             {name}={word}` when it runs"
                        )),
                );
            }
            Import::Unknown { name: import, reason } => self.error(
                Diagnostic::error("E0904", format!("plugin `{name}` asks for `{import}`"))
                    .label(declared.path.span, "by this component")
                    .help(reason.clone()),
            ),
        }
    }

    fn plugin_settings(
        &mut self,
        at: ItemRef,
        declared: &ast::Plugin,
    ) -> (Limits, BTreeSet<Grant>) {
        let mut limits = Limits::default();
        let mut grants = BTreeSet::new();
        let mut given: Vec<&Ident> = Vec::new();
        for setting in &declared.settings {
            let name = setting.name.text.as_str();
            if let Some(first) = given.iter().find(|known| known.text == name) {
                let first = first.span;
                self.error(
                    Diagnostic::error("E0405", format!("`{name}` is given twice"))
                        .label(setting.span, "again here")
                        .label(first, "first given here")
                        .help("remove one of them"),
                );
                continue;
            }
            given.push(&setting.name);
            match (name, &setting.value) {
                ("memory", PluginValue::Size(bytes, span)) => {
                    if Limits::MEMORY.contains(bytes) {
                        limits.memory = *bytes;
                    } else {
                        self.plugin_range(name, &memory_range(), *span);
                    }
                }
                ("memory", PluginValue::Expr(value)) => {
                    self.plugin_range(
                        name,
                        &format!("a size such as 64MiB, {}", memory_range()),
                        value.span,
                    );
                }
                ("fuel" | "deadline" | "grants", PluginValue::Size(_, span)) => {
                    self.error(
                        Diagnostic::error("E0404", format!("`{name}` cannot be a size"))
                            .label(*span, "a size in bytes")
                            .help("only `memory` is a size"),
                    );
                }
                ("fuel", PluginValue::Expr(value)) => {
                    let (least, most) = (Limits::FUEL.start(), Limits::FUEL.end());
                    match self.plugin_literal(at, value, &Type::Int, name) {
                        Some(Literal::Int(fuel)) if Limits::FUEL.contains(&fuel) => {
                            limits.fuel = fuel.unsigned_abs();
                        }
                        Some(_) => {
                            let range = format!("at least {least} and at most {most}");
                            self.plugin_range(name, &range, value.span);
                        }
                        None => {}
                    }
                }
                ("deadline", PluginValue::Expr(value)) => {
                    match self.plugin_literal(at, value, &Type::Duration, name) {
                        Some(Literal::Duration(seconds)) if Limits::DEADLINE.contains(&seconds) => {
                            limits.deadline = seconds;
                        }
                        Some(_) => {
                            self.plugin_range(name, "at least 10ms and at most 1h", value.span)
                        }
                        None => {}
                    }
                }
                ("grants", PluginValue::Expr(value)) => self.plugin_grants(value, &mut grants),
                _ => {
                    let diagnostic = Diagnostic::error(
                        "E0401",
                        format!("there is no setting `{name}` of a plugin"),
                    )
                    .label(setting.name.span, "not known");
                    let diagnostic = did_you_mean(diagnostic, name, SETTINGS);
                    let help = diagnostic.help.is_none().then(|| {
                        "a plugin has the settings `fuel`, `memory`, `deadline` and `grants`"
                            .to_string()
                    });
                    self.error(Diagnostic { help: diagnostic.help.clone().or(help), ..diagnostic });
                }
            }
        }
        (limits, grants)
    }

    fn plugin_range(&mut self, name: &str, range: &str, span: Span) {
        self.error(
            Diagnostic::error("E0404", format!("`{name}` must be {range}"))
                .label(span, "out of range"),
        );
    }

    fn plugin_literal(
        &mut self,
        at: ItemRef,
        value: &ast::Expr,
        ty: &Type,
        name: &str,
    ) -> Option<Literal> {
        let mode = Mode::Constant("a setting of a plugin");
        let value = Body::new(self, at.module, mode).expect(value, ty, &format!("`{name}`"));
        match value.kind {
            ExprKind::Literal(literal) if value.ty != Type::Error => Some(literal),
            _ => None,
        }
    }

    /// A list of plain texts, each the name of a grant.
    fn plugin_grants(&mut self, value: &ast::Expr, grants: &mut BTreeSet<Grant>) {
        let help = || {
            let known: Vec<String> = Grant::ALL
                .iter()
                .map(|grant| format!("{:?} ({})", grant.name(), grant.doc()))
                .collect();
            format!("a plugin can be granted {}", listing(&known, "and"))
        };
        let ast::ExprKind::List(items) = &value.kind else {
            self.error(
                Diagnostic::error("E0404", "`grants` must be a list of texts")
                    .label(value.span, "not a list")
                    .help(help()),
            );
            return;
        };
        for item in items {
            let word = match &item.kind {
                ast::ExprKind::Text(text) => text.plain(),
                _ => None,
            };
            match word.as_deref().map(|word| (word, Grant::from_name(word))) {
                Some((_, Some(grant))) => drop(grants.insert(grant)),
                Some((word, None)) => {
                    let diagnostic =
                        Diagnostic::error("E0404", format!("there is no grant {word:?}"))
                            .label(item.span, "not known");
                    let diagnostic = did_you_mean(diagnostic, word, Grant::ALL.map(Grant::name));
                    let help = diagnostic.help.clone().or_else(|| Some(help()));
                    self.error(Diagnostic { help, ..diagnostic });
                }
                None => self.error(
                    Diagnostic::error("E0404", "a grant is a plain text")
                        .label(item.span, "not one")
                        .help(help()),
                ),
            }
        }
    }

    /// Its functions and their lines, for editors.
    pub fn plugin_functions(&self, at: ItemRef) -> Option<Vec<(String, String)>> {
        let functions = &self.plugins.get(&at)?.plugin.component.functions;
        let line = |function: &Function| {
            let ty = function.signature.as_ref().ok()?;
            Some((function.name.clone(), format!("{}{}", function.name, ty.line())))
        };
        Some(functions.iter().filter_map(line).collect())
    }
}

fn memory_range() -> String {
    format!(
        "at least {} and at most {}",
        size(*Limits::MEMORY.start()),
        size(*Limits::MEMORY.end())
    )
}

impl Body<'_, '_> {
    /// The plugin that stands before the dot of a call: `loudness`, `module.loudness`.
    pub fn plugin_named(&mut self, expr: &ast::Expr) -> Option<ItemRef> {
        let target = match &expr.kind {
            ast::ExprKind::Name(name) if !self.is_local(name) => {
                let binding = self.checker.resolved.modules[self.module].names.get(name)?;
                let Target::Item(item) = binding.target else { return None };
                matches!(self.checker.item(item).kind, ItemKind::Plugin(_)).then_some(())?;
                self.checker.lookup(self.module, name, expr.span)?
            }
            ast::ExprKind::Field(inner, name) => match self.module_named(inner)? {
                Target::Module(module) => {
                    // A mistake in the member is reported by whoever uses it.
                    match crate::lang::resolve::member(self.checker.resolved, module, name) {
                        Ok(Target::Item(item))
                            if matches!(self.checker.item(item).kind, ItemKind::Plugin(_)) =>
                        {
                            self.checker.member(module, name)
                        }
                        _ => return None,
                    }
                }
                _ => return None,
            },
            _ => return None,
        };
        match target {
            Target::Item(item) => Some(item),
            _ => None,
        }
    }

    /// `loudness.measure(sound)`
    pub fn plugin_call(&mut self, item: ItemRef, name: &Ident, args: &[Arg], span: Span) -> Expr {
        match self.mode {
            Mode::Pipeline(_) => {}
            Mode::Template(_) => self.effect_in_template(span, "a call of a plugin"),
            Mode::Constant(what) => {
                self.error(
                    Diagnostic::error("E0309", format!("{what} cannot call anything"))
                        .label(span, "a call")
                        .help(format!("{what} is made of literals and constants only")),
                );
                return Self::error_expr(span);
            }
        }
        // Nothing is known of a component that could not be read; that was reported.
        let Some(declared) = self.checker.plugins.get(&item) else {
            self.skip(args);
            return Self::error_expr(span);
        };
        let plugin = declared.plugin.clone();
        let functions = &plugin.component.functions;
        let Some(function) = functions.iter().position(|known| known.name == name.text) else {
            let names: Vec<&str> = functions.iter().map(|known| known.name.as_str()).collect();
            let diagnostic = Diagnostic::error(
                "E0903",
                format!("plugin `{}` has no function `{}`", plugin.name, name.text),
            )
            .label(name.span, "not exported by its component")
            .label(plugin.span, "declared here");
            let mut diagnostic = did_you_mean(diagnostic, &name.text, names.iter().copied());
            if diagnostic.help.is_none() {
                let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                diagnostic = diagnostic.help(match quoted.is_empty() {
                    true => "it exports no function at all".to_string(),
                    false => format!("it has {}", listing(&quoted, "and")),
                });
            }
            self.error(diagnostic);
            self.skip(args);
            return Self::error_expr(span);
        };
        if let Ok(ty) = &functions[function].signature {
            let line = format!("{}.{}{}", plugin.name, name.text, ty.line());
            self.checker.index.fact(name.span, Fact { line, doc: None });
        }
        let signature = match &declared.functions[function] {
            Ok(signature) => signature.clone(),
            Err(reason) => {
                let diagnostic = Diagnostic::error(
                    "E0902",
                    format!("`{}.{}` cannot be called: {reason}", plugin.name, name.text),
                )
                .label(name.span, "agpt has no type for this")
                .help("docs/plugins.md lists the types that plugins and agpt share");
                self.error(diagnostic);
                self.skip(args);
                return Self::error_expr(span);
            }
        };
        match self.arguments(&signature, args, span) {
            Some(args) => Expr {
                kind: ExprKind::Plugin { plugin, function, args },
                ty: signature.result.clone(),
                span,
            },
            None => Self::error_expr(span),
        }
    }
}
