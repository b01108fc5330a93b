//! The typed IR as readable text, for people and for snapshots.

use std::fmt::Write as _;

use crate::base::Literal;

use super::ir::{
    Block, Expr, ExprKind, LocalId, Param, Part, Pipeline, Program, Segment, Setting, Spoken,
    Template, UnaryOp,
};

/// Prints a whole program.
pub fn print(program: &Program) -> String {
    let mut printer = Printer { program, names: Vec::new(), out: String::new() };
    for template in &program.templates {
        printer.template(template);
    }
    for pipeline in &program.pipelines {
        printer.pipeline(pipeline);
    }
    for test in &program.tests {
        let seed = test.seed.map(|seed| format!(" seed {seed}")).unwrap_or_default();
        let repeat = match (test.repeat, test.pass) {
            (1, _) => String::new(),
            (repeat, pass) => format!(" repeat {repeat} pass {pass}"),
        };
        printer.line(0, &format!("test {:?}{seed}{repeat}", test.title));
        printer.pipeline(&test.pipeline);
    }
    for evaluation in &program.evaluations {
        let seed = evaluation.seed.map(|seed| format!(" seed {seed}")).unwrap_or_default();
        printer
            .line(0, &format!("evaluation {:?} data {:?}{seed}", evaluation.name, evaluation.data));
        for measured in &evaluation.measures {
            let fields = measured.fields.join(", ");
            printer.line(1, &format!("{} = {}({fields})", measured.name, measured.metric.name));
        }
        printer.pipeline(&evaluation.pipeline);
    }
    let entries: Vec<&str> = program
        .entries
        .iter()
        .filter_map(|id| program.pipelines.get(id.0 as usize))
        .map(|pipeline| pipeline.name.as_str())
        .collect();
    let _ = writeln!(printer.out, "entries: {}", entries.join(", "));
    printer.out
}

struct Printer<'a> {
    program: &'a Program,
    /// Names of locals by id.
    names: Vec<(LocalId, String)>,
    out: String,
}

fn qualified(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_string() } else { format!("{module}.{name}") }
}

