//! `agpt new`: a folder to start from.

use std::fs;
use std::path::{Path, PathBuf};

use crate::package::manifest::{EDITION, check_name};

use super::{Exit, source};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The new folder; its name becomes the package's
    folder: PathBuf,
    /// A library, for others to use
    #[arg(long, conflicts_with = "app")]
    lib: bool,
    /// A pipeline to run (the default)
    #[arg(long)]
    app: bool,
}

const APP: &str = r#"//! A picture of something, and what a model sees on it.

use std/tasks { caption, paint }

/// Paints a thing, and says what the picture shows.
pub pipeline main(
  /// What is to be seen, such as "a red apple".
  thing: text = "a red apple",
) -> { picture: image, words: text } {
  let picture = generate image from paint(thing)
  let words = generate text from caption(picture)
  return { picture, words }
}
"#;

const APP_TEST: &str = r#"use ../main { main }

test "an apple is painted and recognised" with { seed: 1 } {
  let seen = main("a red apple")
  expect seen.words contains "apple"
}
"#;

const LIB: &str = r#"//! Prompts to look at pictures with.

/// What a picture shows.
pub template describe(
  /// The picture to put into words.
  picture: image,
  /// What the model is asked to do.
  instruction: text = "What is in this picture?",
) -> text {
  user { "{picture} {instruction}" }
}
"#;

const LIB_TEST: &str = r#"use ../lib { describe }
use std/tasks { paint }

test "a painted apple is described as one" with { seed: 1 } {
  let picture = generate image from paint("a red apple")
  let words = generate text from describe(picture)
  expect words contains "apple"
}
"#;

/// The files of a new package, with `NAME` where its name goes.
fn files(lib: bool) -> Vec<(&'static str, String)> {
    let manifest = format!(
        "name: NAME\nversion: 0.1.0\nedition: {EDITION}\ndescription: {}\n",
        if lib {
            "Prompts to look at pictures with"
        } else {
            "Paints a thing and says what the picture shows"
        }
    );
    let readme = if lib {
        "# NAME\n\nPrompts for agpt. In a project: `agpt add NAME --path FOLDER`, then\n\n```agpt\nuse pkg/NAME { describe }\n```\n\nTests: `agpt test`. A page of its templates: `agpt doc`.\n"
    } else {
        "# NAME\n\n```sh\nagpt run main.agpt --thing \"a red apple\"\nagpt test\n```\n"
    };
    let mut files = vec![
        ("agpt.yaml", manifest),
        ("README.md", readme.to_string()),
        (".gitignore", "/out/\n/site/\n".to_string()),
    ];
    if lib {
        files.extend([("lib.agpt", LIB.to_string()), ("tests/lib.agpt", LIB_TEST.to_string())]);
    } else {
        files.extend([("main.agpt", APP.to_string()), ("tests/main.agpt", APP_TEST.to_string())]);
    }
    files
}

pub fn run(args: &Args) -> Exit {
    let folder = &args.folder;
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if let Err(help) = check_name(name) {
        source::complain(&format!("`{name}` cannot be a package's name"), Some(help));
        return Exit::Usage;
    }
    if fs::symlink_metadata(folder).is_ok() {
        let message = format!("{} is there already", folder.display());
        source::complain(
            &message,
            Some("`agpt new` replaces nothing: give a folder that is not there"),
        );
        return Exit::Usage;
    }
    match make(folder, name, args.lib) {
        Ok(()) => {
            let kind = if args.lib { "library" } else { "project" };
            eprintln!("made the {kind} {}; try `agpt test {}`", folder.display(), folder.display());
            Exit::Success
        }
        Err(error) => {
            source::complain(&format!("{} cannot be made: {error}", folder.display()), None);
            Exit::Failed
        }
    }
}

/// Under its name the folder appears when it is whole.
fn make(folder: &Path, name: &str, lib: bool) -> std::io::Result<()> {
    let parent = folder.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let scratch = tempfile::Builder::new().prefix(".agpt-new-").tempdir_in(parent)?;
    let whole = scratch.path().join(name);
    for (path, text) in files(lib) {
        let file = whole.join(path.replace("NAME", name));
        fs::create_dir_all(file.parent().unwrap_or(&whole))?;
        fs::write(file, text.replace("NAME", name))?;
    }
    fs::rename(&whole, folder)
}
