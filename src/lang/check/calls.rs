//! Calls of pipelines, templates and the built-in functions.

use crate::base::{Diagnostic, Span};
use crate::lang::ir::{Expr, ExprKind};
use crate::lang::resolve::{BUILTIN_FUNCTIONS, Target};
use crate::lang::syntax::ast::{self, Arg, ItemKind};
use crate::lang::types::Type;
use crate::lang::words::listing;

use super::body::{Body, Mode};
use super::expr::bare;
use super::{Callable, Signature, did_you_mean};

impl Body<'_, '_> {
    pub fn call(
        &mut self,
        callee: &ast::Expr,
        args: &[Arg],
        span: Span,
        want: Option<&Type>,
    ) -> Expr {
        if let ast::ExprKind::Field(inner, name) = &callee.kind
            && let Some(plugin) = self.plugin_named(inner)
        {
            return self.plugin_call(plugin, name, args, span);
        }
        let found = match self.callee(callee, args, span, want) {
            Ok(target) => target,
            Err(done) => return done,
        };
        let item = match found {
            Target::Item(item) => item,
            Target::Broken => {
                self.skip(args);
                return Self::error_expr(span);
            }
            Target::Module(_) => {
                self.not_callable(callee.span, "a module");
                self.skip(args);
                return Self::error_expr(span);
            }
        };
        if let Mode::Constant(what) = self.mode {
            self.error(
                Diagnostic::error("E0309", format!("{what} cannot call anything"))
                    .label(span, "a call")
                    .help(format!("{what} is made of literals and constants only")),
            );
            return Self::error_expr(span);
        }
        let Some(signature) = self.checker.signatures.get(&item).cloned() else {
            let declared = self.checker.item(item);
            let what = format!("a {}", declared.what());
            if matches!(declared.kind, ItemKind::Const(_) | ItemKind::Type(_) | ItemKind::Plugin(_))
            {
                self.not_callable(callee.span, &what);
            }
            self.skip(args);
            return Self::error_expr(span);
        };
        let caller = match self.mode {
            Mode::Pipeline(item) | Mode::Template(item) => Some(item),
            Mode::Constant(_) => None,
        };
        if let Some(caller) = caller {
            self.checker.calls.entry(caller).or_default().push((item, callee.span));
        }
        if let (Mode::Template(_), Callable::Pipeline(_)) = (self.mode, signature.callable) {
            self.effect_in_template(span, "a call of a pipeline");
        }
        let args = self.arguments(&signature, args, span);
        let Some(args) = args.filter(|_| signature.result != Type::Error) else {
            return Self::error_expr(span);
        };
        match signature.callable {
            Callable::Pipeline(pipeline) => {
                Expr { kind: ExprKind::Call { pipeline, args }, ty: signature.result.clone(), span }
            }
            // Functions of plugins are called through their plugin.
            Callable::Plugin => Self::error_expr(span),
            Callable::Template(template) => Expr {
                kind: ExprKind::Prompt { template, args },
                ty: Type::Prompt(Box::new(signature.result.clone())),
                span,
            },
        }
    }

    /// What is called; a built-in function, or a mistake, is dealt with right here.
    fn callee(
        &mut self,
        callee: &ast::Expr,
        args: &[Arg],
        span: Span,
        want: Option<&Type>,
    ) -> Result<Target, Expr> {
        match &callee.kind {
            ast::ExprKind::Name(name) => {
                // A built-in function may share its name with a value.
                if BUILTIN_FUNCTIONS.contains(&name.as_str()) {
                    return Err(match name.as_str() {
                        "length" => self.length(args, span),
                        "pick" => self.pick(args, span),
                        "before" | "after" => self.cut(name == "after", args, span),
                        _ => self.file(args, span, want),
                    });
                }
                if self.is_local(name) {
                    self.local(name, callee.span);
                    self.not_callable(callee.span, "a value");
                    self.skip(args);
                    return Err(Self::error_expr(span));
                }
                match self.checker.lookup(self.module, name, callee.span) {
                    Some(target) => Ok(target),
                    None => {
                        self.unknown_callee(name, callee.span);
                        self.skip(args);
                        Err(Self::error_expr(span))
                    }
                }
            }
            ast::ExprKind::Field(inner, name) => match self.module_named(inner) {
                Some(Target::Module(module)) => Ok(self.checker.member(module, name)),
                Some(_) => {
                    self.skip(args);
                    Err(Self::error_expr(span))
                }
                None => {
                    if self.expr(inner, None).ty != Type::Error {
                        self.error(
                            Diagnostic::error("E0211", "values have no functions of their own")
                                .label(name.span, "called like a function of a value")
                                .help("functions are called as `f(x)`"),
                        );
                    }
                    self.skip(args);
                    Err(Self::error_expr(span))
                }
            },
            _ => {
                if self.expr(callee, None).ty != Type::Error {
                    self.not_callable(callee.span, "a value");
                }
                self.skip(args);
                Err(Self::error_expr(span))
            }
        }
    }

