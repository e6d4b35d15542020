//! A place: a path of this machine, or a name in a store, with the few things that can be done there.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use super::file::NewFile;
use super::local::{self, io_error};
use super::reader::Reader;
use super::remote::Remote;
use crate::error::{Error, Result};
use crate::location::{DataLocation, PathLocation};

/// Bytes that a file may have which is created whole and read whole.
const SMALL: u64 = 1 << 20;

/// A file or a folder, whether it is there or not.
#[derive(Debug, Clone)]
pub enum Place {
    /// Of this machine.
    Local(PathBuf),
    /// In a store: an object, or the beginning of the names of several, which is as good as a folder.
    Remote(Remote),
}

/// A name in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name; signs that are not UTF-8 are replaced.
    pub name: String,
    /// Whether there are names below it.
    pub is_folder: bool,
}

/// What is at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Bytes of a file.
    pub bytes: u64,
    /// By what a file is told from another one at the same place: size, time, and in a store its tag.
    pub stamp: String,
}

impl Place {
    /// The place called `name` below this one.
    pub fn join(&self, name: &str) -> Place {
        match self {
            Place::Local(path) => Place::Local(path.join(name)),
            Place::Remote(remote) => Place::Remote(remote.join(name)),
        }
    }

    /// The name without what lies above it.
    pub fn name(&self) -> Option<String> {
        match self {
            Place::Local(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
            Place::Remote(remote) => Some(remote.name().to_owned()),
        }
    }

    /// The place as text that [`Stores::place`](super::Stores::place) reads.
    ///
    /// # Errors
    /// When it is a path that is not UTF-8.
    pub fn text(&self) -> Result<String> {
        match self {
            Place::Local(path) => path.to_str().map(str::to_owned).ok_or_else(|| {
                Error::source("The path is not valid UTF-8")
                    .at(path.display())
                    .help("rename it, or read it through a link with another name")
            }),
            Place::Remote(remote) => Ok(remote.to_string()),
        }
    }

    /// Whether a file that is not whole can be seen here, under a hidden name. In a store it can't, and
    /// nothing can be renamed.
    pub fn shows_unfinished(&self) -> bool {
        matches!(self, Place::Local(_))
    }

    /// Identifies what is here, and everything below it, however the place is spelled.
    ///
    /// # Errors
    /// When a folder on the way cannot be examined.
    pub fn location(&self) -> Result<DataLocation> {
        match self {
            Place::Local(path) => PathLocation::resolve(path).map(DataLocation::Path),
            Place::Remote(remote) => Ok(DataLocation::Object(remote.location())),
        }
    }

    /// What lies in this folder, hidden or not, in no order. Nothing where there is no folder.
    ///
    /// # Errors
    /// When it can't be listed, or the bucket is missing.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        match self {
            Place::Local(path) => local::entries(path),
            Place::Remote(remote) => remote.entries(),
        }
    }

    /// What is here; `None` for nothing.
    ///
    /// # Errors
    /// When that can't be told.
    pub fn facts(&self) -> Result<Option<Facts>> {
        match self {
            Place::Local(path) => local::facts(path),
            Place::Remote(remote) => remote.facts(),
        }
    }

    /// The whole of a small file; `None` where there is none.
    ///
    /// # Errors
    /// When it can't be read, or has more than `most` bytes.
    pub fn read(&self, most: u64) -> Result<Option<Vec<u8>>> {
        let content = match self {
            Place::Local(path) => local::read(path, most)?,
            Place::Remote(remote) => remote.read(most)?,
        };
        if content.as_ref().is_some_and(|content| content.len() as u64 > most) {
            return Err(Error::source(format!("The file has more than {most} bytes")).at(self));
        }
        Ok(content)
    }

    /// Replaces the file here by `content` in one step: whoever reads sees the old one or the new one.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn replace(&self, content: &[u8]) -> Result<()> {
        match self {
            Place::Local(path) => local::replace(path, content),
            Place::Remote(remote) => remote.replace(content),
        }
    }

    /// Creates the file here with this content (1 MiB at most), unless there is one: of several that try at once, one
    /// succeeds. True when there is this content now, by this call.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn create_new(&self, content: &[u8]) -> Result<bool> {
        let created = match self {
            Place::Local(path) => local::create_new(path, content)?,
            Place::Remote(remote) => remote.create_new(content)?,
        };
        // A request whose answer was lost is sent again, and finds what the first one created.
        Ok(created || self.read(SMALL)?.as_deref() == Some(content))
    }

    /// Removes the file here, if there is one.
    ///
    /// # Errors
    /// When it can't be removed.
    pub fn remove(&self) -> Result<()> {
        match self {
            Place::Local(path) => local::remove(path),
            Place::Remote(remote) => remote.remove(),
        }
    }

    /// Gives a file of this folder that is whole its last name. In a store it has it already.
    ///
    /// # Errors
    /// When it can't be renamed.
    pub fn show(&self, hidden: &str, name: &str) -> Result<()> {
        match self {
            Place::Local(path) => local::rename(path, hidden, name),
            Place::Remote(_) => Ok(()),
        }
    }

    /// Makes the names in this folder durable, which in a store they are.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn make_durable(&self) -> Result<()> {
        match self {
            Place::Local(path) => local::sync_folder(path),
            Place::Remote(_) => Ok(()),
        }
    }

    /// Makes the folder here, and those above it, durably. A store needs none.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn make_folder(&self) -> Result<()> {
        match self {
            Place::Local(path) => {
                let made = local::make_folder(path, |path| fs::create_dir_all(path));
                made.map_err(|error| io_error("create the folder", path, error))
            }
            Place::Remote(_) => Ok(()),
        }
    }

    /// The same place without links, `.` and `..`, as far as it is there; a store knows none of these.
    pub fn resolved(self) -> Place {
        match self {
            Place::Local(path) => Place::Local(local::resolved(&path)),
            Place::Remote(remote) => Place::Remote(remote),
        }
    }

    /// Those of the folder here and of the folders above it that are not there, the outermost first.
    /// A store needs none.
    pub fn missing_folders(&self) -> Vec<Place> {
        let Place::Local(path) = self else { return Vec::new() };
        let missing =
            path.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists());
        let mut missing: Vec<_> = missing.map(|path| Place::Local(path.to_owned())).collect();
        missing.reverse();
        missing
    }

    /// Removes the folder here, if there is nothing in it.
    pub fn remove_empty_folder(&self) {
        if let Place::Local(path) = self {
            // One that is not empty stays, and so does one that can't be removed.
            let _ = fs::remove_dir(path);
        }
    }

    /// Opens the file here for reading.
    ///
    /// # Errors
    /// When there is none, or it can't be opened.
    pub fn open(&self) -> Result<Reader> {
        match self {
            Place::Local(path) => Reader::of_file(path),
            Place::Remote(remote) => Ok(Reader::Remote(remote.open()?)),
        }
    }

    /// Begins a file called `name` in this folder, which is there when it is whole. Where an unfinished
    /// file can be seen, it is called `hidden`.
    ///
    /// # Errors
    /// When it can't be created, or another run writes the same file.
    pub fn create(&self, hidden: &str, name: &str) -> Result<NewFile> {
        match self {
            Place::Local(path) => {
                Ok(NewFile::Local(local::Hidden::create(path.join(hidden), path.join(name))?))
            }
            Place::Remote(remote) => Ok(NewFile::Remote(remote.join(name).create()?)),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Local(path) => path.display().fmt(f),
            Place::Remote(remote) => remote.fmt(f),
        }
    }
}
