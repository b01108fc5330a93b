//! Suites: .agpt files with evaluations, one's own or those of the standard library.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::base::Sources;
use crate::bundle::embedded;
use crate::cli::loader::FileLoader;
use crate::cli::{Exit, output, source};
use crate::eval::error::EvalError;
use crate::eval::row::Location;
use crate::lang::ir::{Evaluation, Program};
use crate::lang::words::nearest;
use crate::lang::{self, Compilation};

/// Where ready suites are among the standard library's modules.
const READY: &str = "evaluation/";

pub struct Suite {
    pub name: String,
    /// From the standard library.
    pub ready: bool,
    pub program: Program,
    pub sources: Sources,
}

/// Names of the ready suites.
fn ready() -> impl Iterator<Item = &'static str> {
    embedded::modules().filter_map(|module| module.strip_prefix(READY))
}

fn compile(name: &str) -> Option<Compilation> {
    let text = embedded::module(&format!("{READY}{name}"))?;
    Some(lang::compile(&format!("std/{READY}{name}.agpt"), text, &FileLoader::default()))
}

/// A ready suite by name, or the file at a path; says what is wrong with it.
pub fn open(name: &str) -> Result<Suite, Exit> {
    let is_path = name.ends_with(".agpt") || name.contains(['/', '\\']);
    if is_path {
        let (program, sources) = source::program(Path::new(name))?;
        return Ok(Suite { name: name.to_string(), ready: false, program, sources });
    }
    let Some(compilation) = compile(&name.replace('-', "_")) else {
        let names: Vec<&str> = ready().collect();
        let help = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                format!("ready suites: {}; or give the path of an .agpt file", names.join(", "))
            }
        };
        source::complain(&format!("there is no ready suite `{name}`"), Some(&help));
        return Err(Exit::Usage);
    };
    source::show(&compilation.diagnostics, &compilation.sources);
    match compilation.program {
        Some(program) => {
            let (name, sources) = (name.to_string(), compilation.sources);
            Ok(Suite { name, ready: true, program, sources })
        }
        None => Err(Exit::Invalid),
    }
}

impl Suite {
    /// The file of rows that an evaluation names, beside its source.
    pub fn beside(&self, evaluation: &Evaluation) -> Result<Location, EvalError> {
        if !self.ready {
            return Ok(Location::Disk(crate::cli::run::beside(
                &self.sources,
                evaluation.span,
                &evaluation.data,
            )));
        }
        let name = evaluation.data.trim_start_matches("./");
        let path = format!("{READY}{name}");
        let found = embedded::entry(&path);
        found.map(|(path, bytes)| Location::Embedded(path, bytes)).ok_or_else(|| {
            EvalError::Unreadable {
                path: PathBuf::from(&path),
                reason: "it is not in this program".to_string(),
            }
        })
    }
}

/// `agpt eval --list`
pub fn list(as_json: bool) -> Exit {
    let mut all = Vec::new();
    let mut text = String::new();
    for name in ready() {
        let Some(program) = compile(name).and_then(|compilation| compilation.program) else {
            continue;
        };
        text.push_str(&format!("{name}\n"));
        for evaluation in &program.evaluations {
            let mut judges: Vec<&str> =
                evaluation.measures.iter().filter_map(|m| Some(m.metric.judge?.name())).collect();
            judges.dedup();
            let measures: Vec<&str> = evaluation.measures.iter().map(|m| m.name.as_str()).collect();
            let doc = evaluation.doc.as_deref().unwrap_or_default().trim();
            let first = doc.lines().next().unwrap_or_default();
            text.push_str(&format!("  {}: {first}\n", evaluation.name));
            text.push_str(&format!("    measures {}\n", measures.join(", ")));
            let own = evaluation.data.starts_with("./");
            if !own {
                text.push_str(&format!("    data {} (--data DIR)\n", evaluation.data));
            }
            for judge in &judges {
                text.push_str(&format!("    judge {judge} (--judge {judge}=NAME)\n"));
            }
            all.push(json!({
                "suite": name,
                "evaluation": evaluation.name,
                "about": doc,
                "measures": measures,
                "data": if own { None } else { Some(&evaluation.data) },
                "judges": judges,
            }));
        }
    }
    match as_json {
        true => output::stdout(&format!("{:#}\n", json!(all))),
        false => output::stdout(&text),
    }
}