impl Printer<'_> {
    fn line(&mut self, depth: usize, text: &str) {
        let _ = writeln!(self.out, "{:indent$}{text}", "", indent = depth * 2);
    }

    fn head(&mut self, word: &str, name: &str, doc: Option<&str>, params: &[Param], out: &str) {
        for line in doc.unwrap_or("").lines() {
            self.line(0, &format!("/// {line}"));
        }
        self.names = params.iter().map(|param| (param.local, param.name.clone())).collect();
        self.line(0, &format!("{word} {name} -> {out}"));
        for param in params {
            let mut text = format!("param {}: {}", param.name, param.ty);
            if let Some(default) = &param.default {
                let _ = write!(text, " = {}", self.expr(default));
            }
            if let Some(doc) = &param.doc {
                let _ = write!(text, "  /// {}", doc.replace('\n', " / "));
            }
            self.line(1, &text);
        }
    }

    fn template(&mut self, template: &Template) {
        let name = qualified(&template.module, &template.name);
        let out = template.out.to_string();
        self.head("template", &name, template.doc.as_deref(), &template.params, &out);
        for turn in &template.turns {
            let text = self.spoken(turn);
            self.line(1, &text);
        }
        self.out.push('\n');
    }

    fn spoken(&mut self, spoken: &Spoken) -> String {
        let turn = match spoken {
            Spoken::Turn(turn) => turn,
            Spoken::History(earlier) => return format!("{{{}}}", self.expr(earlier)),
        };
        let mut text = turn.role.name().to_string();
        for part in &turn.parts {
            text.push(' ');
            match part {
                Part::Text(part) => text.push_str(&format!("{part:?}")),
                Part::Hole(hole) => text.push_str(&format!("{{{}}}", self.expr(hole))),
                Part::Out => text.push_str("{out}"),
            }
        }
        text
    }

    fn pipeline(&mut self, pipeline: &Pipeline) {
        let name = qualified(&pipeline.module, &pipeline.name);
        let ret = pipeline.ret.to_string();
        self.head("pipeline", &name, pipeline.doc.as_deref(), &pipeline.params, &ret);
        for binding in &pipeline.body.lets {
            self.names.push((binding.local, binding.name.clone()));
            let value = self.expr(&binding.value);
            let ty = &binding.value.ty;
            self.line(1, &format!("let {}: {ty} = {value}", binding.name));
        }
        let result = self.expr(&pipeline.body.result);
        self.line(1, &format!("return {result}"));
        self.out.push('\n');
    }

    fn block(&mut self, block: &Block) -> String {
        let mut out = String::from("{ ");
        for binding in &block.lets {
            self.names.push((binding.local, binding.name.clone()));
            let value = self.expr(&binding.value);
            let _ = write!(out, "let {} = {value}; ", binding.name);
        }
        let _ = write!(out, "{} }}", self.expr(&block.result));
        out
    }

    fn list<'e>(&mut self, items: impl IntoIterator<Item = &'e Expr>) -> String {
        let items: Vec<String> = items.into_iter().map(|item| self.expr(item)).collect();
        items.join(", ")
    }

    fn settings(&mut self, word: &str, settings: &[Setting]) -> String {
        if settings.is_empty() {
            return String::new();
        }
        let items: Vec<String> = settings
            .iter()
            .map(|setting| format!("{}: {}", setting.key, self.expr(&setting.value)))
            .collect();
        format!(" {word}{{ {} }}", items.join(", "))
    }

    fn local(&self, local: LocalId) -> String {
        let known = self.names.iter().rev().find(|(id, _)| *id == local);
        known.map_or_else(|| format!("?{}", local.0), |(_, name)| name.clone())
    }

    fn expr(&mut self, expr: &Expr) -> String {
        match &expr.kind {
            ExprKind::Literal(Literal::Text(text)) => format!("{text:?}"),
            ExprKind::Literal(literal) => literal.to_string(),
            ExprKind::Local(local) => self.local(*local),
            ExprKind::Record(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|(name, value)| format!("{name}: {}", self.expr(value)))
                    .collect();
                format!("{{ {} }}", fields.join(", "))
            }
            ExprKind::Field(inner, name) => format!("{}.{name}", self.expr(inner)),
            ExprKind::List(items) => format!("[{}]", self.list(items)),
            ExprKind::Index(list, index) => {
                format!("{}[{}]", self.expr(list), self.expr(index))
            }
            ExprKind::Interpolate(segments) => {
                let parts: Vec<String> = segments
                    .iter()
                    .map(|segment| match segment {
                        Segment::Text(text) => format!("{text:?}"),
                        Segment::Hole(hole) => self.expr(hole),
                    })
                    .collect();
                format!("join({})", parts.join(", "))
            }
            ExprKind::Unary(UnaryOp::Not, inner) => format!("not {}", self.expr(inner)),
            ExprKind::Unary(UnaryOp::Negate, inner) => format!("-{}", self.expr(inner)),
            ExprKind::Binary(op, left, right) => {
                format!("({} {} {})", self.expr(left), op.symbol(), self.expr(right))
            }
            ExprKind::If { cond, then, otherwise } => {
                let cond = self.expr(cond);
                let then = self.block(then);
                format!("if {cond} {then} else {}", self.block(otherwise))
            }
            ExprKind::Bind(block) => self.block(block),
            ExprKind::For { item, source, filter, body } => {
                let source = self.expr(source);
                self.names.push((*item, format!("item{}", item.0)));
                let body = self.expr(body);
                let filter = filter
                    .as_ref()
                    .map(|filter| format!(" if {}", self.expr(filter)))
                    .unwrap_or_default();
                format!("[{body} for item{} in {source}{filter}]", item.0)
            }
            ExprKind::Call { pipeline, args } => {
                let called = self.program.pipelines.get(pipeline.0 as usize);
                let name = called.map_or("?".into(), |p| qualified(&p.module, &p.name));
                format!("call {name}({})", self.list(args))
            }
            ExprKind::Prompt { template, args } => {
                let called = self.program.templates.get(template.0 as usize);
                let name = called.map_or("?".into(), |t| qualified(&t.module, &t.name));
                format!("prompt {name}({})", self.list(args))
            }
            ExprKind::PromptOf(value) => format!("prompt({})", self.expr(value)),
            ExprKind::Generate(generate) => {
                let prompt = self.expr(&generate.prompt);
                let semantic = self.settings("semantic", &generate.semantic);
                let perceptual = self.settings("perceptual", &generate.perceptual);
                let samples = generate.samples.map(|n| format!("{n} of ")).unwrap_or_default();
                format!("generate {samples}{} from {prompt}{semantic}{perceptual}", generate.out)
            }
            ExprKind::Encode(inner) => format!("encode({})", self.expr(inner)),
            ExprKind::Decode { tokens, perceptual } => {
                let tokens = self.expr(tokens);
                format!("decode({tokens}){}", self.settings("perceptual", perceptual))
            }
            ExprKind::File { path, medium } => format!("file<{medium}>({path:?})"),
            ExprKind::Measure(what, medium) => format!("{}({})", what.name(), self.expr(medium)),
            ExprKind::Length(list) => format!("length({})", self.expr(list)),
            ExprKind::Pick(list) => format!("pick({})", self.expr(list)),
            ExprKind::Cut { after, text, mark } => {
                let name = if *after { "after" } else { "before" };
                format!("{name}({}, {})", self.expr(text), self.expr(mark))
            }
            ExprKind::Plugin { plugin, function, args } => {
                let args: Vec<String> = args.iter().map(|arg| self.expr(arg)).collect();
                let called = &plugin.component.functions[*function].name;
                format!("plugin {}.{called}({})", plugin.name, args.join(", "))
            }
            ExprKind::Chat(turns) => {
                let turns: Vec<String> = turns.iter().map(|turn| self.spoken(turn)).collect();
                format!("chat({})", turns.join("; "))
            }
            ExprKind::Coerce(inner) => format!("({} as {})", self.expr(inner), expr.ty),
        }
    }
}
