//! The names at the top of each file: its declarations and what it imports.

use std::collections::HashMap;

use crate::base::{Diagnostic, Medium, Span};
use crate::lang::syntax::ast::{Ident, Item, ItemKind, Use};
use crate::lang::words::{article, nearest};

use super::{Binding, Import, ItemRef, ModuleIndex, Resolved, Target};

/// Types that need no declaration, apart from the media.
pub const BUILTIN_TYPES: [&str; 9] =
    ["int", "float", "bool", "duration", "tokens", "list", "prompt", "mixed", "chat"];

/// Functions that need no declaration.
pub const BUILTIN_FUNCTIONS: [&str; 5] = ["length", "file", "pick", "before", "after"];

/// Fills [`super::Module::names`] and [`super::Module::imports`].
pub fn bind(resolved: &mut Resolved, diagnostics: &mut Vec<Diagnostic>) {
    for index in 0..resolved.modules.len() {
        let mut table = Table { names: HashMap::new(), imports: Vec::new(), diagnostics };
        table.declarations(resolved, index);
        let module = &mut resolved.modules[index];
        module.names = table.names;
    }
    // Imports look into other modules' declarations, so these must all be there; and into what
    // those publish again, so used modules come before their users.
    for index in used_first(resolved) {
        let names = resolved.modules[index].names.clone();
        let mut table = Table { names, imports: Vec::new(), diagnostics };
        table.all_imports(resolved, index);
        let Table { names, imports, .. } = table;
        resolved.modules[index].names = names;
        resolved.modules[index].imports = imports;
    }
}

/// All modules, each after those that it uses; circles (diagnosed elsewhere) are cut anywhere.
fn used_first(resolved: &Resolved) -> Vec<ModuleIndex> {
    let mut order = Vec::with_capacity(resolved.modules.len());
    let mut met = vec![false; resolved.modules.len()];
    for start in 0..resolved.modules.len() {
        // Each module that is open, with those it uses that are still to be looked at.
        let mut path: Vec<(ModuleIndex, Vec<ModuleIndex>)> = Vec::new();
        let mut next = Some(start);
        loop {
            if let Some(index) = next.take().filter(|index| !met[*index]) {
                met[index] = true;
                let uses = resolved.modules[index].uses.values().copied().flatten().collect();
                path.push((index, uses));
            }
            let Some((index, uses)) = path.last_mut() else { break };
            next = uses.pop();
            if next.is_none() {
                order.push(*index);
                path.pop();
            }
        }
    }
    order
}

/// How a name is imported.
struct Named {
    /// By `pub use`.
    public: bool,
    /// With `as`.
    alias: bool,
}

