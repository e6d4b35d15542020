//! One run of a plan at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};

/// A lock that the system releases when the program ends, however it ends. Its file stays: removing
/// it could take it from under a run that has just opened it.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held until it is dropped")] File);

/// How long [`Lock::is_taken`] holds the lock, with much to spare, and how many looks in a row are
/// waited for.
const A_LOOK: Duration = Duration::from_millis(20);
const LOOKS: u32 = 10;

impl Lock {
    /// Takes the lock.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::error::Kind::Config) when another run has it.
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
        // Who has it is for people alone; the lock itself is what counts.
        let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        Ok(Lock(file))
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
    let mut process = String::new();
    let _ = file.read_to_string(&mut process);
    let by = process.trim().parse::<u32>().map(|id| format!(" (process {id})")).unwrap_or_default();
    Error::config(format!("Another run moves the same rows to the same place{by}"))
        .at(path.display())
        .help("let it end first; `pipeline status` tells how far it is")
}
