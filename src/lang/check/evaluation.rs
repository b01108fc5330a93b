//! Evaluations: each becomes a pipeline whose parameters are the columns of a row and whose record
//! holds what its metrics compare.

use crate::base::{Diagnostic, Literal, Span};
use crate::lang::index::Fact;
use crate::lang::ir::{self, Expr, ExprKind, LocalId, Measured};
use crate::lang::metrics::{self, Argument, METRICS, SETS};
use crate::lang::resolve::ItemRef;
use crate::lang::syntax::ast::{self, EvaluationStep};
use crate::lang::types::Type;

use super::body::{Body, Mode};
use super::coerce::widens;
use super::with::Allowed;
use super::{Checker, did_you_mean};

const SETTINGS: Allowed = Allowed {
    of: "an evaluation",
    names: &["data", "seed"],
    command: "agpt eval",
    options: &["model", "device", "dtype", "limit", "sample", "judge"],
};

/// Fields of the result by what they hold; one value that several metrics compare is one field.
#[derive(Default)]
struct Fields {
    /// With whether it is a reference, which comes before all answers.
    all: Vec<(String, Expr, bool)>,
    locals: Vec<(LocalId, Type, String)>,
}

impl Fields {
    fn add(&mut self, value: Expr, name: String, reference: bool, params: &[ir::Param]) -> String {
        let local = match &value.kind {
            ExprKind::Local(local) => Some(*local),
            _ => None,
        };
        if let Some(local) = local
            && let Some((_, _, field)) =
                self.locals.iter().find(|(known, ty, _)| *known == local && *ty == value.ty)
        {
            return field.clone();
        }
        // A column itself is there before anything runs.
        let column = local.is_some_and(|local| params.iter().any(|param| param.local == local));
        let mut unique = name.clone();
        let mut count = 1;
        while self.all.iter().any(|(known, ..)| *known == unique) {
            count += 1;
            unique = format!("{name} {count}");
        }
        if let Some(local) = local {
            self.locals.push((local, value.ty.clone(), unique.clone()));
        }
        self.all.push((unique.clone(), value, reference || column));
        unique
    }

    /// References and columns first: a run stops at the first field that fails.
    fn in_order(self) -> Vec<(String, Expr)> {
        let (first, then): (Vec<_>, Vec<_>) = self.all.into_iter().partition(|field| field.2);
        first.into_iter().chain(then).map(|(name, value, _)| (name, value)).collect()
    }
}

