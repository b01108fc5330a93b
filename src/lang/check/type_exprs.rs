//! Types as written → types.

use crate::base::pattern::PatternError;
use crate::base::{Diagnostic, Literal, Medium, Pattern, Span};
use crate::lang::resolve::{BUILTIN_TYPES, ItemRef, ModuleIndex, Target};
use crate::lang::syntax::ast::{Bounds, Ident, ItemKind, TypeExpr, TypeKind};
use crate::lang::types::{Seconds, Type};

use super::{Checker, Slot, did_you_mean};

/// The largest type, in parts: named types would let a few lines spell out an endless one.
const MAX_PARTS: usize = 400;
/// How long a chain of names for types or constants may be.
pub const MAX_CHAIN: usize = 64;

impl Checker<'_> {
    pub fn lower_type(&mut self, module: ModuleIndex, ty: &TypeExpr) -> Type {
        let lowered = self.lower_any(module, ty);
        if parts(&lowered) > MAX_PARTS {
            self.error(
                Diagnostic::error("E0111", "this type is too large")
                    .label(ty.span, format!("more than {MAX_PARTS} parts when spelled out")),
            );
            return Type::Error;
        }
        lowered
    }

    fn lower_any(&mut self, module: ModuleIndex, ty: &TypeExpr) -> Type {
        match &ty.kind {
            TypeKind::Named { module: None, name } => self.named(module, name),
            TypeKind::Named { module: Some(other), name } => self.qualified(module, other, name),
            TypeKind::Generic(name, inner) => self.generic(module, name, inner, ty.span),
            TypeKind::Literal(literal) => {
                self.union(&[(Type::Union(vec![literal.clone()]), ty.span)])
            }
            TypeKind::Option(inner) => match self.lower_type(module, inner) {
                Type::Error => Type::Error,
                nested @ Type::Option(_) => {
                    self.error(
                        Diagnostic::error("E0314", "this type is optional already")
                            .label(inner.span, format!("is {nested}"))
                            .help("leave out the `?`"),
                    );
                    nested
                }
                inner => Type::Option(Box::new(inner)),
            },
            TypeKind::Union(cases) => {
                let cases: Vec<(Type, Span)> = cases
                    .iter()
                    .map(|case| match &case.kind {
                        TypeKind::Literal(literal) => {
                            (Type::Union(vec![literal.clone()]), case.span)
                        }
                        _ => (self.lower_type(module, case), case.span),
                    })
                    .collect();
                self.union(&cases)
            }
            TypeKind::Record(fields) => {
                let mut out: Vec<(String, Type)> = Vec::new();
                for (name, ty) in fields {
                    let ty = self.lower_type(module, ty);
                    if out.iter().any(|(known, _)| *known == name.text) {
                        self.error(
                            Diagnostic::error(
                                "E0202",
                                format!("field `{}` is named twice", name.text),
                            )
                            .label(name.span, "again here")
                            .help("rename one of them"),
                        );
                        continue;
                    }
                    out.push((name.text.clone(), ty));
                }
                if out.iter().any(|(_, ty)| *ty == Type::Error) {
                    return Type::Error;
                }
                Type::Record(out)
            }
            TypeKind::Matching(source, span) => self.matching_type(source, *span),
            TypeKind::Sized(inner, bounds, at) => self.lasting(module, inner, bounds, *at),
            TypeKind::Error => Type::Error,
        }
    }

    fn matching_type(&mut self, source: &str, span: Span) -> Type {
        match Pattern::new(source) {
            Ok(pattern) => Type::Matching(pattern),
            Err(error) => {
                let at = match &error {
                    PatternError::Syntax(_, range) if !range.is_empty() => {
                        let start = span.start as usize;
                        Span::new(span.source, start + range.start, start + range.end)
                    }
                    _ => span,
                };
                let mut diagnostic = Diagnostic::error("E0321", "this is not a pattern")
                    .label(at, error.to_string());
                diagnostic = diagnostic.help(match error {
                    PatternError::Anchors => "leave them out",
                    PatternError::Syntax(..) => {
                        "patterns are regular expressions without back-references or look-around"
                    }
                    PatternError::Nothing => "write one that some text matches",
                    PatternError::TooLarge => "repeat less often, or shorter parts",
                });
                self.error(diagnostic);
                Type::Error
            }
        }
    }

    /// A sound with its length; other sizes belong to `generate`.
    fn lasting(
        &mut self,
        module: ModuleIndex,
        inner: &TypeExpr,
        bounds: &Bounds,
        at: Span,
    ) -> Type {
        let medium = match self.lower_type(module, inner) {
            Type::Medium(medium @ (Medium::Speech | Medium::Music)) => medium,
            Type::Error => return Type::Error,
            other => {
                let diagnostic = Diagnostic::error("E0322", format!("{other} has no length here"))
                    .label(at, "a length");
                self.error(match other {
                    Type::List(_) => {
                        diagnostic.help("only `generate list<…>[4] from …` says how many there are")
                    }
                    _ => diagnostic.help("speech and music have one, as in speech[3s..]"),
                });
                return Type::Error;
            }
        };
        let seconds = |bound: &Option<Literal>, missing: f64| match bound {
            None => Some(missing),
            Some(Literal::Duration(seconds)) => Some(*seconds),
            Some(_) => None,
        };
        let ends = (seconds(&bounds.least, 0.0), seconds(&bounds.most, f64::INFINITY));
        let (Some(least), Some(most)) = ends else {
            self.error(
                Diagnostic::error("E0322", "a length has a unit")
                    .label(at, "seconds?")
                    .help("write for example [3s..] or [250ms..2min]"),
            );
            return Type::Error;
        };
        if least > most || most <= 0.0 {
            self.error(
                Diagnostic::error("E0322", "no sound is that long")
                    .label(at, "nothing lies between these bounds")
                    .help("write the shorter bound first"),
            );
            return Type::Error;
        }
        Type::Lasting(medium, Seconds { least, most })
    }

    fn named(&mut self, module: ModuleIndex, name: &Ident) -> Type {
        if let Some(medium) = Medium::from_name(&name.text) {
            return Type::Medium(medium);
        }
        match name.text.as_str() {
            "int" => return Type::Int,
            "float" => return Type::Float,
            "bool" => return Type::Bool,
            "duration" => return Type::Duration,
            "mixed" => return Type::Mixed,
            "chat" => return Type::Chat,
            "list" | "tokens" | "prompt" => {
                let example = if name.text == "tokens" { "tokens<image>" } else { "list<text>" };
                self.error(
                    Diagnostic::error("E0314", format!("`{}` needs a type of its own", name.text))
                        .label(name.span, "of what?")
                        .help(format!("write for example {example}")),
                );
                return Type::Error;
            }
            _ => {}
        }
        match self.lookup(module, &name.text, name.span) {
            Some(target) => self.target_type(target, name),
            None => {
                let mut known: Vec<&str> = Medium::ALL.map(Medium::name).to_vec();
                known.extend(BUILTIN_TYPES);
                known.extend(self.names_of(module, |kind| matches!(kind, ItemKind::Type(_))));
                let diagnostic =
                    Diagnostic::error("E0201", format!("there is no type `{}`", name.text))
                        .label(name.span, "not known here");
                let diagnostic = match name.text.as_str() {
                    "string" | "str" | "String" => diagnostic.help("texts have the type `text`"),
                    "audio" | "sound" => diagnostic.help("audio is `speech` or `music`"),
                    "picture" | "photo" => diagnostic.help("pictures have the type `image`"),
                    "number" | "double" => diagnostic.help("numbers are `int` or `float`"),
                    "boolean" => diagnostic.help("true and false have the type `bool`"),
                    "video" => diagnostic.help("the media are text, image, speech and music"),
                    _ => did_you_mean(diagnostic, &name.text, known),
                };
                self.error(diagnostic);
                Type::Error
            }
        }
    }

    fn qualified(&mut self, module: ModuleIndex, other: &Ident, name: &Ident) -> Type {
        match self.lookup(module, &other.text, other.span) {
            Some(Target::Module(index)) => {
                let target = self.member(index, name);
                self.target_type(target, name)
            }
            Some(Target::Broken) => Type::Error,
            Some(Target::Item(_)) | None => {
                self.error(
                    Diagnostic::error("E0201", format!("there is no module `{}`", other.text))
                        .label(other.span, "not a module")
                        .help("name the module with `use` first"),
                );
                Type::Error
            }
        }
    }

    fn target_type(&mut self, target: Target, name: &Ident) -> Type {
        match target {
            Target::Broken => Type::Error,
            Target::Item(item) if matches!(self.item(item).kind, ItemKind::Type(_)) => {
                self.type_of(item, name.span)
            }
            Target::Item(item) => {
                let what = self.item(item).what();
                self.not_a_type(name, what)
            }
            Target::Module(_) => self.not_a_type(name, "module"),
        }
    }

    fn not_a_type(&mut self, name: &Ident, what: &str) -> Type {
        self.error(
            Diagnostic::error("E0211", format!("`{}` is a {what}, not a type", name.text))
                .label(name.span, "a type is wanted here"),
        );
        Type::Error
    }

    /// The type that a `type` declaration names.
    pub fn type_of(&mut self, item: ItemRef, used: Span) -> Type {
        match self.types.get(&item) {
            Some(Slot::Done(ty)) => return ty.clone(),
            Some(Slot::Open) => {
                let name = self.item(item).name().map_or("", |name| &name.text).to_string();
                self.error(
                    Diagnostic::error("E0210", format!("type `{name}` contains itself"))
                        .label(used, "used while it is being declared")
                        .help("a type is built from others only"),
                );
                return Type::Error;
            }
            None => {}
        }
        let declared = self.item(item);
        let ItemKind::Type(declaration) = &declared.kind else { return Type::Error };
        if self.chain_too_long(used) {
            return Type::Error;
        }
        self.types.insert(item, Slot::Open);
        self.chain += 1;
        let ty = self.lower_type(item.module, &declaration.ty);
        self.chain -= 1;
        self.types.insert(item, Slot::Done(ty.clone()));
        ty
    }

    pub fn chain_too_long(&mut self, used: Span) -> bool {
        let long = self.chain >= MAX_CHAIN;
        if long {
            self.error(
                Diagnostic::error("E0111", "this chain of names is too long")
                    .label(used, format!("more than {MAX_CHAIN} declarations need each other")),
            );
        }
        long
    }

    fn generic(&mut self, module: ModuleIndex, name: &Ident, inner: &TypeExpr, span: Span) -> Type {
        match name.text.as_str() {
            "list" => match self.lower_type(module, inner) {
                Type::Error => Type::Error,
                inner => Type::List(Box::new(inner)),
            },
            "tokens" => match self.lower_type(module, inner) {
                Type::Medium(medium) => Type::Tokens(medium),
                Type::Error => Type::Error,
                other => {
                    self.error(
                        Diagnostic::error("E0314", format!("{other} has no tokens"))
                            .label(inner.span, "not a medium")
                            .help("tokens are of text, image, speech or music"),
                    );
                    Type::Error
                }
            },
            "prompt" => {
                self.error(
                    Diagnostic::error(
                        "E0110",
                        "prompts as parameters are not in this version of agpt",
                    )
                    .label(span, "")
                    .help("call the template where its prompt is used"),
                );
                Type::Error
            }
            _ => {
                self.error(did_you_mean(
                    Diagnostic::error("E0201", format!("there is no type `{}<…>`", name.text))
                        .label(name.span, "not known"),
                    &name.text,
                    ["list", "tokens"],
                ));
                Type::Error
            }
        }
    }

    /// Joins literal cases; named unions bring their own.
    fn union(&mut self, cases: &[(Type, Span)]) -> Type {
        let mut out: Vec<Literal> = Vec::new();
        for (ty, span) in cases {
            let literals = match ty {
                Type::Error => return Type::Error,
                Type::Union(literals) => literals,
                Type::Option(_) => {
                    self.error(
                        Diagnostic::error("E0314", "a case of a union is not optional alone")
                            .label(*span, "this `?` belongs to one case only")
                            .help("put the whole union in parentheses: (\"a\" | \"b\")?"),
                    );
                    return Type::Error;
                }
                other => {
                    self.error(
                        Diagnostic::error("E0314", "a union lists texts or ints")
                            .label(*span, format!("{other} is a whole type"))
                            .help("unions of types are not in this version of agpt"),
                    );
                    return Type::Error;
                }
            };
            for literal in literals {
                let same = |a: &Literal, b: &Literal| {
                    matches!(
                        (a, b),
                        (Literal::Text(_), Literal::Text(_)) | (Literal::Int(_), Literal::Int(_))
                    )
                };
                let fits = out.first().is_none_or(|first| same(first, literal));
                if !fits || !matches!(literal, Literal::Text(_) | Literal::Int(_)) {
                    self.error(
                        Diagnostic::error("E0314", "a union is of texts only, or of ints only")
                            .label(*span, "does not fit"),
                    );
                    return Type::Error;
                }
                if out.contains(literal) {
                    self.error(
                        Diagnostic::error("E0314", format!("{literal} is listed twice"))
                            .label(*span, "again here")
                            .help("remove it"),
                    );
                    continue;
                }
                out.push(literal.clone());
            }
        }
        Type::Union(out)
    }
}

fn parts(ty: &Type) -> usize {
    match ty {
        Type::Option(inner) | Type::List(inner) | Type::Prompt(inner) => 1 + parts(inner),
        Type::Record(fields) => 1 + fields.iter().map(|(_, ty)| parts(ty)).sum::<usize>(),
        _ => 1,
    }
}
