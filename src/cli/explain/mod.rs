//! `agpt explain`: what the code of a diagnostic means, with a wrong and a right example.

mod pages;
mod terminal;

use std::collections::BTreeSet;

use serde_json::json;

use crate::base::Diagnostic;

use super::output::stdout;
use super::{Exit, source};

pub use pages::Page;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A code such as E0107; without one, all are listed
    code: Option<String>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Exit {
    let Some(code) = &args.code else { return list(args.json) };
    let Some(page) = pages::find(code) else {
        let help = match pages::nearest_code(code) {
            Some(near) => format!("did you mean {near}? `agpt explain` lists all codes"),
            None => "`agpt explain` lists all codes".to_string(),
        };
        source::complain(&format!("there is no code `{code}`"), Some(&help));
        return Exit::Usage;
    };
    if args.json {
        return stdout(&format!("{}\n", to_json(page)));
    }
    let colour = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
    stdout(&terminal::render(page.markdown, colour))
}

fn list(json: bool) -> Exit {
    if json {
        return stdout(&format!("{}\n", json!(pages::all().map(to_json).collect::<Vec<_>>())));
    }
    stdout(
        &pages::all().map(|page| format!("{}  {}\n", page.code, page.title())).collect::<String>(),
    )
}

fn to_json(page: Page) -> serde_json::Value {
    json!({
        "code": page.code,
        "severity": if page.code.starts_with('W') { "warning" } else { "error" },
        "title": page.title(),
        "meaning": page.meaning(),
        "wrong": page.example("Wrong"),
        "right": page.example("Right"),
    })
}

/// The last line of a report: where to read more about what was found.
pub fn hint(diagnostics: &[Diagnostic]) -> Option<String> {
    let codes: BTreeSet<&str> =
        diagnostics.iter().map(|d| d.code).filter(|code| pages::find(code).is_some()).collect();
    let first = codes.first()?;
    Some(match codes.len() {
        1 => format!("`agpt explain {first}` says more"),
        _ => format!("`agpt explain {first}` says more, and so for the other codes"),
    })
}
