//! `agpt doc`: a static site of a library.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::base::atomic::write_atomic;
use crate::base::{text, unwritten};
use crate::bundle::embedded;
use crate::docs::{Library, Module, site};
use crate::lang;
use crate::package::MANIFEST;
use crate::package::graph::manifest_in;
use crate::package::modules::{LIB, absolute, modules_below};

use super::loader::FileLoader;
use super::packages::{complain, exit_of, read};
use super::{Exit, source};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder of a library or project, or `std` for the standard library
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Where the pages go
    #[arg(short, long, value_name = "FOLDER", default_value = "site")]
    out: PathBuf,
}

/// What tells pages of ours from other people's files.
const MARK: &str = "content=\"agpt doc\"";

pub fn run(args: &Args) -> Exit {
    let library = if args.path == Path::new("std") && !args.path.exists() {
        standard()
    } else {
        library(&args.path)
    };
    let library = match library {
        Ok(library) => library,
        Err(exit) => return exit,
    };
    let index = args.out.join("index.html");
    let foreign = match is_ours(&index) {
        Ok(ours) => !ours,
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    };
    if foreign {
        let message = format!("{} is not a page that agpt wrote", index.display());
        source::complain(&message, Some("give another folder with `--out`"));
        return Exit::Usage;
    }
    let pages = site(&library);
    let written = fs::create_dir_all(&args.out).and_then(|()| {
        pages.iter().try_for_each(|(name, text)| write_atomic(args.out.join(name), text.as_bytes()))
    });
    let written = written.and_then(|()| forget(&args.out, &pages));
    if let Err(error) = written {
        source::complain(&error.to_string(), unwritten::help(&error));
        return Exit::Failed;
    }
    let count =
        if pages.len() == 1 { "1 page".to_string() } else { format!("{} pages", pages.len()) };
    eprintln!("{count}: {}", index.display());
    Exit::Success
}

/// Removes our own pages of modules that are no more; what others put there stays.
fn forget(out: &Path, pages: &BTreeMap<String, String>) -> std::io::Result<()> {
    for entry in fs::read_dir(out)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let page = name.ends_with(".html") && entry.file_type()?.is_file();
        if page && !pages.contains_key(&name) && is_ours(&entry.path())? {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether a page says in its head that agpt wrote it.
fn is_ours(page: &Path) -> std::io::Result<bool> {
    let mut head = Vec::new();
    fs::File::open(page)?.take(4096).read_to_end(&mut head)?;
    Ok(String::from_utf8_lossy(&head).contains(MARK))
}

fn compiled(path: &str, used_as: &str, name: &str, text: &str) -> Result<Module, Exit> {
    let compilation = lang::compile(name, text, &FileLoader::default());
    if compilation.program.is_none() {
        source::show(&compilation.diagnostics, &compilation.sources);
        source::summary(&compilation.diagnostics);
        return Err(Exit::Invalid);
    }
    Ok(Module::new(path, used_as, compilation))
}

fn standard() -> Result<Library, Exit> {
    let modules = embedded::modules().map(|name| {
        let path = format!("std/{name}");
        let text = embedded::module(name).unwrap_or_default();
        compiled(name, &path, &format!("{path}.agpt"), text)
    });
    Ok(Library {
        name: "std".to_string(),
        version: Some(env!("CARGO_PKG_VERSION").to_string()),
        description: Some("The standard library of agpt".to_string()),
        license: Some(env!("CARGO_PKG_LICENSE").to_string()),
        modules: modules.collect::<Result<_, _>>()?,
    })
}

fn library(folder: &Path) -> Result<Library, Exit> {
    if !folder.is_dir() {
        let message = format!("{} is no folder", folder.display());
        source::complain(&message, Some("give the folder of a library, or `std`"));
        return Err(Exit::Usage);
    }
    let manifest = if folder.join(MANIFEST).exists() {
        let manifest = manifest_in(folder, &read);
        Some(manifest.map_err(|problem| {
            complain(&problem);
            exit_of(&problem)
        })?)
    } else {
        None
    };
    let name = match &manifest {
        Some(manifest) => manifest.name.clone(),
        None => absolute(folder)
            .file_name()
            .map_or("modules".into(), |n| n.to_string_lossy().into_owned()),
    };
    let mut modules = Vec::new();
    for path in modules_below(folder) {
        let used_as = match (&manifest, path.as_str()) {
            (Some(manifest), LIB) => format!("pkg/{}", manifest.name),
            (Some(manifest), path) => format!("pkg/{}/{path}", manifest.name),
            (None, path) => format!("./{path}"),
        };
        let file = folder.join(format!("{path}.agpt"));
        let text = text::read(&file, lang::syntax::MAX_BYTES).map_err(|error| {
            source::complain(&format!("{} cannot be read: {error}", file.display()), None);
            Exit::Usage
        })?;
        // As `./` paths of other modules name it.
        let file = crate::package::graph::tidy(&file);
        modules.push(compiled(&path, &used_as, &file.display().to_string(), &text)?);
    }
    if modules.is_empty() {
        source::complain(&format!("{} has no .agpt files", folder.display()), None);
        return Err(Exit::Usage);
    }
    Ok(Library {
        name,
        version: manifest.as_ref().map(|manifest| manifest.version.to_string()),
        description: manifest.as_ref().and_then(|manifest| manifest.description.clone()),
        license: manifest.as_ref().and_then(|manifest| manifest.license.clone()),
        modules,
    })
}
