//! Describes what was declared, for the index of names.

use std::collections::BTreeMap;

use crate::base::Span;
use crate::lang::index::{Definition, Index, Kind, ModuleNames, call_line, param_line, value_line};
use crate::lang::interface::{self, Entry, Interface, Param};
use crate::lang::ir;
use crate::lang::resolve::{ItemRef, ModuleIndex, Target, member};
use crate::lang::syntax::ast::{Ident, Item, ItemKind, Use};
use crate::lang::types::Type;

use super::{Checker, Slot};

/// A `let`, or the item of a comprehension.
pub fn value(name: &Ident, ty: &Type) -> Definition {
    Definition {
        name: name.text.clone(),
        span: name.span,
        kind: Kind::Value,
        line: format!("let {}: {ty}", name.text),
        doc: None,
        ty: Some(ty.clone()),
        target: None,
    }
}

fn parameter(param: &ir::Param) -> Definition {
    Definition {
        name: param.name.clone(),
        span: param.span,
        kind: Kind::Parameter,
        line: param_line(param),
        doc: param.doc.clone(),
        ty: Some(param.ty.clone()),
        target: None,
    }
}

fn without_type(name: &str, span: Span, kind: Kind, line: String) -> Definition {
    Definition { name: name.to_string(), span, kind, line, doc: None, ty: None, target: None }
}

