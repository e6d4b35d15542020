//! Writing a report: whole or not at all, and for its owner's eyes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};
use crate::private;

/// A file that a report will be written to.
#[derive(Debug)]
pub struct ReportFile {
    path: PathBuf,
}

impl ReportFile {
    /// Makes sure, before anything moves, that a report can be written to `path`. What is there
    /// already stays as it is until [`write`](Self::write).
    ///
    /// # Errors
    /// [`Kind::Config`](crate::error::Kind::Config) when it can't.
    pub fn at(path: &Path) -> Result<Self> {
        let wrong = |error: io::Error| {
            Error::config("Cannot write the report")
                .because(error)
                .at(path.display())
                .help("name a file in a folder that exists and can be written to")
        };
        // A link stays a link: what it points to is replaced.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let report = ReportFile { path: path.clone() };
        if path.is_dir() {
            return Err(wrong(io::ErrorKind::IsADirectory.into()));
        }
        if !report.is_device() {
            let (file, draft) = report.draft().map_err(wrong)?;
            drop(file);
            fs::remove_file(draft).map_err(wrong)?;
        }
        Ok(report)
    }

    /// Writes the report. A reader sees the old file or the new one, nothing between; only the owner
    /// may read it.
    ///
    /// # Errors
    /// [`Kind::Target`](crate::error::Kind::Target) when the system refuses.
    pub fn write(&self, text: &str) -> Result<()> {
        let written = if self.is_device() {
            OpenOptions::new().write(true).open(&self.path).and_then(|f| fill(f, text))
        } else {
            self.replace(text)
        };
        written.map_err(|error| {
            Error::target("Cannot write the report").because(error).at(self.path.display())
        })
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let (file, draft) = self.draft()?;
        let written = fill(&file, text)
            .and_then(|()| file.sync_all())
            .and_then(|()| private::rename(&draft, &self.path));
        if written.is_err() {
            // The first error is the one to tell.
            let _ = fs::remove_file(&draft);
        }
        written
    }

    /// A new file beside the report. The time in its name is for containers, where every process
    /// has the same number and an earlier one may have left its draft.
    fn draft(&self) -> io::Result<(File, PathBuf)> {
        let Some(name) = self.path.file_name() else {
            return Err(io::ErrorKind::InvalidFilename.into());
        };
        let mut draft = std::ffi::OsString::from(".");
        draft.push(name);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
        draft.push(format!(".{}-{now}.draft", std::process::id()));
        let draft = self.path.with_file_name(draft);
        Ok((private::create_new(&draft)?, draft))
    }

    /// True for `/dev/stdout` and its like, which can't be replaced by a file.
    fn is_device(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|is| !is.is_file() && !is.is_dir())
    }
}

fn fill(mut file: impl Write, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_replaces_another_as_a_whole_and_is_private() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("report.json");
        fs::write(&path, "old").expect("a file");
        let report = ReportFile::at(&path).expect("writable");
        assert_eq!(fs::read_to_string(&path).expect("still there"), "old");
        report.write("new").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("there"), "new");
        assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_place_that_takes_no_report_is_found_at_once() {
        let dir = tempfile::tempdir().expect("a folder");
        for path in [dir.path().join("no/such/folder/r.json"), dir.path().to_owned()] {
            let error = ReportFile::at(&path).expect_err("not writable");
            assert_eq!(error.exit_code(), 2, "{error}");
            assert!(error.to_string().contains("where: /"), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_and_a_device_is_not_replaced() {
        let dir = tempfile::tempdir().expect("a folder");
        let (path, link) = (dir.path().join("r.json"), dir.path().join("latest.json"));
        fs::write(&path, "old").expect("a file");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        ReportFile::at(&link).expect("writable").write("new").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("there"), "new");
        ReportFile::at(Path::new("/dev/null")).expect("writable").write("x").expect("written");
        assert!(!fs::metadata("/dev/null").expect("there").is_file());
    }
}
