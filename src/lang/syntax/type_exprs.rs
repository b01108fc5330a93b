//! Types as written.

use crate::base::{Diagnostic, Literal, Span};

use super::ast::{Bounds, ExprKind, Segment, TypeExpr, TypeKind};
use super::build::{Builder, Pair, Rule, content};

impl Builder<'_> {
    /// A `ty` pair.
    pub fn ty(&mut self, pair: Pair<'_>) -> TypeExpr {
        let span = self.span(&pair);
        let mut terms: Vec<TypeExpr> = pair.into_inner().map(|term| self.ty_term(term)).collect();
        match terms.len() {
            0 => TypeExpr { kind: TypeKind::Error, span },
            1 => terms.remove(0),
            _ => {
                let span = terms[0].span.to(terms[terms.len() - 1].span);
                TypeExpr { kind: TypeKind::Union(terms), span }
            }
        }
    }

    fn ty_term(&mut self, pair: Pair<'_>) -> TypeExpr {
        let span = self.span(&pair);
        let mut inner = pair.into_inner();
        let Some(primary) = inner.next() else {
            return TypeExpr { kind: TypeKind::Error, span };
        };
        let mut out = self.ty_primary(primary);
        for suffix in inner {
            let at = self.span(&suffix);
            if suffix.as_rule() == Rule::refinement {
                let span = out.span.to(at);
                let kind = match self.bounds(suffix) {
                    Some(bounds) => TypeKind::Sized(Box::new(out), bounds, at),
                    None => TypeKind::Error,
                };
                out = TypeExpr { kind, span };
            } else if matches!(out.kind, TypeKind::Option(_)) {
                self.error(
                    Diagnostic::error("E0314", "this type is optional already")
                        .label(at, "remove this `?`")
                        .fix(at, ""),
                );
            } else {
                let span = out.span.to(at);
                out = TypeExpr { kind: TypeKind::Option(Box::new(out)), span };
            }
        }
        out
    }

    /// What stands in the brackets behind a type.
    fn bounds(&mut self, pair: Pair<'_>) -> Option<Bounds> {
        let at = self.span(&pair);
        let (mut ends, mut dots) = ([None, None], None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::dots => dots = Some(()),
                Rule::bound => {
                    let inner = part.into_inner().next()?;
                    ends[usize::from(dots.is_some())] = Some(self.literal(&inner)?);
                }
                _ => {
                    self.error(
                        Diagnostic::error("E0314", "this is no length")
                            .label(at, "not understood")
                            .help("write [3s..5s], [3s..], [..5s] or [3s]; of a list, [4]"),
                    );
                    return None;
                }
            }
        }
        let [least, most] = ends;
        let most = if dots.is_some() { most } else { least.clone() };
        Some(Bounds { least, most })
    }

    fn ty_primary(&mut self, pair: Pair<'_>) -> TypeExpr {
        let span = self.span(&pair);
        let rule = pair.as_rule();
        let kind = match rule {
            Rule::ty_paren => {
                let inner = pair.into_inner().next().map(|inner| self.ty(inner));
                inner.map_or(TypeKind::Error, |inner| inner.kind)
            }
            Rule::ty_record => {
                let mut fields = Vec::new();
                for field in content(pair) {
                    let mut parts = field.into_inner();
                    let name = parts.next().map(|name| self.ident(&name));
                    let ty = parts.next().and_then(|mark| mark.into_inner().next());
                    if let (Some(name), Some(ty)) = (name, ty) {
                        fields.push((name, self.ty(ty)));
                    }
                }
                TypeKind::Record(fields)
            }
            Rule::ty_matching => {
                let regex = pair.into_inner().find(|part| part.as_rule() == Rule::regex);
                match regex {
                    Some(regex) => {
                        let at = self.span(&regex);
                        let inside =
                            Span::new(at.source, at.start as usize + 1, at.end as usize - 1);
                        let text = regex.as_str();
                        TypeKind::Matching(text[1..text.len() - 1].to_string(), inside)
                    }
                    None => {
                        self.error(
                            Diagnostic::error("E0314", "the pattern is missing")
                                .label(span, "matching what?")
                                .help("write it between slashes: text matching /[0-9]+/"),
                        );
                        TypeKind::Error
                    }
                }
            }
            Rule::ty_generic => {
                let mut parts = pair.into_inner();
                match (parts.next(), parts.next()) {
                    (Some(name), Some(inner)) => {
                        TypeKind::Generic(self.ident(&name), Box::new(self.ty(inner)))
                    }
                    _ => TypeKind::Error,
                }
            }
            Rule::ty_named => {
                let mut parts = pair.into_inner();
                match (parts.next(), parts.next()) {
                    (Some(module), Some(name)) => TypeKind::Named {
                        module: Some(self.ident(&module)),
                        name: self.ident(&name),
                    },
                    (Some(name), None) => TypeKind::Named { module: None, name: self.ident(&name) },
                    _ => TypeKind::Error,
                }
            }
            _ => self.ty_literal(pair, span),
        };
        TypeExpr { kind, span }
    }

    fn ty_literal(&mut self, pair: Pair<'_>, span: Span) -> TypeKind {
        let negative = pair.as_str().starts_with('-');
        let Some(inner) = pair.into_inner().next() else { return TypeKind::Error };
        if inner.as_rule() == Rule::string {
            let text = self.string(inner);
            if let Some(plain) = text.plain() {
                return TypeKind::Literal(Literal::Text(plain));
            }
            if !text
                .segments
                .iter()
                .any(|s| matches!(s, Segment::Hole(hole) if matches!(hole.kind, ExprKind::Error)))
            {
                self.error(
                    Diagnostic::error("E0314", "a text in a type has no holes")
                        .label(span, "")
                        .help("list the texts that are allowed, as in \"plain\" | \"poetic\""),
                );
            }
            return TypeKind::Error;
        }
        match self.literal(&inner) {
            Some(Literal::Int(value)) if negative => TypeKind::Literal(Literal::Int(-value)),
            Some(Literal::Float(value)) if negative => TypeKind::Literal(Literal::Float(-value)),
            Some(literal) => TypeKind::Literal(literal),
            None => TypeKind::Error,
        }
    }
}
