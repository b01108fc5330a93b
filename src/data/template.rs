//! Templates of .agpt files as makers of training samples: the code that renders prompts for
//! generation renders these.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::DataError;
use super::recipe::{Pool, Scalar, TemplateUse};
use crate::base::{Diagnostic, Literal, Medium, Sources, Span};
use crate::lang::ir::{
    Block, Expr, ExprKind, LocalId, Param, Pipeline, PipelineId, Program, Template, TemplateId,
};
use crate::lang::types::Type;
use crate::lang::{self, LoadError, Loader};
use crate::plan::{self, Plan, passes, print};
use crate::runtime::engine::Engine;
use crate::runtime::events::Events;
use crate::runtime::execute::Executor;
use crate::runtime::value::{Prompt, Value};

/// The parameter that instructions are put into.
pub const INSTRUCTION: &str = "instruction";

/// A template that is ready for the rows of a source.
pub struct Prepared {
    pub name: String,
    /// The medium of the pair that is not text.
    pub medium: Medium,
    /// Text into the medium, rather than the medium into text.
    pub makes_medium: bool,
    pub probability: f64,
    plan: Plan,
    sources: Sources,
    /// What is drawn from for the instruction; empty where the template's own is used.
    pool: Vec<String>,
}

impl Prepared {
    /// Compiles a template that a recipe in `folder` names.
    pub fn compile(
        used: &TemplateUse,
        folder: &Path,
        loader: &dyn Loader,
        engine: &mut Engine,
        events: &mut dyn Events,
    ) -> Result<Self, DataError> {
        let failed = |reason: String| DataError::Template { name: used.template.clone(), reason };
        let (module, name) = reference(&used.template).map_err(failed)?;
        let root = folder.join("recipe").display().to_string();
        // The module itself is the root: a program holds what its root declares and needs.
        let loaded = loader.load(&lang::root_id(&root), &module);
        let loaded = loaded.map_err(|error| failed(unread(&module, &error)))?;
        let (program, sources) = compiled(&loaded.name, &loaded.text, loader)?;
        let own = |it: &Template| it.module.is_empty() && it.name == name;
        let id = program.templates.iter().position(own);
        let id = id.ok_or_else(|| failed(format!("`{name}` is no template of {module}")))?;
        let template = &program.templates[id];
        let fitted = Fitted::new(template, used).map_err(failed)?;
        let plan =
            prompt_of(&program, id, &fitted).map_err(|diagnostic| broken(diagnostic, &sources))?;
        let pool = match &used.instructions {
            None => Vec::new(),
            Some(Pool::Listed(listed)) if listed.is_empty() => {
                return Err(failed("its list of instructions is empty".into()));
            }
            Some(Pool::Listed(listed)) => listed.clone(),
            Some(Pool::Named(constant)) => {
                let (module, constant) = reference(constant).map_err(failed)?;
                let text = format!(
                    "use {module} {{ {constant} }}\n\npipeline pool_of_the_recipe() -> list<text> \
                     {{\n  return {constant}\n}}\n"
                );
                let (program, sources) = compiled(&root, &text, loader)?;
                let entry = program.entries.first().copied();
                let entry = entry.ok_or_else(|| failed("its instructions are no list".into()))?;
                let plan = plan::lower(&program, entry).map_err(|it| broken(it, &sources))?;
                texts(&passes::optimise(&plan).0, &sources, engine, events)?
            }
        };
        Ok(Prepared {
            name: used.template.clone(),
            medium: fitted.medium,
            makes_medium: fitted.makes_medium,
            probability: used.probability,
            plan,
            sources,
            pool,
        })
    }

    /// All that decides what it renders, for hashes.
    pub fn content(&self) -> String {
        format!("{}\n{}\n{:?}", print::text(&self.plan), self.probability, self.pool)
    }

    /// How many instructions there are to draw from; 0 where the template's own is used.
    pub fn instructions(&self) -> usize {
        self.pool.len()
    }

