//! A file or folder of this machine, identified by inode: symbolic links, hard links, bind mounts and
//! `..` lead to the same one.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::Key;
use crate::error::{Error, Result};

/// A file or folder, which need not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathLocation {
    /// The canonical path, for messages.
    shown: PathBuf,
    is_file: bool,
    /// Device and inode of the root, of each folder below it, and of the path itself, as far as it
    /// exists. Never empty.
    inodes: Vec<(u64, u64)>,
    /// Names below the last inode that do not exist yet.
    missing: Vec<OsString>,
}

impl PathLocation {
    /// Identifies `path`.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::error::Kind::Config) when a folder on the way cannot be examined.
    pub fn resolve(path: &Path) -> Result<PathLocation> {
        let examined = || -> io::Result<PathLocation> {
            let (existing, missing) = split_missing(path)?;
            let mut inodes = Vec::new();
            for folder in existing.ancestors() {
                let metadata = fs::metadata(folder)?;
                inodes.push((metadata.dev(), metadata.ino()));
            }
            inodes.reverse();
            let is_file = missing.is_empty() && !fs::metadata(&existing)?.is_dir();
            let shown = missing.iter().fold(existing, |path, name| path.join(name));
            Ok(PathLocation { shown, is_file, inodes, missing })
        };
        examined().map_err(|error| {
            Error::config("Cannot identify the file or folder").because(error).at(path.display())
        })
    }

    /// Returns true for an existing file.
    pub fn is_file(&self) -> bool {
        self.is_file
    }

    /// Returns true when `other` is this path or lies below it.
    pub fn contains(&self, other: &PathLocation) -> bool {
        let Some(last) = self.inodes.last() else { return false };
        let Some(depth) = other.inodes.iter().position(|inode| inode == last) else {
            return false;
        };
        match self.missing.is_empty() {
            true => true,
            // What does not exist can only contain what does not exist.
            false => depth + 1 == other.inodes.len() && other.missing.starts_with(&self.missing),
        }
    }

    pub(super) fn own_key(&self) -> Key {
        let (device, number) = self.inodes.last().copied().unwrap_or_default();
        Key::Inode(device, number)
    }

    pub(super) fn enclosing_keys(&self) -> Vec<Key> {
        self.inodes.iter().map(|(device, number)| Key::Inode(*device, *number)).collect()
    }
}

impl fmt::Display for PathLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.display().fmt(f)
    }
}

/// The canonical path of the part of `path` that exists, and the names below it.
fn split_missing(path: &Path) -> io::Result<(PathBuf, Vec<OsString>)> {
    let mut existing = std::path::absolute(path)?;
    // From the last one to the first.
    let mut names = Vec::new();
    let mut canonical = loop {
        match existing.canonicalize() {
            Ok(canonical) => break canonical,
            Err(error) => {
                let is_missing =
                    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
                let name = existing.components().next_back().map(|part| match part {
                    Component::Normal(name) => Some(name.to_owned()),
                    _ => None,
                });
                let (true, Some(name)) = (is_missing, name) else { return Err(error) };
                names.push(name);
                existing.pop();
            }
        }
    };
    let mut missing = Vec::new();
    for name in names.into_iter().rev() {
        match name {
            Some(name) => missing.push(name),
            // `..` behind a folder that does not exist yet.
            None if missing.pop().is_some() => {}
            None => drop(canonical.pop()),
        }
    }
    Ok((canonical, missing))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_spelling_is_one_path() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let is = |name: &str| PathLocation::resolve(&at(name)).unwrap();
        fs::create_dir_all(at("a/t")).unwrap();
        fs::create_dir_all(at("b")).unwrap();
        fs::write(at("a/t/f"), "").unwrap();
        fs::hard_link(at("a/t/f"), at("b/g")).unwrap();
        symlink(at("a"), at("link")).unwrap();
        assert!(is("link/../a/./t").contains(&is("a/t/f")));
        assert!(is("link").contains(&is("a/t/f")) && is("a").contains(&is("link/t/f")));
        assert!(is("b/g").contains(&is("a/t/f")) && is("b/g").is_file());
        assert!(!is("b").contains(&is("a/t/f")) && !is("a/t/f").contains(&is("a/t")));
        assert!(is("a/new/t").contains(&is("link/new/x/../t/f")));
        assert!(is("a").contains(&is("link/new")) && !is("a/new").contains(&is("a/t")));
        assert!(!is("a/new").contains(&is("a/other")) && !is("a/new").contains(&is("a")));
    }
}
