//! Where names are declared and used: what an editor asks for. Filled while names are resolved
//! and types are checked, as far as those come, so that it is there for files with errors too.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::base::{SourceId, Span};

use super::ir;
use super::settings::Entry;
use super::types::Type;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Module,
    /// A second name, given with `as`.
    Alias,
    Const,
    Type,
    Template,
    Pipeline,
    Plugin,
    Parameter,
    /// A `let`, or the item of a comprehension.
    Value,
    /// Its declaration has a mistake, so that nothing but the name is known.
    Broken,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    pub name: String,
    /// The declared name; the empty start of its file for a module.
    pub span: Span,
    pub kind: Kind,
    /// One line with its type, such as `let words: text`.
    pub line: String,
    pub doc: Option<String>,
    /// The type of a value or a parameter.
    pub ty: Option<Type>,
    /// What an alias stands for, by the span of its definition.
    pub target: Option<Span>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Use {
    pub span: Span,
    /// The span of the definition; a declared name is a use of itself.
    pub definition: Span,
}

/// The names at the top of one file, for completion.
#[derive(Debug, Clone, Default)]
pub struct ModuleNames {
    /// What each name stands for: the span of a definition.
    pub names: BTreeMap<String, Span>,
    /// The names that other files may use.
    pub public: BTreeMap<String, Span>,
}

/// What is said of a name that nobody declared: a metric, a function of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// One line with its types.
    pub line: String,
    pub doc: Option<String>,
}

#[derive(Debug, Clone, Default)]
pub struct Index {
    definitions: HashMap<Span, Definition>,
    /// In reading order once [`Index::finish`] was called.
    uses: Vec<Use>,
    /// Fields and settings written short: `{ voice }` for `{ voice: voice }`.
    shorthands: HashSet<Span>,
    settings: Vec<(Span, &'static Entry)>,
    facts: Vec<(Span, Fact)>,
    /// Names and lines of the functions of plugins, by the spans of their definitions.
    functions: HashMap<Span, Vec<(String, String)>>,
    modules: HashMap<SourceId, ModuleNames>,
    /// What the root file publishes.
    pub interface: super::interface::Interface,
}

impl Index {
    /// Notes a use; what is declared at `definition` may be described later.
    pub fn record(&mut self, used: Span, definition: Span) {
        self.uses.push(Use { span: used, definition });
    }

    pub fn define(&mut self, definition: Definition) {
        // The first meaning of a place counts: a second one is a mistake that was reported.
        self.definitions.entry(definition.span).or_insert(definition);
    }

    pub fn shorthand(&mut self, span: Span) {
        self.shorthands.insert(span);
    }

    pub fn setting(&mut self, span: Span, entry: &'static Entry) {
        self.settings.push((span, entry));
    }

    pub fn fact(&mut self, span: Span, fact: Fact) {
        self.facts.push((span, fact));
    }

    pub fn functions(&mut self, plugin: Span, functions: Vec<(String, String)>) {
        self.functions.insert(plugin, functions);
    }

    pub fn module(&mut self, source: SourceId, names: ModuleNames) {
        self.modules.insert(source, names);
    }

    /// Sorts the uses, each once, and makes every declared name a use of itself.
    pub fn finish(&mut self) {
        let declared = self.definitions.values().filter(|d| d.kind != Kind::Module);
        self.uses.extend(declared.map(|d| Use { span: d.span, definition: d.span }));
        self.uses.retain(|used| self.definitions.contains_key(&used.definition));
        self.uses.sort_by_key(|used| {
            (used.span.source, used.span.start, used.span.end, used.definition.start)
        });
        self.uses.dedup();
    }

    pub fn definition(&self, span: Span) -> Option<&Definition> {
        self.definitions.get(&span)
    }

    /// What an alias stands for in the end; anything else is itself.
    pub fn meaning<'a>(&'a self, definition: &'a Definition) -> &'a Definition {
        definition.target.and_then(|target| self.definition(target)).unwrap_or(definition)
    }

    pub fn definitions(&self) -> impl Iterator<Item = &Definition> {
        self.definitions.values()
    }

    pub fn uses(&self) -> &[Use] {
        &self.uses
    }

    /// The use at a place in a text. Right after a name still counts, as a cursor stands there.
    pub fn at(&self, source: SourceId, offset: u32) -> Option<(Use, &Definition)> {
        let touches =
            |span: Span| span.source == source && span.start <= offset && offset <= span.end;
        let here = self.uses.iter().filter(|used| touches(used.span));
        // A name that begins here goes before one that ends here; the smaller before the larger.
        let best =
            here.min_by_key(|used| (offset == used.span.end, used.span.end - used.span.start))?;
        Some((*best, self.definition(best.definition)?))
    }

    /// The setting whose name is at a place.
    pub fn setting_at(&self, source: SourceId, offset: u32) -> Option<(Span, &'static Entry)> {
        self.settings
            .iter()
            .find(|(span, _)| span.source == source && span.start <= offset && offset <= span.end)
            .copied()
    }

    /// What is known of the name at a place.
    pub fn fact_at(&self, source: SourceId, offset: u32) -> Option<(Span, &Fact)> {
        let touches =
            |span: Span| span.source == source && span.start <= offset && offset <= span.end;
        self.facts.iter().find(|(span, _)| touches(*span)).map(|(span, fact)| (*span, fact))
    }

