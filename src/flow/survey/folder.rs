//! The folder for what an ids pass keeps on disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::private;

/// A folder of temporary files, made with the first one and removed, with all that is in it, on
/// drop.
#[derive(Debug)]
pub struct Folder {
    parent: PathBuf,
    made: OnceLock<PathBuf>,
    next: AtomicU64,
}

impl Folder {
    /// A folder below `parent`; nothing is made yet.
    pub fn below(parent: &Path) -> Self {
        Folder { parent: parent.to_owned(), made: OnceLock::new(), next: AtomicU64::new(0) }
    }

    /// The path of a new file, which is not made yet.
    ///
    /// # Errors
    /// When the disk refuses the folder.
    pub fn new_file(&self) -> Result<PathBuf> {
        Ok(self.path()?.join(self.next.fetch_add(1, Ordering::Relaxed).to_string()))
    }

    fn path(&self) -> Result<&Path> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        if let Some(path) = self.made.get() {
            return Ok(path);
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = self.parent.join(format!("ids-{}-{number}", std::process::id()));
        private::folder(&path).map_err(|error| disk("make", &path, error))?;
        // Of two that made a folder at the same time, one wins; the other's is empty.
        if let Err(lost) = self.made.set(path) {
            let _ = fs::remove_dir(lost);
        }
        self.made.get().map(PathBuf::as_path).ok_or_else(|| Error::internal("No folder for ids"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(path) = self.made.get() {
            let _ = fs::remove_dir_all(path);
            // Succeeds only when it holds nothing else.
            let _ = fs::remove_dir(&self.parent);
        }
    }
}

/// An error of the disk while `doing` something with the file at `path`.
pub fn disk(doing: &str, path: &Path, error: io::Error) -> Error {
    Error::internal(format!("Cannot {doing} a temporary file of ids"))
        .because(error)
        .at(path.display())
        .help("there must be room in `run.state_dir`, or more in `run.memory`")
}