struct Table<'a> {
    names: HashMap<String, Binding>,
    imports: Vec<Import>,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Table<'_> {
    fn declarations(&mut self, resolved: &Resolved, module: ModuleIndex) {
        let file = &resolved.modules[module].file;
        for (item, declared) in file.items.iter().enumerate() {
            let Some(name) = declared.name() else { continue };
            if self.refuse_builtin(declared, name) {
                continue;
            }
            let target = Target::Item(ItemRef { module, item });
            self.add(&name.text, Binding { target, span: name.span, import: None });
        }
        for name in &file.broken {
            let binding = Binding { target: Target::Broken, span: name.span, import: None };
            self.names.entry(name.text.clone()).or_insert(binding);
        }
    }

    fn refuse_builtin(&mut self, item: &Item, name: &Ident) -> bool {
        let builtin = match item.kind {
            ItemKind::Type(_) => {
                BUILTIN_TYPES.contains(&name.text.as_str())
                    || Medium::from_name(&name.text).is_some()
            }
            _ => BUILTIN_FUNCTIONS.contains(&name.text.as_str()),
        };
        if builtin {
            self.diagnostics.push(
                Diagnostic::error("E0105", format!("`{}` is built in", name.text))
                    .label(name.span, format!("cannot be the name of {}", article(item.what())))
                    .help("choose another name"),
            );
        }
        builtin
    }

    fn add(&mut self, name: &str, binding: Binding) {
        if let Some(known) = self.names.get(name) {
            let (first, again) = match known.span.start <= binding.span.start {
                true => (known.span, binding.span),
                false => (binding.span, known.span),
            };
            self.diagnostics.push(
                Diagnostic::error("E0202", format!("`{name}` is named twice in this file"))
                    .label(again, "again here")
                    .label(first, "first named here")
                    .help("rename one of them; an import is renamed with `as`"),
            );
            return;
        }
        self.names.insert(name.to_string(), binding);
    }

    fn all_imports(&mut self, resolved: &Resolved, index: ModuleIndex) {
        let module = &resolved.modules[index];
        for (place, item) in module.file.items.iter().enumerate() {
            let public = item.public.is_some();
            let ItemKind::Use(item) = &item.kind else { continue };
            let target = module.uses.get(&place).copied().flatten();
            match &item.names {
                Some(_) => self.listed(resolved, item, target, public),
                None => self.whole(item, target),
            }
        }
    }

    fn import(&mut self, name: &str, span: Span, target: Target, how: Named) {
        let import = Some(self.imports.len());
        let Named { public, alias } = how;
        self.imports.push(Import { name: name.to_string(), span, public, alias });
        self.add(name, Binding { target, span, import });
    }

    /// `use a/b`, `use a/b as c`
    fn whole(&mut self, item: &Use, target: Option<ModuleIndex>) {
        let target = target.map_or(Target::Broken, Target::Module);
        if let Some(alias) = &item.alias {
            self.import(&alias.text, alias.span, target, Named { public: false, alias: true });
            return;
        }
        let name = item.path.rsplit('/').next().unwrap_or(&item.path);
        let plain =
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !name.contains('-');
        if plain {
            self.import(name, item.path_span, target, Named { public: false, alias: false });
        } else {
            self.diagnostics.push(
                Diagnostic::error("E0105", format!("`{name}` cannot be a name"))
                    .label(item.path_span, "the module's own name has other characters")
                    .help(format!("give it one: `use {} as {}`", item.path, plain_name(name))),
            );
        }
    }

    /// `use a/b { x, y as z }`
    fn listed(
        &mut self,
        resolved: &Resolved,
        item: &Use,
        module: Option<ModuleIndex>,
        public: bool,
    ) {
        for listed in item.names.iter().flatten() {
            let target = match module {
                Some(module) => self.member(resolved, module, &listed.name),
                None => Target::Broken,
            };
            let name = listed.alias.as_ref().unwrap_or(&listed.name);
            self.import(
                &name.text,
                name.span,
                target,
                Named { public, alias: listed.alias.is_some() },
            );
        }
    }

    fn member(&mut self, resolved: &Resolved, module: ModuleIndex, name: &Ident) -> Target {
        match member(resolved, module, name) {
            Ok(target) => target,
            Err(diagnostic) => {
                self.diagnostics.push(diagnostic);
                Target::Broken
            }
        }
    }
}

/// What `name` means in another module: a declaration that is `pub` there, or a `pub use`.
pub fn member(
    resolved: &Resolved,
    module: ModuleIndex,
    name: &Ident,
) -> Result<Target, Diagnostic> {
    let other = &resolved.modules[module];
    let published = |binding: &&Binding| match binding.import {
        None => true,
        Some(import) => other.imports.get(import).is_some_and(|import| import.public),
    };
    let own = other.names.get(&name.text).filter(published);
    let Some(own) = own else {
        let public = other.file.items.iter().filter(|item| item.public.is_some());
        let declared = public.filter_map(|i| Some(i.name()?.text.as_str()));
        let again = other.imports.iter().filter(|import| import.public);
        let names: Vec<&str> = declared.chain(again.map(|i| i.name.as_str())).collect();
        let diagnostic =
            Diagnostic::error("E0207", format!("`{}` has no `{}`", other.path, name.text))
                .label(name.span, "not found in that module");
        return Err(match nearest(&name.text, names.iter().copied()) {
            Some(near) => diagnostic.did_you_mean(near),
            None if names.is_empty() => diagnostic.help("the module publishes nothing"),
            None => diagnostic.help(format!("it has {}", listing_of(&names))),
        });
    };
    if let (Target::Item(item), None) = (own.target, own.import) {
        let declared = &other.file.items[item.item];
        if declared.public.is_none() {
            let start = Span { end: declared.span.start, ..declared.span };
            return Err(Diagnostic::error(
                "E0206",
                format!("{} `{}` is private to `{}`", declared.what(), name.text, other.path),
            )
            .label(name.span, "cannot be used from here")
            .label(own.span, "declared here")
            .help(format!("write `pub {}` where it is declared", keyword(declared)))
            .fix(start, "pub "));
        }
    }
    Ok(own.target)
}

fn keyword(item: &Item) -> &'static str {
    match item.kind {
        ItemKind::Const(_) => "const",
        _ => item.what(),
    }
}

fn listing_of(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().take(6).map(|name| format!("`{name}`")).collect();
    let more = if names.len() > 6 { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

fn plain_name(name: &str) -> String {
    let kept: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if kept.starts_with(|c: char| c.is_ascii_digit()) { format!("_{kept}") } else { kept }
}
