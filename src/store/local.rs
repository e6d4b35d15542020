//! Files and folders of this machine: what the disk says, in words that help; and the few steps that
//! must be atomic.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::place::{Entry, Facts};
use super::stamp::Stamp;
use crate::error::{Error, Result};

/// An error of the file system while `doing` something with `path`.
pub fn io_error(doing: &str, path: &Path, error: io::Error) -> Error {
    let help = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space or choose another `dir`, then run again; the unfinished files are removed"
        }
        io::ErrorKind::FileTooLarge => {
            "the file system or a limit of this process forbids larger files; choose another `dir`"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "choose a `dir` that this user may write to"
        }
        _ => "",
    };
    let error = Error::target(format!("Cannot {doing}")).because(error).at(path.display());
    if help.is_empty() { error } else { error.help(help) }
}

/// Makes the names in a folder durable.
pub fn sync_folder(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| io_error("make the folder durable", path, error))
}

/// Makes a folder and those above it, with `make`, and their names durable.
pub fn make_folder(path: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let missing: Vec<_> = path.ancestors().take_while(is_missing).collect();
    make(path)?;
    missing.into_iter().rev().try_for_each(sync_parent)
}

/// Makes the name of a file or folder durable.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    match File::open(parent.unwrap_or(Path::new("."))).and_then(|parent| parent.sync_all()) {
        // Who may write to a folder need not be allowed to read it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

/// Replaces `path` by `content` in one step: a reader sees the old file or the new one.
pub fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    let temporary = path.with_file_name(hidden);
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(io_error("write the file", path, error));
    }
    path.parent().map_or(Ok(()), sync_folder)
}

/// Creates a file with this content, unless there is one. It appears whole.
pub fn create_new(path: &Path, content: &[u8]) -> Result<bool> {
    let refused = |error| io_error("create the file", path, error);
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    // Process numbers are not enough: two containers that share a volume may have the same.
    name.push(format!(".{}.tmp", crate::ownership::new_run_id()));
    let temporary = Temporary(path.with_file_name(name));
    File::create(&temporary.0)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .map_err(refused)?;
    let created = match fs::hard_link(&temporary.0, path) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        // Some file systems have no links: then it may be seen before it is whole.
        Err(_) => match File::options().write(true).create_new(true).open(path) {
            Ok(mut file) => {
                file.write_all(content).and_then(|()| file.sync_all()).map_err(refused)?;
                true
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(refused(error)),
        },
    };
    drop(temporary);
    path.parent().map_or(Ok(()), sync_folder)?;
    Ok(created)
}

/// A path without links, `.` and `..`, as far as it is there.
pub fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for there in absolute.ancestors() {
        if let (Ok(real), Ok(rest)) = (fs::canonicalize(there), absolute.strip_prefix(there)) {
            return real.join(rest);
        }
    }
    absolute
}

/// Gives a file another name in its folder; that it has it already is as good.
pub fn rename(folder: &Path, from: &str, to: &str) -> Result<()> {
    let (from, to) = (folder.join(from), folder.join(to));
    match fs::rename(from, &to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && to.exists() => Ok(()),
        done => done.map_err(|error| io_error("rename the finished part", &to, error)),
    }
}

/// Removes a file; that there is none is as good.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error("remove the file", path, error))
        }
        _ => Ok(()),
    }
}

/// The content of a file of at most `most` bytes and one; `None` when there is no file.
pub fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>> {
    let mut content = Vec::new();
    match File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut content)) {
        Ok(_) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable("read the file", path, error)),
    }
}

/// What lies in a folder; nothing where there is none.
pub fn entries(path: &Path) -> Result<Vec<Entry>> {
    let list = || -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            entries.push(Entry { name, is_folder: entry.path().is_dir() });
        }
        Ok(entries)
    };
    match list() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries.map_err(|error| unreadable("list the folder", path, error)),
    }
}

/// What is at a path.
pub fn facts(path: &Path) -> Result<Option<Facts>> {
    match fs::metadata(path) {
        Ok(facts) => Ok(Some(Facts {
            is_folder: facts.is_dir(),
            bytes: facts.len(),
            stamp: Stamp::from(&facts).to_string(),
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable("open the file", path, error)),
    }
}

fn unreadable(doing: &str, path: &Path, error: io::Error) -> Error {
    Error::source(format!("Cannot {doing}")).because(error).at(path.display())
}

/// A file on its way: under a hidden name while it is written, removed when it is given up.
pub struct Hidden {
    // Declared before the guard, so that the file is closed before it is removed.
    file: File,
    temporary: Temporary,
    finished: PathBuf,
}

impl Hidden {
    /// A file that is called `hidden` while it is written, and `finished` when it is whole.
    pub fn create(hidden: PathBuf, finished: PathBuf) -> Result<Hidden> {
        let file = File::options().write(true).create_new(true).open(&hidden).map_err(|error| {
            let exists = error.kind() == io::ErrorKind::AlreadyExists;
            let error = io_error("create the part", &hidden, error);
            if exists {
                error.help("another run writes to this folder; let it end first")
            } else {
                error
            }
        })?;
        Ok(Hidden { file, temporary: Temporary(hidden), finished })
    }

    /// Where it lies while it is written.
    pub fn path(&self) -> &Path {
        &self.temporary.0
    }

    /// Makes the file durable and gives it its name. Its bytes.
    pub fn finish(&mut self) -> Result<u64> {
        let path = &self.temporary.0;
        let durable = self.file.sync_all().and_then(|()| self.file.metadata());
        let bytes = durable.map_err(|error| io_error("make the part durable", path, error))?.len();
        fs::rename(path, &self.finished)
            .map_err(|error| io_error("rename the finished part", path, error))?;
        self.finished.parent().map_or(Ok(()), sync_folder)?;
        Ok(bytes)
    }
}

impl Write for Hidden {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Removes a file that is given up.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a rename there is nothing to remove; and nobody is left to hear of a failure.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_and_says_what_to_do() {
        let full = io::Error::from_raw_os_error(libc::ENOSPC);
        let error = io_error("write the part", Path::new("/out/part-00000.parquet"), full);
        assert_eq!(
            error.to_string(),
            "Cannot write the part: No space left on device (os error 28)\n  where: /out/part-00000.parquet\n  help: free some space or choose another `dir`, then run again; the unfinished files are removed"
        );
    }

    #[test]
    fn a_file_is_created_once_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mark");
        let made = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|n| {
                    scope.spawn({
                        let path = &path;
                        move || create_new(path, &[n; 100]).unwrap()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).filter(|made| *made).count()
        });
        assert_eq!(made, 1);
        let content = fs::read(&path).unwrap();
        assert!(content.len() == 100 && content.iter().all(|byte| *byte == content[0]));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn replacing_leaves_no_temporary_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("manifest.json");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