    /// The prompt for one row: its text or its codes in the template's hole, and one of the
    /// instructions. `seed` is of all that the template draws itself.
    pub fn prompt(
        &self,
        given: Value,
        instruction: usize,
        seed: u64,
        engine: &mut Engine,
        events: &mut dyn Events,
    ) -> Result<Arc<Prompt>, String> {
        let mut inputs = vec![Some(given)];
        if let Some(instruction) = self.pool.get(instruction) {
            inputs.push(Some(Value::text(instruction.as_str())));
        }
        match execute(&self.plan, &inputs, seed, &self.sources, engine, events)? {
            Value::Prompt(prompt) => Ok(prompt),
            other => Err(format!("the template made a {}", other.kind())),
        }
    }
}

/// `std/tasks:caption`, `./prompts.agpt:caption` → the module as `use` names it, and the name.
fn reference(text: &str) -> Result<(String, &str), String> {
    let (module, name) = text.rsplit_once(':').ok_or_else(|| {
        format!("`{text}` names no declaration; write FILE.agpt:NAME or std/MODULE:NAME")
    })?;
    let word = |text: &str, more: &[char]| {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || more.contains(&c);
        !text.is_empty() && text.chars().all(fits)
    };
    if !word(name, &[]) || !word(module, &['/', '.', '-']) {
        return Err(format!("`{text}` is no name of a module and a declaration in it"));
    }
    let module = module.strip_suffix(".agpt").unwrap_or(module);
    let known = ["std/", "pkg/", "./", "../"].iter().any(|start| module.starts_with(start));
    Ok((if known { module.to_string() } else { format!("./{module}") }, name))
}

fn compiled(name: &str, text: &str, loader: &dyn Loader) -> Result<(Program, Sources), DataError> {
    let compiled = lang::compile(name, text, loader);
    match compiled.program {
        Some(program) => Ok((program, compiled.sources)),
        None => {
            let (diagnostics, sources) = (compiled.diagnostics, compiled.sources);
            Err(DataError::Source(Box::new((diagnostics, sources))))
        }
    }
}

fn unread(module: &str, error: &LoadError) -> String {
    match error {
        LoadError::Unreadable(reason) => format!("{module} cannot be read: {reason}"),
        _ => format!("there is no module {module}"),
    }
}

/// How a template's parameters are filled.
struct Fitted {
    medium: Medium,
    makes_medium: bool,
    /// The parameters whose values come with a row: the pair's half, then the instruction.
    given: Vec<Param>,
    args: Vec<Expr>,
}

impl Fitted {
    fn new(template: &Template, used: &TemplateUse) -> Result<Self, String> {
        let out = medium_of(&template.out);
        let out = out.ok_or_else(|| {
            format!("its reply is {}; pairs make a text or a medium", template.out)
        })?;
        if let Some(name) = used.with.keys().find(|name| !has(template, name)) {
            return Err(format!("it has no parameter `{name}`"));
        }
        if used.instructions.is_some() && !has(template, INSTRUCTION) {
            return Err(format!("it has no parameter `{INSTRUCTION}` for instructions"));
        }
        let pooled = |param: &Param| used.instructions.is_some() && param.name == INSTRUCTION;
        let open = |param: &&Param| !used.with.contains_key(&param.name) && !pooled(param);
        let free: Vec<&Param> = template.params.iter().filter(open).collect();
        let makes_medium = out != Medium::Text;
        // Media before what has a default: a picture is never optional here.
        let takes = |param: &&&Param| match medium_of(&param.ty) {
            Some(Medium::Text) => makes_medium && param.default.is_none(),
            Some(_) => !makes_medium,
            None => false,
        };
        let holes: Vec<&&Param> = free.iter().filter(takes).collect();
        let wanted = if makes_medium { "text" } else { "a medium" };
        let [hole] = holes.as_slice() else {
            return Err(format!(
                "it takes {} parameters of {wanted} where one is to be filled; give the others \
                 values with `with`",
                holes.len()
            ));
        };
        let medium = if makes_medium { Some(out) } else { medium_of(&hole.ty) };
        let medium = medium.ok_or_else(|| "its parameter is no medium".to_string())?;
        let mut fitted = Fitted { medium, makes_medium, given: Vec::new(), args: Vec::new() };
        fitted.given.push((**hole).clone());
        fitted.given.extend(template.params.iter().filter(|param| pooled(param)).cloned());
        for (place, param) in fitted.given.iter_mut().enumerate() {
            param.local = LocalId(place as u32);
            param.default = None;
        }
        for param in &template.params {
            let place = fitted.given.iter().position(|given| given.name == param.name);
            let kind = match (place, used.with.get(&param.name)) {
                (Some(place), _) => ExprKind::Local(LocalId(place as u32)),
                (None, Some(value)) => ExprKind::Literal(literal(value, param)?),
                (None, None) => match &param.default {
                    Some(default) => default.kind.clone(),
                    None => {
                        return Err(format!(
                            "its parameter `{}` has no value; give it one with `with`",
                            param.name
                        ));
                    }
                },
            };
            fitted.args.push(Expr { kind, ty: param.ty.clone(), span: template.span });
        }
        Ok(fitted)
    }
}

