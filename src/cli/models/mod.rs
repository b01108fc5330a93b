//! `agpt models`: what models there are, what is in them, and how they come here.

mod pull;

use std::collections::BTreeSet;

use candle_core::DType;
use indicatif::{ProgressBar, ProgressStyle};

use crate::bundle::{Bundle, BundleError, EvaluatorManifest, Form, Search, Source};
use crate::nn::quantized::Quantization;

use crate::cli::Exit;
use crate::cli::source::complain;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// The models at hand (this is the default)
    List,
    /// Fetch the files of a model
    ///
    /// Files come from where the model's manifest says: repositories of the Hugging Face hub, by way
    /// of its cache ($HF_HOME), or addresses. What is there already is not fetched again, and what
    /// was begun is gone on with.
    Pull(pull::Args),
    /// Delete a model that was pulled
    Rm {
        /// Name of the model
        model: String,
    },
    /// A model's components, vocabulary and defaults
    Show {
        /// Name or folder
        model: String,
    },
    /// Write the PyTorch checkpoints of a model as safetensors files, which are then used in their
    /// place: they load faster, and can be smaller
    Convert {
        /// Name or folder
        model: String,
        /// Precision of what is written [default: that of the checkpoint]
        #[arg(long, value_enum)]
        dtype: Option<Precision>,
        /// Delete each checkpoint when its tensors are written
        #[arg(long)]
        remove: bool,
    },
    /// Write the language model's weights in 8 or 4 bits, beside the others; `agpt run --dtype
    /// llm=q8_0` then loads these
    Quantize {
        /// Name or folder
        model: String,
        /// q8_0 (8.5 bits a weight) or q4_k (4.5 bits; the head has 8.5)
        #[arg(long, value_name = "KIND")]
        to: Quantization,
    },
    /// Compare a model's files with the hashes of its manifest
    Verify {
        /// Name or folder
        model: String,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Precision {
    F32,
    F16,
    Bf16,
}

impl Precision {
    fn dtype(self) -> DType {
        match self {
            Precision::F32 => DType::F32,
            Precision::F16 => DType::F16,
            Precision::Bf16 => DType::BF16,
        }
    }
}

pub fn run(args: &Args) -> Exit {
    match args.action.as_ref().unwrap_or(&Action::List) {
        Action::List => list(),
        Action::Pull(args) => ended(pull::run(args)),
        Action::Rm { model } => ended(remove(model)),
        Action::Show { model } => match EvaluatorManifest::known(model) {
            Ok(Some(known)) => ended(show_evaluator(&known)),
            Ok(None) => with(model, show),
            Err(error) => ended(Err(error)),
        },
        Action::Convert { model, dtype, remove } => {
            let form = dtype.map_or(Form::Stored, |dtype| Form::Precision(dtype.dtype()));
            with(model, |bundle| convert(bundle, form, *remove))
        }
        Action::Quantize { model, to } => with(model, |bundle| quantize(bundle, *to)),
        Action::Verify { model } => with(model, verify),
    }
}

fn with(model: &str, then: impl FnOnce(&Bundle) -> Result<String, BundleError>) -> Exit {
    ended(Bundle::find(model).and_then(|bundle| then(&bundle)))
}

/// Prints what was done, or why not.
fn ended(result: Result<String, BundleError>) -> Exit {
    match result {
        Ok(text) => crate::cli::output::stdout(&text),
        Err(error) => {
            complain(&error.to_string(), error.help());
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
            Ok(bundle) if bundle.missing_sources().next().is_some() => {
                let description = &bundle.manifest().description;
                format!("{description} (not here: agpt models pull {name})")
            }
            Ok(bundle) => bundle.manifest().description.clone(),
            Err(error) => format!("(cannot be read: {error})"),
        };
        text.push_str(&format!("{name:<16} {line}\n"));
    }
    for name in EvaluatorManifest::names() {
        let line = match EvaluatorManifest::known(name) {
            Ok(Some(known)) if known.folder(&search).is_some() => known.description,
            Ok(Some(known)) => {
                format!("{} (not here: agpt models pull {name})", known.description)
            }
            Ok(None) => continue,
            Err(error) => format!("(cannot be read: {error})"),
        };
        text.push_str(&format!("{name:<16} {line}\n"));
    }
    crate::cli::output::stdout(&text)
}

fn remove(model: &str) -> Result<String, BundleError> {
    let refused =
        |help: &str| BundleError::NotPulled { path: model.to_string(), help: help.to_string() };
    if model.contains(['/', '\\']) || model.starts_with('.') {
        return Err(refused("give the name of a model; folders of your own are yours to delete"));
    }
    let search = Search::from_environment();
    let folder = match EvaluatorManifest::known(model)? {
        Some(known) => known.folder(&search).ok_or_else(|| refused("it is not here"))?,
        None => {
            let source = search.find(model)?;
            let pulled = !Bundle::open(source.clone())?.manifest().sources.is_empty();
            let Source::Folder(folder) = source else {
                return Err(refused("it is not here, or inside of the program"));
            };
            if !pulled {
                let help = "only models that `agpt models pull` can bring again are removed";
                return Err(refused(help));
            }
            folder
        }
    };
    // A link to a folder elsewhere is only a link.
    let linked = std::fs::symlink_metadata(&folder).is_ok_and(|meta| meta.is_symlink());
    let removed =
        if linked { std::fs::remove_file(&folder) } else { std::fs::remove_dir_all(&folder) };
    removed.map_err(|source| BundleError::Write { path: folder.display().to_string(), source })?;
    Ok(format!("removed {}; files in the hub's cache are still there\n", folder.display()))
}

/// What is known of an evaluation model.
fn show_evaluator(known: &EvaluatorManifest) -> Result<String, BundleError> {
    let EvaluatorManifest { name, description, license, model_type, sources, .. } = known;
    let mut text = format!("{name}: {description}\nlicense: {license}\n\n");
    text.push_str(&format!("{:<22} {model_type}\n\nsources\n", "evaluation model"));
    for source in sources {
        let place = source.hub.as_ref().or(source.url.as_ref()).map_or("", String::as_str);
        text.push_str(&format!("  {:<18} {place}\n", source.to));
    }
    text.push_str(&match known.folder(&Search::from_environment()) {
        Some(folder) => format!("\nin {}\n", folder.display()),
        None => format!("\nit is not here; agpt models pull {name} fetches it\n"),
    });
    Ok(text)
}

fn show(bundle: &Bundle) -> Result<String, BundleError> {
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
    let missing = bundle.missing_sources().count();
    if missing > 0 {
        text.push_str("\nsources\n");
        for source in &manifest.sources {
            let place = source.hub.as_ref().or(source.url.as_ref());
            let place = place.map_or("", String::as_str);
            text.push_str(&format!("  {:<18} {place}\n", source.to));
        }
        let name = bundle.name();
        text.push_str(&format!(
            "\n{missing} files are not here; agpt models pull {name} fetches them\n"
        ));
        return Ok(text);
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

fn convert(bundle: &Bundle, form: Form, remove: bool) -> Result<String, BundleError> {
    let mut text = String::new();
    let mut seen = BTreeSet::new();
    for component in bundle.components() {
        for path in component.unconverted()? {
            let from = component.display(&path);
            // A codec is a tokenizer and a de-tokenizer.
            if !seen.insert(from.clone()) {
                continue;
            }
            let bar = bytes_bar(component.size(&path)?, &from);
            let target = component.convert(&path, form, &mut |bytes| bar.inc(bytes))?;
            bar.finish_and_clear();
            text.push_str(&format!("{from} -> {target}\n"));
            if remove {
                std::fs::remove_file(&from)
                    .map_err(|source| BundleError::Write { path: from, source })?;
            }
        }
    }
    if text.is_empty() {
        text = format!("{}: there is no PyTorch checkpoint to convert\n", bundle.name());
    }
    Ok(text)
}

fn quantize(bundle: &Bundle, to: Quantization) -> Result<String, BundleError> {
    let llm = bundle.llm();
    let size = llm.weights()?.memory(DType::F16, Some(to));
    let bar = bytes_bar(size, "language model");
    let target = llm.quantize(to, &mut |bytes| bar.inc(bytes))?;
    bar.finish_and_clear();
    Ok(format!("{target}: {:.2} GB\n", size as f64 / 1e9))
}

fn bytes_bar(total: u64, name: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}");
    let bar = ProgressBar::new(total);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(name.to_string());
    bar
}

fn verify(bundle: &Bundle) -> Result<String, BundleError> {
    let count = bundle.verify(|path| eprintln!("reading {path}"))?;
    Ok(match count {
        0 => format!("{}: the manifest has no hashes to compare with\n", bundle.name()),
        count => format!("{}: {count} files are as the manifest says\n", bundle.name()),
    })
}
