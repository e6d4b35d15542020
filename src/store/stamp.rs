//! By what a file of this machine is told from what was at its path before.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What a file was like. Times are in nanoseconds since 1970.
///
/// A program can set the time of the last modification, but not that of the last change of the inode: a copy
/// that keeps size and times (`cp -p`, `rsync -t`, a restored snapshot) is told by it, or by the number
/// of the inode. The device is no part of it, because its number may be another one after a reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Last modification of the content.
    modified: i64,
    /// Last change of the content, the rights, the owner or the number of links.
    changed: i64,
    /// Number of the inode.
    inode: u64,
}

impl Stamp {
    /// The stamp of the file as it is now.
    ///
    /// # Errors
    /// When there is no such file, or it is not a plain one.
    pub fn of(path: &Path) -> Result<Stamp> {
        let facts = std::fs::metadata(path)
            .map_err(|error| Error::source("Cannot open the file").because(error))?;
        if !facts.is_file() {
            return Err(Error::source("Not a file").help(
                "name the files, give a pattern like `folder/*.h5`, or use `dir` for a folder",
            ));
        }
        Ok(Stamp::from(&facts))
    }

    /// Checks that the file is still the one that was planned.
    ///
    /// # Errors
    /// When it is another one, or is gone.
    pub fn check(self, path: &Path) -> Result<()> {
        let now = Stamp::of(path)?;
        if now == self {
            return Ok(());
        }
        let what = if now.size != self.size {
            format!("the file had {} bytes, and has {} now", self.size, now.size)
        } else if now.inode != self.inode {
            "another file has its place".to_owned()
        } else if now.modified != self.modified {
            "the file was written to".to_owned()
        } else {
            "the file was written to, or its rights or links were changed".to_owned()
        };
        Err(Error::source_changed(what))
    }
}

impl From<&Metadata> for Stamp {
    fn from(facts: &Metadata) -> Stamp {
        let nanoseconds =
            |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Stamp {
            size: facts.size(),
            modified: nanoseconds(facts.mtime(), facts.mtime_nsec()),
            changed: nanoseconds(facts.ctime(), facts.ctime_nsec()),
            inode: facts.ino(),
        }
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stamp { size, modified, changed, inode } = self;
        write!(f, "{size} bytes, modified {modified}, changed {changed}, inode {inode}")
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, FileTimes};
    use std::time::SystemTime;

    use super::*;

    /// Whoever writes a file can set all that tells of it but the last change of its inode.
    #[test]
    fn content_that_changed_is_told_whatever_the_time_says() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        let time = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH);
        fs::write(&path, "one").unwrap();
        File::options().write(true).open(&path).unwrap().set_times(time).unwrap();
        let stamp = Stamp::of(&path).unwrap();
        stamp.check(&path).unwrap();

        // The clock of the file system advances a few milliseconds at a time.
        let now = loop {
            fs::write(&path, "two").unwrap();
            File::options().write(true).open(&path).unwrap().set_times(time).unwrap();
            let now = Stamp::of(&path).unwrap();
            if now != stamp {
                break now;
            }
        };
        assert_eq!((now.size, now.modified, now.inode), (3, stamp.modified, stamp.inode));
        let told = stamp.check(&path).unwrap_err().to_string();
        assert!(told.starts_with("The source changed after the run was planned"), "{told}");

        let other = dir.path().join("b.bin");
        fs::write(&other, "one").unwrap();
        fs::rename(&other, &path).unwrap();
        let told = stamp.check(&path).unwrap_err().to_string();
        assert!(told.contains("another file has its place"), "{told}");
        fs::write(&path, "three").unwrap();
        let told = stamp.check(&path).unwrap_err().to_string();
        assert!(told.contains("had 3 bytes, and has 5 now"), "{told}");
    }
}