    fn unknown_callee(&mut self, name: &str, span: Span) {
        let names = self.checker.names_of(self.module, |kind| {
            matches!(kind, ItemKind::Template(_) | ItemKind::Pipeline(_))
        });
        let diagnostic =
            Diagnostic::error("E0201", format!("there is no pipeline or template `{name}`"))
                .label(span, "not known here");
        let diagnostic = match name {
            "len" | "count" | "size" => diagnostic.help("`length(list)` counts items"),
            "open" | "load" | "read" => diagnostic.help("`file(\"path\")` reads a medium"),
            _ => did_you_mean(diagnostic, name, names.into_iter().chain(BUILTIN_FUNCTIONS)),
        };
        self.error(diagnostic);
    }

    fn not_callable(&mut self, span: Span, what: &str) {
        self.error(
            Diagnostic::error("E0211", format!("this is {what} and cannot be called"))
                .label(span, "a pipeline or a template is wanted here"),
        );
    }

    /// Checks arguments that lead nowhere, for the mistakes in them and for what they use.
    pub fn skip(&mut self, args: &[Arg]) {
        for arg in args {
            self.expr(&arg.value, None);
        }
    }

    /// Puts arguments into the parameters' order, with defaults for those left out.
    pub fn arguments(
        &mut self,
        signature: &Signature,
        args: &[Arg],
        span: Span,
    ) -> Option<Vec<Expr>> {
        let mut slots: Vec<Option<Expr>> = vec![None; signature.params.len()];
        let mut given: Vec<Option<Span>> = vec![None; slots.len()];
        let mut failed = false;
        let mut named = false;
        for (place, arg) in args.iter().enumerate() {
            let slot = match &arg.name {
                None if named => {
                    failed = true;
                    self.error(
                        Diagnostic::error("E0305", "an argument without a name comes too late")
                            .label(arg.value.span, "after a named one")
                            .help("put it first, or name it as well"),
                    );
                    self.expr(&arg.value, None);
                    continue;
                }
                None => place,
                Some(name) => {
                    named = true;
                    let found = signature.params.iter().position(|p| p.name == name.text);
                    match found {
                        Some(slot) => {
                            let declared = signature.params[slot].span;
                            self.checker.index.record(name.span, declared);
                            slot
                        }
                        None => {
                            failed = true;
                            self.unknown_argument(signature, name);
                            self.expr(&arg.value, None);
                            continue;
                        }
                    }
                }
            };
            let Some(param) = signature.params.get(slot) else {
                failed = true;
                self.too_many(signature, arg.value.span);
                self.expr(&arg.value, None);
                continue;
            };
            let value = self.expect(&arg.value, &param.ty, &format!("parameter `{}`", param.name));
            failed |= value.ty == Type::Error;
            if let Some(first) = given[slot] {
                failed = true;
                self.error(
                    Diagnostic::error("E0305", format!("`{}` is given twice", param.name))
                        .label(arg.value.span, "again here")
                        .label(first, "first given here")
                        .help("remove one of them"),
                );
            }
            given[slot] = Some(arg.value.span);
            slots[slot] = Some(value);
        }
        let missing: Vec<String> = signature
            .params
            .iter()
            .enumerate()
            .filter(|(slot, param)| given[*slot].is_none() && param.default.is_none())
            .map(|(_, param)| format!("`{}: {}`", param.name, param.ty))
            .collect();
        if !missing.is_empty() && !failed {
            self.error(
                Diagnostic::error(
                    "E0303",
                    format!("`{}` also needs {}", signature.name, listing(&missing, "and")),
                )
                .label(span, "not given in this call")
                .label(signature.span, "declared here"),
            );
        }
        if failed || !missing.is_empty() {
            return None;
        }
        let filled = slots.into_iter().zip(&signature.params);
        filled.map(|(slot, param)| slot.or_else(|| param.default.clone())).collect()
    }

    fn unknown_argument(&mut self, signature: &Signature, name: &ast::Ident) {
        let names: Vec<&str> = signature.params.iter().map(|p| p.name.as_str()).collect();
        let mut diagnostic = Diagnostic::error(
            "E0305",
            format!("`{}` has no parameter `{}`", signature.name, name.text),
        )
        .label(name.span, "not a parameter");
        diagnostic = did_you_mean(diagnostic, &name.text, names.iter().copied());
        if diagnostic.help.is_none() && !names.is_empty() {
            let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            diagnostic = diagnostic.help(format!("it has {}", listing(&quoted, "and")));
        }
        self.error(diagnostic);
    }

    fn too_many(&mut self, signature: &Signature, span: Span) {
        let takes = match signature.params.len() {
            0 => "takes no arguments".to_string(),
            1 => "takes one argument".to_string(),
            count => format!("takes {count} arguments"),
        };
        self.error(
            Diagnostic::error("E0304", format!("`{}` {takes}", signature.name))
                .label(span, "one too many")
                .label(signature.span, "declared here"),
        );
    }

