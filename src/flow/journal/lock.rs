//! One run of a plan at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::ownership::is_run_id;
use crate::store::sync_folder;

/// A lock that the system releases when the program ends, however it ends. Its file stays: removing
/// it could take it from under a run that has just opened it.
#[derive(Debug)]
pub struct Lock {
    file: File,
    /// The runs that held it, the last one first.
    runs: Vec<String>,
}

/// Runs that a lock's file remembers: whoever marked a target and ended before its journal began is
/// known by it alone.
const REMEMBERED: usize = 50;

/// How long [`Lock::is_taken`] holds the lock, with much to spare, and how many looks in a row are
/// waited for.
const A_LOOK: Duration = Duration::from_millis(20);
const LOOKS: u32 = 10;

impl Lock {
    /// Takes the lock.
    ///
    /// # Errors
    /// [`Kind::Held`](crate::error::Kind::Held) when another run has it.
    pub fn take(path: &Path) -> Result<Lock> {
        let mut file = open(path)?;
        let mut looks = LOOKS;
        while let Err(error) = file.try_lock() {
            match error {
                // Somebody may just be asking whether it is taken.
                TryLockError::WouldBlock if looks > 0 => std::thread::sleep(A_LOOK),
                TryLockError::WouldBlock => return Err(taken(&mut file, path)),
                TryLockError::Error(error) => return Err(refused(path, error)),
            }
            looks -= 1;
        }
        let (_, runs) = words_in(&mut file);
        Ok(Lock { file, runs })
    }

    /// The runs that held it, the last one first: they have ended.
    pub fn runs(&self) -> &[String] {
        &self.runs
    }

    /// Says which run holds it, durably: marks at targets that name this run are those of whoever
    /// has the lock.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn name_run(&mut self, path: &Path, run: &str) -> Result<()> {
        self.runs.retain(|known| known != run);
        self.runs.insert(0, run.to_owned());
        self.runs.truncate(REMEMBERED);
        let text = format!("{} {}", std::process::id(), self.runs.join(" "));
        let file = &mut self.file;
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.as_bytes()))
            .and_then(|()| file.sync_all())
            .map_err(|error| refused(path, error))?;
        path.parent().map_or(Ok(()), sync_folder)
    }

    /// True while another run has the lock.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn is_taken(path: &Path) -> Result<bool> {
        if !path.exists() {
            return Ok(false);
        }
        match open(path)?.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(refused(path, error)),
        }
    }
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
        .map_err(|error| refused(path, error))
}

fn refused(path: &Path, error: std::io::Error) -> Error {
    Error::config("Cannot lock the state of the run")
        .because(error)
        .at(path.display())
        .help("set run.state_dir to a folder that this user may write to")
}

fn taken(file: &mut File, path: &Path) -> Error {
    let (process, _) = words_in(file);
    let by = process.map(|id| format!(" (process {id})")).unwrap_or_default();
    Error::held(format!("Another run moves the same rows to the same place{by}"))
        .at(path.display())
        .help("let it end first; `pipeline status` tells how far it is")
}

/// The process and the runs that a lock's file names.
fn words_in(file: &mut File) -> (Option<u32>, Vec<String>) {
    let mut text = String::new();
    // Who has it is for people, and for marks; the lock itself is what counts.
    let _ = file.take(4 << 10).read_to_string(&mut text);
    let mut words = text.split_whitespace();
    let process = words.next().and_then(|word| word.parse().ok());
    (process, words.filter(|word| is_run_id(word)).map(str::to_owned).collect())
}
