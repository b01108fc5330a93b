//! `agpt plan`: the graph of a pipeline, for people and for drawing tools.

use std::path::PathBuf;

use crate::plan::{self, passes, print};

use super::Exit;
use super::source;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The .agpt file
    file: PathBuf,
    /// Which pipeline of the file
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,
    /// How to show the plan
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Print the plan as JSON
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Show the plan as lowered, before any pass
    #[arg(long)]
    raw: bool,
    /// Say what each pass did
    #[arg(long)]
    explain_passes: bool,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    /// What `--json` has, to read and to compare
    Yaml,
    /// For Graphviz
    Dot,
    /// For Mermaid, which many code hosts draw
    Mermaid,
    /// A drawing, for light and dark grounds
    Svg,
    /// The drawing and a table of its operations in one file
    Html,
}

pub fn run(args: &Args) -> Exit {
    let (program, sources) = match source::program(&args.file) {
        Ok(done) => done,
        Err(exit) => return exit,
    };
    let entry = match source::choose(&program, &args.file, args.pipeline.as_deref()) {
        Ok(entry) => entry,
        Err(exit) => return exit,
    };
    let lowered = match plan::lower(&program, entry) {
        Ok(lowered) => lowered,
        Err(diagnostic) => {
            source::show(&[diagnostic], &sources);
            return Exit::Invalid;
        }
    };
    let (optimised, reports) = passes::optimise(&lowered);
    let shown = if args.raw { &lowered } else { &optimised };
    if args.explain_passes {
        for report in reports {
            eprintln!(
                "{:<6} {:<42} {:>5} → {} operations",
                report.pass, report.purpose, report.before, report.after
            );
        }
    }
    if args.json {
        return super::output::stdout(&format!("{}\n", print::json(shown)));
    }
    let text = match args.format {
        Format::Text => print::text(shown),
        Format::Yaml => match serde_saphyr::to_string(&print::json(shown)) {
            Ok(text) => text,
            // Of maps, lists, texts and numbers nothing has no YAML; said all the same.
            Err(error) => {
                source::complain(&format!("the plan cannot be written as YAML: {error}"), None);
                return Exit::Failed;
            }
        },
        Format::Dot => print::dot(shown),
        Format::Mermaid => print::mermaid(shown),
        Format::Svg => match print::svg(shown, &sources) {
            Ok(drawing) => drawing,
            Err(error) => return too_large(&error),
        },
        Format::Html => match print::html(shown, &sources) {
            Ok(page) => page,
            Err(error) => return too_large(&error),
        },
    };
    super::output::stdout(&text)
}

fn too_large(error: &print::TooLarge) -> Exit {
    source::complain(
        &error.to_string(),
        Some("show it with --format text, or hand --format dot to a drawing tool"),
    );
    Exit::Usage
}