impl Checker<'_> {
    /// Adds the declarations to the uses that were noted on the way.
    pub fn finish_index(&mut self) -> Index {
        for (module, loaded) in self.resolved.modules.iter().enumerate() {
            let start = Span::new(loaded.source, 0, 0);
            let line = match loaded.path.as_str() {
                "" => "this file".to_string(),
                path => format!("module {path}"),
            };
            let head = without_type(&loaded.path, start, Kind::Module, line);
            self.index.define(Definition { doc: loaded.file.doc.clone(), ..head });
            for (place, item) in loaded.file.items.iter().enumerate() {
                match &item.kind {
                    ItemKind::Use(written) => {
                        if let Some(target) = loaded.uses.get(&place).copied().flatten() {
                            self.index_use(written, target);
                        }
                    }
                    _ => self.index_item(ItemRef { module, item: place }, item),
                }
            }
            for name in &loaded.file.broken {
                let line = format!("{}, whose declaration has a mistake", name.text);
                self.index.define(without_type(&name.text, name.span, Kind::Broken, line));
            }
            self.index_names(module);
        }
        self.index.interface = self.interface();
        let mut index = std::mem::take(&mut self.index);
        index.finish();
        index
    }

    /// What the root file publishes, as far as its declarations could be worked out.
    fn interface(&self) -> Interface {
        let Some(root) = self.resolved.modules.first() else { return Interface::new() };
        let mut interface = Interface::new();
        for (name, binding) in &root.names {
            let Target::Item(at) = binding.target else { continue };
            let public = match binding.import {
                Some(import) => root.imports.get(import).is_some_and(|import| import.public),
                None => self.item(at).public.is_some(),
            };
            if let Some(entry) = self.entry(at).filter(|_| public) {
                interface.insert(name.clone(), entry);
            }
        }
        interface
    }

    fn entry(&self, at: ItemRef) -> Option<Entry> {
        match &self.item(at).kind {
            ItemKind::Use(_) | ItemKind::Test(_) | ItemKind::Evaluation(_) => None,
            ItemKind::Type(_) => match self.types.get(&at) {
                Some(Slot::Done(ty)) => Some(Entry::Type(ty.clone())),
                _ => None,
            },
            ItemKind::Const(_) => match self.consts.get(&at) {
                Some(Slot::Done(known)) => {
                    Some(Entry::Const { ty: known.ty.clone(), value: interface::value(known) })
                }
                _ => None,
            },
            kind => {
                let signature = self.signatures.get(&at)?;
                let params = signature.params.iter().map(Param::of).collect();
                let result = signature.result.clone();
                Some(match kind {
                    ItemKind::Template(_) => Entry::Template { params, result },
                    _ => Entry::Pipeline { params, result },
                })
            }
        }
    }

    fn index_use(&mut self, written: &Use, target: ModuleIndex) {
        let module = Span::new(self.resolved.modules[target].source, 0, 0);
        self.index.record(written.path_span, module);
        if let Some(alias) = &written.alias {
            self.index_alias(alias, module);
        }
        for listed in written.names.iter().flatten() {
            let found = member(self.resolved, target, &listed.name).ok();
            let Some(declared) = found.and_then(|found| self.resolved.declared(found)) else {
                continue;
            };
            self.index.record(listed.name.span, declared);
            if let Some(alias) = &listed.alias {
                self.index_alias(alias, declared);
            }
        }
    }

    fn index_alias(&mut self, alias: &Ident, target: Span) {
        let line = format!("another name, `{}`", alias.text);
        let definition = without_type(&alias.text, alias.span, Kind::Alias, line);
        self.index.define(Definition { target: Some(target), ..definition });
    }

    fn index_item(&mut self, at: ItemRef, item: &Item) {
        let Some(name) = item.name() else { return };
        let (kind, line, ty) = match &item.kind {
            ItemKind::Use(_) | ItemKind::Test(_) | ItemKind::Evaluation(_) => return,
            ItemKind::Plugin(_) => {
                let functions = self.plugin_functions(at).unwrap_or_default();
                let lines: Vec<&str> = functions.iter().map(|(_, line)| line.as_str()).collect();
                let line = match lines.is_empty() {
                    true => format!("plugin {}", name.text),
                    false => format!("plugin {} {{ {} }}", name.text, lines.join(", ")),
                };
                self.index.functions(name.span, functions);
                (Kind::Plugin, line, None)
            }
            ItemKind::Type(_) => {
                let line = match self.types.get(&at) {
                    Some(Slot::Done(ty)) => format!("type {} = {ty}", name.text),
                    _ => format!("type {}", name.text),
                };
                (Kind::Type, line, None)
            }
            ItemKind::Const(_) => match self.consts.get(&at) {
                Some(Slot::Done(value)) => {
                    let shown = value_line(value);
                    let line = match value.ty {
                        Type::Error => format!("const {}", name.text),
                        _ => format!("const {}: {} = {shown}", name.text, value.ty),
                    };
                    (Kind::Const, line, Some(value.ty.clone()))
                }
                _ => (Kind::Const, format!("const {}", name.text), None),
            },
            ItemKind::Template(_) | ItemKind::Pipeline(_) => {
                let Some(signature) = self.signatures.get(&at) else { return };
                for param in &signature.params {
                    self.index.define(parameter(param));
                }
                let call = call_line(&signature.name, &signature.params);
                let line = format!("{} {call} -> {}", item.what(), signature.result);
                let kind = match &item.kind {
                    ItemKind::Template(_) => Kind::Template,
                    _ => Kind::Pipeline,
                };
                (kind, line, None)
            }
        };
        let doc = item.doc.clone();
        let definition = without_type(&name.text, name.span, kind, line);
        self.index.define(Definition { doc, ty, ..definition });
    }

    /// A column of an evaluation, which no signature holds.
    pub fn index_column(&mut self, param: &ir::Param) {
        self.index.define(parameter(param));
    }

    fn index_names(&mut self, module: ModuleIndex) {
        let loaded = &self.resolved.modules[module];
        let names = loaded.names.iter().filter_map(|(name, binding)| {
            Some((name.clone(), self.resolved.definition(module, binding)?))
        });
        let public = loaded.names.iter().filter_map(|(name, binding)| {
            let published = match (binding.target, binding.import) {
                (_, Some(import)) => loaded.imports.get(import)?.public,
                (Target::Item(at), None) => self.item(at).public.is_some(),
                _ => false,
            };
            let span = self.resolved.definition(module, binding)?;
            published.then(|| (name.clone(), span))
        });
        let names = ModuleNames {
            names: names.collect::<BTreeMap<_, _>>(),
            public: public.collect::<BTreeMap<_, _>>(),
        };
        self.index.module(loaded.source, names);
    }
}
