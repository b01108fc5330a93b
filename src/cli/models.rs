//! `agpt models`: what models there are and what is in them.

use crate::bundle::{Bundle, Search};

use super::Exit;
use super::source::complain;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// The models at hand (this is the default)
    List,
    /// A model's components, vocabulary and defaults
    Show {
        /// Name or folder
        model: String,
    },
    /// Compare a model's files with the hashes of its manifest
    Verify {
        /// Name or folder
        model: String,
    },
}

pub fn run(args: &Args) -> Exit {
    match args.action.as_ref().unwrap_or(&Action::List) {
        Action::List => list(),
        Action::Show { model } => with(model, show),
        Action::Verify { model } => with(model, verify),
    }
}

fn with(
    model: &str,
    then: impl FnOnce(&Bundle) -> Result<String, crate::bundle::BundleError>,
) -> Exit {
    match Bundle::find(model).and_then(|bundle| then(&bundle)) {
        Ok(text) => super::output::stdout(&text),
        Err(error) => {
            complain(&error.to_string(), None);
            Exit::Failed
        }
    }
}

fn list() -> Exit {
    let search = Search::from_environment();
    let mut text = String::new();
    for name in search.names() {
        let described = search.find(&name).and_then(Bundle::open);
        let line = match described {
            Ok(bundle) => bundle.manifest().description.clone(),
            Err(error) => format!("(cannot be read: {error})"),
        };
        text.push_str(&format!("{name:<16} {line}\n"));
    }
    super::output::stdout(&text)
}

fn show(bundle: &Bundle) -> Result<String, crate::bundle::BundleError> {
    let manifest = bundle.manifest();
    let mut text =
        format!("{}: {}\nlicense: {}\n\n", manifest.name, manifest.description, manifest.license);
    for component in bundle.components() {
        text.push_str(&format!(
            "{:<22} {}\n",
            component.role().to_string(),
            component.architecture()
        ));
    }
    let vocabulary = bundle.vocabulary()?;
    text.push_str(&format!(
        "\ncontext    {} tokens\nvocabulary {} tokens\n",
        manifest.context,
        vocabulary.size()
    ));
    for (medium, tokens) in vocabulary.media() {
        text.push_str(&format!(
            "  {medium:<8} {} codes from id {}\n",
            tokens.codes(),
            tokens.first
        ));
    }
    Ok(text)
}

fn verify(bundle: &Bundle) -> Result<String, crate::bundle::BundleError> {
    let count = bundle.verify(|path| eprintln!("reading {path}"))?;
    Ok(match count {
        0 => format!("{}: the manifest has no hashes to compare with\n", bundle.name()),
        count => format!("{}: {count} files are as the manifest says\n", bundle.name()),
    })
}