    /// `length(list)`
    fn length(&mut self, args: &[Arg], span: Span) -> Expr {
        let [Arg { name: None, value }] = args else {
            return self.one_argument("length", "a list", args, span);
        };
        let list = self.expr(value, None);
        match &list.ty {
            Type::List(_) => Expr { kind: ExprKind::Length(Box::new(list)), ty: Type::Int, span },
            Type::Error => Self::error_expr(span),
            other => {
                self.error(
                    Diagnostic::error("E0316", format!("{other} has no length"))
                        .label(list.span, "a list is wanted here"),
                );
                Self::error_expr(span)
            }
        }
    }

    /// `pick(list)`
    fn pick(&mut self, args: &[Arg], span: Span) -> Expr {
        let [Arg { name: None, value }] = args else {
            return self.one_argument("pick", "a list", args, span);
        };
        match self.mode {
            Mode::Pipeline(_) => {}
            Mode::Template(_) => self.effect_in_template(span, "a draw"),
            Mode::Constant(place) => self.error(
                Diagnostic::error("E0309", format!("a draw has no place in {place}"))
                    .label(span, "drawn at run time only")
                    .help("draw in the pipeline and pass the result as an argument"),
            ),
        }
        let list = self.expr(value, None);
        match list.ty.clone() {
            Type::List(item) => Expr { kind: ExprKind::Pick(Box::new(list)), ty: *item, span },
            Type::Error => Self::error_expr(span),
            other => {
                self.error(
                    Diagnostic::error("E0316", format!("{other} has nothing to pick from"))
                        .label(list.span, "a list is wanted here"),
                );
                Self::error_expr(span)
            }
        }
    }

    /// `before(text, mark)` and `after(text, mark)`
    fn cut(&mut self, after: bool, args: &[Arg], span: Span) -> Expr {
        let [Arg { name: None, value: text }, Arg { name: None, value: mark }] = args else {
            let name = if after { "after" } else { "before" };
            self.error(
                Diagnostic::error("E0304", format!("`{name}` takes a text and a mark"))
                    .label(span, format!("{} given", args.len()))
                    .help(format!("write `{name}(text, mark)`, without names")),
            );
            self.skip(args);
            return Self::error_expr(span);
        };
        if let Mode::Constant(place) = self.mode {
            self.error(
                Diagnostic::error("E0309", format!("{place} cannot call anything"))
                    .label(span, "a call")
                    .help(format!("{place} is made of literals and constants only")),
            );
            self.skip(args);
            return Self::error_expr(span);
        }
        let text = Box::new(self.expect(text, &Type::TEXT, "the text"));
        let mark = Box::new(self.expect(mark, &Type::TEXT, "the mark"));
        if text.ty == Type::Error || mark.ty == Type::Error {
            return Self::error_expr(span);
        }
        Expr { kind: ExprKind::Cut { after, text, mark }, ty: Type::TEXT, span }
    }

    /// `file("path")`
    fn file(&mut self, args: &[Arg], span: Span, want: Option<&Type>) -> Expr {
        let [Arg { name: None, value }] = args else {
            return self.one_argument("file", "a path", args, span);
        };
        match self.mode {
            Mode::Constant(what) => {
                self.error(
                    Diagnostic::error("E0309", format!("{what} cannot read a file"))
                        .label(span, "reads a file")
                        .help("read it in the pipeline"),
                );
                return Self::error_expr(span);
            }
            Mode::Template(_) => self.effect_in_template(span, "reading a file"),
            Mode::Pipeline(_) => {}
        }
        let path = self.expect(value, &Type::TEXT, "a path");
        let medium = match bare(want) {
            Some(Type::Medium(medium)) => *medium,
            Some(Type::Error) => return Self::error_expr(span),
            other => {
                let diagnostic = match other {
                    Some(Type::Tokens(medium)) => Diagnostic::error(
                        "E0301",
                        format!("a file is a medium, but tokens<{medium}> are wanted here"),
                    )
                    .label(span, "")
                    .help(format!("name the {medium} with `let` and `encode` it")),
                    Some(other) => Diagnostic::error(
                        "E0301",
                        format!("a file is a medium, but {other} is wanted here"),
                    )
                    .label(span, ""),
                    None => Diagnostic::error("E0313", "it is not known what kind of file this is")
                        .label(span, "image, speech, music or text?")
                        .help("say it with a type: `let photo: image = file(\"…\")`"),
                };
                self.error(diagnostic);
                return Self::error_expr(span);
            }
        };
        match path.kind {
            _ if path.ty == Type::Error => Self::error_expr(span),
            ExprKind::Literal(crate::base::Literal::Text(path)) => {
                Expr { kind: ExprKind::File { path, medium }, ty: Type::Medium(medium), span }
            }
            _ => {
                self.error(
                    Diagnostic::error("E0309", "the path of a file is a constant")
                        .label(path.span, "known at run time only")
                        .help(format!("let the pipeline take {medium} as a parameter instead")),
                );
                Self::error_expr(span)
            }
        }
    }

    fn one_argument(&mut self, name: &str, what: &str, args: &[Arg], span: Span) -> Expr {
        self.error(
            Diagnostic::error("E0304", format!("`{name}` takes one argument, {what}"))
                .label(span, format!("{} given", args.len()))
                .help(format!("write `{name}(…)` with just {what}, without a name")),
        );
        self.skip(args);
        Self::error_expr(span)
    }
}