fn has(template: &Template, name: &str) -> bool {
    template.params.iter().any(|param| param.name == name)
}

fn medium_of(ty: &Type) -> Option<Medium> {
    match ty {
        Type::Medium(medium) | Type::Lasting(medium, _) => Some(*medium),
        Type::Matching(_) => Some(Medium::Text),
        Type::Option(inner) => medium_of(inner),
        _ => None,
    }
}

fn literal(value: &Scalar, param: &Param) -> Result<Literal, String> {
    let ty = match &param.ty {
        Type::Option(inner) => inner.as_ref(),
        ty => ty,
    };
    let literal = match (value, ty) {
        (Scalar::Bool(value), Type::Bool) => Some(Literal::Bool(*value)),
        (Scalar::Int(value), Type::Int) => Some(Literal::Int(*value)),
        (Scalar::Int(value), Type::Float) => Some(Literal::Float(*value as f64)),
        (Scalar::Float(value), Type::Float) => Some(Literal::Float(*value)),
        (Scalar::Text(value), Type::Medium(Medium::Text)) => Some(Literal::Text(value.clone())),
        (Scalar::Text(value), Type::Union(cases)) => {
            let literal = Literal::Text(value.clone());
            cases.contains(&literal).then_some(literal)
        }
        _ => None,
    };
    literal.ok_or_else(|| format!("the value of `{}` is no {}", param.name, param.ty))
}

/// The plan that renders a template.
fn prompt_of(program: &Program, id: usize, fitted: &Fitted) -> Result<Plan, Diagnostic> {
    let template = &program.templates[id];
    let ty = Type::Prompt(Box::new(template.out.clone()));
    let args = fitted.args.clone();
    let kind = ExprKind::Prompt { template: TemplateId(id as u32), args };
    let prompt = Expr { kind, ty: ty.clone(), span: template.span };
    let pipeline = Pipeline {
        name: template.name.clone(),
        module: String::new(),
        doc: None,
        params: fitted.given.clone(),
        ret: ty,
        body: Block { lets: Vec::new(), result: Box::new(prompt) },
        span: template.span,
    };
    let mut program = program.clone();
    let entry = PipelineId(program.pipelines.len() as u32);
    program.pipelines.push(pipeline);
    Ok(passes::optimise(&plan::lower(&program, entry)?).0)
}

fn broken(diagnostic: Diagnostic, sources: &Sources) -> DataError {
    DataError::Source(Box::new((vec![diagnostic], sources.clone())))
}

