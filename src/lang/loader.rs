//! Where the texts of modules come from: the caller's business, behind one trait.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::plugin::Component;

/// Names a module once and for all: two `use` paths that mean the same file give equal ids.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModuleId(pub String);

#[derive(Debug, Clone)]
pub struct LoadedModule {
    pub id: ModuleId,
    /// The name that diagnostics show, such as a path.
    pub name: String,
    pub text: String,
    /// How many folders up from the module's own its paths may lead: a package's files stay in
    /// it. Without a number they may lead anywhere.
    pub up: Option<usize>,
}

/// Why a package cannot be used: what its manifest, the lock file or the disk say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PackageError {
    pub code: &'static str,
    pub message: String,
    pub help: Option<String>,
}

/// A component that a `plugin` declaration names.
#[derive(Debug, Clone)]
pub struct LoadedPlugin {
    /// The name that diagnostics show, such as a path.
    pub name: String,
    pub component: Arc<Component>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// There is none; `similar` are paths that exist, for a did-you-mean.
    #[error("there is no such module")]
    NotFound { similar: Vec<String> },
    /// There is one, but it cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// It is, or would be, in a package.
    #[error(transparent)]
    Package(#[from] PackageError),
}

pub trait Loader {
    /// Finds the module that `path`, as written after `use` in module `from`, means. The root
    /// file has the id [`root_id`].
    fn load(&self, from: &ModuleId, path: &str) -> Result<LoadedModule, LoadError>;

    /// Reads the component at `path`, as written in a `plugin` declaration of module `from`.
    fn plugin(&self, from: &ModuleId, path: &str) -> Result<LoadedPlugin, LoadError>;
}

/// The id of the root file: the name that it was compiled under.
pub fn root_id(root_name: &str) -> ModuleId {
    ModuleId(root_name.to_string())
}

/// Modules held in memory, under paths such as `std/tasks` and `./words`; relative paths are
/// taken from the folder of the module that uses them.
#[derive(Debug, Clone, Default)]
pub struct MemoryLoader {
    modules: BTreeMap<String, String>,
    plugins: BTreeMap<String, Arc<Component>>,
}

impl MemoryLoader {
    #[must_use]
    pub fn with(mut self, path: &str, text: &str) -> Self {
        self.modules.insert(normal("", path), text.to_string());
        self
    }

    #[must_use]
    pub fn with_plugin(mut self, path: &str, component: Component) -> Self {
        self.plugins.insert(normal("", path), Arc::new(component));
        self
    }
}

/// `path` seen from a folder, without `.` and `..`.
fn normal(folder: &str, path: &str) -> String {
    let relative = path.starts_with("./") || path.starts_with("../");
    let mut parts: Vec<&str> = if relative {
        folder.split('/').filter(|part| !part.is_empty()).collect()
    } else {
        Vec::new()
    };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

impl Loader for MemoryLoader {
    fn load(&self, from: &ModuleId, path: &str) -> Result<LoadedModule, LoadError> {
        let folder = from.0.rsplit_once('/').map_or("", |(folder, _)| folder);
        let id = normal(folder, path);
        match self.modules.get(&id) {
            Some(text) => Ok(LoadedModule {
                name: format!("{id}.agpt"),
                id: ModuleId(id),
                text: text.clone(),
                up: None,
            }),
            None => Err(LoadError::NotFound {
                similar: self
                    .modules
                    .keys()
                    .map(|known| match path.starts_with('.') {
                        true => format!("./{known}"),
                        false => known.clone(),
                    })
                    .collect(),
            }),
        }
    }

    fn plugin(&self, from: &ModuleId, path: &str) -> Result<LoadedPlugin, LoadError> {
        let folder = from.0.rsplit_once('/').map_or("", |(folder, _)| folder);
        let name = normal(folder, path);
        match self.plugins.get(&name) {
            Some(component) => Ok(LoadedPlugin { component: component.clone(), name }),
            None => Err(LoadError::NotFound { similar: Vec::new() }),
        }
    }
}
