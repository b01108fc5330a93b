//! `agpt lsp`: the language server on standard input and output.

use std::io;
use std::path::Path;

use crate::lang::{LoadError, LoadedModule, LoadedPlugin, ModuleId};
use crate::lsp;
use crate::package::Packages;

use super::Exit;
use super::loader;

pub const ABOUT: &str = "\
Serve editors: diagnostics, types, definitions, names

Speaks the Language Server Protocol over standard input and output. Editors start it on their \
own; give them the command `agpt lsp` for .agpt files. It needs no model and no network.";

pub const HELP: &str = "\
Served: diagnostics while typing, hover, go to definition, find references, rename, document \
symbols, completion (modules, settings with their ranges, metrics, functions of plugins), formatting, \
quick fixes. What is open in the editor counts before what is on the disk.

Exit codes: 0 after `shutdown` and `exit`, 1 when the editor leaves without `shutdown`";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Use standard input and output, as is always done; many editors add this flag
    #[arg(long)]
    stdio: bool,
}

/// Modules as every command finds them.
struct Files;

impl lsp::Modules for Files {
    fn load(
        &self,
        packages: &Packages,
        from: &ModuleId,
        path: &str,
        read: &dyn Fn(&Path) -> io::Result<String>,
    ) -> Result<LoadedModule, LoadError> {
        loader::load(packages, from, path, read)
    }

    fn names(
        &self,
        packages: &Packages,
        from: &ModuleId,
        typed: &str,
        read: &dyn Fn(&Path) -> io::Result<String>,
    ) -> Vec<String> {
        loader::names(packages, from, typed, read)
    }

    fn plugin(
        &self,
        from: &ModuleId,
        path: &str,
        asked: &mut dyn FnMut(&Path),
    ) -> Result<LoadedPlugin, LoadError> {
        loader::plugin(from, path, asked)
    }
}

pub fn run(_: &Args) -> Exit {
    let (connection, threads) = lsp_server::Connection::stdio();
    let orderly = lsp::serve(&connection, &Files);
    // The writer ends when nobody can send to it any more. After an end out of order the reader
    // may wait for input that never comes, so only an orderly end waits for both.
    drop(connection);
    if orderly && threads.join().is_ok() { Exit::Success } else { Exit::Invalid }
}