/// The texts of a pool of instructions.
fn texts(
    plan: &Plan,
    sources: &Sources,
    engine: &mut Engine,
    events: &mut dyn Events,
) -> Result<Vec<String>, DataError> {
    let failed = |reason| DataError::Template { name: "instructions".into(), reason };
    let value = execute(plan, &[], 0, sources, engine, events).map_err(failed)?;
    let Value::List(items) = value else {
        return Err(failed("they are no list".into()));
    };
    let texts: Vec<String> = items
        .iter()
        .filter_map(|item| match item {
            Value::Text(text) => Some(text.to_string()),
            _ => None,
        })
        .collect();
    if texts.is_empty() { Err(failed("the list is empty".into())) } else { Ok(texts) }
}

fn execute(
    plan: &Plan,
    inputs: &[Option<Value>],
    seed: u64,
    sources: &Sources,
    engine: &mut Engine,
    events: &mut dyn Events,
) -> Result<Value, String> {
    let resolve = |span: Span, path: &str| beside(sources, span, path);
    let mut executor = Executor { engine, seed, resolve: &resolve, events };
    executor.run(plan, inputs, &mut |_, _| Ok(())).map_err(|error| error.failure.to_string())
}

/// A path in a source file means a file beside that source.
fn beside(sources: &Sources, span: Span, path: &str) -> PathBuf {
    let source = sources.get(span.source).map(|file| PathBuf::from(&file.name));
    source.as_deref().and_then(Path::parent).map_or(PathBuf::from(path), |dir| dir.join(path))
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use proptest::prelude::*;

    use super::*;
    use crate::bundle::{PromptPart, embedded};
    use crate::lang::MemoryLoader;
    use crate::runtime::engine::Placement;
    use crate::runtime::events::Silent;
    use crate::runtime::render;

    const OWN: &str = r#"
pub template begun(picture: image) -> text {
  user { "{picture}" }
  assistant { "Answer: {out}" }
}
pub template painted(scene: text, style: "oil" | "ink" = "oil") -> image {
  user { "An example." }
  assistant { "Here it is." }
  user { "{scene} in {style}" }
}
"#;

    fn used(template: &str, pool: Option<&str>) -> TemplateUse {
        TemplateUse {
            template: template.into(),
            instructions: pool.map(|pool| Pool::Named(pool.into())),
            probability: 1.0,
            with: Default::default(),
        }
    }

    fn prepared(used: &TemplateUse, engine: &mut Engine) -> Result<Prepared, DataError> {
        let mut loader = MemoryLoader::default().with("own", OWN);
        for name in embedded::modules() {
            loader = loader.with(&format!("std/{name}"), embedded::module(name).unwrap());
        }
        Prepared::compile(used, Path::new(""), &loader, engine, &mut Silent)
    }

    fn engine() -> Engine {
        Engine::open("nano", Placement::default()).unwrap()
    }

    /// Every template of the standard library's tasks with its pool, and two with more turns.
    fn all() -> Vec<TemplateUse> {
        let tasks = ["caption", "paint", "transcribe", "speak", "describe_music", "compose"];
        let mut all: Vec<TemplateUse> = tasks
            .iter()
            .map(|task| {
                let pool = format!("std/instructions:{}", task.to_uppercase());
                used(&format!("std/tasks:{task}"), Some(&pool))
            })
            .collect();
        all.extend([used("own.agpt:begun", None), used("own:painted", None)]);
        all
    }

    fn sizes() -> &'static [(Medium, u32, u32)] {
        static SIZES: OnceLock<Vec<(Medium, u32, u32)>> = OnceLock::new();
        SIZES.get_or_init(|| {
            let nano = engine();
            let vocabulary = nano.bundle().vocabulary().unwrap();
            let size = |(medium, it): (Medium, &crate::bundle::MediumTokens)| {
                (medium, it.codebook_size, it.codebooks)
            };
            vocabulary.media().map(size).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_prompt_is_what_its_sample_begins_with(
            text in "[ -~äé猫🐈\n]{1,40}",
            draws in prop::collection::vec(any::<u32>(), 32),
            seed: u64,
        ) {
            let mut engine = engine();
            for used in all() {
                let template = prepared(&used, &mut engine).unwrap();
                let (_, size, books) =
                    *sizes().iter().find(|(medium, ..)| *medium == template.medium).unwrap();
                let codes: Vec<u32> = (0u32..)
                    .zip(&draws)
                    .map(|(place, draw)| place % books * size + draw % size)
                    .collect();
                let tokens = PromptPart::Tokens(template.medium, codes.clone());
                let (given, answer, reply) = match template.makes_medium {
                    true => (Value::text(text.as_str()), tokens, template.medium),
                    false => {
                        let given = Value::Tokens(template.medium, codes.into());
                        (given, PromptPart::Text(text.clone()), Medium::Text)
                    }
                };
                let pick = seed as usize % template.instructions().max(1);
                let prompt = template.prompt(given, pick, seed, &mut engine, &mut Silent).unwrap();
                let bundle = engine.bundle().clone();
                let asked = render::for_reply(&bundle, &prompt, reply).unwrap().ids;
                let sample = render::with_answer(&bundle, &prompt, &[answer]).unwrap();
                prop_assert!(sample.ids.starts_with(&asked), "{}: {text:?}", template.name);
                // What is learned begins at the latest where generation begins, and ends as
                // replies end.
                let learned = sample.replies.last().unwrap();
                prop_assert!(learned.start <= asked.len());
                prop_assert_eq!(learned.end, sample.ids.len());
                let stop = bundle.vocabulary().unwrap().added("<eos>").unwrap();
                prop_assert_eq!(sample.ids.last(), Some(&stop));
                if reply == Medium::Text {
                    prop_assert_eq!(learned.start, asked.len());
                }
            }
        }
    }

    #[test]
    fn the_sample_of_the_base_model_is_that_of_the_paper() {
        let mut engine = engine();
        let mut paint = used("std/tasks:paint", None);
        paint.instructions = Some(Pool::Listed(vec!["Draw it.".into()]));
        let paint = prepared(&paint, &mut engine).unwrap();
        let prompt = paint.prompt(Value::text("a red apple"), 0, 1, &mut engine, &mut Silent);
        let bundle = engine.bundle().clone();
        let answer = PromptPart::Tokens(Medium::Image, (0..32).collect());
        let sample = render::with_answer(&bundle, &prompt.unwrap(), &[answer]).unwrap();
        let codes: String = (0..32).map(|code| format!("<👀{code}>")).collect();
        let text = format!(
            "<s>[Human]: Draw it. This is input: a red apple<eoh> [MMGPT]: <soim>{codes}<eoim><eos>"
        );
        let written = bundle.text_tokenizer().unwrap().encode_format(&text).unwrap();
        assert_eq!(sample.ids, written);
    }

    #[test]
    fn templates_that_do_not_fit_say_why() {
        let mut engine = engine();
        let mut reason = |used: TemplateUse| match prepared(&used, &mut engine) {
            Ok(_) => panic!("{} was taken", used.template),
            Err(DataError::Source(found)) => found.0[0].message.clone(),
            Err(error) => error.to_string(),
        };
        assert!(reason(used("tasks", None)).contains("names no declaration"));
        assert!(reason(used("std/tasks:no } x", None)).contains("is no name"));
        assert!(reason(used("std/chat:compare", None)).contains("takes 2 parameters"));
        assert!(reason(used("std/chat:answer_aloud", None)).contains("its reply is mixed"));
        assert!(reason(used("std/instructions:PAINT", None)).contains("is no template"));
        let with = |name: &str, value: Scalar| TemplateUse {
            with: [(name.to_string(), value)].into(),
            ..used("own:painted", None)
        };
        assert!(reason(with("size", Scalar::Int(3))).contains("no parameter `size`"));
        assert!(reason(with("style", Scalar::Text("pen".into()))).contains("is no"));
        let pool = used("own:painted", Some("std/instructions:PAINT"));
        assert!(reason(pool).contains("no parameter `instruction`"));
    }
}
