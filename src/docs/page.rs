//! The pages' HTML.

use std::fmt::Write as _;

use crate::base::Span;
use crate::base::markup::escape;
use crate::lang::ir::TemplateId;
use crate::lang::syntax::ast::{Expr, Item, ItemKind, Param, TypeExpr, TypeKind};

use super::html::{first_line, markdown};
use super::prompt::{self, Piece, Turn};
use super::{Module, Site, page_of, place};

const STYLE: &str = include_str!("style.css");

/// Hides what is not searched for; without it the list is simply whole.
const SEARCH: &str = "const q=document.getElementById('q');q.hidden=false;q.addEventListener('input',()=>{const t=q.value.toLowerCase();for(const m of document.querySelectorAll('nav>ul>li')){let any=m.dataset.n.includes(t);for(const i of m.querySelectorAll('li')){i.hidden=!any&&!i.dataset.n.includes(t)}const some=[...m.querySelectorAll('li')].some(i=>!i.hidden);m.hidden=!any&&!some}});";

/// Whether an item stands under a heading.
type Belongs = fn(&ItemKind) -> bool;

impl Site<'_> {
    fn page(&self, title: &str, main: &str) -> String {
        let library = self.library;
        let mut nav =
            format!("<a class=\"name\" href=\"index.html\">{}</a>", escape(&library.name));
        if let Some(version) = &library.version {
            let _ = write!(nav, "<span class=\"note\">version {}</span>", escape(version));
        }
        nav.push_str("<input id=\"q\" type=\"search\" placeholder=\"Search names\" aria-label=\"Search names\" hidden><ul>");
        for module in &library.modules {
            if module.items().next().is_none() && module.file.doc.is_none() {
                continue;
            }
            let page = page_of(module);
            let _ = write!(
                nav,
                "<li data-n=\"{}\"><a href=\"{page}\">{}</a><ul>",
                escape(&module.path.to_lowercase()),
                escape(&module.path)
            );
            for item in module.items() {
                let Some(name) = item.name() else { continue };
                let _ = write!(
                    nav,
                    "<li data-n=\"{}\"><a href=\"{page}#{}\">{}</a></li>",
                    escape(&name.text.to_lowercase()),
                    escape(&name.text),
                    escape(&name.text)
                );
            }
            nav.push_str("</ul></li>");
        }
        nav.push_str("</ul>");
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"generator\" content=\"agpt doc\">\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\
             <title>{}</title><style>{STYLE}</style></head>\n<body><nav>{nav}</nav>\n<main>{main}</main>\
             <script>{SEARCH}</script></body></html>\n",
            escape(title)
        )
    }

    pub fn index(&self) -> String {
        let library = self.library;
        let mut main = format!("<h1>{}</h1>", escape(&library.name));
        if let Some(description) = &library.description {
            let _ = write!(main, "<p>{}</p>", escape(description));
        }
        let mut facts = Vec::new();
        facts
            .extend(library.version.as_ref().map(|version| format!("version {}", escape(version))));
        facts.extend(library.license.as_ref().map(|license| escape(license)));
        if !facts.is_empty() {
            let _ = write!(main, "<p class=\"note\">{}</p>", facts.join(" · "));
        }
        main.push_str("<h2>Modules</h2>");
        for module in &library.modules {
            if module.items().next().is_none() && module.file.doc.is_none() {
                continue;
            }
            let doc = module.file.doc.as_deref().map(first_line).unwrap_or_default();
            let _ = write!(
                main,
                "<section class=\"item\"><h3><a href=\"{}\">{}</a></h3><p>{}</p></section>",
                page_of(module),
                escape(&module.used_as),
                escape(&doc)
            );
        }
        self.page(&library.name, &main)
    }

    pub fn module(&self, module: &Module) -> String {
        let mut main = format!("<h1>{}</h1>", escape(&module.used_as));
        if let Some(doc) = &module.file.doc {
            main.push_str(&markdown(doc));
        }
        let groups: [(&str, Belongs); 4] = [
            ("Templates", |kind| matches!(kind, ItemKind::Template(_))),
            ("Pipelines", |kind| matches!(kind, ItemKind::Pipeline(_))),
            ("Types", |kind| matches!(kind, ItemKind::Type(_))),
            ("Constants", |kind| matches!(kind, ItemKind::Const(_))),
        ];
        for (title, belongs) in groups {
            let items: Vec<&Item> = module.items().filter(|item| belongs(&item.kind)).collect();
            if items.is_empty() {
                continue;
            }
            let _ = write!(main, "<h2>{title}</h2>");
            for item in items {
                self.item(module, item, &mut main);
            }
        }
        self.again(module, &mut main);
        self.page(&format!("{} – {}", module.used_as, self.library.name), &main)
    }

    /// What `pub use` publishes again.
    fn again(&self, module: &Module, main: &mut String) {
        let uses = module.file.items.iter().filter(|item| item.public.is_some());
        let names: Vec<String> = uses
            .filter_map(|item| match &item.kind {
                ItemKind::Use(used) => used.names.as_ref(),
                _ => None,
            })
            .flatten()
            .map(|listed| {
                let name = listed.alias.as_ref().unwrap_or(&listed.name);
                self.linked(module, listed.name.span, &name.text)
            })
            .collect();
        if !names.is_empty() {
            let _ = write!(
                main,
                "<h2>Published again</h2><p><code>{}</code></p>",
                names.join("</code> <code>")
            );
        }
    }

    fn item(&self, module: &Module, item: &Item, main: &mut String) {
        let Some(name) = item.name() else { return };
        let shown = escape(&name.text);
        let private = match item.public {
            Some(_) => "",
            None => "<span class=\"tag\">not pub: to be run, not to be used</span>",
        };
        let _ = write!(
            main,
            "<section class=\"item\" id=\"{shown}\"><h3><a href=\"#{shown}\">{shown}</a>{private}</h3>"
        );
        let mut params: &[Param] = &[];
        let signature = match &item.kind {
            ItemKind::Template(declared) => {
                params = &declared.params;
                self.signature(module, "template", &name.text, params, &declared.out)
            }
            ItemKind::Pipeline(declared) => {
                params = &declared.params;
                self.signature(module, "pipeline", &name.text, params, &declared.ret)
            }
            ItemKind::Type(declared) => {
                format!("type {shown} = {}", self.ty(module, &declared.ty))
            }
            ItemKind::Const(declared) => {
                let ty = declared.ty.as_ref().map(|ty| format!(": {}", self.ty(module, ty)));
                format!(
                    "const {shown}{} = {}",
                    ty.unwrap_or_default(),
                    self.value(module, &declared.value)
                )
            }
            ItemKind::Plugin(declared) => {
                let path = declared.path.plain().unwrap_or_default();
                format!("plugin {shown} = wasm {}", escape(&format!("{path:?}")))
            }
            ItemKind::Use(_) | ItemKind::Test(_) | ItemKind::Evaluation(_) => return,
        };
        let _ = write!(main, "<pre><code>{signature}</code></pre>");
        if let Some(doc) = &item.doc {
            main.push_str(&markdown(doc));
        }
        if params.iter().any(|param| param.doc.is_some()) {
            main.push_str("<dl>");
            for param in params {
                let doc = param.doc.as_deref().map(markdown).unwrap_or_default();
                let _ = write!(main, "<dt>{}</dt><dd>{doc}</dd>", escape(&param.name.text));
            }
            main.push_str("</dl>");
        }
        if let ItemKind::Template(declared) = &item.kind {
            self.prompt(module, &name.text, &declared.params, item, main);
        }
        self.examples(module, name.span, main);
        main.push_str("</section>");
    }

    fn signature(
        &self,
        module: &Module,
        word: &str,
        name: &str,
        params: &[Param],
        result: &TypeExpr,
    ) -> String {
        let mut out = format!("{word} {}(", escape(name));
        for param in params {
            let _ = write!(out, "\n  {}: {}", escape(&param.name.text), self.ty(module, &param.ty));
            if let Some(default) = &param.default {
                let _ = write!(out, " = {}", self.value(module, default));
            }
            out.push(',');
        }
        if !params.is_empty() {
            out.push('\n');
        }
        let _ = write!(out, ") -> {}", self.ty(module, result));
        out
    }

    fn value(&self, module: &Module, value: &Expr) -> String {
        escape(module.slice(value.span))
    }

    /// A type as written, its names linked to where they are declared.
    fn ty(&self, module: &Module, ty: &TypeExpr) -> String {
        let mut names = Vec::new();
        named(ty, &mut names);
        names.sort_by_key(|span| span.start);
        let mut out = String::new();
        let mut at = ty.span.start;
        for span in names {
            if span.start < at {
                continue;
            }
            out.push_str(&escape(module.slice(Span { start: at, end: span.start, ..span })));
            out.push_str(&self.linked(module, span, module.slice(span)));
            at = span.end;
        }
        out.push_str(&escape(module.slice(Span { start: at, ..ty.span })));
        out
    }

    fn linked(&self, module: &Module, span: Span, text: &str) -> String {
        let used = module.compilation.index.uses().iter().find(|used| used.span == span);
        let page =
            used.and_then(|used| place(module, used.definition)).and_then(|at| self.pages.get(&at));
        match page {
            Some(page) => format!("<a href=\"{}\">{}</a>", escape(page), escape(text)),
            None => escape(text),
        }
    }

    fn prompt(
        &self,
        module: &Module,
        name: &str,
        params: &[Param],
        item: &Item,
        main: &mut String,
    ) {
        let program = module.compilation.program.as_ref();
        let turns = program.and_then(|program| {
            let at =
                program.templates.iter().position(|t| t.module.is_empty() && t.name == name)?;
            prompt::rendered(program, TemplateId(u32::try_from(at).ok()?))
        });
        let Some(turns) = turns else {
            let _ = write!(
                main,
                "<h4>Source</h4><pre><code>{}</code></pre><p class=\"note\">Its prompt is known at run time only.</p>",
                escape(module.slice(item.span))
            );
            return;
        };
        let how = if params.iter().any(|param| param.default.is_some()) {
            ", with its defaults"
        } else {
            ""
        };
        let _ = write!(main, "<h4>Prompt{how}</h4><div class=\"prompt\">");
        for Turn { role, pieces } in turns {
            let _ = write!(
                main,
                "<div class=\"turn\"><div class=\"role\">{role}</div><div class=\"said\">"
            );
            for piece in pieces {
                let _ = match piece {
                    Piece::Text(text) => write!(main, "{}", escape(&text)),
                    Piece::Chip(text) => {
                        write!(main, "<span class=\"chip\">{}</span>", escape(&text))
                    }
                };
            }
            main.push_str("</div></div>");
        }
        main.push_str("</div>");
    }

    fn examples(&self, module: &Module, name: Span, main: &mut String) {
        let place = (module.source().to_string(), name.start);
        let Some(examples) = self.examples.get(&place) else { return };
        main.push_str("<h4>Examples, from the tests</h4>");
        for example in examples.iter().take(3) {
            let _ = write!(
                main,
                "<pre title=\"{}: {}\"><code>{}</code></pre>",
                escape(&example.module.path),
                escape(&example.title),
                escape(example.source)
            );
        }
        if examples.len() > 3 {
            let _ = write!(main, "<p class=\"note\">and {} more</p>", examples.len() - 3);
        }
    }
}

/// The names in a type.
fn named(ty: &TypeExpr, names: &mut Vec<Span>) {
    match &ty.kind {
        TypeKind::Named { name, .. } => names.push(name.span),
        TypeKind::Generic(_, inner) | TypeKind::Option(inner) | TypeKind::Sized(inner, ..) => {
            named(inner, names);
        }
        TypeKind::Union(cases) => cases.iter().for_each(|case| named(case, names)),
        TypeKind::Record(fields) => fields.iter().for_each(|(_, field)| named(field, names)),
        TypeKind::Literal(_) | TypeKind::Matching(..) | TypeKind::Error => {}
    }
}
