//! The machine, given to one test at a time, with a folder of its own.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::wait::tell;

static MACHINE: Mutex<()> = Mutex::new(());

pub(crate) struct Scene {
    folder: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

/// `None`, said aloud, where the real servers are not wanted.
pub(crate) fn enter(name: &str) -> Option<Scene> {
    if std::env::var_os("TAILWATER_E2E").is_none_or(|value| value != "1") {
        tell(&format!(
            "{name}: skipped; TAILWATER_E2E=1 runs it (it starts real servers: scripts/test)"
        ));
        return None;
    }
    let turn = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder =
        tempfile::Builder::new().prefix(name).tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    tell(&format!("{name}: in {}", folder.path().display()));
    Some(Scene { folder: folder.keep(), _turn: turn })
}

impl Scene {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A word for topics, tables and groups that no other run has used.
    pub(crate) fn word(&self) -> String {
        let name = self.folder.file_name().unwrap().to_string_lossy();
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if thread::panicking() {
            tell(&format!("what the failed test left, logs among it: {}", self.folder.display()));
        } else {
            std::fs::remove_dir_all(&self.folder).unwrap();
        }
    }
}

pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}