impl Checker<'_> {
    pub fn evaluation(&mut self, at: ItemRef, item: &ast::Item, declared: &ast::Evaluation) {
        let name = &declared.name;
        if at.module == 0
            && let Some((_, other)) =
                self.evaluations.iter().find(|(_, other)| other.name == name.text)
        {
            let first = other.span;
            self.error(
                Diagnostic::error("E0202", format!("two evaluations are called `{}`", name.text))
                    .label(name.span, "again here")
                    .label(first, "first named here")
                    .help("rename one of them"),
            );
        }
        let (data, seed) = self.evaluation_settings(at, declared);
        let params = self.params(at, &declared.params);
        for param in &params {
            self.index_column(param);
        }
        if let Some((data, span)) = &data {
            self.columns(data, *span, declared, &params);
        }
        let mut body = Body::new(self, at.module, Mode::Pipeline(at));
        body.params(&params);
        let mut lets = Vec::new();
        let mut fields = Fields::default();
        let mut measures: Vec<Measured> = Vec::new();
        for step in &declared.steps {
            match step {
                EvaluationStep::Let(binding) => lets.push(body.bind(binding).0),
                EvaluationStep::Measure(written) => {
                    let Some(measured) = body.measured(written, &params, &mut fields) else {
                        continue;
                    };
                    if let Some(first) = measures.iter().find(|m| m.name == measured.name) {
                        body.error(
                            Diagnostic::error(
                                "E0202",
                                format!("two measures are called `{}`", measured.name),
                            )
                            .label(measured.span, "again here")
                            .label(first.span, "first named here")
                            .help("name one with `as`, as in `measure wer(words, said) as strict`"),
                        );
                    }
                    measures.push(measured);
                }
            }
        }
        body.warn_unused();
        let measured = declared.steps.iter().any(|s| matches!(s, EvaluationStep::Measure(_)));
        if !measured {
            self.error(
                Diagnostic::error("E0324", "this evaluation measures nothing")
                    .label(name.span, "has no `measure`")
                    .help("add `measure METRIC(…)`, such as `measure wer(words, references)`"),
            );
        }
        // Other modules' evaluations are checked, but theirs to run.
        let Some((data, _)) = data.filter(|_| at.module == 0) else { return };
        let fields = fields.in_order();
        let ty = fields.iter().map(|(name, value)| (name.clone(), value.ty.clone())).collect();
        let ty = Type::Record(ty);
        let span = name.span;
        let result = Expr { kind: ExprKind::Record(fields), ty: ty.clone(), span };
        let pipeline = ir::Pipeline {
            name: name.text.clone(),
            module: String::new(),
            doc: item.doc.clone(),
            params,
            ret: ty,
            body: ir::Block { lets, result: Box::new(result) },
            span,
        };
        let evaluation = ir::Evaluation {
            name: name.text.clone(),
            doc: item.doc.clone(),
            data,
            seed,
            pipeline,
            measures,
            span,
        };
        self.evaluations.push((at, evaluation));
    }

    /// The set's columns are the parameters' names and types.
    fn columns(
        &mut self,
        data: &str,
        span: Span,
        declared: &ast::Evaluation,
        params: &[ir::Param],
    ) {
        for (param, written) in params.iter().zip(&declared.params) {
            if let Some(default) = &written.default {
                self.error(
                    Diagnostic::error("E0324", format!("column `{}` has a default", param.name))
                        .label(default.span, "every row has a value of its own")
                        .help(format!("remove it, or make the column `{}?`", param.ty)),
                );
            }
        }
        let Some(set) = metrics::set(data) else { return };
        let names: Vec<&str> = set.columns.iter().map(|(name, _)| *name).collect();
        for (param, written) in params.iter().zip(&declared.params) {
            let Some((_, kind)) = set.columns.iter().find(|(name, _)| *name == param.name) else {
                let diagnostic =
                    Diagnostic::error("E0324", format!("`{}` is no column of {data}", param.name))
                        .label(param.span, "not a column")
                        .label(span, "of this set");
                let diagnostic = did_you_mean(diagnostic, &param.name, names.iter().copied());
                self.error(match diagnostic.help {
                    Some(_) => diagnostic,
                    None => diagnostic.help(format!("its columns: {}", names.join(", "))),
                });
                continue;
            };
            let fits = match (&param.ty, kind) {
                (Type::Lasting(medium, _), Argument::Medium(of)) => medium == of,
                (ty, kind) => widens(&kind.ty(), ty),
            };
            if !fits {
                self.error(
                    Diagnostic::error(
                        "E0301",
                        format!(
                            "column `{}` of {data} is {}, not {}",
                            param.name,
                            kind.ty(),
                            param.ty
                        ),
                    )
                    .label(written.ty.span, format!("expected {}", kind.ty()))
                    .help(format!("write `{}: {}`", param.name, kind.ty())),
                );
            }
        }
    }

    /// `with { data: "librispeech", seed: 7 }`
    fn evaluation_settings(
        &mut self,
        at: ItemRef,
        declared: &ast::Evaluation,
    ) -> (Option<(String, Span)>, Option<u64>) {
        let (mut data, mut seed) = (None, None);
        let settings = self.allowed(&declared.settings, &SETTINGS);
        for setting in &settings {
            match setting.name.text.as_str() {
                "seed" => {
                    let value = self.test_number(at, setting, 0, i64::MAX);
                    seed = value.and_then(|value| u64::try_from(value).ok());
                }
                _ => data = self.data(at, setting),
            }
        }
        if !settings.iter().any(|setting| setting.name.text == "data") {
            self.error(
                Diagnostic::error("E0324", "this evaluation does not say over which data")
                    .label(declared.name.span, "has no `data`")
                    .help("write `with { data: \"librispeech\" }`, or `\"./rows.jsonl\"` for rows of your own"),
            );
        }
        (data, seed)
    }

    fn data(&mut self, at: ItemRef, setting: &ast::Setting) -> Option<(String, Span)> {
        let value = setting.value.as_ref()?;
        let mode = Mode::Constant("a setting of an evaluation");
        let found = Body::new(self, at.module, mode).expect(value, &Type::TEXT, "setting `data`");
        let ExprKind::Literal(Literal::Text(data)) = found.kind else { return None };
        if metrics::is_rows(&data) || metrics::set(&data).is_some() {
            return Some((data, value.span));
        }
        let names = SETS.iter().map(|set| set.name);
        let diagnostic = Diagnostic::error("E0324", format!("there is no set {data:?}"))
            .label(value.span, "not known");
        let diagnostic = did_you_mean(diagnostic, &data, names.clone());
        self.error(match diagnostic.help {
            Some(_) => diagnostic,
            None => diagnostic.help(format!(
                "sets: {}; rows of your own are a path such as \"./rows.jsonl\" or \"./rows.csv\"",
                names.collect::<Vec<_>>().join(", ")
            )),
        });
        None
    }
}

