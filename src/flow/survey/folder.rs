//! The folder for what an ids pass keeps on disk.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::private;

/// What the names of such folders begin with.
const PREFIX: &str = "ids-";

/// A folder of temporary files, made with the first one and removed, with all that is in it, on
/// drop.
#[derive(Debug)]
pub struct Folder {
    parent: PathBuf,
    made: OnceLock<(PathBuf, File)>,
    next: AtomicU64,
}

impl Folder {
    /// A folder below `parent`; nothing is made yet. Those of programs that were killed are removed.
    pub fn below(parent: &Path) -> Self {
        sweep(parent);
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
        if let Some((path, _)) = self.made.get() {
            return Ok(path);
        }
        // Whoever sweeps at this moment may take a folder before it is locked.
        let mut tries = 0;
        let made = loop {
            tries += 1;
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = self.parent.join(format!("{PREFIX}{}-{number}", std::process::id()));
            private::folder(&path).map_err(|error| disk("make", &path, error))?;
            let lock = File::open(&path).ok().filter(|lock| lock.try_lock().is_ok());
            match lock.filter(|_| path.exists()) {
                Some(lock) => break (path, lock),
                None if tries < 10 => {}
                None => return Err(disk("lock", &path, io::Error::other("somebody else has it"))),
            }
        };
        // Of two that made a folder at the same time, one wins; the other's is empty.
        if let Err((lost, _)) = self.made.set(made) {
            let _ = fs::remove_dir(lost);
        }
        let made = self.made.get().map(|(path, _)| path.as_path());
        made.ok_or_else(|| Error::internal("No folder for ids"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some((path, _)) = self.made.get() {
            let _ = fs::remove_dir_all(path);
            // Succeeds only when it holds nothing else.
            let _ = fs::remove_dir(&self.parent);
        }
    }
}

/// Removes folders whose owners are gone: the system releases a lock when a program ends, however it
/// ends.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let lock = is_ours.then(|| File::open(entry.path()).ok()).flatten();
        if lock.is_some_and(|lock| lock.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(entry.path());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_program_left_is_removed_and_what_another_one_uses_is_not() {
        let parent = std::env::temp_dir().join(format!("vecpipe-sweep-{}", std::process::id()));
        let _ = fs::remove_dir_all(&parent);
        let used = Folder::below(&parent);
        let file = used.new_file().unwrap();
        fs::write(&file, "ids").unwrap();
        let (left, other) = (parent.join("ids-1-0"), parent.join("rejects"));
        for folder in [&left, &other] {
            fs::create_dir_all(folder).unwrap();
            fs::write(folder.join("0"), "ids").unwrap();
        }
        let next = Folder::below(&parent);
        assert!(!left.exists() && other.exists() && file.exists());
        drop((used, next));
        assert!(!file.exists());
        fs::remove_dir_all(&parent).unwrap();
    }
}
