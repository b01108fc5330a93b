//! Types as written.

use crate::base::{Diagnostic, Literal, Span};

use super::ast::{ExprKind, Segment, TypeExpr, TypeKind};
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
                self.error(
                    Diagnostic::error("E0110", "lengths of media are not in this version of agpt")
                        .label(at, "a length")
                        .help("leave it out: the type alone is enough"),
                );
            } else if matches!(out.kind, TypeKind::Option(_)) {
                self.error(
                    Diagnostic::error("E0314", "this type is optional already")
                        .label(at, "remove this `?`"),
                );
            } else {
                let span = out.span.to(at);
                out = TypeExpr { kind: TypeKind::Option(Box::new(out)), span };
            }
        }
        out
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
