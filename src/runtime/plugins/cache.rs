//! Compiled components, kept from run to run.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::base::atomic::write_atomic;
use crate::lang::plugin;

/// Length of the digest before the code.
const HEAD: usize = 32;

/// A folder of machine code. It only saves time: whatever is wrong with it, the component is
/// compiled anew.
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    pub fn new(folder: PathBuf) -> Cache {
        Cache { folder }
    }

    /// The key of a component's code: of what it was made, by what, and with which settings.
    fn key(engine: &Engine, component: &plugin::Component) -> [u8; 32] {
        let mut settings = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut settings);
        let mut key = blake3::Hasher::new_derive_key("agpt compiled plugin 1");
        key.update(&component.digest.0);
        key.update(&settings.finish().to_le_bytes());
        *key.finalize().as_bytes()
    }

    fn file(&self, key: &[u8; 32]) -> PathBuf {
        self.folder.join(format!("{}.code", crate::base::hash::Digest(*key).hex()))
    }

    /// The code of a component, if it is here and whole.
    pub fn find(&self, engine: &Engine, component: &plugin::Component) -> Option<Component> {
        if !is_private(&self.folder) {
            return None;
        }
        let key = Cache::key(engine, component);
        let path = self.file(&key);
        let bytes = is_private(&path).then(|| std::fs::read(&path).ok())??;
        let (head, code) = bytes.split_at_checked(HEAD)?;
        // Keyed, so that neither a damaged file nor that of another component is taken.
        if blake3::Hash::from_slice(head).ok()? != blake3::keyed_hash(&key, code) {
            return None;
        }
        load(engine, code)
    }

    /// Keeps the code. Where that is not possible, the next run compiles again.
    pub fn keep(&self, engine: &Engine, component: &plugin::Component, compiled: &Component) {
        let Ok(code) = compiled.serialize() else { return };
        if make_private(&self.folder).is_err() || !is_private(&self.folder) {
            return;
        }
        let key = Cache::key(engine, component);
        let mut bytes = blake3::keyed_hash(&key, &code).as_bytes().to_vec();
        bytes.extend_from_slice(&code);
        let _ = write_atomic(self.file(&key), &bytes);
    }
}

/// Takes over code that an earlier run compiled.
#[expect(unsafe_code, reason = "machine code is run as it is")]
fn load(engine: &Engine, code: &[u8]) -> Option<Component> {
    // SAFETY: `deserialize` runs what it is given, so this must be what `serialize` gave for
    // this component. The digest before it rules out damage and confusion. It cannot rule out
    // malice, as its key is no secret; malice is ruled out by who can write here: the file and
    // its folder belong to the user who runs this program and nobody else may write to them
    // (`is_private`), and whoever can write files as that user can run code as that user without
    // us. wasmtime itself refuses code of another version or for other settings.
    unsafe { Component::deserialize(engine, code) }.ok()
}

/// Whether only the user of this process can write to a file or folder, and it is no link.
#[cfg(unix)]
fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).is_ok_and(|data| {
        !data.is_symlink()
            && data.uid() == rustix::process::geteuid().as_raw()
            && data.mode() & 0o022 == 0
    })
}

/// Elsewhere the folders of users are private by default, but that is not checked: no cache.
#[cfg(not(unix))]
fn is_private(_: &Path) -> bool {
    false
}

#[cfg(unix)]
fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_private(_: &Path) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}
