//! A conversation as an .agpt file: a pipeline that holds the same conversation again.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::base::atomic::write_atomic;
use crate::base::{Medium, Reply, SourceId};
use crate::lang::format::format;

use super::Args;

/// A piece of what the user said.
#[derive(Debug, Clone)]
pub enum Part {
    Text(String),
    File(Medium, PathBuf),
}

/// A turn of the user and what was asked for.
#[derive(Debug, Clone)]
pub struct Record {
    pub parts: Vec<Part>,
    pub reply: Reply,
}

/// Writes the file; paths in it are absolute, since it may be moved.
pub fn write(path: &Path, records: &[Record], args: &Args) -> Result<(), String> {
    if records.is_empty() {
        return Err("there is nothing to save yet".to_string());
    }
    if path.extension().is_none_or(|extension| extension != "agpt") {
        return Err(format!("`{}` should end in .agpt", path.display()));
    }
    if path.exists() {
        return Err(format!("there is a file `{}` already; choose another name", path.display()));
    }
    let text = source(records, args.system.as_deref(), args.machine.seed, &args.machine.model);
    // However it is laid out, it is the same program.
    let text = format(&text, SourceId(0)).unwrap_or(text);
    write_atomic(path, text.as_bytes()).map_err(|error| error.to_string())
}

fn source(records: &[Record], system: Option<&str>, seed: u64, model: &str) -> String {
    let mut out = format!(
        "//! A conversation with {model}. With `--model` and `--seed {seed}` as it was held, the \
         replies are\n//! the same.\n\n/// All replies, in order.\npub pipeline conversation() -> {{ "
    );
    let types = records.iter().enumerate();
    let types: Vec<String> =
        types.map(|(place, record)| format!("reply{}: {}", place + 1, record.reply)).collect();
    let _ = writeln!(out, "{} }} {{", types.join(", "));
    for (place, record) in records.iter().enumerate() {
        let number = place + 1;
        let mut parts = Vec::new();
        let mut files = 0;
        for part in &record.parts {
            match part {
                Part::Text(text) => parts.push(quoted(text)),
                Part::File(medium, path) => {
                    files += 1;
                    let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                    let name = format!("{medium}{number}_{files}");
                    let path = quoted(&path.display().to_string());
                    let _ = writeln!(out, "  let {name}: {medium} = file({path})");
                    parts.push(format!("{{{name}}}"));
                }
            }
        }
        let _ = writeln!(out, "  let turn{number} = chat {{");
        if place > 0 {
            let _ = writeln!(out, "    {{turn{place}}}");
            let _ = writeln!(out, "    assistant {{ {{reply{place}}} }}");
        } else if let Some(system) = system {
            let _ = writeln!(out, "    system {{ {} }}", quoted(system));
        }
        let _ = writeln!(out, "    user {{ {} }}", parts.join(" "));
        let _ = writeln!(out, "  }}");
        let _ = writeln!(out, "  let reply{number} = generate {} from turn{number}", record.reply);
    }
    let names: Vec<String> = (1..=records.len()).map(|number| format!("reply{number}")).collect();
    let _ = writeln!(out, "  return {{ {} }}\n}}", names.join(", "));
    out
}

/// A text as it stands in a source file.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' | '{' | '}' => {
                out.push('\\');
                out.push(character);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::{self, MemoryLoader};

    #[test]
    fn whatever_was_said_is_saved_as_a_program_that_checks() {
        let records = [
            Record {
                parts: vec![
                    Part::File(Medium::Image, "a \"b\".png".into()),
                    Part::File(Medium::Music, "c.wav".into()),
                    Part::Text(" {what} is\\ this?\n\u{7}".into()),
                ],
                reply: Reply::Mixed,
            },
            Record { parts: vec![Part::Text("draw it".into())], reply: Reply::Only(Medium::Image) },
            Record { parts: vec![Part::Text("why".into())], reply: Reply::Only(Medium::Text) },
        ];
        let text = source(&records, Some("Be \"kind\"."), 7, "nano");
        let compilation = lang::compile("saved.agpt", &text, &MemoryLoader::default());
        assert!(compilation.diagnostics.is_empty(), "{text}\n{:#?}", compilation.diagnostics);
        insta::assert_snapshot!(
            text.replace(&std::env::current_dir().unwrap().display().to_string(), "…")
        );
    }
}
