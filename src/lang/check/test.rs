//! Tests: each becomes a pipeline whose record holds what is expected and what is snapshot.

use crate::base::{Diagnostic, Literal, Span};
use crate::lang::ir::{self, BinaryOp, Check, CheckKind, Expr, ExprKind, Segment};
use crate::lang::resolve::ItemRef;
use crate::lang::syntax::ast::{self, TestStep};
use crate::lang::types::Type;

use super::Checker;
use super::body::{Body, Mode};
use super::operators::BETWEEN;
use super::with::Allowed;

/// What stands behind `with`.
struct Settings {
    seed: Option<u64>,
    repeat: u32,
    pass: Option<(u32, Span)>,
}

const SETTINGS: Allowed = Allowed {
    of: "a test",
    names: &["seed", "repeat", "pass"],
    command: "agpt test",
    // With which model is not the file's concern.
    options: &["model", "device", "dtype"],
};

const MAX_REPEAT: i64 = 1000;

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
        let settings = self.test_settings(at, &declared.settings);
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
        let pass = settings.pass.map_or(settings.repeat, |(pass, _)| pass);
        let test = ir::Test {
            title,
            doc: item.doc.clone(),
            seed: settings.seed,
            repeat: settings.repeat,
            pass,
            pipeline,
            checks,
            span,
        };
        self.tests.push((at, test));
    }

    /// `with { seed: 7, repeat: 5, pass: 4 }`
    fn test_settings(&mut self, at: ItemRef, settings: &[ast::Setting]) -> Settings {
        let mut out = Settings { seed: None, repeat: 1, pass: None };
        for setting in self.allowed(settings, &SETTINGS) {
            let name = setting.name.text.as_str();
            let most = if name == "seed" { i64::MAX } else { MAX_REPEAT };
            let least = i64::from(name != "seed");
            let Some(value) = self.test_number(at, setting, least, most) else { continue };
            match name {
                "seed" => out.seed = u64::try_from(value).ok(),
                "repeat" => out.repeat = u32::try_from(value).unwrap_or(1),
                _ => out.pass = u32::try_from(value).ok().map(|value| (value, setting.span)),
            }
        }
        if let Some((pass, span)) = out.pass
            && pass > out.repeat
        {
            self.error(
                Diagnostic::error("E0404", format!("`pass` cannot be {pass}"))
                    .label(span, format!("the test runs {} times", out.repeat))
                    .help("give `repeat` as well, at least as large"),
            );
        }
        out
    }

    /// A setting whose value is a constant from `least` to `most`.
    pub fn test_number(
        &mut self,
        at: ItemRef,
        setting: &ast::Setting,
        least: i64,
        most: i64,
    ) -> Option<i64> {
        let name = &setting.name.text;
        let span = setting.value.as_ref().map_or(setting.span, |value| value.span);
        if let Some(value) = &setting.value {
            let mode = Mode::Constant("a setting");
            let what = format!("setting `{name}`");
            let value = Body::new(self, at.module, mode).expect(value, &Type::Int, &what);
            match value.kind {
                _ if value.ty == Type::Error => return None,
                ExprKind::Literal(Literal::Int(value)) if (least..=most).contains(&value) => {
                    return Some(value);
                }
                _ => {}
            }
        }
        let range = if most == i64::MAX {
            format!("a whole number, at least {least}")
        } else {
            format!("a whole number from {least} to {most}")
        };
        self.error(
            Diagnostic::error("E0404", format!("`{name}` is {range}"))
                .label(span, "")
                .help(format!("write for example `{name}: 7`")),
        );
        None
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
