//! Declarations before their bodies: types, constants, signatures.

use std::collections::HashMap;
use std::rc::Rc;

use crate::base::{Diagnostic, Literal, Span};
use crate::lang::ir::{self, ExprKind, LocalId};
use crate::lang::json;
use crate::lang::resolve::{ItemRef, ModuleIndex};
use crate::lang::syntax::ast::{self, ItemKind};
use crate::lang::types::Type;

use super::body::{Body, Mode};
use super::{Callable, Checker, Signature, Slot};

/// Whether a value is there before anything runs.
fn is_known(value: &ir::Expr) -> bool {
    match &value.kind {
        ExprKind::Literal(_) => true,
        ExprKind::List(items) => items.iter().all(is_known),
        ExprKind::Coerce(inner) => is_known(inner),
        _ => false,
    }
}

impl Checker<'_> {
    /// Works out all declarations of all modules.
    pub fn declare(&mut self) {
        let mut pipelines = 0;
        let mut templates = 0;
        for (module, loaded) in self.resolved.modules.iter().enumerate() {
            for (place, item) in loaded.file.items.iter().enumerate() {
                let at = ItemRef { module, item: place };
                match &item.kind {
                    ItemKind::Use(_) | ItemKind::Test(_) | ItemKind::Evaluation(_) => {}
                    ItemKind::Plugin(declared) => self.plugin(at, declared),
                    ItemKind::Type(declared) => {
                        self.type_of(at, declared.name.span);
                    }
                    ItemKind::Const(declared) => {
                        self.const_of(at, declared.name.span);
                    }
                    ItemKind::Template(declared) => {
                        let callable = Callable::Template(ir::TemplateId(templates));
                        templates += 1;
                        let result = self.out_type(module, &declared.out);
                        self.sign(at, &declared.name, &declared.params, result, callable);
                    }
                    ItemKind::Pipeline(declared) => {
                        let callable = Callable::Pipeline(ir::PipelineId(pipelines));
                        pipelines += 1;
                        let result = self.lower_type(module, &declared.ret);
                        self.sign(at, &declared.name, &declared.params, result, callable);
                    }
                }
            }
        }
    }

    /// Checks the bodies; ids are places in the lists that this fills.
    pub fn bodies(&mut self) {
        for (module, loaded) in self.resolved.modules.iter().enumerate() {
            for (place, item) in loaded.file.items.iter().enumerate() {
                let at = ItemRef { module, item: place };
                if let ItemKind::Test(declared) = &item.kind {
                    self.test(at, item, declared);
                    continue;
                }
                if let ItemKind::Evaluation(declared) = &item.kind {
                    self.evaluation(at, item, declared);
                    continue;
                }
                let Some(signature) = self.signatures.get(&at).cloned() else { continue };
                match &item.kind {
                    ItemKind::Template(declared) => {
                        let template = self.template(&signature, item, declared);
                        self.templates.push(template);
                    }
                    ItemKind::Pipeline(declared) => {
                        let pipeline = self.pipeline(&signature, item, declared);
                        self.pipelines.push(pipeline);
                    }
                    _ => {}
                }
            }
        }
    }

    /// What a template's reply may be.
    fn out_type(&mut self, module: ModuleIndex, written: &ast::TypeExpr) -> Type {
        match self.lower_type(module, written) {
            ty @ (Type::Medium(_)
            | Type::Tokens(_)
            | Type::Mixed
            | Type::Matching(_)
            | Type::Error) => ty,
            ty @ (Type::Record(_) | Type::List(_)) => match json::pattern(&ty) {
                Ok(_) => ty,
                Err(why) => {
                    self.error(
                        Diagnostic::error("E0507", format!("a template cannot ask for {ty}"))
                            .label(written.span, why)
                            .help(json::HELP),
                    );
                    Type::Error
                }
            },
            Type::Union(cases) if cases.iter().all(|case| matches!(case, Literal::Text(_))) => {
                Type::Union(cases)
            }
            other => {
                self.error(
                    Diagnostic::error("E0507", format!("a template cannot ask for {other}"))
                        .label(written.span, "not a medium")
                        .help("a reply is text, image, speech, music, tokens of one of them, mixed, a union of texts, or a record"),
                );
                Type::Error
            }
        }
    }

    fn sign(
        &mut self,
        item: ItemRef,
        name: &ast::Ident,
        params: &[ast::Param],
        result: Type,
        callable: Callable,
    ) {
        let signature = Signature {
            name: name.text.clone(),
            params: self.params(item, params),
            result,
            callable,
            item,
            span: name.span,
        };
        self.signatures.insert(item, Rc::new(signature));
    }

    /// Parameters with their types and defaults.
    pub fn params(&mut self, item: ItemRef, params: &[ast::Param]) -> Vec<ir::Param> {
        let mut seen: HashMap<&str, Span> = HashMap::new();
        let mut signed = Vec::new();
        for param in params {
            let ty = self.lower_type(item.module, &param.ty);
            let default = param.default.as_ref().map(|default| {
                let mut body = Body::new(self, item.module, Mode::Constant("a default value"));
                body.expect(default, &ty, "this parameter")
            });
            let first = *seen.entry(&param.name.text).or_insert(param.name.span);
            if first != param.name.span {
                self.error(
                    Diagnostic::error(
                        "E0202",
                        format!("parameter `{}` is named twice", param.name.text),
                    )
                    .label(param.name.span, "again here")
                    .label(first, "first named here")
                    .help("rename one of them"),
                );
                continue;
            }
            signed.push(ir::Param {
                local: LocalId(signed.len() as u32),
                name: param.name.text.clone(),
                doc: param.doc.clone(),
                ty,
                default,
                span: param.name.span,
            });
        }
        signed
    }

    /// The value of a constant; nothing where it has a mistake.
    pub fn const_of(&mut self, item: ItemRef, used: Span) -> Option<ir::Expr> {
        let declared = self.item(item);
        let ItemKind::Const(declared) = &declared.kind else { return None };
        match self.consts.get(&item) {
            Some(Slot::Done(done)) if done.ty == Type::Error => return None,
            Some(Slot::Done(done)) => return Some(done.clone()),
            Some(Slot::Open) => {
                self.error(
                    Diagnostic::error(
                        "E0209",
                        format!("constant `{}` needs its own value", declared.name.text),
                    )
                    .label(used, "used while its value is being worked out")
                    .help("a constant is made of literals and of other constants"),
                );
                return None;
            }
            None => {}
        }
        if self.chain_too_long(used) {
            return None;
        }
        self.consts.insert(item, Slot::Open);
        self.chain += 1;
        let wanted = declared.ty.as_ref().map(|ty| self.lower_type(item.module, ty));
        let mut body = Body::new(self, item.module, Mode::Constant("a constant"));
        let value = match &wanted {
            Some(ty) => body.expect(&declared.value, ty, "this constant"),
            None => body.expr(&declared.value, None),
        };
        self.chain -= 1;
        let done = if is_known(&value) && !matches!(value.ty, Type::Error | Type::None) {
            value
        } else {
            if value.ty != Type::Error {
                self.error(
                    Diagnostic::error("E0309", "this is not a constant")
                        .label(declared.value.span, format!("is {}", value.ty))
                        .help(
                            "a constant is made of literals and other constants: a text, a \
                             number, a duration, true or false, or a list of them",
                        ),
                );
            }
            ir::Expr { kind: ExprKind::Literal(Literal::None), ty: Type::Error, span: value.span }
        };
        self.consts.insert(item, Slot::Done(done.clone()));
        (done.ty != Type::Error).then_some(done)
    }

    fn pipeline(
        &mut self,
        signature: &Signature,
        item: &ast::Item,
        declared: &ast::Pipeline,
    ) -> ir::Pipeline {
        let mut body = Body::new(self, signature.item.module, Mode::Pipeline(signature.item));
        body.params(&signature.params);
        let block = body.block(&declared.body, Some(&signature.result), "the result");
        body.warn_unused();
        ir::Pipeline {
            name: signature.name.clone(),
            module: self.resolved.modules[signature.item.module].path.clone(),
            doc: item.doc.clone(),
            params: signature.params.clone(),
            ret: signature.result.clone(),
            body: block,
            span: signature.span,
        }
    }
}
