//! What the disk says, in words that help; and the few steps that must be atomic.

use std::fs::{self, File};
use std::io;
use std::path::Path;

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

/// Replaces `path` by `content` in one step: a reader sees the old file or the new one.
pub fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    let temporary = path.with_file_name(hidden);
    let written = File::create(&temporary)
        .and_then(|mut file| {
            io::Write::write_all(&mut file, content).and_then(|()| file.sync_all())
        })
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(io_error("write the file", path, error));
    }
    path.parent().map_or(Ok(()), sync_folder)
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
    fn replacing_leaves_no_temporary_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("manifest.json");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
