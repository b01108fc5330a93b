//! Tests: each becomes a pipeline whose record holds what is expected and what is snapshot.

use crate::base::{Diagnostic, Literal, Span};
use crate::lang::ir::{self, BinaryOp, Check, CheckKind, Expr, ExprKind, Segment};
use crate::lang::resolve::ItemRef;
use crate::lang::syntax::ast::{self, TestStep};
use crate::lang::types::Type;

use super::Checker;
use super::body::{Body, Mode};
use super::operators::BETWEEN;

fn compares(op: BinaryOp) -> bool {
    use BinaryOp::{Contains, Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
    matches!(op, Contains | Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual)
}

impl Checker<'_> {
    pub fn test(&mut self, at: ItemRef, item: &ast::Item, declared: &ast::Test) {
        let span = declared.title.span;
        let title = match declared.title.plain() {
            Some(title) if !title.trim().is_empty() => title,
            _ => {
                self.error(
                    Diagnostic::error("E0320", "the title of a test is a plain text")
                        .label(span, "empty, or with a hole")
                        .help("say what holds, as in `test \"a cat is called a cat\"`"),
                );
                return;
            }
        };
        if at.module == 0
            && let Some((_, other)) = self.tests.iter().find(|(_, other)| other.title == title)
        {
            let first = other.span;
            self.error(
                Diagnostic::error("E0202", format!("two tests are called {title:?}"))
                    .label(span, "again here")
                    .label(first, "first named here")
                    .help("rename one of them: results and snapshots go by the title"),
            );
        }
        let seed = self.test_settings(at, &declared.settings);
        let mut body = Body::new(self, at.module, Mode::Pipeline(at));
        let (mut lets, mut fields, mut checks) = (Vec::new(), Vec::new(), Vec::new());
        for step in &declared.steps {
            match step {
                TestStep::Let(binding) => lets.push(body.bind(binding).0),
                TestStep::Expect(expr) => {
                    let value = body.expect(expr, &Type::Bool, "what is expected");
                    let field = format!("expect {}", checks.len() + 1);
                    let (value, sides) = body.sides(value, &field, &mut lets, &mut fields);
                    fields.push((field.clone(), value));
                    let kind = CheckKind::Expect { sides };
                    checks.push(Check { field, kind, span: expr.span });
                }
                TestStep::Snapshot(expr) => {
                    let value = body.expr(expr, None);
                    if value.ty == Type::None {
                        body.error(
                            Diagnostic::error("E0308", "`none` is no result")
                                .label(value.span, "always none")
                                .help("snapshot a value that a run can change"),
                        );
                    }
                    let field = format!("snapshot {}", checks.len() + 1);
                    fields.push((field.clone(), value));
                    checks.push(Check { field, kind: CheckKind::Snapshot, span: expr.span });
                }
            }
        }
        body.warn_unused();
        if checks.is_empty() {
            self.error(
                Diagnostic::error("E0320", "this test cannot fail")
                    .label(span, "expects nothing and keeps no snapshot")
                    .help("add `expect …` or `snapshot …`"),
            );
        }
        // Other modules' tests are checked, but theirs to run.
        if at.module != 0 {
            return;
        }
        let ty =
            Type::Record(fields.iter().map(|(name, e)| (name.clone(), e.ty.clone())).collect());
        let result = Expr { kind: ExprKind::Record(fields), ty: ty.clone(), span };
        let pipeline = ir::Pipeline {
            name: "test".to_string(),
            module: String::new(),
            doc: None,
            params: Vec::new(),
            ret: ty,
            body: ir::Block { lets, result: Box::new(result) },
            span,
        };
        let test = ir::Test { title, doc: item.doc.clone(), seed, pipeline, checks, span };
        self.tests.push((at, test));
    }

    /// `with { seed: 7 }`
    fn test_settings(&mut self, at: ItemRef, settings: &[ast::Setting]) -> Option<u64> {
        let mut seed = None;
        for setting in settings {
            match setting.name.text.as_str() {
                "seed" if seed.is_some() => self.error(
                    Diagnostic::error("E0405", "`seed` is given twice")
                        .label(setting.span, "again here")
                        .help("remove one of them"),
                ),
                "seed" => {
                    let Some(value) = &setting.value else {
                        self.seed_value(setting.span);
                        continue;
                    };
                    let mode = Mode::Constant("a seed");
                    let value =
                        Body::new(self, at.module, mode).expect(value, &Type::Int, "a seed");
                    match value.kind {
                        ExprKind::Literal(Literal::Int(value)) if value >= 0 => {
                            seed = u64::try_from(value).ok();
                        }
                        _ if value.ty == Type::Error => {}
                        _ => self.seed_value(value.span),
                    }
                }
                // With which model is not the file's concern.
                "model" | "device" | "dtype" => self.error(
                    Diagnostic::error(
                        "E0401",
                        format!("a test does not say its {}", setting.name.text),
                    )
                    .label(setting.span, "")
                    .help(format!("choose it with `agpt test --{}`", setting.name.text)),
                ),
                other => self.error(
                    Diagnostic::error("E0401", format!("there is no setting `{other}` of a test"))
                        .label(setting.name.span, "not known")
                        .help("a test has the setting `seed`"),
                ),
            }
        }
        seed
    }

    fn seed_value(&mut self, span: Span) {
        self.error(
            Diagnostic::error("E0404", "a seed is a whole number, at least 0")
                .label(span, "")
                .help("write `seed: 7`"),
        );
    }
}

impl Body<'_, '_> {
    /// Names both sides of a comparison, so that a failure can show them; each is worked out once.
    fn sides(
        &mut self,
        value: Expr,
        field: &str,
        lets: &mut Vec<ir::Let>,
        fields: &mut Vec<(String, Expr)>,
    ) -> (Expr, Option<(String, String)>) {
        if let ExprKind::Bind(block) = &value.kind
            && let [binding] = block.lets.as_slice()
            && binding.name == BETWEEN
            && let ExprKind::Binary(BinaryOp::And, least, most) = &block.result.kind
            && let (ExprKind::Binary(_, _, least), ExprKind::Binary(_, _, most)) =
                (&least.kind, &most.kind)
        {
            let used = Expr { kind: ExprKind::Local(binding.local), ..binding.value.clone() };
            let words = [("", least), (" and ", most)].into_iter().flat_map(|(text, bound)| {
                [Segment::Text(text.to_string()), Segment::Hole(bound.as_ref().clone())]
            });
            let bounds = ExprKind::Interpolate(words.collect());
            let bounds = Expr { kind: bounds, ty: Type::TEXT, span: value.span };
            let names = (format!("{field} left"), format!("{field} right"));
            lets.push(binding.clone());
            fields.push((names.0.clone(), used));
            fields.push((names.1.clone(), bounds));
            return (block.result.as_ref().clone(), Some(names));
        }
        let (op, left, right) = match value.kind {
            ExprKind::Binary(op, left, right) if compares(op) => (op, left, right),
            kind => return (Expr { kind, ..value }, None),
        };
        let mut name = |side: Expr, which: &str| {
            let (ty, span) = (side.ty.clone(), side.span);
            let name = format!("{field} {which}");
            let local = self.hidden(&name, ty.clone(), span);
            lets.push(ir::Let { local, name: name.clone(), value: side, span });
            let used = Expr { kind: ExprKind::Local(local), ty, span };
            fields.push((name, used.clone()));
            Box::new(used)
        };
        let (left, right) = (name(*left, "left"), name(*right, "right"));
        let names = (format!("{field} left"), format!("{field} right"));
        (Expr { kind: ExprKind::Binary(op, left, right), ..value }, Some(names))
    }
}
