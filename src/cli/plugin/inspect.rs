//! `agpt plugin inspect`: the functions of a component and what it asks for.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::json;

use crate::cli::{Exit, output, source};
use crate::lang::plugin::{Component, Import};
use crate::plugins;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The component
    file: PathBuf,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Exit {
    let shown = args.file.display();
    match plugins::read(&args.file) {
        Ok(Ok(component)) => {
            let text = if args.json { to_json(&component) } else { text(&component) };
            output::stdout(&text)
        }
        Ok(Err(reason)) => {
            source::complain(&format!("{shown} cannot be used: {reason}"), None);
            Exit::Invalid
        }
        Err(error) => {
            source::complain(&format!("{shown} cannot be read: {error}"), None);
            Exit::Usage
        }
    }
}

fn text(component: &Component) -> String {
    let mut out = format!(
        "component {}, {:.1} KiB\n",
        component.digest.short(),
        component.bytes.len() as f64 / 1024.0
    );
    out.push_str("\nfunctions\n");
    for function in &component.functions {
        let _ = match &function.signature {
            Ok(ty) => writeln!(out, "  {}{}", function.name, ty.line()),
            Err(reason) => writeln!(out, "  {}: cannot be called, {reason}", function.name),
        };
    }
    if component.functions.is_empty() {
        out.push_str("  none: the world itself must export functions\n");
    }
    out.push_str("\nasks for\n");
    for import in &component.imports {
        let _ = match import {
            Import::Granted(grant) => {
                writeln!(
                    out,
                    "  {grant} (to {}): grants: [\"{grant}\"], --allow {grant}",
                    grant.doc()
                )
            }
            Import::Unknown { name, reason } => {
                writeln!(out, "  {name}, which it does not get: {reason}")
            }
        };
    }
    if component.imports.is_empty() {
        out.push_str("  nothing\n");
    }
    out
}

fn to_json(component: &Component) -> String {
    let functions = component.functions.iter().map(|function| match &function.signature {
        Ok(ty) => json!({
            "name": function.name,
            "export": function.export,
            "params": ty.params.iter().map(|(name, ty)| json!({ "name": name, "type": ty.to_string() }))
                .collect::<Vec<_>>(),
            "result": ty.result.to_string(),
        }),
        Err(reason) => json!({
            "name": function.name, "export": function.export, "unusable": reason,
        }),
    });
    let mut grants = Vec::new();
    let mut refused = Vec::new();
    for import in &component.imports {
        match import {
            Import::Granted(grant) => grants.push(json!(grant.name())),
            Import::Unknown { name, reason } => {
                refused.push(json!({ "import": name, "reason": reason }));
            }
        }
    }
    let whole = json!({
        "digest": component.digest.hex(),
        "bytes": component.bytes.len(),
        "functions": functions.collect::<Vec<_>>(),
        "grants": grants,
        "refused": refused,
    });
    format!("{whole}\n")
}
