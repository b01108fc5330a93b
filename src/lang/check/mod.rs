//! Types: from resolved syntax trees to the typed IR.

mod body;
mod calls;
mod coerce;
mod declare;
mod edits;
mod evaluation;
mod expr;
mod generate;
mod index;
mod lists;
mod matching;
mod misplaced;
mod operators;
mod order;
mod plugin;
mod template;
mod test;
mod type_exprs;
mod with;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::base::{Diagnostic, Severity, Sources, Span};

use super::index::Index;
use super::ir;
use super::resolve::{ItemRef, Module, ModuleIndex, Resolved, Target};
use super::syntax::ast::{Ident, ItemKind};
use super::types::Type;
use super::words::nearest;

/// Something that is worked out once, when it is first needed.
enum Slot<T> {
    /// Being worked out: meeting it again is a circle.
    Open,
    Done(T),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Callable {
    Pipeline(ir::PipelineId),
    Template(ir::TemplateId),
    /// A function of a plugin, which is no declaration of its own.
    Plugin,
}

/// What a caller needs to know of a pipeline or template.
struct Signature {
    name: String,
    params: Vec<ir::Param>,
    result: Type,
    callable: Callable,
    item: ItemRef,
    span: Span,
}

struct Checker<'a> {
    resolved: &'a Resolved,
    /// The texts, for what changes of them can be offered.
    sources: &'a Sources,
    diagnostics: Vec<Diagnostic>,
    used_imports: HashSet<(ModuleIndex, usize)>,
    types: HashMap<ItemRef, Slot<Type>>,
    consts: HashMap<ItemRef, Slot<ir::Expr>>,
    /// How many types or constants are being worked out inside of each other.
    chain: usize,
    signatures: HashMap<ItemRef, Rc<Signature>>,
    plugins: HashMap<ItemRef, plugin::Declared>,
    pipelines: Vec<ir::Pipeline>,
    templates: Vec<ir::Template>,
    /// Tests of the root file, with their places in it.
    tests: Vec<(ItemRef, ir::Test)>,
    /// Evaluations of the root file, likewise.
    evaluations: Vec<(ItemRef, ir::Evaluation)>,
    /// Who calls whom, for recursion and for what the program needs.
    calls: HashMap<ItemRef, Vec<(ItemRef, Span)>>,
    /// Which name means what, for editors.
    index: Index,
}

/// Checks everything that was loaded; a program comes back where nothing is wrong.
pub fn check(
    resolved: &Resolved,
    sources: &Sources,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Option<ir::Program>, Index) {
    let mut checker = Checker {
        resolved,
        sources,
        diagnostics: Vec::new(),
        used_imports: HashSet::new(),
        types: HashMap::new(),
        consts: HashMap::new(),
        chain: 0,
        signatures: HashMap::new(),
        plugins: HashMap::new(),
        pipelines: Vec::new(),
        templates: Vec::new(),
        tests: Vec::new(),
        evaluations: Vec::new(),
        calls: HashMap::new(),
        index: Index::default(),
    };
    checker.declare();
    checker.bodies();
    let order = order::order(&mut checker);
    let index = checker.finish_index();
    let failed = |list: &[Diagnostic]| list.iter().any(|d| d.severity == Severity::Error);
    if failed(diagnostics) || failed(&checker.diagnostics) {
        // What is unused may be so only because of a mistake elsewhere.
        checker.diagnostics.retain(|diagnostic| diagnostic.severity == Severity::Error);
        diagnostics.append(&mut checker.diagnostics);
        return (None, index);
    }
    checker.unused_imports();
    diagnostics.append(&mut checker.diagnostics);
    let tests = checker.tests.into_iter().map(|(_, test)| test).collect();
    let evaluations = checker.evaluations.into_iter().map(|(_, found)| found).collect();
    let (pipelines, templates) = (checker.pipelines, checker.templates);
    (Some(order::program(pipelines, templates, tests, evaluations, order)), index)
}

impl<'a> Checker<'a> {
    fn error(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// What a name at the top of a module means; marks an import as used.
    fn lookup(&mut self, module: ModuleIndex, name: &str, span: Span) -> Option<Target> {
        let binding = self.resolved.modules[module].names.get(name)?;
        if let Some(import) = binding.import {
            self.used_imports.insert((module, import));
        }
        if let Some(declared) = self.resolved.definition(module, binding) {
            self.index.record(span, declared);
        }
        Some(binding.target)
    }

    /// `module.name`
    fn member(&mut self, module: ModuleIndex, name: &Ident) -> Target {
        match super::resolve::member(self.resolved, module, name) {
            Ok(target) => {
                if let Some(declared) = self.resolved.declared(target) {
                    self.index.record(name.span, declared);
                }
                target
            }
            Err(diagnostic) => {
                self.error(diagnostic);
                Target::Broken
            }
        }
    }

    fn item(&self, item: ItemRef) -> &'a super::syntax::ast::Item {
        &self.resolved.modules[item.module].file.items[item.item]
    }

    /// Names at the top of a module that stand for a kind of thing.
    fn names_of(&self, module: ModuleIndex, keep: impl Fn(&ItemKind) -> bool) -> Vec<&'a str> {
        let names = self.resolved.modules[module].names.iter();
        let kept = names.filter(|(_, binding)| match binding.target {
            Target::Item(item) => keep(&self.item(item).kind),
            _ => false,
        });
        kept.map(|(name, _)| name.as_str()).collect()
    }

    fn unused_imports(&mut self) {
        for (index, module) in self.resolved.modules.iter().enumerate() {
            for (import, named) in module.imports.iter().enumerate() {
                let used = named.public || self.used_imports.contains(&(index, import));
                if !used && !named.name.starts_with('_') {
                    let change = self.without_import(module, named.span);
                    self.diagnostics.push(
                        Diagnostic::warning("W0202", format!("`{}` is never used", named.name))
                            .label(named.span, "imported here")
                            .remedy("remove the import", change),
                    );
                }
            }
        }
    }

    /// Takes an imported name out of its `use`, and all of that where it is the only one.
    fn without_import(&self, module: &Module, name: Span) -> Option<(Span, String)> {
        let text = &self.sources.get(name.source)?.text;
        let within = |span: Span| span.start <= name.start && name.end <= span.end;
        let item = module.file.items.iter().find(|item| within(item.span))?;
        let ItemKind::Use(written) = &item.kind else { return None };
        let bytes = |span: Span| span.start as usize..span.end as usize;
        let names: Vec<_> = written
            .names
            .iter()
            .flatten()
            .map(|name| {
                bytes(name.alias.as_ref().map_or(name.name.span, |a| name.name.span.to(a.span)))
            })
            .collect();
        let place = names.iter().position(|at| at.end == name.end as usize);
        let gone = match place {
            Some(place) if names.len() > 1 => edits::removal(text, &names, place),
            _ => edits::declaration(text, &bytes(item.span)),
        };
        Some((Span::new(name.source, gone.start, gone.end), String::new()))
    }
}

/// `help` with a did-you-mean, if there is a near name.
fn did_you_mean<'n>(
    diagnostic: Diagnostic,
    name: &str,
    candidates: impl IntoIterator<Item = &'n str>,
) -> Diagnostic {
    match nearest(name, candidates) {
        Some(near) => diagnostic.did_you_mean(near),
        None => diagnostic,
    }
}