impl Body<'_, '_> {
    /// `measure metric(a, b) as name`; nothing where the metric is not known.
    fn measured(
        &mut self,
        written: &ast::Measured,
        params: &[ir::Param],
        fields: &mut Fields,
    ) -> Option<Measured> {
        let Some(metric) = metrics::metric(&written.metric.text) else {
            self.no_metric(written);
            return None;
        };
        let fact = Fact { line: metric.usage(), doc: Some(metric.about()) };
        self.checker.index.fact(written.metric.span, fact);
        let name = written.name.as_ref().unwrap_or(&written.metric).text.clone();
        if written.args.len() != metric.params.len() {
            let (code, what) = if written.args.len() < metric.params.len() {
                ("E0303", "too few")
            } else {
                ("E0304", "too many")
            };
            self.error(
                Diagnostic::error(code, format!("`{}` gets {what} arguments", metric.name))
                    .label(written.span, format!("{} are given", written.args.len()))
                    .help(format!("it is `{}`", metric.usage())),
            );
            return None;
        }
        let mut names = Vec::new();
        for (place, (arg, (param, kind))) in written.args.iter().zip(metric.params).enumerate() {
            let what = format!("`{param}` of `{}`", metric.name);
            let value = self.argument(arg, *kind, &what);
            let field = match &arg.kind {
                ast::ExprKind::Name(local) => local.clone(),
                _ => format!("{name} {param}"),
            };
            names.push(fields.add(value, field, metric.reference == Some(place), params));
        }
        Some(Measured { name, metric, fields: names, span: written.span })
    }

    fn argument(&mut self, arg: &ast::Expr, kind: Argument, what: &str) -> Expr {
        let ty = kind.ty();
        if kind != Argument::Texts {
            return self.expect(arg, &ty, what);
        }
        // One text is a list of one.
        let value = self.expr(arg, None);
        if value.ty != Type::Error && widens(&value.ty, &Type::TEXT) {
            let span = value.span;
            let one = self.fit(value, &Type::TEXT, what);
            return Expr { kind: ExprKind::List(vec![one]), ty, span };
        }
        self.fit(value, &ty, what)
    }

    fn no_metric(&mut self, written: &ast::Measured) {
        let name = &written.metric.text;
        let names = METRICS.iter().map(|metric| metric.name);
        let diagnostic = Diagnostic::error("E0324", format!("there is no metric `{name}`"))
            .label(written.metric.span, "not known");
        let diagnostic = did_you_mean(diagnostic, name, names.clone());
        self.error(match diagnostic.help {
            Some(_) => diagnostic,
            None => diagnostic.help(format!("metrics: {}", names.collect::<Vec<_>>().join(", "))),
        });
    }
}