    /// The functions of a plugin, each with its types.
    pub fn functions_of(&self, plugin: Span) -> &[(String, String)] {
        self.functions.get(&plugin).map_or(&[], Vec::as_slice)
    }

    pub fn is_shorthand(&self, span: Span) -> bool {
        self.shorthands.contains(&span)
    }

    pub fn names(&self, source: SourceId) -> Option<&ModuleNames> {
        self.modules.get(&source)
    }
}

/// `caption(picture: image, tone: text = "plain")`, without the result.
pub fn call_line(name: &str, params: &[ir::Param]) -> String {
    let params: Vec<String> = params.iter().map(param_line).collect();
    format!("{name}({})", params.join(", "))
}

/// `tone: text = "plain"`
pub fn param_line(param: &ir::Param) -> String {
    let default = match &param.default {
        None => String::new(),
        Some(value) => format!(" = {}", value_line(value)),
    };
    format!("{}: {}{default}", param.name, param.ty)
}

/// A literal as it would be written if that is short; dots otherwise.
pub fn value_line(value: &ir::Expr) -> String {
    match &value.kind {
        ir::ExprKind::Literal(literal) => {
            let shown = literal.to_string();
            if shown.chars().count() <= 40 { shown } else { "…".to_string() }
        }
        ir::ExprKind::Coerce(inner) => value_line(inner),
        _ => "…".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::{Compilation, MemoryLoader, compile};

    const WORDS: &str = "/// A greeting.\npub template hello(name: text) -> text {\n  \
                         user { \"Hello {name}\" }\n}\n";

    fn compiled(text: &str) -> Compilation {
        compile("a.agpt", text, &MemoryLoader::default().with("./words", WORDS))
    }

    /// What the use at the `skip`th place where `name` stands in the root file means.
    fn line(done: &Compilation, text: &str, name: &str, skip: usize) -> Option<String> {
        let (offset, _) = text.match_indices(name).nth(skip)?;
        let (_, definition) = done.index.at(SourceId(0), u32::try_from(offset).ok()?)?;
        Some(done.index.meaning(definition).line.clone())
    }

    #[test]
    fn names_are_described_with_their_types() {
        let text = "use ./words { hello as hi }\n\nconst LIMIT = 20\n\ntype Tone = \"a\" | \"b\"\n\n\
                    pipeline p(who: text, tone: Tone = \"a\") -> text {\n  \
                    let words = generate text from hi(name: who) {\n    \
                    semantic: { max_tokens: LIMIT }\n  }\n  return \"{words}{tone}\"\n}\n";
        let done = compiled(text);
        assert!(done.program.is_some(), "{:?}", done.diagnostics);
        let line = |name, skip| line(&done, text, name, skip).unwrap();
        assert_eq!(line("LIMIT", 1), "const LIMIT: int = 20");
        assert_eq!(line("Tone", 1), "type Tone = \"a\" | \"b\"");
        assert_eq!(line("who", 1), "who: text");
        assert_eq!(line("tone", 1), "tone: \"a\" | \"b\" = \"a\"");
        assert_eq!(line("words", 2), "let words: text");
        assert_eq!(line("hi(", 0), "template hello(name: text) -> text");
        assert_eq!(line("hello", 0), "template hello(name: text) -> text");
        assert_eq!(line("name: who", 0), "name: text");
        assert_eq!(line("./words", 0), "module ./words");
    }

    #[test]
    fn a_file_with_errors_has_an_index_of_the_rest() {
        let text = "use ./words\n\npipeline p(who: text) -> text {\n  let a = words.hello(who)\n  \
                    return missing\n}\n\npipeline q( -> text {\n}\n\n\
                    pipeline r(who: text) -> text {\n  return q(who)\n}\n";
        let done = compiled(text);
        assert!(done.program.is_none());
        assert_eq!(line(&done, text, "hello", 0).unwrap(), "template hello(name: text) -> text");
        assert_eq!(line(&done, text, "words.", 0).unwrap(), "module ./words");
        assert_eq!(line(&done, text, "q(who)", 0).unwrap(), "q, whose declaration has a mistake");
        assert_eq!(line(&done, text, "missing", 0), None);
    }

    #[test]
    fn docs_and_settings_and_short_fields_are_kept() {
        let text = "use ./words\n\npipeline p(voice: speech) -> { voice: speech } {\n  \
                    let said = generate speech from words.hello(\"x\") {\n    \
                    perceptual: { voice }\n  }\n  return { voice: said }\n}\n";
        let done = compiled(text);
        let offset = u32::try_from(text.find("hello").unwrap()).unwrap();
        let (_, hello) = done.index.at(SourceId(0), offset).unwrap();
        assert_eq!(hello.doc.as_deref(), Some("A greeting."));
        let offset = text.find("{ voice }").unwrap() + 2;
        let span = Span::new(SourceId(0), offset, offset + "voice".len());
        let (_, entry) = done.index.setting_at(SourceId(0), span.start).unwrap();
        assert_eq!(entry.name, "voice");
        assert!(done.index.is_shorthand(span));
    }
}
